"""Facts: the closed list of what a decision may know of a resource, read from the resource alone.

May live here: owner, class, labels, authors, state, period, and what a resource is about or mentions (decisions 12,
13 and 16). May not know: the store, the asker, the rules. What needs other resources (labels inherited from what a
resource is about, copies of the facts of what it mentions) is joined by the store.

Identity and label keys are those of `definitions/identifiers.py`; classes, words and codes those of `profiles/dmp`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from fhir_server.definitions.compartments import owner_parameters, patient_parameters
from fhir_server.definitions.elements import children
from fhir_server.definitions.identifiers import label_key
from fhir_server.definitions.library import load, profile_json
from fhir_server.definitions.paths import Extractor, extractor
from fhir_server.definitions.search_parameters import parameters
from fhir_server.foundation.moment import interval
from fhir_server.foundation.predicate import BEGINNING, END
from fhir_server.resources.authors import authors_of
from fhir_server.resources.nodes import codings, node_of, nodes, references_at, values
from fhir_server.resources.references import local, local_references

Resource = Mapping[str, Any]

IS_ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"

# When it happened: the first of these that is there.
PERIODS = (
    "context.period",
    "effectivePeriod effectiveDateTime effectiveInstant effectiveTiming",
    "performedPeriod performedDateTime",
    "occurrencePeriod occurrenceDateTime occurredPeriod occurredDateTime",
    "period executionPeriod servicedPeriod billablePeriod",
    "whenHandedOver whenPrepared started",
    "onsetPeriod onsetDateTime",
    "collection.collectedPeriod collection.collectedDateTime",
    "authoredOn authored dateTime date recorded recordedDate dateAsserted issued sent created",
)
NO_LONGER = "no-longer"
"""What a Consent that is not active is marked with, so that its traces are (a label is what they take from it)."""
_PERIODS = tuple(tuple((path.partition(".")[0], path) for path in row.split()) for row in PERIODS)
# What a resource exists only because of, by type (decisions 16).
ABOUT: Mapping[str, tuple[str, ...]] = {
    "AuditEvent": ("entity.what",),
    "Binary": ("securityContext",),
    "Communication": ("about",),
    "Provenance": ("target",),
}
# Words of the access matrix whose resources belong to no record.
_COMMON = frozenset(("shared", "operator", "own", "identity"))
_DOCUMENT = "document"
_OF_PATIENTS = ".where(resolve() is Patient)"


def facts_of(resource: Resource, *, submitter: Collection[str], named: Collection[str] | None = None) -> dict[str, Any]:
    """The facts of a resource, but for `about`, `mentions` and what it inherits; those that say nothing are absent.

    `submitter` are the identity keys of who deposits it; `named` its local references, if they are known. The order of
    each list is the document's, and `submitter` is sorted.
    """
    type_ = resource["resourceType"]
    local_names = local_references(resource) if named is None else named
    owners = owners_of(resource)
    types = _type_codes(resource) if type_ == "DocumentReference" else []
    authors, organizations = authors_of(resource)
    found: dict[str, Any] = {
        "patient": owners[0] if owners else None,
        "patients": owners,
        "type": types,
        "class": _classes(resource),
        "label": labels_of(resource),
        "author": authors,
        "organization": organizations,
        "submitter": sorted(submitter),
        "encounter": _encounters(resource, local_names),
        "names": mentions_of(resource, local_names),
        "period": _periods(resource),
        "state": _state(resource),
    }
    return {name: value for name, value in found.items() if value}


def owners_of(resource: Resource) -> list[str]:
    """Ids of the Patients whose record it is part of: subject, patient, beneficiary, and nothing else (decisions 13).

    A Patient owns itself. A reference that is not local names no owner here: whoever writes makes it local first, or
    refuses.
    """
    type_ = resource["resourceType"]
    if type_ == "Patient":
        return [resource["id"]] if "id" in resource else []
    element = _owner_element(type_)
    if element is not None and not isinstance(resource.get(element), list):
        return list(dict.fromkeys(_patient_in(resource.get(element))))
    whole = resource if isinstance(resource, dict) else dict(resource)
    found = (id_ for walk in _owner_walks(type_) for each in walk(whole) for id_ in _patient_in(each.value))
    return list(dict.fromkeys(found))


def _patient_in(value: Any) -> tuple[str, ...]:
    """The id of the Patient that a Reference names, if it names one."""
    name = local(value.get("reference")) if isinstance(value, dict) else None
    return (name.removeprefix("Patient/"),) if name and name.startswith("Patient/") else ()


@cache
def _owner_walks(type_: str) -> tuple[Extractor, ...]:
    return tuple(extractor(type_, parameter) for parameter in owner_parameters(type_))


@cache
def _owner_element(type_: str) -> str | None:
    """The one element in which the owners of a resource stand: of most types; it is looked at without a walk.

    None where they may stand in several, or where what stands there is looked at closer.
    """
    said = {parameters(type_)[code].expression for code in owner_parameters(type_)}
    whole = {each for each in said if not each.endswith(_OF_PATIENTS)}  # whoever else finds the Patients there alone
    if len(whole) != 1 or {each.removesuffix(_OF_PATIENTS) for each in said} != whole:
        return None
    type_of, _, name = whole.pop().partition(".")
    return name if type_of == type_ and name in children(type_) and not children(type_)[name].is_choice else None


@cache
def found_by_owner(type_: str) -> tuple[str, ...]:
    """The parameters that find all that somebody owns of the type; () where an owner may come from something else.

    INVARIANT (found by its owner): what has an owner has the tokens of these for him, however he is referred to
    (`Patient/p#name` too), so that they need not be asked for beside the owner (`store/simplify.py`).
    """
    return () if may_be_about(type_) or _owner_element(type_) is None else owner_parameters(type_)


@cache
def owner_tokens(type_: str) -> tuple[str, ...]:
    """How the tokens of these parameters begin that name a Patient."""
    return tuple(f"{type_}.{code}=Patient/" for code in found_by_owner(type_))


def tokens_of_owner(type_: str, facts: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """Those of them that what has these facts must have, and that are not `known` yet; with that there is one."""
    patient = facts.get("patient")
    missing = [code for code in found_by_owner(type_) if patient and f"{type_}.{code}=Patient/{patient}" not in known]
    there = [f"{type_}.{code}!" for code in missing]
    return [*(f"{type_}.{code}=Patient/{patient}" for code in missing), *(each for each in there if each not in known)]


def is_of_record(type_: str) -> bool:
    """Whether resources of the type are part of somebody's record: they have an owner, or are about what has one."""
    return type_ in _record_types()


