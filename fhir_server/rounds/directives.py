"""Directives anticipées: their author is reminded of them every year (DMP-109).

May live here: that round. May not know: what they say, or when they were last changed by another document.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import from_micros, micros, months_later
from fhir_server.foundation.predicate import Between, Has, Predicate, both, one_of
from fhir_server.interactions.entry import Entry
from fhir_server.interactions.subject import persons_of
from fhir_server.notices.occasion import Happening, notices
from fhir_server.rounds.act import BATCH, Means, committed, door
from fhir_server.search.query import Order
from fhir_server.store.changes import Unit
from fhir_server.store.documents import Stored

NAME: Final = "directives"
_DAY = 86_400_000_000


def due(means: Means) -> Iterator[str]:
    """`DocumentReference/id` of the advance directives of which this year's reminder is not given yet."""
    now = means.house.clock()
    place = None
    while True:
        page = door(means).page("DocumentReference", _of_a_year_ago(now), (Order("id"),), BATCH, place)
        keys = {_key(each, now): each.id for each in page.entries if _years(each, now)}
        yield from (keys[key] for key in means.turn.unmarked(NAME, keys))
        if page.next is None:
            return
        place = page.next


def remind(means: Means, id_: str) -> bool:
    """Tell the holder that they are there; a record that is closed tells nothing."""

    def work(unit: Unit, entry: Entry) -> bool:
        house, at = means.house, means.house.clock()
        found = door(means, _of_a_year_ago(at), unit).read("DocumentReference", id_.partition("/")[2])
        patient = next(iter(found.facts.get("patients", ())), None) if found else None
        record = house.records.record(patient) if patient else None
        if found is None or not _years(found, at) or patient is None or record is None or record.standing != "open":
            return False
        if not means.turn.mark(unit.session, NAME, _key(found, at), patient, at):
            return False
        labels = frozenset(found.facts.get("label", ()))
        happened = Happening(NAME, patient, _key(found, at), at, about=id_, labels=labels)
        entry.notices.extend(notices(happened, persons_of(house, patient).contacts(alone=True)))
        entry.add(
            "operation",
            f"round/{NAME}",
            patient=patient,
            whats=(f"{id_}/_history/{found.version}",),
            granted=(f"round.{NAME}",),
            about=({"id": id_, **found.facts},),
        )
        return True

    return committed(means, work)


def _of_a_year_ago(now: datetime) -> Predicate:
    """What was deposited a year ago or a little less: the ends of months are seen to by `_years`."""
    rules = profile_json("dmp/rules.json")["directives"]
    theirs = one_of("token", [f"DocumentReference.type={code}" for code in rules["types"]])
    high = months_later(micros(now), -rules["remindAfterMonths"]) + 4 * _DAY
    return both(theirs, Has("state", "current"), Between("deposited", high=high))


def _key(document: Stored, now: datetime) -> str:
    """The document and how many of its years are over: each is reminded of once."""
    return f"{document.id}|{_years(document, now)}"


def _years(document: Stored, now: datetime) -> int:
    """How many of a document's years are over."""
    came = from_micros(document.deposited or 0)
    months = (now.year - came.year) * 12 + now.month - came.month
    if micros(now) < months_later(micros(came), months):
        months -= 1
    return int(months // profile_json("dmp/rules.json")["directives"]["remindAfterMonths"])
