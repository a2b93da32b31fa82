"""Attempts: how often something may be tried, and the security log of what failed.

May live here: counters in windows of time, shared by all workers, and a log that nobody can flood (decisions 20). May
not know: what is tried. A limit is on an address and what it tries together, so that nobody locks out somebody else.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from fhir_server.smart.records import Records, fingerprint

LOG = logging.getLogger("fhir_server.security")


class TooMany(Exception):
    """It was tried too often; `seconds` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"tried too often, wait {seconds} s")
        self.seconds = seconds


class Attempts:
    """One per process; the counts are in the database."""

    def __init__(self, records: Records, clock: Callable[[], datetime]) -> None:
        self._kept, self._clock = records.attempts, clock

    def count(self, what: str, *whose: str, limit: int, window: timedelta) -> None:
        """Count one attempt. Raises TooMany from the one after the `limit`th of a window on."""
        now = self._clock()
        seconds = int(window.total_seconds())
        start = int(now.timestamp()) // seconds * seconds
        key = fingerprint(what, *whose, str(start))
        made = self._kept.put(key, inc__count=1, set_on_insert__expires=now + 2 * window)
        if made.count > limit:
            raise TooMany(start + seconds - int(now.timestamp()))

    def forgive(self, what: str, *whose: str, window: timedelta) -> None:
        """Forget the attempts of this window: one succeeded."""
        seconds = int(window.total_seconds())
        start = int(self._clock().timestamp()) // seconds * seconds
        self._kept.drop(key=fingerprint(what, *whose, str(start)))


def network(address: str) -> str:
    """Of whom an address is: all of IPv4, the /64 of IPv6, of which one household has all."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


class SecurityLog:
    """Failures by kind: counted always, written at most once a second each, without names, secrets or health data."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._written: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def failed(self, kind: str, address: str) -> None:
        """Something of this kind failed, asked from this address."""
        with self._lock:
            self.counts[kind] += 1
            last, silent = self._written.get(kind, (0.0, 0))
            now = time.monotonic()
            if last and now - last < 1:
                self._written[kind] = (last, silent + 1)
                return
            self._written[kind] = (now, 0)
        LOG.warning("%s from %s (%d more not written)", kind, address, silent)
