"""Freshness: what this room asks of the leases by which a revocation reaches every worker (decisions 19).

May live here: the questions. May not know: how they are answered. Kinds are `token` (a grant), `client` and `key`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Freshness(Protocol):
    """As `store.freshness.Freshness`; a callback's key is "" when everything of its kind may be out of date."""

    def on(self, kind: str, callback: Callable[[str], None], /) -> None:
        """Call back with the key whenever something of that kind stops being true."""

    def check(self) -> None:
        """Catch up, if the lease has run out, before what is remembered is used."""

    def bump(self, kind: str, key: str, /) -> int:
        """Record that something no longer holds; its number."""

    def settle(self, number: int, /) -> None:
        """Wait until no worker can still act on it."""
