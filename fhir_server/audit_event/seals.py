"""Seals: the chains of the ledger, sealed together from time to time (decisions 21).

May live here: the collection `seals`, what a seal holds, and the reading of all of it back. May not know: how records
are written, or what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.audit_event.chain import NOTHING_BEFORE, Head, seal_hash
from fhir_server.audit_event.verify import Finding, findings
from fhir_server.foundation.moment import instant

Record = dict[str, Any]


class Seals:
    """Of one database; `clock` is the protocol clock, for the moments of seals."""

    def __init__(self, database: Database[Record], clock: Callable[[], datetime]) -> None:
        majority, seen = WriteConcern("majority", j=True), ReadConcern("majority")
        self._ledger = database.get_collection("ledger", read_concern=seen)
        self._seals = database.get_collection("seals", read_concern=seen, write_concern=majority)
        self._clock = clock
        self._sealed: dict[str, int] | None = None

    def beginning(self) -> Head:
        """Where a new chain begins: at the latest seal."""
        self._sealed = None
        latest = self._latest_seal()
        return Head(0, latest["hash"], latest["_id"]) if latest else Head(0, NOTHING_BEFORE, 0)

    def seal(self) -> int | None:
        """Seal the heads of all chains that moved; the seal's number, None if none moved or another process sealed."""
        if self._sealed is None:
            self._sealed = self._last_sealed()
        moved = [head for head in self._heads() if self._sealed.get(head["writer"], 0) < head["seq"]]
        if not moved:
            return None
        latest = self._latest_seal()
        seal: Record = {
            "_id": latest["_id"] + 1 if latest else 1,
            "at": instant(self._clock()),
            "prev": latest["hash"] if latest else NOTHING_BEFORE,
            "heads": moved,
        }
        seal["hash"] = seal_hash(seal)
        try:
            self._seals.insert_one(seal)
        except DuplicateKeyError:
            self._sealed = None
            return None
        self._sealed.update({head["writer"]: head["seq"] for head in moved})
        return int(seal["_id"])

    def _latest_seal(self) -> Record | None:
        return self._seals.find_one(sort=[("_id", DESCENDING)])

    def _heads(self) -> Iterator[Record]:
        """The last record of every chain; one seek per chain."""
        found = self._ledger.aggregate(
            [
                {"$sort": {"chain.writer": -1, "chain.seq": -1}},
                {
                    "$group": {
                        "_id": "$chain.writer",
                        "seq": {"$first": "$chain.seq"},
                        "hash": {"$first": "$chain.hash"},
                    }
                },
            ]
        )
        for each in sorted(found, key=lambda head: str(head["_id"])):
            if each["_id"] is not None:
                yield {"writer": each["_id"], "seq": each["seq"], "hash": each["hash"]}

    def _last_sealed(self) -> dict[str, int]:
        """The number up to which each chain is sealed, by the latest seals; what older seals hold is sealed again."""
        sealed: dict[str, int] = {}
        for seal in self._seals.find(sort=[("_id", DESCENDING)]).limit(1_000):
            for head in seal["heads"]:
                sealed.setdefault(head["writer"], head["seq"])
        return sealed


def verify(database: Database[Record]) -> list[Finding]:
    """Every record changed, dropped or reordered, and every seal that does not hold; [] for a sound ledger."""
    majority = ReadConcern("majority")
    seals = database.get_collection("seals", read_concern=majority)
    ledger = database.get_collection("ledger", read_concern=majority)

    def hash_of_seal(number: int) -> str | None:
        found = seals.find_one({"_id": number})
        return found["hash"] if found else None

    records = ledger.find().sort([("chain.writer", ASCENDING), ("chain.seq", ASCENDING)]).allow_disk_use(True)
    return list(findings(seals.find().sort("_id", ASCENDING), records, hash_of_seal))
