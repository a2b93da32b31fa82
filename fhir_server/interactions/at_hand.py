"""At hand: the door to the record in the token's context, remembered for as long as nothing could have changed it.

May live here: for how long such a door holds, and keeping it that long. May not know: what is read through it. What may
be seen is asked of the database each time, and put on record each time (docs/adr/0044, 0046).

INVARIANT (as if opened anew): a door follows from who asks, of which type and with which right, from the record, from
which search parameters there are, and from the moment. The first three it is looked up by. The record is one value for
as long as it is remembered (`consent/directives.py`), and each of the parameters has a number: another of either is
another door. The moment counts as it does in a decision (`consent/memory.py`): within one span it is the same.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

from fhir_server.consent.directives import RecordState
from fhir_server.consent.memory import span_of, step_of
from fhir_server.consent.obligations import Obligation
from fhir_server.foundation.light import light
from fhir_server.foundation.moment import Interval, micros
from fhir_server.foundation.predicate import EVERYTHING, Predicate
from fhir_server.interactions.house import House
from fhir_server.interactions.pipeline import VERBS, Known, Visit
from fhir_server.interactions.residual import every
from fhir_server.interactions.subject import Subject
from fhir_server.search.own import generation
from fhir_server.store.visible import VisibleStore

REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class _Sight:
    """A door that was opened: of which record, when, and under which permits."""

    patient: str
    record: RecordState
    parameters: int
    span: Interval
    granted: tuple[str, ...]
    obligations: tuple[Obligation, ...]
    right: Predicate
    door: VisibleStore


@light(frozen=True, slots=True)
class _Now:
    """What a door follows from beside its question, read before it is opened."""

    patient: str
    record: RecordState | None
    moment: datetime
    parameters: int

    @classmethod
    def of(cls, visit: Visit, patient: str) -> _Now:
        return cls(patient, visit.house.records.record(patient), visit.house.clock(), generation())

    @property
    def known(self) -> Known:
        """As a decision is told it."""
        return self.record, self.moment


def door(visit: Visit, right: Predicate) -> tuple[str, VisibleStore] | None:
    """The record in the token's context and its door, when the decision opens it; nothing is noted otherwise.

    The door is narrowed to what one `right` of the token covers.

    What is not found behind it, or belongs to others as well, must be asked for by the way that looks up its
    owners. Whether that is needed says nothing of an address: hidden and absent both need it (decisions 17).
    """
    patient = visit.principal.patient
    if patient is None or visit.route.type in visit.house.matrix.shared_types:
        return None
    now = _Now.of(visit, patient)
    known = _remembered(visit, now, right)
    if known is not None:
        return patient, known
    permits, denials = visit.decisions(Subject((patient,), joint=True), VERBS[visit.route.interaction], by=now.known)
    if denials:
        return None
    visit.permitted(permits)
    opened = visit.opened(every(permits), right)
    _remember(visit, now, right, opened)
    return patient, opened


def searched(visit: Visit, subject: Subject) -> VisibleStore:
    """The door of `Visit.door` to what a search spans; remembered where that is the record in the token's context."""
    patient = visit.principal.patient
    if patient is None or subject not in (Subject((patient,), named=True), Subject((patient,))):
        return visit.door(subject)
    now = _Now.of(visit, patient)
    known = _remembered(visit, now, EVERYTHING)
    if known is not None:
        visit.subject = subject
        return known
    opened = visit.door(subject, by=now.known)
    if _may_be_kept(visit, now):
        opened = opened.lasting(visit.house.given)
    _remember(visit, now, EVERYTHING, opened)
    return opened


def forget(house: House, patient: str) -> None:
    """Drop the doors to a record (patient id), of which nothing is kept once it was destroyed; "" for all of them.

    The record itself is forgotten before (`consent/directives.py`).
    """
    for asked, sight in list(house.sights.items()):
        if not patient or sight.patient == patient:
            house.sights.pop(asked, None)


def _remembered(visit: Visit, now: _Now, right: Predicate) -> VisibleStore | None:
    """The door that the same question opened before, as long as it would open the same, under its permits."""
    known: _Sight | None = visit.house.sights.get(_asked(visit)) if visit.unit is None else None
    if (
        known is None
        or known.record is not now.record
        or known.parameters != now.parameters
        or known.right != right
        or not known.span.lo <= micros(now.moment) <= known.span.hi
    ):
        return None
    visit.granted, visit.obligations = known.granted, known.obligations
    return known.door


def _may_be_kept(visit: Visit, now: _Now) -> bool:
    """Whether a door that was opened just now may be remembered.

    Who may see no more than is his own is told so elsewhere by `visit.shut`, which only deciding fills in.
    """
    return now.record is not None and visit.unit is None and not visit.shut


def _remember(visit: Visit, now: _Now, right: Predicate, opened: VisibleStore) -> None:
    """Keep a door that was opened just now, if it may be."""
    house, principal, record = visit.house, visit.principal, now.record
    if record is None or not _may_be_kept(visit, now):
        return
    verb = VERBS[visit.route.interaction]
    asked = record.asked(principal, verb, visit.route.type, now.moment, patient=now.patient)
    span = span_of(micros(now.moment), record.directives, step_of(asked))
    if len(house.sights) >= REMEMBERED:
        house.sights.clear()
    key = _asked(visit)
    house.sights[key] = _Sight(
        now.patient, record, now.parameters, span, visit.granted, visit.obligations, right, opened
    )
    if not house.records.remembers(now.patient, record):  # forgotten meanwhile, and its doors perhaps before this
        house.sights.pop(key, None)


def _asked(visit: Visit) -> Hashable:
    return visit.principal, visit.route.type, visit.route.interaction
