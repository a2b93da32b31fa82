"""Recovery: a password or an identifier that was forgotten.

May live here: who may set a new password, and who is told an identifier. May not know: pages, how a code travels.
Nothing that is asked here is answered otherwise for who is known than for who is not, and nobody's sign-in is touched
by it: a code of recovery is kept apart from the codes of signing in, and a new password still needs one (DMP-30).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from fhir_server.definitions.library import profile_json
from fhir_server.smart.accounts import FROM_ONE_ADDRESS, NOBODY, WINDOW, Accounts, SendCode, draw_code, recipient
from fhir_server.smart.attempts import Attempts, SecurityLog
from fhir_server.smart.contact import contact_of, number_of
from fhir_server.smart.directory import Directory
from fhir_server.smart.records import Account, Records, Session, fingerprint
from fhir_server.smart.revocation import Revocation


class Recovery:
    """One per process."""

    def __init__(
        self,
        *,
        kept: Records,
        accounts: Accounts,
        attempts: Attempts,
        security: SecurityLog,
        directory: Directory,
        revocation: Revocation,
        send: SendCode,
        clock: Callable[[], datetime],
    ) -> None:
        self._kept, self._accounts, self._attempts, self._security = kept, accounts, attempts, security
        self._directory, self._revocation, self._send, self._clock = directory, revocation, send, clock
        access = profile_json("dmp/rules.json")["access"]
        self._failures = int(access["failuresBeforeLock"])
        self._code_life = timedelta(minutes=access["oneTimeCodeMinutes"])

    def ask_password(self, session: Session, identifier: str, number: str, address: str) -> None:
        """Send a code for a new password, if the carte Vitale is that of the record of this account. Raises TooMany."""
        self._count("recovery", address, identifier)
        account, insured = self._accounts.find(identifier), self._directory.insured(number_of(number))
        right = account is not None and insured is not None and account.patient == insured.patient
        code = draw_code()
        self._kept.one_time_codes.put(
            _key(session),
            set__code=fingerprint(session.key, code),
            set__session=session.key,
            set__account=account.key if account is not None and right else secrets.token_hex(16),
            set__tries=0,
            set__expires=self._clock() + self._code_life,
        )
        to = recipient(account, "recovery") if account is not None and right else replace(NOBODY, what="recovery")
        self._send(to, code)

    def enter_code(self, session: Session, code: str, address: str) -> str | None:
        """The key of the account whose password may now be set; the code is used up. None if it is not right."""
        where = {"session": session.key, "tries__lt": self._failures, "expires__gt": self._clock()}
        kept = self._kept.one_time_codes.change(_key(session), where, inc__tries=1)
        offered = fingerprint(session.key, "".join(code.split()))
        right = kept is not None and hmac.compare_digest(kept.code, offered)
        # whoever removes it has it: two at once cannot both enter
        if kept is not None and right and self._kept.one_time_codes.drop(key=kept.key, code=kept.code) == 1:
            return kept.account
        self._security.failed("recovery code refused", address)
        return None

    def code_is_dead(self, session: Session) -> bool:
        """Whether no code is good here any more."""
        where = {"session": session.key, "tries__lt": self._failures, "expires__gt": self._clock()}
        return self._kept.one_time_codes.find(_key(session), **where) is None

    def set_password(self, account: Account, hashed: str) -> None:
        """The person's new password; every sign-in that was made with the old one is over, and they are told."""
        self._accounts.set_password(account, hashed)
        for each in self._kept.sessions.all(person__subject=account.key):
            self._revocation.end_session(each.key)
        self._send(recipient(account, "password-changed"), "")

    def ask_identifier(self, number: str, contact: str, address: str) -> None:
        """Send the identifiers that are known for this record at this address or number, to there. Raises TooMany."""
        self._count("identifier", address, number_of(number))
        insured = self._directory.insured(number_of(number))
        patient = insured.patient if insured is not None else secrets.token_hex(16)
        wanted = contact_of(contact)
        found = [
            each
            for each in self._kept.accounts.all(patient=patient, disabled=False)
            if wanted is not None and contact_of(each.address) == wanted
        ]
        told = ", ".join(each.identifier for each in found)
        self._send(recipient(found[0], "identifier") if found else replace(NOBODY, what="identifier"), told or "-")

    def _count(self, what: str, address: str, whom: str) -> None:
        self._attempts.count("address", address, limit=FROM_ONE_ADDRESS, window=WINDOW)
        self._attempts.count(what, address, whom.strip().casefold()[:200], limit=self._failures, window=WINDOW)


def _key(session: Session) -> str:
    return fingerprint("recovery", session.key)
