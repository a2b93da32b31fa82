"""Together: questions that are asked at the same time go to the database in one command.

May live here: who asks for whom, and what each gets. May not know: what is asked, who may see it.

A command costs the driver and MongoDB about as much for one question as for several, so that in a crowd the round trip
is most of what a read costs (docs/adr/0040). Who comes while nobody is on the way asks at once, unless it pays to wait
for another (docs/adr/0048); who comes while one is on the way goes with the next. Who is told to ask by himself does so
when the lead is handed on, and holds up nobody.

INVARIANT (fresh): a command carries only those who waited before it was sent, so that each sees what was written before
he asked.
INVARIANT (alone in failure): who shared a command that failed asks again by himself: an error is of its own request.
INVARIANT (nobody is stuck): a command that does not return, its connection being dead, holds up others for PATIENCE.
"""

from __future__ import annotations

import threading
import time
from _thread import LockType
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, TypeVar

from fhir_server.foundation.crowd import Crowd

Question = TypeVar("Question")
Answer = TypeVar("Answer")
MOST = 16
"""How many go together at most; what is found for all of them is in memory at once."""
PATIENCE = 1.0
"""Seconds that somebody waits for what others asked; longer than a read takes even of a busy database."""
LINGER = 0.002
"""Seconds that who is to ask waits at most for another, where so many others ask as well as CROWD says."""
CROWD = 3
VAIN = 2
"""After so many waits in vain, one after the other, none of the next SPARED waits."""
SPARED = 16


class Unanswered(Enum):
    """What a shared query gives whom it could not answer."""

    ALONE = "asks by himself"


ALONE: Final = Unanswered.ALONE


@dataclass(slots=True, eq=False)
class _Seeker(Generic[Question, Answer]):
    """Who waits for an answer; `turn` is held until there is one, or until he `leads`: it is on him to ask."""

    question: Question
    turn: LockType = field(default_factory=threading.Lock)
    leads: bool = False
    answer: Answer | Unanswered = ALONE


class Together(Generic[Question, Answer]):
    """One per errand and process. `ask` answers several questions, each in its place; `alone` a single one."""

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Sequence[Answer | Unanswered]],
        alone: Callable[[Question], Answer],
        most: int = MOST,
        crowd: Crowd | None = None,
    ) -> None:
        """`most` go together; in a `crowd` another is waited for. What `ask` and `alone` raise, `one` does."""
        self._ask_all = ask
        self._alone = alone
        self._most = most
        self._crowd = crowd
        self._another = threading.Event()
        self._in_vain = 0
        self._lock = threading.Lock()
        self._waiting: list[_Seeker[Question, Answer]] = []
        self._under_way = self._crowded = False

    def one(self, question: Question) -> Answer:
        """The answer to that question, whoever asked for it. Raises PyMongoError."""
        seeker: _Seeker[Question, Answer] = _Seeker(question)
        with self._lock:
            leads, self._under_way = not self._under_way, True
            if not leads:
                seeker.turn.acquire()
                self._waiting.append(seeker)
                self._another.set()
        if leads or self._is_to_lead(seeker):
            if self._crowd is not None and self._crowd.others >= CROWD and self._in_vain < VAIN:
                self._wait_for_another()
            elif self._crowded:
                time.sleep(0)  # whoever was about to ask as well comes first, and comes along
            self._ask([seeker, *self._others()])
        return self._alone(question) if seeker.answer is ALONE else seeker.answer

    def _wait_for_another(self) -> None:
        """For the first of them alone: until this thread has the interpreter again, others have come as well."""
        with self._lock:
            if self._waiting:
                return
            self._another.clear()
        self._another.wait(LINGER)

    def _is_to_lead(self, seeker: _Seeker[Question, Answer]) -> bool:
        """Wait for an answer: whether it is on him to ask. Who has waited long enough need not be told."""
        if seeker.turn.acquire(timeout=PATIENCE):
            return seeker.leads
        with self._lock:
            if seeker not in self._waiting:  # he was taken along, and asks again by himself, or was told just now
                return seeker.leads
            self._waiting.remove(seeker)
        return True

    def _others(self) -> list[_Seeker[Question, Answer]]:
        with self._lock:
            others, self._waiting = self._waiting[: self._most - 1], self._waiting[self._most - 1 :]
            self._crowded = bool(others)
            self._in_vain = 0 if others else (self._in_vain + 1) % (VAIN + SPARED)
        return others

    def _ask(self, group: list[_Seeker[Question, Answer]]) -> None:
        """Ask for a group, its first member being who asks; then it is on the first of those who wait."""
        try:
            asked = [each.question for each in group]
            for each, answer in zip(group, self._ask_all(asked), strict=True):
                each.answer = answer
        finally:
            self._hand_on()
            for each in group[1:]:
                each.turn.release()

    def _hand_on(self) -> None:
        with self._lock:
            following = self._waiting.pop(0) if self._waiting else None
            self._under_way = following is not None
            if following is not None:
                following.leads = True
        if following is not None:
            following.turn.release()
