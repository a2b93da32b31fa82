"""The pipeline: the dozen lines everything passes through.

May live here: the order of match, narrow, decide, run, record. May not know: HTTP, MongoDB, any single interaction.
Batch and transaction entries come back through `handle`, so no policy can be skipped by bundling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from fhir_server.consent.decision import Deny, Permit
from fhir_server.consent.directives import RecordState
from fhir_server.consent.memory import NO_DIRECTIVES
from fhir_server.consent.obligations import Obligation
from fhir_server.consent.provision import Members
from fhir_server.consent.request import UNTOLD, AccessRequest, Verb
from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Predicate, both, matches
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.foundation.problem import Problem, bad_request, forbidden, not_found, problem
from fhir_server.interactions import announce, collecting
from fhir_server.interactions.entry import Carried, Entry
from fhir_server.interactions.house import House
from fhir_server.interactions.led import Led
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.residual import every, residual_of
from fhir_server.interactions.routes import Route, match
from fhir_server.interactions.subject import NO_RECORD, Subject, as_if_absent
from fhir_server.interactions.summary import Shape
from fhir_server.search import own
from fhir_server.search.parse import criteria as search_criteria
from fhir_server.smart.scope import elsewhere, narrow, reach, resource_scopes
from fhir_server.store.changes import Unit
from fhir_server.store.connection import TooLarge, TooSlow
from fhir_server.store.documents import Stored
from fhir_server.store.shelf import Shelf
from fhir_server.store.visible import VisibleStore

VERBS: Mapping[str, Verb] = {
    "read": "read",
    "vread": "vread",
    "history-instance": "history",
    "history-type": "history",
    "history-system": "history",
    "search-type": "search",
    "search-system": "search",
    "create": "create",
    "update": "update",
    "patch": "patch",
    "delete": "delete",
    "operation": "operation",
}


OWN_ALONE = frozenset({"author.own"})
"""Having written something opens that, by its address; it gives no standing with the record it lies in."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a write would do: the envelope of what stands, the resource to be put there, as far as there are such."""

    current: Mapping[str, Any] | None = None
    proposed: Mapping[str, Any] | None = None
    changes: frozenset[str] | None = None


UNCHANGED = Change()
Known = tuple[RecordState | None, datetime]
"""What the one record asked about says of itself, and the moment to decide for."""


