"""The table of operations: https://hl7.org/fhir/R4/operations.html. Routes, `/metadata`, OpenAPI and the
OperationDefinitions that the server serves are made from it.

May live here: what each operation is called, upon what, with which right, what goes in and comes out. May not know:
what it does; that is the file of its name in `operations/`.
"""  # noqa: D205 - the sentence is the summary

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_server.definitions.library import load
from fhir_server.interactions.parameters import Parameter
from fhir_server.resources.kind import kind_of
from fhir_server.search.nearest import meant, shown


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `types` it is for (every type where there are none), upon an `instance`, the `type`, the `system`.

    `right` is the scope letter of its type that a token must have, "" where what it does asks for that itself;
    `right_of_type` the letter where it is asked of the whole type, if that is another.
    `affects` says that it writes: then it is POSTed (R4, `OperationDefinition.affectsState`). `needs` is the
    interaction without which a type has no such operation. `base` is the published definition it follows.
    """

    name: str
    title: str
    what: str
    right: str
    returns: str
    types: tuple[str, ...] = ()
    instance: bool = True
    type: bool = False
    system: bool = False
    right_of_type: str = ""
    affects: bool = False
    needs: str = "read"
    parameters: tuple[Parameter, ...] = ()
    base: str | None = None

    @property
    def id(self) -> str:
        """The id of its OperationDefinition, as R4 names its own: `Patient-everything`, `Resource-meta`."""
        return self.name if self.name == "open-record" else f"{'-'.join(self.types) or 'Resource'}-{self.name}"

    def of(self, type_: str) -> bool:
        """Whether a type has it, or ("") the system."""
        if not type_:
            return self.system
        if type_ not in load().endpoints or (self.types and type_ not in self.types):
            return False
        return not self.needs or self.needs in kind_of(type_).interactions


_R4 = "http://hl7.org/fhir/OperationDefinition"
_COUNT = Parameter("_count", "integer", 0, 1, "how many resources of the record a page holds at most")
_PAGE = Parameter("_page", "string", 0, 1, "the sealed place of a page, as a next link gives it")
_SINCE = Parameter("_since", "instant", 0, 1, "only what was written at this moment or later")
_TYPE = Parameter("_type", "code", 0, None, "only these types, one each or separated by commas")
_ANSWERS = (
    Parameter("breakGlass", "boolean", 1, 1, "may a professional break the glass in an emergency"),
    Parameter("emergencyDispatch", "boolean", 1, 1, "may the doctor who regulates centre 15 open it"),
    Parameter("feeding", "boolean", 1, 1, "may professionals deposit documents"),
    Parameter("email", "string", 0, 1, "where notices go"),
    Parameter("mobile", "string", 0, 1, "where notices go"),
    Parameter("treatingPhysician", "Reference", 0, 1, "médecin traitant DMP"),
    Parameter("authorized", "Reference", 0, None, "professionals and establishments who may consult"),
)
"""What is asked at an opening (DMP-25, DMP-26, K11, K14)."""
_META = Parameter("meta", "Meta", 1, 1, "profiles, tags and security labels")

TABLE: tuple[Operation, ...] = (
    Operation(
        "open-record",
        "Open the record",
        "Opens the DMP, by its holder: what he answers is recorded as Consents, in one transaction.",
        "u",
        "Patient",
        ("Patient",),
        affects=True,
        parameters=_ANSWERS,
    ),
    Operation(
        "open-record-for",
        "Open a record for somebody",
        "Opens the DMP with consent, by a professional, an establishment or a reception desk: the identity, who "
        "represents a minor or a protected adult, and the answers as Consents, in one transaction.",
        "c",
        "Patient",
        ("Patient",),
        instance=False,
        type=True,
        affects=True,
        parameters=(
            Parameter("patient", "Patient", 1, 1, "the qualified identity, with its INS"),
            Parameter("representative", "RelatedPerson", 0, 1, "the legal representative, who consents for the holder"),
            Parameter("protectionMeasure", "string", 0, 1, "the measure that an adult is represented by"),
            *_ANSWERS,
        ),
    ),
    Operation(
        "open-automatically",
        "Open a record automatically",
        "Opens the DMP without a Consent, by the operator, with a notice that says until when it may be opposed.",
        "c",
        "Patient",
        ("Patient",),
        instance=False,
        type=True,
        affects=True,
        parameters=(
            Parameter("patient", "Patient", 1, 1, "the qualified identity, with its INS"),
            Parameter("representative", "RelatedPerson", 0, 1, "the legal representative of a minor"),
        ),
    ),
    Operation(
        "close-record",
        "Close the record",
        "Closes the DMP for a motive, by its holder, who represents him, or the operator; nobody reads or feeds it.",
        "u",
        "Patient",
        ("Patient",),
        affects=True,
        parameters=(
            Parameter("reason", "code", 1, 1, "the motive: patient-demande, opposition, deces, erreur-identite"),
            Parameter("text", "string", 0, 1, "why, in words"),
            Parameter("deceased", "dateTime", 0, 1, "when the holder died, with the motive of a death"),
        ),
    ),
    Operation(
        "reopen-record",
        "Open the record again",
        "Opens a closed DMP again within its retention, with a new consent; what was permitted before holds no more.",
        "u",
        "Patient",
        ("Patient",),
        affects=True,
        parameters=(
            Parameter(
                "consentedBy", "Reference", 0, 1, "who consents, where a third party asks: a legal representative"
            ),
        ),
    ),
    Operation(
        "destroy-record",
        "Destroy the record",
        "Destroys a closed DMP, by the operator: after its retention, or earlier at the demand of its living holder.",
        "d",
        "OperationOutcome",
        ("Patient",),
        affects=True,
        parameters=(Parameter("demanded", "boolean", 0, 1, "whether the holder demands it"),),
    ),
    Operation(
        "copy-record",
        "Copy the record",
        "All that the holder may see of the DMP, open or closed, the content of documents with it; page by page.",
        "r",
        "Bundle",
        ("Patient",),
        parameters=(_COUNT, _PAGE),
    ),
    Operation(
        "everything",
        "The whole record",
        "What may be seen of a record, and of the directory what it points to; page by page, each decided anew.",
        "r",
        "Bundle",
        ("Patient",),
        parameters=(
            Parameter("start", "date", 0, 1, "care on this day or later; what has no date of care is given"),
            Parameter("end", "date", 0, 1, "care on this day or earlier; what has no date of care is given"),
            _SINCE,
            _TYPE,
            _COUNT,
            _PAGE,
        ),
        base=f"{_R4}/Patient-everything",
    ),
    Operation(
        "everything",
        "The whole encounter",
        "An encounter, what belongs to it of what may be seen, and of the directory what that points to.",
        "r",
        "Bundle",
        ("Encounter",),
        parameters=(_SINCE, _TYPE, _COUNT, _PAGE),
        base=f"{_R4}/Encounter-everything",
    ),
    Operation(
        "document",
        "Make a document",
        "A Bundle of type document: the Composition, and what it refers to of what may be seen. Nothing is stored.",
        "r",
        "Bundle",
        ("Composition",),
        type=True,
        parameters=(
            Parameter("id", "uri", 0, 1, "which Composition, where the address does not say it"),
            Parameter("persist", "boolean", 0, 1, "whether to store the document; only false is done"),
        ),
        base=f"{_R4}/Composition-document",
    ),
    Operation(
        "docref",
        "Find documents",
        "The current documents of a patient that may be seen, as a search for them finds them; none is made on demand.",
        "s",
        "Bundle",
        ("DocumentReference",),
        instance=False,
        type=True,
        parameters=(
            Parameter("patient", "id", 1, 1, "whose documents"),
            Parameter("start", "dateTime", 0, 1, "care at this moment or later"),
            Parameter("end", "dateTime", 0, 1, "care at this moment or earlier"),
            Parameter("type", "Coding", 0, 1, "of which type; in a query `system|code`"),
            Parameter("on-demand", "boolean", 0, 1, "whether only documents made on demand; only false is done"),
            Parameter("profile", "canonical", 0, None, "documents that claim one of these profiles"),
            Parameter("_count", "integer", 0, 1, "how many documents a page holds at most"),
        ),
        base="http://hl7.org/fhir/uv/ipa/OperationDefinition/docref",
    ),
    Operation(
        "match",
        "Find a patient",
        "Patients that the asker may see and who may be the one that is told of, the likeliest first.",
        "s",
        "Bundle",
        ("Patient",),
        instance=False,
        type=True,
        parameters=(
            Parameter("resource", "Patient", 1, 1, "what is known of the patient"),
            Parameter("onlyCertainMatches", "boolean", 0, 1, "only a patient who is the one beyond doubt"),
            Parameter("count", "integer", 0, 1, "how many to give at most"),
        ),
        base=f"{_R4}/Patient-match",
    ),
    Operation(
        "validate",
        "Check a resource",
        "Whether a resource holds to the definitions and to the rules here; 200 whatever is found. Nothing is stored.",
        "",
        "OperationOutcome",
        type=True,
        needs="",
        parameters=(
            Parameter(
                "resource", "Resource", 0, 1, "what is to be checked; what stands at the address if it is left out"
            ),
            Parameter("mode", "code", 0, 1, "as what: create, update or delete"),
            Parameter("profile", "uri", 0, 1, "the base definition of the type; others are not known here"),
        ),
        base=f"{_R4}/Resource-validate",
    ),
    Operation(
        "meta",
        "Read the metadata",
        "The profiles, tags and security labels of a resource; or those in use in a type, or in all types that the "
        "token may search, as far as the asker sees what uses them: codings by system and code alone.",
        "r",
        "Meta",
        type=True,
        system=True,
        right_of_type="s",
        base=f"{_R4}/Resource-meta",
    ),
    Operation(
        "meta-add",
        "Add metadata",
        "Adds profiles, tags and security labels, as a patch that adds them.",
        "u",
        "Meta",
        affects=True,
        needs="patch",
        parameters=(_META,),
        base=f"{_R4}/Resource-meta-add",
    ),
    Operation(
        "meta-delete",
        "Take metadata away",
        "Takes profiles, tags and security labels away, as a patch that removes them.",
        "u",
        "Meta",
        affects=True,
        needs="patch",
        parameters=(_META,),
        base=f"{_R4}/Resource-meta-delete",
    ),
    Operation(
        "explain",
        "Explain a search",
        "How a search is answered: its filter, its index, how much it examines. For operators; no resource is shown.",
        "s",
        "Parameters",
        instance=False,
        type=True,
        needs="search-type",
        parameters=(
            Parameter("query", "string", 0, 1, "the search, as its query string; or the parameters themselves"),
        ),
    ),
    Operation(
        "explain-access",
        "Explain who can see it",
        "Who can see a resource of a record, or the record of a Patient, and why: each actor that matters, with the "
        "decision, its reasons in French and in English, and the Consents that caused them. For the holder, who "
        "represents the holder, the médecin traitant and the operator; nothing is written.",
        "r",
        "Parameters",
        parameters=(
            Parameter(
                "actor",
                "Reference",
                0,
                1,
                "a Practitioner or Organization, or the record's own Patient or RelatedPerson",
            ),
            Parameter("profession", "code", 0, 1, "as of this profession (TRE_G15), instead of the directory's"),
            Parameter("purpose", "code", 0, 1, "in this mode: TREAT, BTG (bris de glace) or ETREAT (centre 15)"),
            Parameter("assume", "Consent", 0, 1, "a Consent as if it were on record: both decisions side by side"),
        ),
    ),
)

BY_ID = {each.id: each for each in TABLE}


def of_type(type_: str) -> Iterator[Operation]:
    """The operations that a type has, or ("") the system."""
    return (each for each in TABLE if each.of(type_))


def named(type_: str, name: str, *, instance: bool) -> Operation | None:
    """The operation of this name upon an instance of a type, upon the type, or upon the system ("")."""
    level = "instance" if instance else "type" if type_ else "system"
    return next((each for each in of_type(type_) if each.name == name and getattr(each, level)), None)


def unknown(type_: str, name: str) -> str:
    """What is said of an operation that there is not: at which level it is, or the nearest that there is."""
    forms = [form for each in TABLE if each.name == name for form in _forms(each, type_)]
    if forms:
        return f"`${shown(name)}` is asked as {' or '.join(dict.fromkeys(forms))}"
    near = meant(name, sorted({each.name for each in of_type(type_)}), "$")
    return f"`${shown(name)}` is not an operation of {type_ or 'this server'} here{near}"


def _forms(operation: Operation, type_: str) -> Iterator[str]:
    """How an operation is asked of a type, or ("") of whichever has it: `Patient/[id]/$everything`."""
    if type_ and not operation.of(type_):
        return
    for owner in (type_,) if type_ else operation.types or ("[type]",):
        yield from (
            f"`{owner}/{id_}${operation.name}`"
            for id_, there in (("", operation.type), ("[id]/", operation.instance))
            if there
        )
