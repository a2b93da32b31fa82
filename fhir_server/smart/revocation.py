"""Revocation: which grants still hold, and ending them on every worker before it is answered (decisions 19).

May live here: the standing of a grant, and the ways in which grants end: one by one, with a sign-in, with a client.
May not know: tokens, HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fhir_server.smart.bearer import Standing
from fhir_server.smart.freshness import Freshness
from fhir_server.smart.records import Records


class Revocation:
    """One per process."""

    def __init__(self, records: Records, freshness: Freshness, clock: Callable[[], datetime]) -> None:
        self._records, self._freshness, self._clock = records, freshness, clock

    def standing(self, grant: str, client: str) -> Standing | None:
        """The standing of a grant made to a client; None if there is none, or if the client is disabled."""
        kept = self._records.grants.find(grant, client=client)
        if kept is None or self._records.clients.find(client, disabled=False) is None:
            return None
        return Standing(not kept.revoked and kept.expires > self._clock(), kept.reason)

    def end_grant(self, grant: str) -> None:
        """Nothing that was issued from this grant holds any more."""
        if self._records.grants.change(grant, {"revoked": False}, set__revoked=True) is not None:
            self._freshness.settle(self._freshness.bump("token", grant))

    def end_session(self, session: str) -> None:
        """The sign-in is over, and with it every grant that was made in it."""
        self._records.sessions.drop(key=session)
        last = None
        for each in self._records.grants.all(session=session, revoked=False):
            self._records.grants.change(each.key, set__revoked=True)
            last = self._freshness.bump("token", each.key)
        if last is not None:
            self._freshness.settle(last)

    def end_person(self, reference: str) -> int:
        """Whoever signed in as this person (`Type/id`) is signed out, and has nothing granted any more; of how much."""
        ended = [each.key for each in self._records.sessions.all(person__reference=reference)]
        for session in ended:
            self.end_session(session)
        last = None
        for each in self._records.grants.all(person__reference=reference, revoked=False):
            self._records.grants.change(each.key, set__revoked=True)
            last = self._freshness.bump("token", each.key)
            ended.append(each.key)
        if last is not None:
            self._freshness.settle(last)
        return len(ended)

    def client_changed(self, client: str) -> None:
        """What was remembered of a client may no longer be believed."""
        self._freshness.settle(self._freshness.bump("client", client))