@dataclass(slots=True)
class Visit:
    """One interaction under way: who asks what of whom, and the entry it is noted in, from its deed `begun` on."""

    house: House
    principal: Principal
    request: FhirRequest
    route: Route
    entry: Entry
    unit: Unit | None = None
    granted: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    subject: Subject = NO_RECORD
    begun: int = 0
    shut: dict[str, Deny] = field(default_factory=dict)
    led: list[Led] = field(default_factory=list)
    shape: Shape | None = None
    _scope: tuple[str, Predicate] | None = field(default=None, init=False)

    def door(self, subject: Subject, verb: Verb | None = None, by: Known | None = None) -> VisibleStore:
        """Decide, and open the door as far as the decision goes; `by` what is known of its one record, if it is.

        Raises Problem 403 when the request names a patient whose record stays shut; a request that names none gets a
        door that shows nothing, so that hidden and absent take the same way (decisions 17).
        """
        self.subject, verb = subject, verb or VERBS[self.route.interaction]
        permits, denials = self.decisions(subject, verb, by=by)
        residual = residual_of(subject, permits, denials)
        if subject.absent:
            self._as_if_standing(verb)
        alone = all(OWN_ALONE.issuperset(each.reasons) for each in permits)
        if subject.named and (residual == NOTHING or alone):
            self.refuse(denials or [Deny(("grant.none",))])
        if permits and alone and self.route.type == "Patient" and not subject.joint:
            self.house.records.as_if_unknown(subject.patients)
        self.permitted(permits)
        if residual == NOTHING:
            self.note_refusal(denials)
        # from here on what is hidden is asked for as what is absent, so that the clock does not tell them apart
        return self.opened(NOTHING if subject.hidden_by(residual) else residual)

    def _as_if_standing(self, verb: Verb) -> None:
        """Decide of the record at hand where nothing stands: the clock does not tell that from what is hidden."""
        supposed = Subject((self.principal.patient or "",), joint=True)
        record = self.house.records.remembered(supposed.patients[0])
        if record is not None:
            known = record, self.house.clock()
            residual_of(supposed, *replace(self, shut={}).decisions(supposed, verb, by=known))

    def beyond(self, type_: str, subject: Subject) -> tuple[VisibleStore, Mapping[str, Deny]]:
        """The door to what a link of a search leads through, decided as a search of its type; and what stays shut.

        Nothing is noted or refused for a record: what is shut shows nothing, as if nobody knew it. Raises Problem 403
        insufficient_scope.
        """
        asking = replace(self, route=replace(self.route, type=type_), subject=subject, shut={})
        right = asking.scoped("s")
        permits, denials = asking.decisions(subject, "search")
        alone = all(OWN_ALONE.issuperset(each.reasons) for each in permits)
        if alone and (subject.named or type_ == "Patient"):
            self.house.records.as_if_unknown(subject.patients)
        return asking.opened(residual_of(subject, permits, denials), right), asking.shut

    def opened(self, residual: Predicate, right: Predicate = EVERYTHING) -> VisibleStore:
        """The door that shows the residual, within what the scopes reach and one `right` of them covers."""
        scope = reach(self.principal.scopes, self.principal, compile_criteria)
        if self.unit is None:
            return _door(self.house.shelf, residual, scope, right, self.house.matrix.shared)
        return VisibleStore(self.house.shelf, residual, both(scope, right), self.unit.session, self.house.matrix.shared)

    def as_seen(self, version: Stored) -> Stored:
        """A Patient that was just written as its writer would read it; any other version as it is.

        Where he may not read it, nothing is computed.
        """
        if version.type != "Patient":
            return version
        permits, denials = self.decisions(self.subject, "read")
        return version if denials else self.opened(every(permits)).shown(version)

    def permitted(self, permits: list[Permit]) -> None:
        """Go on under these permits: their reasons and their obligations."""
        self.granted = tuple(dict.fromkeys(reason for permit in permits for reason in permit.reasons))
        self.obligations = tuple(dict.fromkeys(each for permit in permits for each in permit.obligations))

    def rights(self, subject: Subject, change: Change, verb: Verb | None = None) -> tuple[Predicate, Predicate]:
        """What the state before a write must satisfy, and the state after; NOTHING when the write is refused."""
        permits, denials = self.decisions(subject, verb or VERBS[self.route.interaction], change)
        if not permits or (denials and subject.joint):
            self.note_refusal(denials)
            return NOTHING, NOTHING
        self.permitted(permits)
        if len(permits) == 1:
            return permits[0].residual, permits[0].after
        return both(*(permit.residual for permit in permits)), both(*(permit.after for permit in permits))

    def rights_for(self, type_: str, subject: Subject, change: Change, verb: Verb) -> tuple[Predicate, Predicate]:
        """The rights for an interaction of another type than the route's: what a whole submission stands for."""
        return replace(self, route=replace(self.route, type=type_)).rights(subject, change, verb)

    def decisions(
        self, subject: Subject, verb: Verb, change: Change = UNCHANGED, by: Known | None = None
    ) -> tuple[list[Permit], list[Deny]]:
        """One decision for each record asked about, or one for no record; `by` what is known of the one, if it is."""
        permits: list[Permit] = []
        denials: list[Deny] = []
        for patient in subject.patients or (None,):
            decision = self._decide(patient, subject, verb, change, by)
            if isinstance(decision, Permit):
                permits.append(decision)
                if patient is not None and OWN_ALONE.issuperset(decision.reasons):
                    self.shut[patient] = Deny(("grant.none",))
            else:
                denials.append(decision)
                if patient is not None:
                    self.shut[patient] = decision
        return permits, denials

    def _decide(
        self, patient: str | None, subject: Subject, verb: Verb, change: Change, by: Known | None
    ) -> Permit | Deny:
        record, now = by or (self.house.records.record(patient) if patient else None, self.house.clock())
        asked = AccessRequest(
            principal=self.principal,
            verb=verb,
            type=self.route.type,
            operation=self.route.operation if verb == "operation" else None,
            patient=patient,
            standing=record.standing if record else "none",
            birth=record.birth if record else None,
            representatives=record.representatives if record else frozenset(),
            now=now,
            existence_check=subject.existence,
            current=change.current,
            proposed=change.proposed,
            changes=change.changes,
            members=self._members(change.proposed),
            life=record.life if record else UNTOLD,
        )
        new = self.principal.kind is Kind.OPERATOR or (verb == "create" and self.route.type == "Patient")
        unknown = patient is not None and record is None and not new
        if subject.absent or unknown:
            return Deny(("record.unknown",))
        token = self.principal
        if patient is not None and record is not None and elsewhere(token.scopes, token, patient, self.route.type):
            return Deny(("record.not-in-context",))
        return self.house.memory.decide(asked, record.directives if record else NO_DIRECTIVES)

    def _members(self, proposed: Mapping[str, Any] | None) -> Members | None:
        """What the teams that a proposed Consent names stand for: one that names an unknown team is not accepted."""
        if proposed is None or proposed.get("resourceType") != "Consent":
            return None
        return self.house.records.members_of(proposed)

    def scoped(self, right: str) -> Predicate:
        """What the token's scopes allow of this type with this right. Raises Problem 403 insufficient_scope."""
        if self._scope is None or self._scope[0] != right:
            self._scope = right, narrow(self.principal.scopes, self.route.type, right, self.principal, compile_criteria)
        return self._scope[1]

    def covers(self, right: str, scope: Predicate, standing: Stored) -> bool:
        """Whether a scope covers what stands: a granular one is asked of the store, which has the index."""
        scopes = resource_scopes(self.principal.scopes)
        if not any(each.criteria for each in scopes if each.covers(self.route.type, right)):
            return matches(scope, standing.envelope())
        session = self.unit.session if self.unit else None
        return (
            VisibleStore(self.house.shelf, EVERYTHING, scope, session).read(self.route.type, standing.key) is not None
        )

    def refuse(self, denials: Iterable[Deny]) -> None:
        """Note the refusal and raise it, without its reason."""
        self.note_refusal(denials)
        raise forbidden()

    def note_refusal(self, denials: Iterable[Deny]) -> None:
        """Note that the request was refused, for each record it is about."""
        reasons = tuple(dict.fromkeys(reason for deny in denials for reason in deny.reasons))
        self.denied = reasons
        if self.subject.named or (self.route.type == "Patient" and not self.subject.joint):
            self.house.records.as_if_unknown(self.subject.patients)
        for patient in self.subject.patients or (None,):
            self.note(
                patient=patient,
                outcome="8",
                refused=reasons or ("record.unknown",),
                whats=(f"{self.route.type}/{self.route.id}",) if self.route.id else (),
                about=(self.subject.facts,) if self.subject.facts else (),
            )

    def note(self, **deed: Any) -> None:
        """Note a deed of this interaction."""
        self.entry.add(self.route.interaction, self.route.type, **deed)

    def disclosed(self, versions: Iterable[Stored]) -> None:
        """Note that these versions leave the house, one deed for each patient among them."""
        by_patient: dict[str | None, list[Stored]] = {}
        for version in versions:
            for patient in version.facts.get("patients") or (None,):
                by_patient.setdefault(patient, []).append(version)
        for patient, group in by_patient.items():
            self.entry.add(
                self.route.interaction,
                self.route.type,
                patient=patient,
                whats=tuple([f"{each.id}/_history/{each.version}" for each in group]),
                disclosed=tuple([each.id for each in group]),
                granted=self.granted,
                about=tuple([{"id": each.id, **each.facts} for each in group]),
            )
        self.announce(by_patient)

    def refuse_here(self, reason: str) -> None:
        """Note that a write on what may be read was refused."""
        if not any(deed.refused for deed in self.entry.deeds[self.begun :]):
            self.note_refusal([Deny((reason,))])

    def unseen(self) -> Problem:
        """The one answer to an address where nothing may be seen, noted."""
        if self.subject.standing:
            as_if_absent(self.route, self.house, self.unit)
        if not any(deed.refused for deed in self.entry.deeds[self.begun :]):
            self.note_refusal([Deny(("resource.not-visible",))])
        return not_found()

    def announce(self, shown: Mapping[str | None, list[Stored]], told: Iterable[str] = ()) -> None:
        """Tell the holders what they are to be told of an access (DMP-81, DMP-72): of what was `shown` of each record.

        Records that were `told` of are announced whatever was shown of them.
        """
        always = frozenset(told)
        for patient, group in shown.items():
            if patient is not None and (group or patient in always):
                readers = announce.READERS if patient in always else announce.readers_of(group)
                made = announce.of_access(self.house, self.principal, patient, self.obligations, readers)
                self.entry.notices.extend(made)


