"""read: https://hl7.org/fhir/R4/http.html#read, and a Binary as its own content (ITI-68)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fhir_server.consent.obligations import apply
from fhir_server.foundation.moment import interval, micros
from fhir_server.foundation.predicate import Predicate
from fhir_server.foundation.problem import Problem, problem
from fhir_server.interactions import answers, at_hand, binaries, summary
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.subject import of_instance
from fhir_server.interactions.summary import cut
from fhir_server.store.documents import Stored
from fhir_server.store.visible import VisibleStore


def run(visit: Visit) -> FhirResponse:
    """The current version: 200, or 304; 404 for hidden and absent alike, 410 to who could see what was deleted."""
    visit.shape = summary.of((visit.route.type,), visit.request.query) if visit.request.query else None
    scope = visit.scoped("r")
    door, found = in_context(visit, scope) or looked_up(visit, scope)
    if found is None:
        raise missing(visit, door)
    if unchanged(visit.request, found):
        visit.disclosed([found])
        return FhirResponse(304, headers=answers.versioned(found))
    return shown(visit, door, found)


def in_context(visit: Visit, scope: Predicate) -> tuple[VisibleStore, Stored] | None:
    """What belongs to the record in the token's context alone, in one round trip; None for all else, seen or not."""
    opened = at_hand.door(visit, scope)
    if opened is None:
        return None
    patient, door = opened
    found = door.read(visit.route.type, visit.route.id)
    return (door, found) if found is not None and found.facts.get("patients") == [patient] else None


def looked_up(visit: Visit, scope: Predicate) -> tuple[VisibleStore, Stored | None]:
    """What all its owners let be seen: who they are is asked first."""
    door = visit.door(of_instance(visit.route, visit.house, visit.unit)).within(scope)
    return door, door.read(visit.route.type, visit.route.id)


def missing(visit: Visit, door: VisibleStore) -> Problem:
    """410 to those who could see the last version, else the one 404."""
    gone = door.gone(visit.route.type, visit.route.id)
    if gone is None:
        return visit.unseen()
    visit.disclosed([gone])
    return problem(410, "deleted", "this resource was deleted", ETag=answers.etag(gone.version))


def shown(visit: Visit, door: VisibleStore, found: Stored) -> FhirResponse:
    """A version as the decision's obligations leave it, noted as disclosed."""
    visit.disclosed([found])
    if found.type == "Binary":
        return binaries.shown(visit, door, found)
    return answers.one(cut(visit.shape, apply(visit.obligations, found)))


def unchanged(request: FhirRequest, found: Stored) -> bool:
    """Whether `If-None-Match` or else `If-Modified-Since` says the asker has this version already.

    Of a Patient nothing says so: what is computed of him changes without a version (docs/adr/0032).
    """
    if found.type == "Patient":
        return False
    if request.if_none_match is not None:
        tags = {tag.strip().removeprefix("W/") for tag in request.if_none_match.split(",")}
        return "*" in tags or f'"{found.version}"' in tags
    if request.if_modified_since is None:
        return False
    try:
        return found.updated <= _since(request.if_modified_since, instant=request.entry is not None)
    except ValueError:
        return False


def _since(text: str, *, instant: bool) -> int:
    """The last microsecond of the second a header names, or of the `instant` that an entry of a bundle names instead.

    https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request.ifModifiedSince. Raises ValueError for neither.
    """
    if instant:
        return interval(text).hi
    since: datetime = parsedate_to_datetime(text)
    return (micros(since if since.tzinfo else since.replace(tzinfo=UTC)) // 1_000_000 + 1) * 1_000_000 - 1
