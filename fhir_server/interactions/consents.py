"""Consents: what follows from putting one on record, in the transaction that does so (ITI-108, PCF Option 2).

May live here: ending what a Consent of its kind succeeds, and telling the holder of one that cannot be read or that
contradicts another. May not know: who may write a Consent (`consent/recording.py`), what it permits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.consent.contradiction import contradicted
from fhir_server.consent.directive import TREATING, UNREADABLE, Directive, parse
from fhir_server.consent.naming import misnamed
from fhir_server.consent.settings import settings
from fhir_server.consent.succession import succeeded
from fhir_server.foundation.moment import from_micros
from fhir_server.foundation.predicate import EVERYTHING
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Issue, unprocessable
from fhir_server.interactions import announce, bodies
from fhir_server.interactions.directory import StoredDirectory
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.subject import active_consents
from fhir_server.notices.communication import communication
from fhir_server.notices.occasion import Happening, Occasion
from fhir_server.store.changes import Unit
from fhir_server.store.documents import Stored
from fhir_server.store.write import Write

OWN = (Kind.HOLDER, Kind.REPRESENTATIVE, Kind.OPERATOR)
"""Whose word, put on record by themselves, ends a refusal of the holder's."""
_INSIDE = ("CareTeam/", "Group/", "PractitionerRole/", "Organization/", "Practitioner/")


def readable(visit: Visit, resource: Mapping[str, Any]) -> None:
    """Raises Problem 422 for a Consent that this server would not understand, unless the operator brings it.

    What is brought from elsewhere is kept all the same, for it may be a refusal: it refuses, and the holder is told.
    """
    if resource["resourceType"] != "Consent" or visit.principal.kind is Kind.OPERATOR:
        return
    members = visit.house.records.members_of(resource, beside=_beside(visit.unit))
    found = parse(resource, members)
    if found is not None and found.kind == UNREADABLE:
        raise unprocessable((Issue("error", "not-supported", str(found.unread), "Consent.provision"),))
    if found is None or not found.active:  # who is named no more must not keep a Consent from being ended
        return
    wrong = (*misnamed(resource.get("provision") or {}, members), *_no_doctor(visit, found))
    if wrong:
        raise unprocessable(wrong)


def _no_doctor(visit: Visit, directive: Directive) -> Iterator[Issue]:
    """What is wrong with a médecin traitant DMP whom the directory does not know as a doctor (DMP-50, DMP-54)."""
    if directive.kind != TREATING or directive.root is None:
        return
    directory = StoredDirectory(visit.house.shelf)
    keys = directive.root.actors or frozenset()
    numbers = (directory.practitioner(each) for each in sorted(keys) if each.startswith("ps:"))
    named = {each for each in keys if each.startswith("Practitioner/")} | {each[0] for each in numbers if each}
    known = [each for seated in directory.professionals(named).values() for each in seated]
    if not known or any(each.profession not in settings().treating_professions for each in known):
        text = "the médecin traitant is somebody whom the directory knows as a doctor"
        yield Issue("error", "business-rule", text, "Consent.provision.actor[0].reference")


def settle(visit: Visit, unit: Unit) -> None:
    """Before what is staged is written: end what is succeeded, tell of what is wrong. Raises Problem 422."""
    staged = {each.id: each for each in unit.staged if each.id.startswith("Consent/")}
    fresh = [each for each in staged.values() if each.resource is not None and each.resource.get("status") == "active"]
    by_patient: dict[str, list[Write]] = {}
    for write in fresh:
        by_patient.setdefault(_patient(write), []).append(write)
    for patient, writes in by_patient.items():
        standing = [each for each in active_consents(visit.house, patient, unit) if each.id not in staged]
        _Settling.of(visit, unit, patient, writes, standing).all()


def _patient(write: Write) -> str:
    reference = ((write.resource or {}).get("patient") or {}).get("reference", "")
    return str(reference).partition("Patient/")[2]


def _beside(unit: Unit | None) -> dict[str, Mapping[str, Any]]:
    """What the same transaction brings of the directory: a Consent may name it."""
    staged = unit.staged if unit is not None else ()
    return {each.id: each.resource for each in staged if each.resource is not None and each.id.startswith(_INSIDE)}


@dataclass(slots=True)
class _Settling:
    """The active Consents of one record: those that are `standing`, and those about to be written, all of them read."""

    visit: Visit
    unit: Unit
    patient: str
    writes: list[Write]
    standing: dict[str, Stored]
    read: dict[str, Directive]
    before: dict[str, Directive | None]

    @classmethod
    def of(cls, visit: Visit, unit: Unit, patient: str, writes: list[Write], standing: Iterable[Stored]) -> _Settling:
        stored = {each.id: each for each in standing}
        old = {each.id: each.before.resource() for each in writes if each.before is not None}
        texts = {id_: each.resource() for id_, each in stored.items()}
        texts |= {each.id: each.resource for each in writes if each.resource is not None}
        members = visit.house.records.members_of(*texts.values(), *old.values(), beside=_beside(unit))
        read = {id_: found for id_, each in texts.items() if (found := parse(each, members)) is not None}
        return cls(visit, unit, patient, writes, stored, read, {id_: parse(each, members) for id_, each in old.items()})

    def all(self) -> None:
        """End, then tell: what is ended contradicts nobody."""
        for write in self.writes:
            if write.id in self.read:
                self._end(self.read[write.id])
        for write in self.writes:
            if write.id in self.read:
                self._tell(write, self.read[write.id])

    def _end(self, new: Directive) -> None:
        own = self.visit.principal.kind in OWN
        for each in succeeded(new, list(self.read.values()), own=own):
            stored = self.standing.pop(each.id, None)
            if stored is None:
                text = "one transaction records two Consents of which only one can be active"
                raise unprocessable((Issue("error", "business-rule", text, "Consent.category"),))
            del self.read[each.id]
            ended = {**stored.resource(), "status": "inactive"}
            by = bodies.submitter_of(self.visit.principal)
            write = self.unit.replace(stored, ended, method="PUT", by=by, after=EVERYTHING)
            self._note("update", "Consent", f"{write.id}/_history/{write.version}", {"id": stored.id, **stored.facts})

    def _tell(self, write: Write, new: Directive) -> None:
        """Tell the holder, once: what was wrong in the same way before, he was told of then."""
        occasion, others = self._wrong(new)
        old = self.before.get(write.id)
        if occasion is None or (old is not None and old.active and self._wrong(old) == (occasion, others)):
            return
        at = from_micros(self.unit.now)
        key = f"{write.id}/_history/{write.version}"
        happened = Happening(occasion, self.patient, key, at, about=write.id)
        notices = announce.told(self.visit.house, self.patient, happened)
        made = self.unit.create(communication(happened, notices), submitter=(), after=EVERYTHING)
        self.visit.entry.notices.extend(notices)
        self._note("create", "Communication", f"{made.id}/_history/{made.version}", {"id": made.id})

    def _wrong(self, directive: Directive) -> tuple[Occasion | None, frozenset[str]]:
        if directive.kind == UNREADABLE:
            return "consent-unreadable", frozenset()
        found = frozenset(each.id for each in contradicted(directive, self.read.values()))
        return ("consent-contradictory", found) if found else (None, found)

    def _note(self, interaction: str, type_: str, what: str, facts: dict[str, Any]) -> None:
        self.visit.entry.add(
            interaction,
            type_,
            patient=self.patient,
            whats=(what,),
            disclosed=(str(facts["id"]),),
            granted=self.visit.granted,
            about=(facts,),
        )
