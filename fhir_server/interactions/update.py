"""update: https://hl7.org/fhir/R4/http.html#update; update-as-create is for operators (decisions 10)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fhir_server.foundation.predicate import NOTHING, both, matches
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Problem, bad_request, forbidden, problem
from fhir_server.interactions import bodies, create
from fhir_server.interactions.pipeline import Change, Visit
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.subject import Subject, of_instance, of_resource
from fhir_server.store.documents import Stored

_TAG = re.compile(r'(W/)?"([^"]*)"')


def run(visit: Visit) -> FhirResponse:
    """200 with the new version; 404 for what cannot be seen, 403 for what may be read but not changed, 412."""
    resource = bodies.of_type(visit.request, visit.route.type)
    if resource.get("id") != visit.route.id:
        raise bad_request("the body's id is not the address's", "id")
    resource = bodies.resolved(bodies.relative(resource, visit.request.base), visit.house, visit.unit, visit.principal)
    bodies.checked(resource)
    resource = bodies.kept(resource)
    before = current(visit)
    with telling(visit, before):
        _held_to_nothing(visit.request, before)
        return _as_create(visit, resource) if before is None else land(visit, before, resource)


def current(visit: Visit) -> Stored | None:
    """What stands at the address and may be read; `If-Match` is held against it. Raises Problem 412."""
    subject = of_instance(visit.route, visit.house, visit.unit)
    before = visit.door(subject, "read").read(visit.route.type, visit.route.id)
    if before is not None:
        with telling(visit, before):
            _held_to(visit.request, before)
    return before


@contextmanager
def telling(visit: Visit, before: Stored | None) -> Iterator[None]:
    """A refusal that answers for what stands there is on record as telling of it; a 403 is where it is decided."""
    try:
        yield
    except Problem as refused:
        if before is not None and refused.status != 403:
            visit.disclosed([before])
        raise


def land(visit: Visit, before: Stored, resource: dict[str, Any], hidden: frozenset[str] = frozenset()) -> FhirResponse:
    """Decide upon the change of what may be read, and stage it; `hidden` mentions stay unsaid. Raises Problem 403."""
    scope = visit.scoped("u")
    old, new = of_instance(visit.route, visit.house, visit.unit), of_resource(resource)
    visit.subject = Subject(tuple(dict.fromkeys((*old.patients, *new.patients))), joint=True, facts=old.facts)
    standing = before.envelope()
    allowed, after = visit.rights(visit.subject, Change(standing, resource, _changed(before.resource(), resource)))
    if allowed == NOTHING or not matches(allowed, standing) or not visit.covers("u", scope, before):
        visit.refuse_here("write.refused")
        raise forbidden()
    method = "PATCH" if visit.route.interaction == "patch" else "PUT"
    naming = create.naming(visit, resource, before.resource())
    by = bodies.submitter_of(visit.principal)
    write = create.within(visit).replace(
        before, resource, method=method, by=by, after=both(scope, after), naming=naming
    )
    return create.landed(visit, write, 200, hidden)


def _changed(before: dict[str, Any], after: dict[str, Any]) -> frozenset[str]:
    """The top-level elements that differ."""
    return frozenset(name for name in (*before, *after) if before.get(name) != after.get(name) and name != "meta")


def _as_create(visit: Visit, resource: dict[str, Any]) -> FhirResponse:
    if visit.principal.kind is not Kind.OPERATOR:
        raise visit.unseen()
    if visit.request.if_match is not None:
        raise problem(412, "conflict", "there is no version to match")
    del visit.entry.deeds[visit.begun :]
    return create.landed(visit, create.stage(visit, resource, visit.route.id), 201)


def _held_to(request: FhirRequest, before: Stored) -> None:
    if request.if_match is None or request.if_match.strip() == "*":
        return
    found = [_TAG.fullmatch(tag.strip()) for tag in request.if_match.split(",")]
    if not all(found):
        raise bad_request("`If-Match` is not an entity tag", code="value")
    if str(before.version) not in {tag.group(2) for tag in found if tag}:
        raise Problem(412, problem(412, "conflict", "the resource has another version").issues)


def _held_to_nothing(request: FhirRequest, before: Stored | None) -> None:
    """`If-None-Match: *`: who means to make something new. Raises Problem 400 for a version, 412."""
    if request.if_none_match is None:
        return
    if request.if_none_match.strip() != "*":
        raise bad_request("`If-None-Match` of an update is `*`", code="not-supported")
    if before is not None:
        raise problem(412, "conflict", "something stands here already")
