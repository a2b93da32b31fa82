"""At hand: the door to the record in the token's context, remembered for as long as nothing could have changed it.

May live here: for how long such a door holds, and keeping it that long. May not know: what is read through it. What is
read is asked of the database each time, and put on record each time (docs/adr/0044).

INVARIANT (as if opened anew): a door follows from who asks, of which type and with which right, from the record, from
which search parameters there are, and from the moment. The first three it is looked up by. The record is one value for
as long as it is remembered (`consent/directives.py`), and each of the parameters has a number: another of either is
another door. The moment counts as it does in a decision (`consent/memory.py`): within one span it is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.consent.directives import RecordState
from fhir_server.consent.memory import span_of, step_of
from fhir_server.consent.obligations import Obligation
from fhir_server.foundation.moment import Interval, micros
from fhir_server.foundation.predicate import Predicate
from fhir_server.interactions.pipeline import VERBS, Visit
from fhir_server.interactions.residual import every
from fhir_server.interactions.subject import Subject
from fhir_server.search.own import generation
from fhir_server.store.visible import VisibleStore

REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class _Sight:
    """A door that was opened: of which record, when, and under which permits."""

    record: RecordState
    parameters: int
    span: Interval
    granted: tuple[str, ...]
    obligations: tuple[Obligation, ...]
    right: Predicate
    door: VisibleStore


def door(visit: Visit, right: Predicate) -> tuple[str, VisibleStore] | None:
    """The record in the token's context and its door, when the decision opens it; nothing is noted otherwise.

    The door is narrowed to what one `right` of the token covers.

    What is not found behind it, or belongs to others as well, must be asked for by the way that looks up its
    owners. Whether that is needed says nothing of an address: hidden and absent both need it (decisions 17).
    """
    house, principal, route = visit.house, visit.principal, visit.route
    patient = principal.patient
    if patient is None or route.type in house.matrix.shared_types:
        return None
    record, now, parameters = house.records.record(patient), house.clock(), generation()
    asked = (principal, route.type, route.interaction)
    known: _Sight | None = house.sights.get(asked) if visit.unit is None else None
    if (
        known is not None
        and known.record is record
        and known.parameters == parameters
        and known.right == right
        and known.span.lo <= micros(now) <= known.span.hi
    ):
        visit.granted, visit.obligations = known.granted, known.obligations
        return patient, known.door
    permits, denials = visit.decisions(Subject((patient,), joint=True), VERBS[route.interaction], by=(record, now))
    if denials:
        return None
    visit.permitted(permits)
    opened = visit.opened(every(permits), right)
    # who may see no more than is his own is told so elsewhere by `visit.shut`, which only deciding fills in
    if record is not None and visit.unit is None and not visit.shut:
        step = step_of(record.asked(principal, VERBS[route.interaction], route.type, now, patient=patient))
        span = span_of(micros(now), record.directives, step)
        if len(house.sights) >= REMEMBERED:
            house.sights.clear()
        house.sights[asked] = _Sight(record, parameters, span, visit.granted, visit.obligations, right, opened)
    return patient, opened
