"""Reading together: documents asked for by their `_id` at the same time come in one query.

May live here: who asks for whom, and what each gets. May not know: what a document says, who may see it.

A query costs the driver and MongoDB as much for one document as for several, so that in a crowd the round trip is most
of what a read costs (docs/adr/0040). Who comes while nobody is on the way asks at once; who comes while one is goes
with the next. Nobody lingers.

INVARIANT (fresh): a query carries only those who waited before it was sent, so that each sees what was written before
he asked.
INVARIANT (alone in failure): who shared a query that failed asks again by himself: an error is of its own request.
INVARIANT (nobody is stuck): a query that does not return, its connection being dead, holds up others for PATIENCE only.
"""

from __future__ import annotations

import copy
import threading
import time
from _thread import LockType
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.store.bounded import Bounded

Document = dict[str, Any]
MOST = 16
"""How many documents one query asks for; the bodies of all of them are in memory at once."""
PATIENCE = 1.0
"""Seconds that somebody waits for what others asked; longer than a read takes even of a busy database."""


@dataclass(slots=True, eq=False)
class _Seeker:
    """Who waits for a document; `turn` is held until there is an answer, or until he `leads`: it is on him to ask."""

    id: str
    turn: LockType = field(default_factory=threading.Lock)
    leads: bool = False
    answered: bool = False
    found: Document | None = None


class Together:
    """One per collection and process."""

    def __init__(self, collection: Bounded, wanted: Mapping[str, Any]) -> None:
        """`wanted` is the projection of each document."""
        self._collection = collection
        self._wanted = wanted
        self._lock = threading.Lock()
        self._waiting: list[_Seeker] = []
        self._under_way = self._crowded = False

    def one(self, id_: str) -> Document | None:
        """The document of that `_id`, None where there is none. Raises PyMongoError."""
        seeker = _Seeker(id_)
        with self._lock:
            leads, self._under_way = not self._under_way, True
            if not leads:
                seeker.turn.acquire()
                self._waiting.append(seeker)
        if leads or self._is_to_lead(seeker):
            if self._crowded:
                time.sleep(0)  # whoever was about to ask as well comes first, and comes along
            self._ask([seeker, *self._others()])
        return seeker.found if seeker.answered else self._collection.find_one({"_id": id_}, self._wanted)

    def _is_to_lead(self, seeker: _Seeker) -> bool:
        """Wait for an answer: whether it is on him to ask. Who has waited long enough need not be told."""
        if seeker.turn.acquire(timeout=PATIENCE):
            return seeker.leads
        with self._lock:
            if seeker not in self._waiting:  # he was taken along, and asks again by himself, or was told just now
                return seeker.leads
            self._waiting.remove(seeker)
        return True

    def _others(self) -> list[_Seeker]:
        with self._lock:
            others, self._waiting = self._waiting[: MOST - 1], self._waiting[MOST - 1 :]
            self._crowded = bool(others)
        return others

    def _ask(self, group: list[_Seeker]) -> None:
        """Ask for a group, its first member being who asks; then it is on the first of those who wait."""
        try:
            found = self._documents({each.id for each in group})
            taken: set[str] = set()
            for each in group:
                document = found.get(each.id)
                # who asks for the same has a copy: no two hold the same facts
                each.found = copy.deepcopy(document) if each.id in taken else document
                each.answered = True
                taken.add(each.id)
        finally:
            self._hand_on()
            for each in group[1:]:
                each.turn.release()

    def _documents(self, ids: set[str]) -> dict[str, Document]:
        where = {"_id": {"$in": list(ids)} if len(ids) > 1 else next(iter(ids))}
        return {each["_id"]: each for each in self._collection.some(where, self._wanted, len(ids))}

    def _hand_on(self) -> None:
        with self._lock:
            following = self._waiting.pop(0) if self._waiting else None
            self._under_way = following is not None
            if following is not None:
                following.leads = True
        if following is not None:
            following.turn.release()