def may_be_about(type_: str) -> bool:
    """Whether resources of the type may exist only because of another."""
    return bool(_about_paths(type_))


@cache
def never_of_class(type_: str) -> frozenset[str]:
    """The words that are never a class of what is of the type; none where a class may come from something else.

    INVARIANT (words): a document, and what holds data of a document class, has document classes and none of the words
    by which the matrix names other types; the store leaves out of a query what asks for these (`store/simplify.py`).
    """
    word = _words().get(type_)
    classes: Mapping[str, Any] = profile_json("dmp/access-matrix.json")["classes"]
    if may_be_about(type_) or (word != _DOCUMENT and word not in classes):
        return frozenset()
    return frozenset(_words().values()) - classes.keys()


def about_of(resource: Resource) -> list[str]:
    """`Type/id` of what it exists only because of: Provenance.target, Communication.about, AuditEvent.entity.what,
    Binary.securityContext, and any reference that its type requires at the root (ImmunizationEvaluation, Slot…).
    """  # noqa: D205 - the list is the summary
    type_ = resource["resourceType"]
    named = (local(each.get("reference")) for path in _about_paths(type_) for each in references_at(resource, path))
    return list(dict.fromkeys(name for name in named if name and _of_another(name, resource)))


def mentions_of(resource: Resource, named: Collection[str] | None = None, base: str = "") -> list[str]:
    """`Type/id` of every other resource of a record that it names, contained resources and extensions included.

    `named` are its local references, if they are known, else those to the server at `base`. The contents of a document
    are none: they are about it.
    """
    about = {
        *about_of(resource),
        *(attachments_of(resource) if resource["resourceType"] == "DocumentReference" else ()),
    }
    named = local_references(resource, base) if named is None else named
    return [name for name in named if name not in about and _of_another(name, resource)]


def items_of(resource: Resource) -> list[str]:
    """`Type/id` of what a List or a DocumentManifest lists: it exists for the sake of these (decisions 16)."""
    path = {"List": "entry.item", "DocumentManifest": "content"}.get(resource["resourceType"])
    named = (local(each.get("reference")) for each in references_at(resource, path)) if path else ()
    return list(dict.fromkeys(name for name in named if name and _of_another(name, resource)))


def names_of(resource: Resource, base: str = "", named: Collection[str] | None = None) -> frozenset[str]:
    """`Type/id` of all of a record that it is about or mentions; `base` and `named` as in `mentions_of`."""
    return frozenset((*about_of(resource), *mentions_of(resource, named, base)))


def attachments_of(resource: Resource) -> list[str]:
    """`Binary/id` of the local contents of a document."""
    urls = (node_of(each.get("attachment")).get("url") for each in nodes(resource, "content"))
    return [name for name in map(local, urls) if name and name.startswith("Binary/")]


# --- which types ---


@cache
def _record_types() -> frozenset[str]:
    words = _words()
    return frozenset(
        type_
        for type_ in load().types
        if words.get(type_) not in _COMMON and (owner_parameters(type_) or type_ in ABOUT or _about_paths(type_))
    )


