"""Records: what decides over a record, read from the store and remembered until it changes.

May live here: reading a record's Patient, Consents, representatives and teams into one value, and the cache of it.
May not know: who asks. The only room of this package that reads the store.

INVARIANT (fresh): what is remembered of a record is forgotten when the store says that the record, or any team, role or
organisation, changed (decisions 19); what was read before such a word came is not remembered after it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fhir_server.consent.directive import (
    CREATION,
    Directive,
    Directives,
    actors_named,
    is_guardian,
    parse,
    role_keys,
    term_of,
)
from fhir_server.consent.provision import ALWAYS, Members
from fhir_server.consent.request import UNTOLD, AccessRequest, Life, Standing, Verb
from fhir_server.consent.succession import succeeded
from fhir_server.definitions.identifiers import keys_of
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import Interval
from fhir_server.foundation.principal import Principal
from fhir_server.resources import closing
from fhir_server.store import unguarded
from fhir_server.store.freshness import Listening
from fhir_server.store.shelf import Shelf

CAPACITY = 20_000
_DEPTH = 4

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordState:
    """What decides over one record.

    `representatives` are its active legal representatives (`RelatedPerson/x`); `directives.terms` limits them in time.
    `unresolved` are the teams and roles its Consents name that the store does not have.
    """

    standing: Standing
    birth: str | None
    representatives: frozenset[str]
    directives: Directives = field(repr=False)
    version: int = 0
    life: Life = UNTOLD

    def asked(self, principal: Principal, verb: Verb, type_: str, now: datetime, **more: Any) -> AccessRequest:
        """What somebody asks of this record, with what the record says of itself; `more` as in `AccessRequest`."""
        return AccessRequest(
            principal=principal,
            verb=verb,
            type=type_,
            now=now,
            standing=self.standing,
            birth=self.birth,
            representatives=self.representatives,
            life=self.life,
            **more,
        )

    def holding(self, directives: Iterable[Directive]) -> RecordState:
        """This record, if its Consents were these."""
        return replace(self, directives=Directives(tuple(directives), self.directives.terms))

    def assuming(self, new: Directive) -> RecordState:
        """This record, if a Consent were put on record: what that ends is ended, a refusal of the record shuts it."""
        kept = self.directives.all
        if new.active:
            ended = {each.id for each in succeeded(new, kept)}
            kept = (*(each for each in kept if each.id not in ended), new)
        refused = any(each.kind == CREATION and not each.permit and each.active for each in kept)
        return replace(self.holding(kept), standing="closed" if refused else self.standing)


class Records:
    """The records this process remembers, at most `capacity`, the least recently used forgotten first."""

    def __init__(self, shelf: Shelf, freshness: Listening, capacity: int = CAPACITY) -> None:
        self._shelf = shelf
        self._capacity = capacity
        self._known: OrderedDict[str, RecordState | None] = OrderedDict()
        self._words = 0
        self._lock = threading.Lock()
        freshness.on("record", self.forget)

    def record(self, patient: str) -> RecordState | None:
        """The state of a record; None when there is no such Patient. No round trip when it is remembered."""
        with self._lock:
            if patient in self._known:
                self._known.move_to_end(patient)
                return self._known[patient]
            words = self._words
        found = self._read(patient)
        with self._lock:
            if words == self._words and found is not None:
                self._known[patient] = found
                while len(self._known) > self._capacity:
                    self._known.popitem(last=False)
        return found

    def remembered(self, patient: str) -> RecordState | None:
        """What is remembered of a record now; never a round trip."""
        with self._lock:
            return self._known.get(patient)

    def remembers(self, patient: str, record: RecordState) -> bool:
        """Whether this very value is what is remembered of a record now."""
        return self.remembered(patient) is record

    def as_if_unknown(self, patients: Iterable[str]) -> None:
        """Ask of remembered records what is asked of patients nobody knows: as many round trips (decisions 17)."""
        for patient in patients:
            with self._lock:
                known = patient in self._known
            if known:
                unguarded.directives_of(self._shelf, patient)

    def forget(self, patient: str) -> None:
        """Forget one record, or all of them (``""``)."""
        with self._lock:
            self._words += 1
            if patient:
                self._known.pop(patient, None)
            else:
                self._known.clear()

    def members_of(self, *consents: Resource, beside: Mapping[str, Resource] | None = None) -> Members:
        """What the teams, roles and organisations that Consents name stand for; `beside` are those not stored yet."""
        named = frozenset(reference for each in consents for reference in actors_named(each))
        return self._members(named, beside or {})

    def _read(self, patient: str) -> RecordState | None:
        found = unguarded.directives_of(self._shelf, patient)
        holder = next((each for each in found["patient"] if each.get("id") == patient), None)
        if holder is None:
            return None
        named = frozenset(reference for consent in found["consents"] for reference in actors_named(consent))
        return state_of(holder, found["consents"], found["related"], self._members(named, {}))

    def _members(self, named: Iterable[str], beside: Mapping[str, Resource]) -> Members:
        """The keys each reference stands for, and when; teams within teams are followed a few steps."""
        known: dict[str, Resource] = dict(beside)
        wanted = set(named).union(*({inner for inner, _ in _steps(each)} for each in beside.values()))
        for _ in range(_DEPTH):
            missing = sorted(wanted - known.keys())
            if not missing:
                break
            bodies = unguarded.bodies(self._shelf, missing)
            known.update({reference: bodies.get(reference, {}) for reference in missing})
            wanted |= {inner for body in bodies.values() for inner, _ in _steps(body)}
        return {reference: expand(reference, known) for reference in named if known.get(reference)}


def state_of(
    holder: Resource, consents: Iterable[Resource], related: Iterable[Resource], members: Members
) -> RecordState:
    """The state of a record from its resources."""
    parsed = [directive for consent in consents if (directive := parse(consent, members)) is not None]
    guardians = [each for each in related if each.get("active") is not False and is_guardian(each)]
    terms = {f"RelatedPerson/{each['id']}": term_of(each.get("period")) for each in guardians}
    return RecordState(
        standing=_standing(holder, parsed),
        birth=holder.get("birthDate"),
        representatives=frozenset(terms),
        directives=Directives(tuple(parsed), terms),
        version=_version(holder),
        life=life_of(holder),
    )


def life_of(holder: Resource) -> Life:
    """What a Patient says of the life of its record."""
    found, barred = closing.of(holder), profile_json("dmp/rules.json")["creation"]["notOnline"]
    offline = any(
        each.get("url") == barred and each.get("valueBoolean") is True for each in holder.get("extension") or ()
    )
    return Life(
        closed=found.day if found else None,
        motive=found.motive if found else None,
        deceased=closing.is_dead(holder),
        offline=offline,
    )


def expand(reference: str, known: Mapping[str, Resource], depth: int = _DEPTH) -> Mapping[str, Interval]:
    """The keys a reference stands for, and when: its own, a team's members', a role's person in its organisation."""
    body = known.get(reference) or {}
    if depth == 0 or not body:
        return {reference: ALWAYS}
    match body.get("resourceType"):
        case "CareTeam" | "Group" if _inactive(body):
            return {}
        case "CareTeam" | "Group":
            found: dict[str, Interval] = {}
            for member, span in _steps(body):
                for key, inner in expand(member, known, depth - 1).items():
                    found[key] = _overlap(span, inner) if key not in found else _join(found[key], _overlap(span, inner))
            return found
        case "PractitionerRole":
            return {} if body.get("active") is False else dict.fromkeys(_role(body, known), ALWAYS)
        case _:
            return dict.fromkeys((*keys_of(body), reference), ALWAYS)


