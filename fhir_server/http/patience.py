"""Patience: how many forms of people unknown are waited for at a time.

May live here: the places where a form is read. May not know: what is in it. The FHIR base reads no body before it knows
who sent it; a form is how somebody says who they are, so it is read first, and who sends one byte now and then would
hold a thread each. They hold these places, and the other threads go on answering. A proxy that takes bodies in before
it hands them on leaves nobody to wait for (docs/operating.md).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PLACES = 8
"""Of the sixteen threads that a process has by default."""
WAIT = 0.2
"""Seconds that a form waits for a place: one that comes whole is read in less than a thousandth of that."""


class Crowded(Exception):
    """Every place is held by somebody who dawdles."""


class Places:
    """One per application; threads share it."""

    def __init__(self, number: int = PLACES) -> None:
        self._free = threading.BoundedSemaphore(max(1, number))

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A place, given back at the end. Raises Crowded."""
        if not self._free.acquire(timeout=WAIT):
            raise Crowded
        try:
            yield
        finally:
            self._free.release()
