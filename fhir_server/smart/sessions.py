"""Sessions: a browser, and who signed in there.

May live here: making, finding, renewing and ending a session; thirty minutes without a word or eight hours in all end
it. May not know: cookies, pages, how somebody proved who it is. What the browser holds is random and kept as a hash;
it changes when somebody signs in, so that nobody can prepare a session for somebody else.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fhir_server.foundation.principal import Principal
from fhir_server.smart.claims import keep, recall
from fhir_server.smart.issue import SIGN_IN
from fhir_server.smart.records import Records, Session, fingerprint
from fhir_server.smart.revocation import Revocation

IDLE = timedelta(minutes=30)
ANONYMOUS = timedelta(hours=1)
_SEEN_EVERY = timedelta(minutes=1)


class Sessions:
    """One per process."""

    def __init__(self, records: Records, revocation: Revocation, clock: Callable[[], datetime]) -> None:
        self._kept, self._revocation, self._clock = records.sessions, revocation, clock

    def find(self, secret: str | None) -> Session | None:
        """The session of what a browser holds; None if there is none, or if its time is up."""
        found = self._kept.find(fingerprint(secret)) if secret else None
        now = self._clock()
        if found is None or found.ends <= now or now - found.seen > IDLE:
            return None
        if now - found.seen > _SEEN_EVERY:
            found = self._kept.change(found.key, set__seen=now)
        return found

    def begin(self) -> tuple[Session, str]:
        """A session of nobody yet, and what the browser is to hold."""
        return self._make(ends=self._clock() + ANONYMOUS)

    def sign_in(self, session: Session, person: Principal, **provider: str) -> tuple[Session, str]:
        """The session of this person from now on; the old one is over, with what was granted in it."""
        now = self._clock()
        made = self._make(
            ends=now + SIGN_IN,
            person=keep(person),
            signed_in=now,
            provider=dict(provider),
            following=session.following,
        )
        self._revocation.end_session(session.key)
        return made

    def sign_out(self, session: Session) -> None:
        """End it, with every grant that was made in it."""
        self._revocation.end_session(session.key)

    def end_all(self, reference: str) -> int:
        """Sign this person (`Type/id`) out everywhere, and end all that they granted; of how much there was."""
        return self._revocation.end_person(reference)

    def person(self, session: Session) -> Principal | None:
        """Who is signed in."""
        return recall(session.person) if session.person and session.signed_in else None

    def note(self, session: Session, **values: Any) -> Session:
        """Note something in it."""
        changed = self._kept.change(session.key, **{f"set__{name}": value for name, value in values.items()})
        return changed or session

    def _make(self, **values: Any) -> tuple[Session, str]:
        secret = secrets.token_urlsafe(32)
        made = self._kept.insert(key=fingerprint(secret), csrf=secrets.token_urlsafe(24), seen=self._clock(), **values)
        if made is None:
            raise RuntimeError("a random key was drawn twice")
        return made, secret


def is_genuine(session: Session, token: str | None) -> bool:
    """Whether a form was made for this session (RFC 9700 section 4.7)."""
    return bool(token) and hmac.compare_digest(session.csrf, token or "")