Run = Callable[[Visit], FhirResponse]


def answer(request: FhirRequest, principal: Principal, house: House) -> FhirResponse:
    """Answer one authenticated HTTP request, its ledger entry durable before the answer leaves. Raises Problem."""
    entry = Entry.of(request, principal, house)
    try:
        answered = handle(request, principal, house, entry)
    except Problem as problem:
        entry.refuse_all(problem)
        entry.settle()
        raise
    entry.settle()
    return answered


def unread(request: FhirRequest, principal: Principal, house: House, problem: Problem) -> None:
    """Note that a request which somebody signed could not be read. Raises Problem 503 when the ledger fails."""
    entry = Entry.of(request, principal, house)
    entry.refuse_all(problem)
    entry.settle()


def handle(
    request: FhirRequest, principal: Principal, house: House, entry: Entry, unit: Unit | None = None
) -> FhirResponse:
    """Answer one FHIR interaction, or refuse it. Batch and transaction entries come back through here."""
    visit = enter(request, principal, house, entry, unit)
    run = house.run[visit.route.interaction]
    try:
        if not visit.route.row.writes or unit is not None or visit.route.interaction == "bundle":
            return run(visit)
        return atomically(visit, run)
    except TooSlow:
        raise bad_request("this asks too much of the database; narrow it", code="too-costly") from None
    except TooLarge:
        raise problem(413, "too-long", "the resource, with what it is searched by, is too large to be kept") from None


