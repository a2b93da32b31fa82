"""Sights: what of several types may be seen, each type asked with its own decision.

May live here: deciding for each type of a question, and joining the types that the same decision shows. May not know:
what is asked of them. What belongs to no record is decided upon as such, whatever record the rest is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fhir_server.consent.decision import Deny, Permit
from fhir_server.foundation.predicate import NOTHING, Predicate
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions.pipeline import OWN_ALONE, Visit
from fhir_server.interactions.residual import residual_of
from fhir_server.interactions.subject import Subject
from fhir_server.store.visible import VisibleStore

_UNKNOWN = [Deny(("record.unknown",))]
TRACES = "AuditEvent"
"""The one type that is not kept with the others."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One door and the types it shows; `of` is what the door calls them all."""

    door: VisibleStore
    types: tuple[str, ...]
    of: str


@dataclass(slots=True)
class _Seen:
    """The decisions over one type."""

    residual: Predicate
    permits: list[Permit]
    denials: list[Deny]
    alone: bool
    shut: dict[str, Deny] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether the record is shut, but for what the asker wrote there."""
        return self.residual == NOTHING or self.alone


def sights(visit: Visit, subjects: Mapping[str, Subject], *, every: bool) -> list[Sight]:
    """What is seen of each type: those that one decision shows share a door. The visit is told what was decided.

    Raises Problem 403 where the request names a patient whose record stays shut: for one of the types when `every` is
    to be answered, else for all of them. A patient that does not exist costs what a shut record does (decisions 17).
    """
    of_records = [each for each in subjects.values() if each.patients]
    visit.subject = Subject(
        tuple(dict.fromkeys(patient for each in of_records for patient in each.patients)),
        named=any(each.named for each in of_records),
        written=frozenset[str]().union(*(each.written for each in of_records)),
    )
    if visit.subject.named and len(visit.subject.patients) > 1:
        raise bad_request("a search of several types names one patient")
    seen: dict[str, _Seen] = {}
    for type_, subject in subjects.items():
        seen[type_] = found = _seen(visit, type_, subject)
        if subject.named and found.nothing and (every or found.denials == _UNKNOWN):
            visit.refuse(found.denials or [Deny(("grant.none",))])
        if type_ == "Patient" and not subject.named and found.nothing:
            visit.house.records.as_if_unknown(subject.patients)
    denials = [deny for found in seen.values() for deny in found.denials]
    if visit.subject.named and all(found.nothing for found in seen.values()):
        visit.refuse(denials or [Deny(("grant.none",))])
    shown = {type_: found for type_, found in seen.items() if not (subjects[type_].named and found.nothing)}
    _told(visit, shown, [found for type_, found in shown.items() if subjects[type_].patients])
    if all(found.residual == NOTHING for found in shown.values()):
        visit.note_refusal(denials)
    return _joined(visit, shown)


def _seen(visit: Visit, type_: str, subject: Subject) -> _Seen:
    asked = replace(visit, route=replace(visit.route, type=type_), subject=subject, shut={})
    permits, denials = asked.decisions(subject, "history" if visit.route.interaction == "history-system" else "search")
    alone = bool(permits) and all(OWN_ALONE.issuperset(each.reasons) for each in permits)
    return _Seen(residual_of(subject, permits, denials), permits, denials, alone, asked.shut)


def _told(visit: Visit, shown: Mapping[str, _Seen], of_records: list[_Seen]) -> None:
    """The visit's own: every reason and obligation, and the records that stay shut for all of the types."""
    permits = [permit for found in shown.values() for permit in found.permits]
    visit.granted = tuple(dict.fromkeys(reason for permit in permits for reason in permit.reasons))
    visit.obligations = tuple(dict.fromkeys(each for permit in permits for each in permit.obligations))
    for patient in visit.subject.patients:
        refused = [found.shut[patient] for found in of_records if patient in found.shut]
        if refused and len(refused) == len(of_records):
            visit.shut[patient] = refused[0]


def _joined(visit: Visit, shown: Mapping[str, _Seen]) -> list[Sight]:
    groups: dict[tuple[Predicate, bool], list[str]] = {}
    for type_, found in shown.items():
        groups.setdefault((found.residual, type_ == TRACES), []).append(type_)
    return [
        Sight(visit.opened(residual), tuple(types), types[0] if len(types) == 1 else "")
        for (residual, _), types in groups.items()
    ]
