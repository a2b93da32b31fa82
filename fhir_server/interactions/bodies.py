"""Bodies: what a write brings, read and checked before anything is decided or stored.

May live here: is it a resource of this type, does it hold to the definitions and our own rules, and are its references
to things here resolved. May not know: who writes.
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Issue, Problem, bad_request, problem
from fhir_server.interactions import conditional
from fhir_server.interactions.house import House
from fhir_server.interactions.request import FhirRequest
from fhir_server.interactions.subject import existence_is_told, patients_of_identifier, patients_told
from fhir_server.resources import references, validation
from fhir_server.resources.kind import kind_of
from fhir_server.resources.visibility import check_visibility
from fhir_server.store.changes import Unit

NOBODY = "Patient/-"
"""A patient there is not."""


def of_type(request: FhirRequest, type_: str) -> dict[str, Any]:
    """The request's resource, which must be of this type. Raises Problem 400, 415, 422."""
    resource = request.resource
    if resource is None:
        raise problem(415, "not-supported", "send the resource as `application/fhir+json`")
    if resource.get("resourceType") != type_:
        raise bad_request(f"the body is not a {type_}", "resourceType")
    return resource


def checked(resource: dict[str, Any]) -> tuple[Issue, ...]:
    """The warnings there are. Raises Problem 422 with every error, each naming its element."""
    ours = (*kind_of(resource["resourceType"]).check(resource), *check_visibility(resource))
    issues = [*validation.check(resource), *ours]
    errors = tuple(issue for issue in issues if issue.severity in ("fatal", "error"))
    if errors:
        raise Problem(422, errors)
    return tuple(issues)


def kept(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource as it is to be kept: what the server computes is not taken from a body."""
    return kind_of(resource["resourceType"]).derive(resource)


def resolved(resource: dict[str, Any], base: str, house: House, unit: Unit | None, asker: Principal) -> dict[str, Any]:
    """The resource with each conditional reference (`Patient?identifier=system|value`) put in place.

    https://hl7.org/fhir/R4/http.html#trules, and outside a transaction as the ANS draft's ITI-105 example has it.
    Of the shared directory anything may be asked. Raises Problem 400 for another condition, 404 for what nobody knows,
    412 for what is not unique; to whom the existence check is not open (DMP-101), a patient nobody knows is one
    whose record stays shut.
    """
    links = list(references.find(resource))
    short = references.relative_to(resource, base, links)
    if short is not resource:
        resource, links = short, list(references.find(short))
    mapping = {
        text: _target(text, where, house, unit, asker)
        for where, text, kind in links
        if conditional.is_conditional(text, kind)
    }
    return references.rewrite(resource, mapping) if mapping else resource


def _target(text: str, where: str, house: House, unit: Unit | None, asker: Principal) -> str:
    identifier = conditional.identifier_of(text)
    if identifier is None:
        return conditional.in_directory(text, where, house, unit, asker)
    if not existence_is_told(asker, house.matrix):
        one = patients_of_identifier(house, identifier, unit)
        return one[0] if len(one) == 1 else NOBODY
    found = patients_told(house, identifier, asker, unit)
    if not found:
        raise problem(404, "not-found", "unknown INS: no patient has this identifier", where)
    if len(found) > 1:
        raise problem(412, "multiple-matches", "several patients have this identifier", where)
    return found[0]


def submitter_of(principal: Principal) -> tuple[str, ...]:
    """The keys under which a deposit is remembered: the organisation for its system, the person for a person."""
    return principal.submits_as