def enter(request: FhirRequest, principal: Principal, house: House, entry: Entry, unit: Unit | None = None) -> Visit:
    """Match a request to its row and hold its token's scopes against it. Raises Problem 400, 403, 404, 405."""
    route = match(request)
    house.freshness.check()
    visit = Visit(house, principal, request, route, entry, unit, begun=len(entry.deeds))
    if route.right:
        visit.scoped(route.right)
    return visit


def atomically(visit: Visit, run: Run) -> FhirResponse:
    """Run a write and commit it together with its ledger entry and notices."""
    mark = visit.entry.mark()
    carried: list[Carried] = []

    def attempt(unit: Unit) -> FhirResponse:
        visit.entry.rewind(mark)
        made = run(replace(visit, unit=unit))
        unit.flush()
        collecting.settle(visit.entry, unit)
        carried[:] = [visit.entry.carry(unit)]
        return made

    try:
        made = visit.house.changes.atomically(attempt, lambda: visit.entry.landed(carried[0]))
    except Problem:
        visit.entry.rolled_back(mark)
        raise
    visit.entry.ended()
    return made


@lru_cache(4096)
def _door(shelf: Shelf, residual: Predicate, scope: Predicate, right: Predicate, shared: Predicate) -> VisibleStore:
    """A door outside any transaction; the same one for the same sight, so that what it asks is compiled once."""
    return VisibleStore(shelf, residual, both(scope, right), shared=shared)


own.forgets(_door.cache_clear)


def compile_criteria(type_: str, criteria: list[tuple[str, str]]) -> Predicate:
    """The predicate of a granular scope's `?param=value`, by the search compiler itself."""
    return search_criteria(type_, criteria)