def _role(body: Resource, known: Mapping[str, Resource]) -> frozenset[str]:
    person = (body.get("practitioner") or {}).get("reference")
    place = (body.get("organization") or {}).get("reference")
    own = keys_of(body)
    if not person:
        return own
    persons = frozenset(expand(person, known, 1))
    return own | (role_keys(persons, expand(place, known, 1)) if place else persons)


def _steps(body: Resource) -> list[tuple[str, Interval]]:
    """The references that stand for others within a team or role, and when."""
    match body.get("resourceType"):
        case "CareTeam":
            whole = term_of(body.get("period"))
            found = [
                (each.get("member"), _overlap(whole, term_of(each.get("period"))))
                for each in body.get("participant") or ()
            ]
        case "Group":
            found = [
                (each.get("entity"), term_of(each.get("period")))
                for each in body.get("member") or ()
                if not each.get("inactive")
            ]
        case "PractitionerRole":
            found = [(body.get("practitioner"), ALWAYS), (body.get("organization"), ALWAYS)]
        case _:
            found = []
    return [
        (each["reference"].partition("/_history/")[0], span) for each, span in found if each and each.get("reference")
    ]


def _inactive(body: Resource) -> bool:
    ended = body.get("status") in ("inactive", "entered-in-error", "suspended", "proposed")
    return ended or body.get("active") is False


def _overlap(one: Interval, other: Interval) -> Interval:
    return Interval(max(one.lo, other.lo), min(one.hi, other.hi))


def _join(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.lo, other.lo), max(one.hi, other.hi))


def _standing(holder: Resource, directives: Iterable[Directive]) -> Standing:
    """Open when the Patient says so and no active refusal of the record stands; closed once it was closed (DMP-102)."""
    refused = any(each.kind == CREATION and not each.permit and each.active for each in directives)
    if holder.get("active") is True and not refused:
        return "open"
    return "closed" if closing.of(holder) is not None or refused else "none"


def _version(holder: Resource) -> int:
    text = str((holder.get("meta") or {}).get("versionId", "0"))
    return int(text) if text.isdigit() else 0
