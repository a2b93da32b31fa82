"""Authenticator: an app that shows codes (TOTP, RFC 6238), asked for after the one-time code, never instead (DMP-30).

May live here: offering one, proving it, taking it away. May not know: pages. Its secret has to be kept as it is, like
our signing keys; each of its codes is good once (RFC 6238 section 5.2).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime

import pyotp

from fhir_server.definitions.library import profile_json
from fhir_server.smart.accounts import WINDOW, SendCode, recipient
from fhir_server.smart.attempts import Attempts, SecurityLog
from fhir_server.smart.records import Account, Records

PERIOD = 30
"""Seconds that a code is shown; the one before and the one after are taken too, since clocks differ."""


class Authenticator:
    """One per process. `name` is what the application shows as the place it is for."""

    def __init__(
        self,
        *,
        kept: Records,
        attempts: Attempts,
        security: SecurityLog,
        send: SendCode,
        clock: Callable[[], datetime],
        name: str = "DMP",
    ) -> None:
        self._kept, self._attempts, self._security, self._send, self._clock = kept, attempts, security, send, clock
        self._name = name
        self._failures = int(profile_json("dmp/rules.json")["access"]["failuresBeforeLock"])

    def offer(self) -> str:
        """A new secret, in base 32."""
        return pyotp.random_base32()

    def address(self, account: Account, secret: str) -> str:
        """The secret as an application reads it, `otpauth://totp/…`."""
        return pyotp.TOTP(secret, interval=PERIOD).provisioning_uri(name=account.identifier, issuer_name=self._name)

    def add(self, account: Account, secret: str, code: str, address: str) -> bool:
        """Ask for it at every sign-in from now on, once its first code shows that it works; they are told."""
        self._count(account, address)
        step = self._step(secret, code)
        if step is None:
            self._security.failed("authenticator refused", address)
            return False
        changed = self._kept.accounts.change(
            account.key, {"authenticator": None}, set__authenticator=secret, set__step=step
        )
        if changed is None:
            return False
        self._forgive(account, address)
        self._send(recipient(account, "authenticator"), "")
        return True

    def check(self, account: Account, code: str, address: str) -> bool:
        """Whether this is a code of theirs that was not used before; it is then used up. Raises TooMany."""
        self._count(account, address)
        step = self._step(account.authenticator or "", code)
        where = {"authenticator": account.authenticator, "step__lt": step}
        # one that was seen before is refused, by whichever worker (RFC 6238 section 5.2)
        if step is None or self._kept.accounts.change(account.key, where, set__step=step) is None:
            self._security.failed("authenticator refused", address)
            return False
        self._forgive(account, address)
        return True

    def remove(self, account: Account) -> None:
        """Ask for it no more; they are told."""
        if self._kept.accounts.change(account.key, unset__authenticator=True, set__step=0) is not None:
            self._send(recipient(account, "authenticator"), "")

    def _step(self, secret: str, code: str) -> int | None:
        """The step of time whose code this is, within one of now."""
        offered = "".join(code.split())
        if not secret or not offered.isascii():
            return None
        now = int(self._clock().timestamp()) // PERIOD
        shown = pyotp.TOTP(secret, interval=PERIOD)
        found = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(shown.generate_otp(step), offered)]
        return found[0] if found else None

    def _count(self, account: Account, address: str) -> None:
        self._attempts.count("authenticator", address, account.key, limit=self._failures, window=WINDOW)

    def _forgive(self, account: Account, address: str) -> None:
        self._attempts.forgive("authenticator", address, account.key, window=WINDOW)
