"""Turn: whose turn it is to go the rounds, and which acts of them are done.

May live here: the collection `rounds`: a lease under which one process at a time goes, a mark for each act that must be
done once, and how far each round came. May not know: what an act is.

rounds  {_id: "lease", by, until}   {_id: "through", <round>: moment}   {_id: "mark|<round>|<key>", patient, at}

A mark is set in the transaction of its act: two that do the same act at once write to one document, MongoDB lets one
stand, and the other begins again and finds it done. The lease only spares work; what keeps an act from being done twice
is its mark, or that nothing is left to be done.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from fhir_server.store.claims import claimed_meanwhile
from fhir_server.store.collections import make_collections

COLLECTION = "rounds"
LEASE = timedelta(seconds=30)
INDEXES = (IndexModel([("patient", ASCENDING)], sparse=True),)


class Turn:
    """One per process. `clock` is the protocol clock: a lease ends in real time, wherever the domain clock stands."""

    def __init__(self, database: Database[dict[str, Any]], clock: Callable[[], datetime] | None = None) -> None:
        self._database = database
        self._kept = database.get_collection(COLLECTION, write_concern=WriteConcern("majority", j=True))
        self._clock = clock or (lambda: datetime.now(UTC))
        self._me = uuid.uuid4().hex

    def prepare(self) -> None:
        """The collection and its index, before the first transaction that marks."""
        make_collections(self._database, (COLLECTION,))
        self._kept.create_indexes(list(INDEXES))

    def take(self) -> bool:
        """Whether it is this process's turn now, or still is; for another LEASE, or until `leave`."""
        now = self._clock()
        free = {"_id": "lease", "$or": [{"by": self._me}, {"until": {"$lte": now}}]}
        try:
            self._kept.update_one(free, {"$set": {"by": self._me, "until": now + LEASE}}, upsert=True)
        except DuplicateKeyError:  # another has it
            return False
        return True

    def leave(self) -> None:
        """Give the turn back."""
        self._kept.delete_one({"_id": "lease", "by": self._me})

    def mark(self, session: ClientSession, round_: str, key: str, patient: str, at: datetime) -> bool:
        """Set the mark of an act with its transaction; whether it was not set yet."""
        id_ = _mark(round_, key)
        if self._kept.find_one({"_id": id_}, {"_id": 1}, session=session) is not None:
            return False
        try:
            self._kept.insert_one({"_id": id_, "patient": patient, "at": at}, session=session)
        except DuplicateKeyError as taken:
            raise claimed_meanwhile() from taken
        return True

    def unmarked(self, round_: str, keys: Iterable[str]) -> list[str]:
        """Those of the keys that have no mark."""
        wanted = {_mark(round_, each): each for each in keys}
        done = {each["_id"] for each in self._kept.find({"_id": {"$in": list(wanted)}}, {"_id": 1})}
        return [key for id_, key in wanted.items() if id_ not in done]

    def forget(self, patient: str) -> None:
        """Take away the marks of a record that is no more."""
        self._kept.delete_many({"patient": patient})

    def through(self, round_: str) -> datetime | None:
        """The moment (domain clock) up to which all of a round was done, None where nobody knows."""
        found = (self._kept.find_one({"_id": "through"}) or {}).get(round_)
        return None if found is None else found.replace(tzinfo=UTC) if found.tzinfo is None else found

    def came(self, round_: str, moment: datetime) -> None:
        """All of a round was done up to a moment."""
        self._kept.update_one({"_id": "through"}, {"$set": {round_: moment}}, upsert=True)


def _mark(round_: str, key: str) -> str:
    return f"mark|{round_}|{key}"
