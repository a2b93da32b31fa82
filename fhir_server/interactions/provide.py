"""Provide Document Bundle [ITI-65], as the PDSm profile and the ANS draft TD2 have it (DMP-130, DMP-131).

May live here: what holds of the submission as a whole, beyond what each entry must: the content against its hash and
size, one patient, a qualified identity, and the same submission sent again.
https://profiles.ihe.net/ITI/MHD/ITI-65.html
"""

from __future__ import annotations

from typing import Any, Protocol

from fhir_server.foundation.predicate import NOTHING
from fhir_server.foundation.problem import Issue, conflict, unprocessable
from fhir_server.interactions import answers, bodies
from fhir_server.interactions.pipeline import Change, Visit, compile_criteria
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.subject import Subject, list_of, persons_of, submitted_before
from fhir_server.resources.binary import content_of
from fhir_server.resources.document_reference import check_attachment
from fhir_server.resources.facts import about_of, owners_of
from fhir_server.resources.patient import identity_is_qualified, ins_of
from fhir_server.resources.shape import text
from fhir_server.smart.scope import narrow
from fhir_server.store.documents import Stored
from fhir_server.store.write import unique_of

DELETED = "entered-in-error"


class Sent(Protocol):
    """An entry of the bundle."""

    @property
    def index(self) -> int: ...  # noqa: D102
    @property
    def request(self) -> FhirRequest: ...  # noqa: D102
    @property
    def full_url(self) -> str: ...  # noqa: D102
    @property
    def assigned(self) -> str | None: ...  # noqa: D102


def submission_of(items: list[Any]) -> list[Sent]:
    """The DocumentReferences a bundle posts: none, and it is no submission."""
    return [item for item in items if _creates(item, "DocumentReference")]


def check(visit: Visit, items: list[Any]) -> None:
    """Raise Problem 422 naming what is wrong with the submission; what is right passes in silence."""
    binaries = {f"Binary/{item.assigned}": item for item in items if _creates(item, "Binary")}
    issues: list[Issue] = []
    patients: dict[str, None] = {}
    for item in items:
        resource = item.request.resource
        if resource is None or resource.get("resourceType") not in ("DocumentReference", "List"):
            continue
        patients.update(dict.fromkeys(owners_of(resource)))
        where = f"Bundle.entry[{item.index}].resource"
        if resource["resourceType"] == "DocumentReference":
            issues += _content_issues(resource, binaries, where)
            if resource.get("status") == DELETED:
                told = "status is `current` or `superseded`: nothing is deposited deleted"
                issues.append(Issue("error", "code-invalid", told, f"{where}.status"))
        issues += _identity_issues(resource, where)
    issues += _shared_contents(items)
    if len(patients) > 1:
        issues.append(
            Issue("error", "business-rule", "two patients in one submission", "Bundle.entry.resource.subject")
        )
    elif patients:
        issues += _holder_issues(visit, next(iter(patients)), items)
    if issues:
        raise unprocessable(tuple(issues))


def _shared_contents(items: list[Any]) -> list[Issue]:
    """A content is bound to one document (decisions 14): a second one that names it would tell of the first."""
    seen: set[str] = set()
    issues: list[Issue] = []
    for item in items:
        resource = item.request.resource
        if resource is None or resource.get("resourceType") != "DocumentReference":
            continue
        own = {url for url in _urls(resource) if url.startswith("Binary/")}
        if own & seen:
            where = f"Bundle.entry[{item.index}].resource.content.attachment.url"
            issues.append(Issue("error", "business-rule", "another document of the submission has this content", where))
        seen |= own
    return issues


