"""Bodies: what a write brings, read and checked before anything is decided or stored.

May live here: is it a resource of this type, does it hold to the definitions and our own rules, and are its references
to things here resolved. May not know: who writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.foundation.principal import Kind, Principal
from fhir_server.foundation.problem import Issue, Problem, bad_request, problem
from fhir_server.interactions import conditional
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirRequest
from fhir_server.resources import json_text, references, validation
from fhir_server.resources.kind import kind_of
from fhir_server.resources.reach import Voice
from fhir_server.resources.visibility import check_visibility

Resource = dict[str, Any]
_LEADING = frozenset(("reference", "attachment", "url"))
"""The kinds of links that lead to a resource; a uri may be a name alone."""


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


def resolved(visit: Visit, resource: Resource) -> Resource:
    """The resource with each conditional reference (`Patient?identifier=system|value`) put in place.

    https://hl7.org/fhir/R4/http.html#trules, and outside a transaction as the ANS draft's ITI-105 example has it.
    Absolute references to this server are relative then. Raises Problem 400, 403, 404, 412 as `conditional.target`.
    """
    if not references.may_change(json_text.write(resource), visit.request.base):
        return resource
    links = list(references.find(resource))
    short = references.relative_to(resource, visit.request.base, links)
    asked = dict(conditional.conditions(links if short is resource else references.find(short)))
    resource = short
    mapping = {text: conditional.target(visit, text, where) for text, where in asked.items()}
    return references.rewrite(resource, mapping) if mapping else resource


def linked(resource: Resource, names: Mapping[str, str], before: Resource | None = None) -> Resource:
    """The resource with each link to another entry of its transaction put in place: `Type/id` by how it is named.

    Links that stood `before` stay. Raises Problem 400 for one that leads to no entry.
    """
    stood = frozenset(each.text for each in references.find(before)) if before else frozenset()
    made = references.rewrite(resource, names, stood) if names else resource
    for path, text, kind in references.find(made):
        urn = text.startswith("urn:uuid:") or (kind == "reference" and text.startswith("urn:oid:"))
        if urn and kind in _LEADING and text not in stood:
            raise bad_request(f"`{text[:200]}` is no entry of this transaction", path, "not-found")
    return made


def submitter_of(principal: Principal) -> tuple[str, ...]:
    """The keys under which a deposit is remembered: the organisation for its system, the person for a person."""
    return principal.submits_as


def voice_of(principal: Principal) -> Voice | None:
    """Whose word a write is for where the holder is reached; nobody's for third parties and who represents him."""
    match principal.kind:
        case Kind.OPERATOR:
            return "scheme"
        case Kind.HOLDER:
            return "holder"
    return None
