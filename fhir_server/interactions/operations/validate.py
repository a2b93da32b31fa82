"""`$validate`: https://hl7.org/fhir/R4/resource-operation-validate.html. Whatever is found is a 200.

What is checked is what a write checks of a body: R4's definitions and the rules here. Nothing is looked up for it, so
that it says no more of what stands here than a read of the address would.
"""

from __future__ import annotations

from typing import Any

from fhir_server.consent.obligations import apply
from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import NOTHING, matches
from fhir_server.foundation.problem import Issue, bad_request
from fhir_server.interactions import answers, parameters, read
from fhir_server.interactions.operations import telling
from fhir_server.interactions.pipeline import Change, Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import of_instance
from fhir_server.resources import validation
from fhir_server.resources.kind import kind_of
from fhir_server.resources.visibility import check_visibility
from fhir_server.search.nearest import meant, shown
from fhir_server.store.documents import Stored

MODES = ("create", "update", "delete")
WELL = Issue("information", "informational", "nothing is wrong")


def run(visit: Visit) -> FhirResponse:
    """200; 404 for an address where nothing may be seen, 400 for a mode that there is not or nothing to check."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    mode, type_ = given.get("mode"), visit.route.type
    if mode is not None and mode not in MODES:
        near = meant(mode, MODES)
        raise bad_request(f"`mode` is create, update or delete, not `{shown(mode)}`{near}", "mode", "not-supported")
    standing = _standing(visit) if visit.route.id else None
    if mode == "delete":
        return _told([_deletion(visit, standing)])
    resource = given.get("resource")
    if resource is None:
        if standing is None:
            raise bad_request("bring the resource that is to be checked", "resource", "required")
        resource = apply(visit.obligations, standing).resource()
    issues = [*_profile(given.get("profile"), type_), *_identity(resource, visit, mode)]
    issues += validation.check(resource, type_)
    if not issues and resource.get("resourceType") == type_:
        issues += [*kind_of(type_).check(resource), *check_visibility(resource)]
    return _told(issues or [WELL])


def _standing(visit: Visit) -> Stored:
    """What stands at the address, disclosed as a read discloses it: whether it is well formed says something of it."""
    scope = visit.scoped("r")
    door = visit.door(of_instance(visit.route, visit.house, visit.unit)).within(scope)
    found = door.read(visit.route.type, visit.route.id)
    if found is None:
        raise read.missing(visit, door)
    telling.disclosed(visit, found, [found])
    return found


def _deletion(visit: Visit, standing: Stored | None) -> Issue:
    """Whether the asker might delete what stands there: what a DELETE would decide."""
    if standing is None:
        raise bad_request("a deletion is checked at the address of what is to be deleted", "mode")
    refused = Issue("error", "forbidden", "this may not be deleted")
    if "delete" not in kind_of(standing.type).interactions:
        return refused
    change = Change(current=standing.envelope())
    scope = visit.scoped("d")
    permits, denials = visit.decisions(visit.subject, "delete", change)
    allowed = permits and not denials and all(matches(each.residual, standing.envelope()) for each in permits)
    return WELL if allowed and scope != NOTHING and visit.covers("d", scope, standing) else refused


def _profile(profile: str | None, type_: str) -> list[Issue]:
    """A word for each profile that is not checked: those of base definitions are (R4, `profile`)."""
    known = load().definitions[type_].url
    if profile is None or profile.partition("|")[0] == known:
        return []
    return [Issue("error", "not-supported", f"`{shown(profile)}` is not checked here; `{known}` is", "profile")]


def _identity(resource: dict[str, Any], visit: Visit, mode: str | None) -> list[Issue]:
    """What a create or an update makes of the id."""
    said = resource.get("id")
    if mode == "update" and said is None:
        return [Issue("error", "required", "an update names its id", f"{visit.route.type}.id")]
    if visit.route.id and mode != "create" and said not in (None, visit.route.id):
        return [Issue("error", "value", "the body's id is not the address's", f"{visit.route.type}.id")]
    return []


def _told(issues: list[Issue]) -> FhirResponse:
    return FhirResponse(200, answers.outcome_bytes(tuple(issues)), answers.JSON)
