"""Entry: what one HTTP request did, gathered for the ledger while it is done (decisions 20).

May live here: collecting deeds, turning them into ledger envelopes, and settling them before the answer leaves.
May not know: what a deed looks like as an AuditEvent; that is `audit_event/event.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fhir_server.audit_event.event import Deed, envelope
from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Problem
from fhir_server.interactions.house import House
from fhir_server.interactions.request import FhirRequest
from fhir_server.notices.occasion import Notice
from fhir_server.store.changes import Unit
from fhir_server.store.documents import held_of

Mark = tuple[int, int, int]
"""How many deeds and notices there were, and how many of the deeds were on their way to the ledger."""
Outcome = Literal["0", "4", "8", "12"]


@dataclass(frozen=True, slots=True)
class Carried:
    """What a transaction carries for the ledger, and under which key; or what is written `along` with the entry."""

    key: str | None
    envelopes: list[dict[str, Any]]
    along: tuple[tuple[str, dict[str, Any]], ...] = ()


@dataclass(slots=True)
class Entry:
    """One per authenticated HTTP request; a transaction that is run again rewinds it first."""

    house: House
    principal: Principal
    request_id: str
    address: str
    base: str
    id: str
    deeds: list[Deed] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    _settled: int = 0

    @classmethod
    def of(cls, request: FhirRequest, principal: Principal, house: House) -> Entry:
        """An empty entry for a request."""
        return cls(house, principal, request.request_id, request.address, request.base, house.ids())

    def add(
        self,
        interaction: str,
        type_: str,
        *,
        patient: str | None = None,
        outcome: Outcome = "0",
        whats: tuple[str, ...] = (),
        query: str | None = None,
        granted: tuple[str, ...] = (),
        refused: tuple[str, ...] = (),
        disclosed: tuple[str, ...] = (),
        about: tuple[Mapping[str, Any], ...] = (),
        submission: bool = False,
    ) -> None:
        """Note one deed."""
        self.deeds.append(
            Deed(
                principal=self.principal,
                interaction=interaction,
                type=type_,
                patient=patient,
                outcome=outcome,
                recorded=self.house.clock(),
                request_id=self.request_id,
                address=self.address,
                whats=whats,
                query=query,
                granted=granted,
                refused=refused,
                disclosed=disclosed,
                about=about,
                submission=submission,
                entry=self.id,
            )
        )

    def mark(self) -> Mark:
        """Where it stands."""
        return len(self.deeds), len(self.notices), self._settled

    def rewind(self, mark: Mark) -> None:
        """Forget what came after a mark: the attempt it tells of was rolled back, and what it carried with it."""
        del self.deeds[mark[0] :]
        self.afterwards.clear()
        if len(self.notices) > mark[1]:
            self.house.announced.clear()
        del self.notices[mark[1] :]
        self._settled = mark[2]

    def rolled_back(self, mark: Mark) -> None:
        """Keep of an attempt that failed what was refused, and what its failure told of what stands there.

        Where it failed says how far it came, and so that what comes before was seen. What it made is made no more.
        """
        kept = [deed if deed.outcome != "0" else _failed(deed) for deed in self.deeds[mark[0] :]]
        told = [notice for notice in self.notices[mark[1] :] if notice.occasion == "emergency"]
        self.rewind(mark)
        self.deeds.extend(deed for deed in kept if deed.outcome != "0")
        self.notices.extend(told)

    def replace_after(self, mark: Mark, deed: Deed) -> None:
        """One deed in place of all since a mark: a submission is one event (ITI-65)."""
        del self.deeds[mark[0] :]
        self.deeds.append(deed)

    def carry(self, unit: Unit) -> Carried:
        """Put what is not yet settled, and the notices, into a transaction; the envelopes to settle after it."""
        self._complete(unit)
        envelopes = self._envelopes()
        if unit.apart and envelopes and not self.notices:
            return Carried(None, envelopes, tuple(("resources", made) for made in unit.apart))
        unit.join()
        key = self.house.ids()
        unit.carry(key, envelopes)
        if self.notices:
            self.house.outbox.add(self.notices, session=unit.session)
        return Carried(key, envelopes)

    def settle(self) -> None:
        """Wait until all of it is durable. Raises Problem 503: then nothing may be disclosed.

        With a notice it goes the way of a write: the notice is in one transaction with the entry (DMP-72).
        """
        if not self.notices:
            self.house.ledger.settle(self._envelopes())
            return
        settled = self._settled

        def attempt(unit: Unit) -> Carried:
            self._settled = settled
            return self.carry(unit)

        try:
            carried = self.house.changes.atomically(attempt)
        except BaseException:
            self.house.announced.clear()  # what was not told is told the next time
            raise
        self.landed(carried)

    def landed(self, carried: Carried) -> None:
        """After a commit: hand what the transaction carried to the ledger.

        Should the ledger fail now, the answer may leave all the same: the entry is durable where it was carried, and
        will be taken in from there. What was not carried, but is to be written along with the entry, is not written
        then: Problem 503.
        """
        if carried.key is None:
            self.house.ledger.settle(carried.envelopes, along=carried.along)
            return
        self.notices.clear()
        with contextlib.suppress(Problem):
            self.house.ledger.settle(carried.envelopes, carried.key)

    def ended(self) -> None:
        """Do what is to be done afterwards: once every worker knows of the commit."""
        waiting, self.afterwards = self.afterwards, []
        for each in waiting:
            each()

    def refuse_all(self, problem: Problem, since: int = 0) -> None:
        """After a failure outside any decision: one deed that says so, if none since the `since`-th says it yet."""
        if not self.deeds[since:]:
            self.add("", "", outcome="4" if problem.status < 500 else "8", refused=(f"problem.{problem.status}",))

    def _complete(self, unit: Unit) -> None:
        """Give the deeds the facts of what was written as they stand: a staged resource has not all of them yet."""
        written = {each.id: {"id": each.id, **each.facts} for each in unit.written}
        for at in range(self._settled, len(self.deeds)):
            about = tuple(written.get(str(each.get("id")), each) for each in self.deeds[at].about)
            self.deeds[at] = replace(self.deeds[at], about=about)

    def _envelopes(self) -> list[dict[str, Any]]:
        fresh = self.deeds[self._settled :]
        self._settled = len(self.deeds)
        return [_hiding_with_lists(envelope(deed, self.house.ids(), self.base), deed) for deed in fresh]

    def as_submission(self, mark: Mark, patient: str | None, query: str | None = None) -> None:
        """Join the deeds since a mark into the one event of a Provide Document Bundle transaction."""
        since = self.deeds[mark[0] :]
        if not since:
            return
        joined = replace(
            since[0],
            interaction="transaction",
            type="",
            patient=patient,
            whats=tuple(what for deed in since for what in deed.whats),
            disclosed=tuple(id_ for deed in since for id_ in deed.disclosed),
            granted=tuple(dict.fromkeys(reason for deed in since for reason in deed.granted)),
            about=tuple(facts for deed in since for facts in deed.about),
            query=query,
            submission=True,
        )
        self.replace_after(mark, joined)


def _failed(deed: Deed) -> Deed:
    """A deed of what failed afterwards: it disclosed nothing but what it touched; a creation touched nothing."""
    if deed.interaction in ("create", "transaction"):
        return deed
    whats = tuple(what.partition("/_history/")[0] for what in deed.whats)
    return replace(deed, outcome="4", whats=whats, disclosed=(), refused=("transaction.failed",))


def _hiding_with_lists(made: dict[str, Any], deed: Deed) -> dict[str, Any]:
    """The event of a List keeps what the List mentions: it hides with it, when all of that is hidden (decisions 16).

    So does the event of what is about a List.
    """
    named = made["facts"].get("about")
    if not named:
        return made
    held: list[dict[str, Any]] = []
    for each in deed.about:
        if each.get("id") in named:
            held += held_of(str(each["id"]), each)
    if held:
        made["facts"]["mentions"] = held
    return made