@cache
def _words() -> Mapping[str, str]:
    words: Mapping[str, str] = profile_json("dmp/access-matrix.json")["resourceTypes"]
    return words


@cache
def _about_paths(type_: str) -> tuple[str, ...]:
    if type_ in ABOUT:
        return ABOUT[type_]
    return tuple(
        element.name
        for element in children(type_).values()
        if element.min
        and not element.is_choice
        and any(each.code == "Reference" for each in element.types)
        and element.targets
        and all(_words().get(target) not in _COMMON and patient_parameters(target) for target in element.targets)
    )


def _of_another(name: str, resource: Resource) -> bool:
    type_ = name.partition("/")[0]
    return type_ in _record_types() and name != f"{resource['resourceType']}/{resource.get('id')}"


# --- single facts ---


def _type_codes(resource: Resource) -> list[str]:
    codes = [(coding.get("system"), coding["code"]) for coding in codings(resource.get("type"))]
    both = [key for system, code in codes for key in (f"{system}|{code}" if system else code, code)]
    return list(dict.fromkeys(both))


def _classes(resource: Resource) -> list[str]:
    """The classes ASS_X16 derives from a document's type, never its category; other types have their matrix word."""
    word = _words().get(resource["resourceType"])
    if word != _DOCUMENT:
        return [word] if word else []
    return list(dict.fromkeys(found for coding in codings(resource.get("type")) if (found := class_of(coding))))


def class_of(coding: Mapping[str, Any]) -> str | None:
    """The class (TRE_A03 code) of a document type's Coding by ASS_X16; None for a type the DMP does not know."""
    known = profile_json("dmp/document-types.json")
    row = known["types"].get(coding.get("code"))
    if row is None or known["accepted"].get(coding.get("system"), coding.get("system")) not in (
        row["system"],
        known["systems"][row["system"]],
    ):
        return None
    found: str = row["class"]
    return found


def labels_of(resource: Resource) -> list[str]:
    """The keys of its own labels, in the order of the resource (`definitions/identifiers.py`)."""
    type_ = resource["resourceType"]
    meta = node_of(resource.get("meta"))
    found = list(codings(meta["security"])) if "security" in meta else []
    if type_ == "DocumentReference":
        found += codings(resource.get("securityLabel"))
    if type_ == "AuditEvent":
        found += [each for entity in nodes(resource, "entity") for each in codings(entity.get("securityLabel"))]
    keys = [label_key(coding.get("system"), coding["code"]) for coding in found]
    if type_ == "Composition" and isinstance(resource.get("confidentiality"), str):
        keys.append(resource["confidentiality"])
    if type_ == "Consent" and resource.get("status") not in (None, "active"):
        keys.append(NO_LONGER)
    return list(dict.fromkeys(keys))


def _encounters(resource: Resource, named: Collection[str]) -> list[str]:
    """Every stay or visit it names, whatever for; an Encounter is of its own."""
    found = [name for name in named if name.startswith("Encounter/")]
    if resource["resourceType"] == "Encounter" and "id" in resource:
        found.append(f"Encounter/{resource['id']}")
    return list(dict.fromkeys(found))


def _periods(resource: Resource) -> list[dict[str, int]]:
    for row in _PERIODS:
        there = [path for first, path in row if first in resource]
        spans = [span for path in there for value in values(resource, path) for span in _spans(value)]
        if spans:
            return spans
    return []


def _spans(value: Any) -> Iterator[dict[str, int]]:
    """What a date, dateTime, instant, Period or Timing covers, in microseconds; what cannot be read covers nothing."""
    try:
        if isinstance(value, str):
            moment = interval(value)
            yield {"lo": moment.lo, "hi": moment.hi}
        elif isinstance(value, dict) and ("start" in value or "end" in value):
            low = interval(value["start"]).lo if "start" in value else BEGINNING
            yield {"lo": low, "hi": interval(value["end"]).hi if "end" in value else END}
        elif isinstance(value, dict) and isinstance(value.get("event"), list):
            yield from (span for each in value["event"] for span in _spans(each))
    except (ValueError, TypeError, OverflowError):
        return


def _state(resource: Resource) -> list[str]:
    found = [resource["status"]] if isinstance(resource.get("status"), str) else []
    verified = resource.get("verificationStatus")
    if verified and any(coding["code"] == "entered-in-error" for coding in codings(verified)):
        found.append("entered-in-error")
    if is_archived(resource):
        found.append("archived")
    return found


def is_archived(resource: Resource) -> bool:
    """Archivé: whether the PDSm extension says so."""
    return "extension" in resource and any(
        each.get("url") == IS_ARCHIVED and each.get("valueBoolean") is True for each in nodes(resource, "extension")
    )