def again(visit: Visit, submission: list[Any], items: list[Any]) -> FhirResponse | None:
    """The first answer's locations when the very same submission came before; None when none of it did.

    Raises Problem 409, one fixed body, when a uniqueId is known and anything about it differs (mapping §6.1).
    """
    keys = {key: item for item in submission for key in _unique(item.request.resource)}
    found = submitted_before(visit.house, list(keys), visit.unit)
    if not found or not _may_deposit(visit, submission):
        return None  # who may not deposit is refused as for a new submission
    mine = list(bodies.submitter_of(visit.principal))
    same = len(found) == len(submission) and all(
        stored.facts.get("submitter") == mine
        and _hashes(stored.resource()) == _hashes(keys[key].request.resource or {})
        for key, stored in found.items()
    )
    patients = {patient for stored in found.values() for patient in stored.facts.get("patients", ())}
    if not same or len(patients) != 1 or not _same_subject(visit, submission, patients):
        raise conflict("an identifier of this resource is already in use")
    documents = {keys[key].index: stored for key, stored in found.items()}
    visit.note(
        patient=next(iter(patients)),
        whats=tuple(f"{each.id}/_history/1" for each in documents.values()),
        about=tuple({"id": each.id, **each.facts} for each in documents.values()),
    )
    return _first_locations(visit, items, documents)


def patient_of(items: list[Any]) -> str | None:
    """The one patient of a checked submission."""
    return next((owner for item in items if item.request.resource for owner in owners_of(item.request.resource)), None)


def owners_of_bound(items: list[Any]) -> dict[str, str]:
    """The patient of what is posted here and belongs to no record by itself, by `Type/id` of its new id.

    A Binary is of the record of the document that points to it, a Provenance of that of the entries it is about. What
    stands already tells nothing: a target is nobody's to try out (decisions 17).
    """
    found: dict[str, str] = {}
    own = {each: owners_of(item.request.resource) for item in items if (each := new_of(item))}
    for item in items:
        resource = item.request.resource
        if resource is None or resource.get("resourceType") != "DocumentReference":
            continue
        owner = next(iter(owners_of(resource)), None)
        for url in _urls(resource):
            if owner and url.startswith("Binary/"):
                found.setdefault(url, owner)
    for item in items:
        if _creates(item, "Provenance"):
            owners = {owner for each in about_of(item.request.resource) for owner in own.get(each, ())}
            if len(owners) == 1:
                found[str(new_of(item))] = owners.pop()
    return found


def new_of(item: Any) -> str | None:
    """`Type/id` of what an entry creates."""
    resource = item.request.resource
    return f"{resource['resourceType']}/{item.assigned}" if resource and item.assigned else None


def _unique(document: dict[str, Any]) -> list[str]:
    """The keys of a document that has yet to be checked; none where it has no readable one."""
    return unique_of(document) if isinstance(document.get("masterIdentifier"), dict) else []


def _creates(item: Any, type_: str) -> bool:
    resource = item.request.resource
    made = item.request.method == "POST" and not item.request.meant
    return made and resource is not None and resource.get("resourceType") == type_


def _urls(document: dict[str, Any]) -> list[str]:
    return [url for attachment in _attachments(document) if isinstance(url := attachment.get("url"), str)]


def _attachments(document: dict[str, Any]) -> list[dict[str, Any]]:
    contents = document.get("content", [])
    found = (
        [each.get("attachment") for each in contents if isinstance(each, dict)] if isinstance(contents, list) else []
    )
    return [each for each in found if isinstance(each, dict)]


def _hashes(document: dict[str, Any]) -> list[Any]:
    return [attachment.get("hash") for attachment in _attachments(document)]


def _content_issues(document: dict[str, Any], binaries: dict[str, Any], where: str) -> list[Issue]:
    issues: list[Issue] = []
    for index, attachment in enumerate(_attachments(document)):
        item = binaries.get(str(attachment.get("url", "")))
        if item is None:
            continue
        try:
            content = content_of(item.request.resource)
        except ValueError:
            continue  # the Binary's own validation names it
        issues += [
            Issue(each.severity, each.code, each.text, f"{where}.content[{index}].attachment")
            for each in check_attachment(attachment, content)
        ]
    return issues


