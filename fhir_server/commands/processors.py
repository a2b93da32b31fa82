"""Processors: a worker that keeps to one, where each of the machine's has as many workers as any other.

May live here: which processor a worker keeps to. May not know: what it answers.

One interpreter runs one thread at a time, so that a worker has little to do on a second processor; where its threads
are free to wander they hand the interpreter to each other across both, and wake each other by interrupts
(docs/adr/0047).
https://man7.org/linux/man-pages/man2/sched_setaffinity.2.html, abstract addresses in
https://man7.org/linux/man-pages/man7/unix.7.html
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path

_held: list[socket.socket] = []
"""The place of this process: an address that goes with it, so that who is started in its stead finds it free."""


def keep_to_one(workers: int, server: str) -> int | None:
    """Keep this process, one of so many `workers` of a `server`, to a processor; which one, None for any.

    None where some processors would have more workers than others, where all places are taken, and where the system
    cannot do it: there the scheduler does better, or has to do.
    """
    if sys.platform != "linux":
        return None
    processors = sorted(os.sched_getaffinity(0))
    place = _place(workers, server) if workers % len(processors) == 0 else None
    if place is None:
        return None
    mine = processors[place % len(processors)]
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended, or this may not be asked for here
            os.sched_setaffinity(int(thread.name), {mine})
    return mine


def _place(workers: int, server: str) -> int | None:
    """The first of so many places that no other worker of the server has."""
    for place in range(workers):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0fhir-server.{server}.{place}")
        except OSError:
            claim.close()
            continue
        _held.append(claim)
        return place
    return None
