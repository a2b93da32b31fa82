"""Accounts: how holders and legal representatives sign in (DMP-27 to DMP-30, DMP-156).

May live here: identifier and password, the initial password that must be changed first, then a one-time code at every
sign-in. May not know: how a code travels, pages, professionals. A known and an unknown identifier are answered alike.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from argon2.exceptions import Argon2Error

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.smart import records
from fhir_server.smart.attempts import Attempts, SecurityLog
from fhir_server.smart.clients import HASHER
from fhir_server.smart.records import fingerprint

WINDOW = timedelta(minutes=10)
FROM_ONE_ADDRESS = 100
CODES_IN_A_WINDOW = 5
DIGITS = 6
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
What = Literal["otp", "creation", "recovery", "identifier", "identifiers", "password-changed", "authenticator"]
_DUMMY = HASHER.hash("no account has this password")


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom a code goes, by which way, and for what (an occasion of `notices`).

    Somebody who is not known is sent something all the same, by the channel `nobody`: it is written and goes nowhere,
    so that it costs as much.
    """

    account: str
    reference: str
    patient: str | None
    channel: Literal["mail", "text", "post", "nobody"]
    address: str
    language: str
    what: What = "otp"


NOBODY = Recipient("", "", None, "nobody", "", "fr")


SendCode = Callable[[Recipient, str], None]


class Accounts:
    """One per process. `send_code` brings a code to its recipient, and returns once it cannot be lost any more."""

    def __init__(
        self,
        kept: records.Records,
        attempts: Attempts,
        security: SecurityLog,
        send_code: SendCode,
        clock: Callable[[], datetime],
    ) -> None:
        self._kept, self._codes = kept.accounts, kept.one_time_codes
        self._attempts, self._security, self._send, self._clock = attempts, security, send_code, clock
        access = profile_json("dmp/rules.json")["access"]
        self._failures = int(access["failuresBeforeLock"])
        self._code_life = timedelta(minutes=access["oneTimeCodeMinutes"])

    def add(
        self,
        identifier: str,
        password: str,
        *,
        kind: Kind,
        reference: str,
        patient: str | None,
        channel: Literal["mail", "text"],
        address: str,
        name: str = "",
        language: str = "fr",
        must_change: bool = True,
    ) -> records.Account | None:
        """An account for `reference` (`Patient/x`, `RelatedPerson/y`) in the record of `patient`; None if taken.

        An operator has an account as well, and no record.
        """
        return self._kept.insert(
            key=secrets.token_hex(16),
            identifier=canonical(identifier),
            password=HASHER.hash(password),
            must_change=must_change,
            channel=channel,
            address=address,
            kind=kind.value,
            reference=reference,
            patient=patient,
            name=name,
            language=language,
            made=self._clock(),
        )

    def find(self, identifier: str) -> records.Account | None:
        """The account with this identifier, unless it is disabled."""
        found = self._kept.all(identifier=canonical(identifier), disabled=False)
        return found[0] if found else None

    def of(self, key: str | None) -> records.Account | None:
        """The account under a key, unless it is disabled."""
        return self._kept.find(key, disabled=False)

    def check(self, identifier: str, password: str, address: str) -> records.Account | None:
        """The account whose password this is, or None. Raises TooMany, whether or not there is such an account."""
        identifier = canonical(identifier)
        self._attempts.count("address", address, limit=FROM_ONE_ADDRESS, window=WINDOW)
        self._attempts.count("password", address, identifier, limit=self._failures, window=WINDOW)
        account = self.find(identifier)
        try:
            HASHER.verify(account.password if account else _DUMMY, password[: LONGEST_PASSWORD + 1])
        except Argon2Error:
            account = None
        if account is None:
            self._security.failed("sign-in failed", address)
            return None
        self._attempts.forgive("password", address, identifier, window=WINDOW)
        return account

    def is_initial(self, account: records.Account, identifier: str, password: str) -> bool:
        """Whether these are the identifiers that the account was made with, and nobody has signed in with yet."""
        return account.must_change and account.identifier == identifier and _is(account.password, password)

    def fault_of(self, account: records.Account, password: str, again: str) -> str | None:
        """Why this cannot be the new password, as the key of a sentence; None if it can."""
        if password != again:
            return "password.differs"
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            return "password.short"
        if account.identifier in password.casefold() or _is(account.password, password):
            return "password.known"
        return None

    def send_code(self, account: records.Account, session: records.Session, address: str) -> None:
        """Send a new code, good for this browser session; the one before is good no more. Raises TooMany."""
        self._attempts.count("code", address, account.key, limit=CODES_IN_A_WINDOW, window=WINDOW)
        code = draw_code()
        self._codes.put(
            account.key,
            set__code=fingerprint(session.key, code),
            set__session=session.key,
            set__tries=0,
            set__expires=self._clock() + self._code_life,
        )
        self._send(recipient(account), code)

    def enter_code(self, account: records.Account, session: records.Session, code: str, address: str) -> bool:
        """Whether this is the code of this account; it is then used up, as it is after too many wrong ones."""
        where = {"session": session.key, "tries__lt": self._failures, "expires__gt": self._clock()}
        kept = self._codes.change(account.key, where, inc__tries=1)
        offered = fingerprint(session.key, "".join(code.split()))
        if kept is not None and hmac.compare_digest(kept.code, offered):
            # whoever removes it has it: two at once cannot both enter
            return self._codes.drop(key=account.key, code=kept.code) == 1
        self._security.failed("one-time code refused", address)
        return False

    def code_is_dead(self, account: records.Account, session: records.Session) -> bool:
        """Whether no code is good here any more, so that a new one must be asked for."""
        where = {"session": session.key, "tries__lt": self._failures, "expires__gt": self._clock()}
        return self._codes.find(account.key, **where) is None

    def set_password(self, account: records.Account, hashed: str) -> None:
        """The person's own password from now on, from its hash."""
        self._kept.change(account.key, set__password=hashed, set__must_change=False)


def person_of(account: records.Account, issuer: str) -> Principal:
    """Whom an account stands for."""
    return Principal(
        kind=Kind(account.kind),
        subject=account.key,
        client="",
        name=account.name,
        reference=account.reference,
        identities=frozenset({account.reference}),
        patient=account.patient or None,
        secret_session=account.secret_session,
        issuer=issuer,
    )


def recipient(account: records.Account, what: What = "otp") -> Recipient:
    """To whom the codes of an account go."""
    channel: Literal["mail", "text"] = "mail" if account.channel == "mail" else "text"
    return Recipient(account.key, account.reference, account.patient, channel, account.address, account.language, what)


def draw_code() -> str:
    """A new one-time code."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


def canonical(identifier: str) -> str:
    """An identifier as it is compared: without spaces around, in lower case."""
    return identifier.strip().casefold()[:200]


def hashed(password: str) -> str:
    """What is kept of a password."""
    return HASHER.hash(password)


def _is(kept: str, password: str) -> bool:
    try:
        return HASHER.verify(kept, password)
    except Argon2Error:
        return False
