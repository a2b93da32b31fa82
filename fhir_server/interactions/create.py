"""create: https://hl7.org/fhir/R4/http.html#create."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from fhir_server.consent.directive import is_guardian
from fhir_server.foundation.predicate import NOTHING, both, either, one_of
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Problem, forbidden
from fhir_server.interactions import announce, answers, bodies, consents, meant, replacing, secret
from fhir_server.interactions.pipeline import Change, Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import existence_is_told, of_resource
from fhir_server.resources import json_text, references
from fhir_server.resources.facts import names_of
from fhir_server.store.changes import Unit
from fhir_server.store.documents import Stored
from fhir_server.store.naming import FREELY, Naming
from fhir_server.store.write import Write, named_in

TOLD = {
    "record.closed": "the record is closed",
    "record.none": "the record is not open",
    "feeding.opposed": "the holder opposes the feeding of this record",
    "representative.too-many": "the record has as many legal representatives as it may have",
    "session.not-secret": "a secret session writes only what can be hidden from the representatives",
}


def run(visit: Visit) -> FhirResponse:
    """201 with the new version's address; 422 for an invalid body, 403 where the record's holder or the law says no.

    With `If-None-Exist`: 200 with the address of the one there is, what was sent put aside; 412 for several.
    """
    unit = within(visit)
    resource = {name: each for name, each in bodies.of_type(visit.request, visit.route.type).items() if name != "id"}
    if visit.request.if_none_exist is not None:
        found = meant.of(visit)
        if found is not None:
            return answers.written(visit.request, found, 200)
    unit.alone = visit.request.entry != "transaction" and visit.request.if_none_exist is None
    resource = bodies.resolved(visit, resource)
    bodies.checked(resource)
    return landed(visit, stage(visit, bodies.kept(resource)), 201)


def stage(visit: Visit, resource: dict[str, Any], id_: str | None = None) -> Write:
    """Decide upon a new resource and stage it. Raises Problem 403, naming a closed record or an opposition to feeding.

    Those two are no secret from whom the existence check tells them (DMP-101), nor from the holder.
    """
    scope = visit.scoped("c")
    consents.readable(visit, resource)
    clinical = visit.house.matrix.is_clinical(str(resource["resourceType"]))
    resource = secret.labelled(visit.principal, resource, clinical=clinical)
    visit.subject = of_resource(resource, visit.request.owner)
    one_at_a_time(visit, resource)
    before, after = visit.rights(visit.subject, Change(proposed=resource), "create")
    if before == NOTHING:
        told = TOLD if _may_know(visit) else {}
        raise forbidden(next((told[reason] for reason in visit.denied if reason in told), "not allowed"))
    unit = within(visit)
    write = unit.create(
        resource,
        submitter=bodies.submitter_of(visit.principal),
        after=both(scope, after, secret.stays_hidden(visit.principal)),
        id_=id_,
        fresh=visit.request.assigned,
        voice=bodies.voice_of(visit.principal),
    )
    named = named_in(write, unit.shelf.base) if unit.shelf.base == visit.request.base else None
    write.naming = naming(visit, write.resource or resource, named=named)
    return write


def one_at_a_time(visit: Visit, resource: dict[str, Any]) -> None:
    """Have two writes of legal representatives of one record come after each other: how many there are is counted."""
    if resource["resourceType"] != "RelatedPerson" or not is_guardian(resource):
        return
    for patient in visit.subject.patients:
        within(visit).claim(f"representatives|{patient}")
        visit.house.records.forget(patient)  # read anew, now that no other is under way


def naming(
    visit: Visit,
    resource: dict[str, Any],
    shown: dict[str, Any] | None = None,
    named: Collection[str] | None = None,
) -> Naming:
    """What a write may name: what its asker may read of the record, and what the version he was `shown` names.

    Whoever stands in for the holder may be named by who collects his word (DMP-22). `named` are the local references of
    the resource, if they are known.
    """
    base = visit.request.base
    before = names_of(shown, base) if shown else frozenset()
    if visit.principal.kind is Kind.OPERATOR or names_of(resource, base, named) <= before:
        return FREELY
    permits, denials = visit.decisions(visit.subject, "read")
    sees = NOTHING if denials else both(*(each.residual for each in permits))
    records = [visit.house.records.record(patient) for patient in visit.subject.patients]
    standing_in = one_of("id", (id_ for each in records if each for id_ in sorted(each.representatives)))
    return Naming(either(sees, standing_in), before, visit.request.where, base)


def _may_know(visit: Visit) -> bool:
    own = visit.subject.patients == (visit.principal.patient,)
    return own or existence_is_told(visit.principal, visit.house.matrix)


def landed(visit: Visit, write: Write, status: int, hidden: frozenset[str] = frozenset()) -> FhirResponse:
    """Note a write, and answer it less its `hidden` mentions: at once, or by its text when a transaction lands it."""
    unit = within(visit)
    if visit.request.entry != "transaction":
        replacing.supersede(visit, write.id)
        flushed(visit, unit)
    version = unit.preview(write)
    visit.note(
        patient=next(iter(version.facts.get("patients", ())), None) or next(iter(visit.subject.patients), None),
        whats=(f"{version.id}/_history/{version.version}",),
        disclosed=(version.id,),
        granted=visit.granted,
        about=({"id": version.id, **version.facts},),
    )
    if version.type == "DocumentReference" and write.before is None:
        visit.entry.notices.extend(announce.of_deposit(visit.house, visit.principal, version))
    elif write.before is not None and write.before.facts.get("label") != version.facts.get("label"):
        visit.house.outbox.relabel(version.id, version.facts.get("label", ()), unit.session)
        if version.type == "DocumentReference" and write.before.facts.get("hidden") and not version.facts.get("hidden"):
            visit.entry.notices.extend(announce.of_showing(visit.house, version))
    return answers.written(visit.request, visit.as_seen(less(version, hidden)), status)


def less(version: Stored, hidden: frozenset[str]) -> Stored:
    """The version without its mentions of what is hidden."""
    if not hidden:
        return version
    return replace(version, body=json_text.write(references.drop(version.resource(), hidden)))


def flushed(visit: Visit, unit: Unit) -> None:
    """Write what is staged, and what follows of its Consents.

    A state that may not be left is noted as refused in its record (decisions 20).
    """
    try:
        consents.settle(visit, unit)
        unit.flush()
    except Problem as refused:
        if refused.status == 403:
            visit.refuse_here("write.refused")
        raise


def within(visit: Visit) -> Unit:
    """The unit every write runs in."""
    if visit.unit is None:
        raise RuntimeError("a write ran outside a transaction")
    return visit.unit
