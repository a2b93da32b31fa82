"""Annonce: what is hidden from the holder is spoken of after two weeks, and shown after a month (DMP-133, DMP-134).

May live here: those two rounds. May not know: what hides it at reading (`consent/parties.py`: the calendar does).

The notice names no document, no author, no day of deposit and no number of them: one for a record, however many wait.
It is the law's own exception to the law of decision 16 (docs/adr/0030). There is no Communication of it: its `about`
would have to name what waits, and without it tells nothing that the notice does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from fhir_server.definitions.identifiers import label_key
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import EVERYTHING, Exists, Has, Not, Predicate, Span, both
from fhir_server.interactions import announce
from fhir_server.interactions.entry import Entry
from fhir_server.interactions.subject import persons_of
from fhir_server.notices.occasion import Contact, Happening, notices
from fhir_server.resources.nodes import codings
from fhir_server.rounds.act import BATCH, Means, committed, door, record_door
from fhir_server.search.query import Order
from fhir_server.store.announcement import hiding
from fhir_server.store.changes import Unit
from fhir_server.store.documents import Stored

REMIND = "announcement.remind"
BY_ID = (Order("id"),)


def to_remind(means: Means) -> Iterator[str]:
    """The patients (ids) of whom something has waited for two weeks that no notice spoke of yet."""
    told: set[str] = set()
    for each in _pages(means, _waiting(means)):
        for patient in each.facts.get("patients", ()):
            if patient not in told and means.turn.unmarked(REMIND, [f"{patient}|{each.id}"]):
                told.add(patient)
                yield patient


def remind(means: Means, patient: str) -> bool:
    """Tell the holder, and whoever represents him, that there is something to see a professional about."""

    def work(unit: Unit, entry: Entry) -> bool:
        house, at = means.house, means.house.clock()
        record = house.records.record(patient)
        if record is None or record.standing != "open":
            return False
        waiting = record_door(means, patient, unit).page("", _waiting(means), BY_ID, 1_000).entries
        new = [
            each
            for each in waiting
            if means.turn.mark(unit.session, REMIND, f"{patient}|{each.id}", patient, at)  # one notice of them all
        ]
        if not new:
            return False
        happened = Happening("announcement", patient, new[0].id, at)
        entry.notices.extend(notices(happened, _told_of(means, patient, new)))
        entry.add(
            "operation",
            f"round/{REMIND}",
            patient=patient,
            whats=tuple(f"{each.id}/_history/{each.version}" for each in new),
            granted=(f"round.{REMIND}",),
            about=tuple({"id": each.id, **each.facts} for each in new),
        )
        return True

    return committed(means, work)


def to_show(means: Means) -> Iterator[str]:
    """`Type/id` of what was deposited more than a month ago and still carries the label that hides it."""
    yield from (each.id for each in _pages(means, _over(means)))


def show(means: Means, id_: str) -> bool:
    """Take the label away: a new version, and all that is about it restamped; what else it carries stays."""
    type_, _, key = id_.partition("/")

    def work(unit: Unit, entry: Entry) -> bool:
        # asked anew: its author may have shown it, or another process gone this round
        found = door(means, _over(means), unit).read(type_, key)
        if found is None:
            return False
        unit.replace(found, shown(found.resource()), method="PUT", by=(), after=EVERYTHING)
        unit.flush()
        made = next(each for each in reversed(unit.written) if each.id == id_)
        means.house.outbox.relabel(id_, made.facts.get("label", ()), unit.session)
        entry.notices.extend(_deposits(means, made))
        entry.add(
            "update",
            type_,
            patient=next(iter(made.facts.get("patients", ())), None),
            whats=(f"{id_}/_history/{made.version}",),
            granted=("round.announcement.show",),
            about=({"id": id_, **made.facts},),
        )
        return True

    return committed(means, work)


def shown(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource without the label that hides it from the holder; a document that had no other is normal (N)."""
    made = dict(resource)
    if "securityLabel" in made:
        left = [each for each in map(_without, made["securityLabel"]) if each]
        made["securityLabel"] = left or [{"coding": [_normal()]}]
    security = made.get("meta", {}).get("security")
    if security:
        rest = [each for each in security if not _hides(each)]
        meta = {name: value for name, value in made["meta"].items() if name != "security"}
        made["meta"] = {**meta, "security": rest} if rest else meta
    return made


def _without(concept: Mapping[str, Any]) -> dict[str, Any] | None:
    if not any(_hides(each) for each in codings(concept)):
        return dict(concept)
    rest = [each for each in concept.get("coding", ()) if not _hides(each)]
    return {**concept, "coding": rest} if rest else None


def _hides(coding: Mapping[str, Any]) -> bool:
    return label_key(coding.get("system"), str(coding.get("code"))) == hiding()


@cache
def _normal() -> dict[str, str]:
    return {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}


def _own() -> Predicate:
    """What carries the label itself, and is not only about what does."""
    return both(Has("label", hiding()), Not(Exists("about")), Not(Has("state", "entered-in-error")))


def _waiting(means: Means) -> Predicate:
    """What has been hidden for so long that it is to be spoken of, and still is."""
    now = means.house.clock()
    since = micros(now - timedelta(days=profile_json("dmp/rules.json")["announcement"]["remindAfterDays"]))
    return both(_own(), Span("hidden", lo_max=since, hi_min=micros(now)), Not(Has("state", "superseded")))


def _over(means: Means) -> Predicate:
    return both(_own(), Span("hidden", hi_max=micros(means.house.clock()) - 1))


def _told_of(means: Means, patient: str, waiting: Iterable[Stored]) -> tuple[Contact, ...]:
    """The contacts to be told: those who represent, where not all of it is hidden from them for another reason."""
    secret = profile_json("dmp/rules.json")["labels"]["hiddenFromRepresentatives"]
    theirs = any(secret not in each.facts.get("label", ()) for each in waiting)
    found = persons_of(means.house, patient).contacts()
    return tuple(each for each in found if theirs or each.reader == "holder")


def _deposits(means: Means, document: Stored) -> Iterable[Any]:
    """The deposit is told of now that it may be, to whom it may (DMP-81)."""
    if document.type != "DocumentReference" or "superseded" in document.facts.get("state", ()):
        return ()
    return announce.of_showing(means.house, document)


def _pages(means: Means, what: Predicate) -> Iterator[Stored]:
    place = None
    while True:
        page = door(means).page("", what, BY_ID, BATCH, place)
        yield from page.entries
        if page.next is None:
            return
        place = page.next