def _identity_issues(resource: dict[str, Any], where: str) -> list[Issue]:
    return [
        Issue("error", "business-rule", "an unqualified identity may not carry an INS", f"{where}.contained[{index}]")
        for index, each in enumerate(_contained(resource))
        if isinstance(each, dict) and each.get("resourceType") == "Patient" and identity_is_qualified(each) is False
    ]


def _holder_issues(visit: Visit, patient: str, items: list[Any]) -> list[Issue]:
    """Whether the holder's identity is qualified, and is the one that the documents carry.

    Who may not deposit here is told neither: an address is nobody's to try out (decisions 17).
    """
    holder = persons_of(visit.house, patient).holder
    if holder is None or not _may_deposit(visit, submission_of(items)):
        return []
    found = []
    if identity_is_qualified(holder) is False:
        told = "the patient's identity is not qualified"
        found.append(Issue("error", "business-rule", told, "Bundle.entry.resource.subject"))
    known = _ins(holder)
    return found + [
        Issue("error", "business-rule", "two patients: this INS is not that of the subject", where)
        for where, source in _sources(items)
        if known and (said := _ins(source)) and known.isdisjoint(said)
    ]


def _sources(items: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    """The contained Patients: as whom the source knows the patient of its documents."""
    return [
        (f"Bundle.entry[{item.index}].resource.contained[{at}].identifier", each)
        for item in items
        if (item.request.resource or {}).get("resourceType") in ("DocumentReference", "List")
        for at, each in enumerate(_contained(item.request.resource))
        if isinstance(each, dict) and each.get("resourceType") == "Patient"
    ]


def _contained(resource: dict[str, Any]) -> list[Any]:
    found = resource.get("contained", [])
    return found if isinstance(found, list) else []


def _ins(patient: dict[str, Any]) -> set[tuple[Any, Any]]:
    return {(text(each, "system"), text(each, "value")) for each in ins_of(patient)}


def _may_deposit(visit: Visit, submission: list[Any]) -> bool:
    """Whether token and record let these documents in, as if they came for the first time. Raises Problem 403."""
    narrow(visit.principal.scopes, "DocumentReference", "c", visit.principal, compile_criteria)
    documents = _resolved(visit, submission)
    begun = len(visit.entry.deeds)
    owners = {owner for document in documents for owner in owners_of(document)}
    visit.subject = Subject(tuple(sorted(owners)), named=True, joint=True)
    rights = (
        visit.rights_for("DocumentReference", visit.subject, Change(proposed=each), "create") for each in documents
    )
    allowed = bool(owners) and all(before != NOTHING for before, _ in rights)
    if not allowed:
        del visit.entry.deeds[begun:]
    return allowed


def _resolved(visit: Visit, submission: list[Any]) -> list[dict[str, Any]]:
    return [bodies.resolved(visit, item.request.resource) for item in submission]


def _same_subject(visit: Visit, submission: list[Any], patients: set[str]) -> bool:
    return {owner for resource in _resolved(visit, submission) for owner in owners_of(resource)} == patients


def _first_locations(visit: Visit, items: list[Any], documents: dict[int, Stored]) -> FhirResponse:
    """Where each entry landed the first time: its document, the content that points to it, or its List."""
    places: dict[str, str] = {}
    for item in items:
        if item.index in documents:
            first = documents[item.index]
            places[item.full_url] = first.id
            places.update(zip(_urls(item.request.resource or {}), _urls(first.resource()), strict=False))
    mine = list(bodies.submitter_of(visit.principal))
    submission_set = list_of(visit.house, [each.id for each in documents.values()], mine, visit.unit)
    entries = [
        _landed(visit, places.get(item.full_url) or (submission_set if _creates(item, "List") else None))
        for item in items
    ]
    return FhirResponse(
        200, answers.bundle("transaction-response", entries, id_=visit.house.ids(), now=visit.house.clock())
    )


def _landed(visit: Visit, place: str | None) -> dict[str, Any]:
    response = {"status": "200 OK"}
    if place:
        response.update(location=f"{visit.request.base}/{place}/_history/1", etag=answers.etag(1))
    return {"response": response}
