"""Going: who goes the rounds, and when.

May live here: the order of the rounds, whose turn it is, the thread of a serving process. May not know: any single one.
What one act raises keeps no other from being done; it is tried again the next time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from fhir_server.rounds.act import Means
from fhir_server.rounds.table import NAMES, ROUNDS, Round

EVERY = 60.0
"""Seconds between two looks of a process; whose turn it is not looks again then."""
_PAUSE = 0.1

log = logging.getLogger(__name__)

Told = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Gone:
    """What came of going: how many acts of each round were done, and how many failed."""

    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


class Rounds:
    """One per process. `start` has them gone beside the requests."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._here = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look each minute."""
        self._thread = threading.Thread(target=self._forever, name="rounds", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the act under way and end."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def go(
        self, names: Collection[str] = NAMES, told: Told = lambda *_: None, *, patience: float = 0.0, all_: bool = True
    ) -> Gone | None:
        """Go these rounds now; None where it is another's turn for longer than `patience` (seconds).

        `told` hears of each act, by the round and the key, before it is done. Without `all_`, what is looked for once a
        day and was today is left out.
        """
        until = time.monotonic() + patience
        while not (self._here.acquire(timeout=max(0.0, until - time.monotonic()))):
            return None
        try:
            while not self._means.turn.take():
                if time.monotonic() >= until or self._stopped.wait(_PAUSE):
                    return None
            try:
                return self._go([each for each in ROUNDS if each.name in names], told, all_)
            finally:
                self._means.turn.leave()
        finally:
            self._here.release()

    def _go(self, rounds: list[Round], told: Told, all_: bool) -> Gone:
        gone = Gone()
        for each in rounds:
            now = self._means.house.clock()
            last = self._means.turn.through(each.name)
            if each.daily and not all_ and last is not None and last.date() == now.date():
                continue
            for key in each.due(self._means):
                if self._stopped.is_set() or not self._means.turn.take():
                    return gone
                told(each.name, key)
                try:
                    gone.done[each.name] += each.act(self._means, key)
                except Exception as cause:  # noqa: BLE001 - one record must not keep the others from their due
                    gone.failed[each.name] += 1
                    log.warning("an act of the round %s failed: %s", each.name, type(cause).__name__)
            if not gone.failed[each.name]:
                self._means.turn.came(each.name, now)
        return gone

    def _forever(self) -> None:
        while not self._stopped.wait(EVERY):
            try:
                self.go(all_=False)
            except Exception as cause:  # noqa: BLE001 - whatever it was, the next minute tries again
                log.warning("the rounds were not gone: %s", type(cause).__name__)
