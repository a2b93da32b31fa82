"""Holders: what holders and legal representatives may do about their own sign-in, wired.

May live here: one value of the rooms that do it. May not know: what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.smart.accounts import Accounts, SendCode
from fhir_server.smart.attempts import Attempts, SecurityLog
from fhir_server.smart.authenticator import Authenticator
from fhir_server.smart.directory import Directory
from fhir_server.smart.opening import Opening
from fhir_server.smart.records import Records
from fhir_server.smart.recovery import Recovery
from fhir_server.smart.revocation import Revocation


@dataclass(frozen=True, slots=True)
class Holders:
    """How somebody comes by identifiers, how by new ones, and what may be added to the one-time code."""

    opening: Opening
    recovery: Recovery
    authenticator: Authenticator


def build(
    *,
    kept: Records,
    accounts: Accounts,
    attempts: Attempts,
    security: SecurityLog,
    directory: Directory,
    revocation: Revocation,
    send: SendCode,
    clock: Callable[[], datetime],
) -> Holders:
    """Wire them; `clock` is the protocol clock."""
    told: dict[str, Any] = {"kept": kept, "attempts": attempts, "security": security, "send": send, "clock": clock}
    return Holders(
        Opening(accounts=accounts, directory=directory, **told),
        Recovery(accounts=accounts, directory=directory, revocation=revocation, **told),
        Authenticator(**told),
    )
