"""update: https://hl7.org/fhir/R4/http.html#update; update-as-create is for operators (decisions 10)."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fhir_server.consent.request import Verb, changed
from fhir_server.foundation.predicate import NOTHING, both, matches
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Issue, Problem, bad_request, conflict, forbidden, problem
from fhir_server.interactions import answers, bodies, consents, create, dying, meant, secret, summary
from fhir_server.interactions.pipeline import Change, Visit
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.subject import Subject, of_instance, of_resource
from fhir_server.store.documents import Stored
from fhir_server.store.write import alike

_TAG = re.compile(r'(W/)?"([^"]*)"')


def run(visit: Visit) -> FhirResponse:
    """200 with the new version; 404 for what cannot be seen, 403 for what may be read but not changed, 412.

    200 with the version there is, when nothing would change.
    """
    resource = bodies.of_type(visit.request, visit.route.type)
    if visit.route.row.conditional:
        return _conditional(visit, resource)
    if resource.get("id") != visit.route.id:
        raise bad_request("the body's id is not the address's", "id")
    resource = ready(visit, resource)
    before = current(visit)
    with telling(visit, before):
        _held_to_nothing(visit.request, before)
        return _as_create(visit, resource) if before is None else land(visit, before, resource)


def ready(visit: Visit, resource: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as it is to be kept. Raises Problem 400, 404, 412, 422.

    What says of itself that it is a part would take the rest away (https://hl7.org/fhir/R4/search.html#summary).
    """
    if summary.is_subset(resource):
        said = Issue("error", "business-rule", "this is a part of a resource (SUBSETTED): read it whole", "meta.tag")
        raise Problem(422, (said,))
    resource = bodies.resolved(visit, resource)
    bodies.checked(resource)
    return bodies.kept(resource)


def _conditional(visit: Visit, resource: dict[str, Any]) -> FhirResponse:
    """Of what the condition finds; what it does not find is made: https://hl7.org/fhir/R4/http.html#cond-update.

    Raises Problem 400 for a body whose id is not that of what is found, 409 where its id is that of something else.
    """
    resource = ready(visit, resource)
    found, id_ = meant.of(visit), resource.get("id")
    if found is None and id_ is None:
        if visit.request.if_match is not None:
            raise problem(412, "conflict", "there is no version to match")
        return create.landed(visit, create.stage(visit, resource), 201)
    if found is not None and id_ not in (None, found.key):
        raise bad_request("the body's id is not that of what the condition finds", "id")
    visit.route = visit.route.at(found.key if found is not None else str(id_))
    before = current(visit)
    if found is None:
        if before is not None:
            raise conflict("the condition does not hold of what has this id")
        return _as_create(visit, resource)
    _held_to_nothing(visit.request, before)
    if before is None:
        raise visit.unseen()
    return land(visit, before, {**resource, "id": before.key})


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
    consents.readable(visit, resource)
    resource = dying.held(visit, before, resource)
    old, new = of_instance(visit.route, visit.house, visit.unit), of_resource(resource)
    visit.subject = Subject(tuple(dict.fromkeys((*old.patients, *new.patients))), joint=True, facts=old.facts)
    create.one_at_a_time(visit, resource)
    standing = before.envelope()
    stood = bodies.kept(before.resource())
    change = Change(standing, resource, changed(stood, resource) - {"meta"})
    # a patch is an update said otherwise; of a document it is a right of its own (DMP-145)
    verb: Verb = "patch" if visit.route.interaction == "patch" and before.type == "DocumentReference" else "update"
    allowed, after = visit.rights(visit.subject, change, verb)
    if allowed == NOTHING or not matches(allowed, standing) or not visit.covers("u", scope, before):
        visit.refuse_here("write.refused")
        raise forbidden()
    if alike(stood, resource) and _same_content(visit, before, resource) and matches(after, standing):
        return _left(visit, before, hidden)
    method = "PATCH" if visit.route.interaction == "patch" else "PUT"
    naming = create.naming(visit, resource, stood)
    by = bodies.submitter_of(visit.principal)
    write = create.within(visit).replace(
        before,
        resource,
        method=method,
        by=by,
        after=both(scope, after, secret.stays_hidden(visit.principal)),
        naming=naming,
        voice=bodies.voice_of(visit.principal),
    )
    dying.ends(visit, before, resource)
    return create.landed(visit, write, 200, hidden)


def _left(visit: Visit, before: Stored, hidden: frozenset[str]) -> FhirResponse:
    """Nothing changes: the version there is, on record as what it was asked to become."""
    visit.note(
        patient=next(iter(before.facts.get("patients", ())), None),
        whats=(f"{before.id}/_history/{before.version}",),
        disclosed=(before.id,),
        granted=visit.granted,
        about=({"id": before.id, **before.facts},),
    )
    return answers.written(visit.request, visit.as_seen(create.less(before, hidden)), 200)


def _same_content(visit: Visit, before: Stored, resource: dict[str, Any]) -> bool:
    """Whether a Binary is sent with the bytes it has, which are kept apart from it; so for all else."""
    if before.type != "Binary":
        return True
    sent = b64decode(resource.get("data", ""))
    return sent == visit.door(visit.subject, "read").content(before) and bool(before.blob) == ("data" in resource)


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
