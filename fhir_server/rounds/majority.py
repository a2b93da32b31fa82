"""Majorité: at eighteen the record passes to the young adult (DMP-142).

May live here: the round that tells him, and ends what was granted to who represented him. May not know: that their
access is over; the rule says so by the calendar (`consent/case.py: may_represent`), whether or not this has been done.
Whom a protection measure keeps in his place is left there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fhir_server.consent.case import may_represent, of_age
from fhir_server.consent.directives import RecordState
from fhir_server.consent.settings import settings
from fhir_server.foundation.moment import micros, months_later
from fhir_server.foundation.predicate import Span
from fhir_server.interactions.entry import Entry
from fhir_server.interactions.subject import persons_of
from fhir_server.notices.occasion import Happening, notices
from fhir_server.rounds.act import BATCH, Means, committed, door
from fhir_server.search.query import Order
from fhir_server.store.changes import Unit

NAME: Final = "majority"
_DAY = 86_400_000_000
_MONTHS = 12


def due(means: Means) -> Iterator[str]:
    """The patients (ids) who have come of age since this round was last gone, and had somebody to represent them.

    Where the clock was set back, or nobody knows when that was, all who are of age are looked at again.
    """
    now = micros(means.house.clock())
    gone = means.turn.through(NAME)
    years = -settings().majority * _MONTHS
    born_by = months_later(now, years)
    since = months_later(micros(gone) - 2 * _DAY, years) if gone is not None and micros(gone) <= now else None
    place = None
    while True:
        page = door(means).page("Patient", Span("date:birthdate", since, born_by), (Order("id"),), BATCH, place)
        for each in page.entries:
            record = means.house.records.record(each.key)
            if record and _ended(means, record) and means.turn.unmarked(NAME, [each.key]):
                yield each.key
        if page.next is None:
            return
        place = page.next


def pass_on(means: Means, patient: str) -> bool:
    """Revoke what the former representatives were granted, and tell the young adult at an address of his own."""
    record = means.house.records.record(patient)
    ended = _ended(means, record) if record else []
    for each in ended:
        means.revoke(each)  # as often as may be: what is revoked stays so

    def work(unit: Unit, entry: Entry) -> bool:
        at = means.house.clock()
        if not ended or not means.turn.mark(unit.session, NAME, patient, patient, at):
            return False
        if record is not None and record.standing == "open":
            told = persons_of(means.house, patient).contacts(alone=True)
            entry.notices.extend(notices(Happening(NAME, patient, patient, at), told))
        entry.add(
            "operation",
            f"round/{NAME}",
            patient=patient,
            whats=tuple(ended),
            granted=(f"round.{NAME}",),
        )
        return True

    return committed(means, work)


def _ended(means: Means, record: RecordState) -> list[str]:
    """The representatives of somebody who is of age whose time is over; [] for a minor."""
    at = micros(means.house.clock())
    if not record.birth or not of_age(record.birth, at, settings().majority):
        return []
    return [
        each
        for each in sorted(record.representatives)
        if not may_represent(each, record.directives, record.birth, at, settings())
    ]
