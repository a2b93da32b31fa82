"""Freshness: what a worker remembers of consents, tokens and clients is never staler than a revocation allows.

May live here: leases and invalidations (decisions 19). May not know: what is remembered; that is a callback's business.

The law: no request received after a revocation was answered, by any worker on any host, discloses what it forbids.
- A revocation inserts an invalidation numbered n in its own transaction; the counter's write conflicts order them.
- Every worker reads the counter each POLL seconds, empties what is named, *then* writes into its lease that it has
  seen n. A worker whose lease has run out, by its own monotonic clock counted from before the read, first catches up.
- The revocation is answered when every lease has seen n, or has run out by the revoker's own clock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

POLL = 0.1
LEASE = 2.0
KEPT = 10_000

Callback = Callable[[str], None]


class Listening(Protocol):
    """What the rooms that remember something need of this one."""

    def on(self, kind: str, callback: Callback) -> None:
        """Call back with the key whenever something of that kind stops being true."""


class Freshness:
    """One per process. `start` begins the poll; `check` is called once a request, before what is remembered is used."""

    def __init__(self, database: Database[dict[str, Any]], worker: str) -> None:
        majority = WriteConcern("majority", j=True)
        self._log = database.get_collection(
            "invalidations", read_concern=ReadConcern("majority"), write_concern=majority
        )
        self._leases = database.get_collection("leases", write_concern=WriteConcern("majority"))
        self._worker = worker
        self._callbacks: dict[str, list[Callback]] = {}
        self._seen = -1
        self._until = 0.0
        self._renewed = 0.0
        self._catching_up = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """The counter and its index."""
        self._log.create_index([("n", ASCENDING)])
        self._log.update_one({"_id": "counter"}, {"$setOnInsert": {"value": 0}}, upsert=True)

    def on(self, kind: str, callback: Callback) -> None:
        """Call back with the key whenever something of that kind stops being true; with "" when everything may have."""
        self._callbacks.setdefault(kind, []).append(callback)

    def start(self) -> None:
        """Take a lease and keep it."""
        self._catch_up()
        self._thread = threading.Thread(target=self._poll, name="freshness", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give the lease back, so that nobody waits for it."""
        self._stopped.set()
        if self._thread:
            self._thread.join(timeout=2)
        with contextlib.suppress(PyMongoError):  # without the database it runs out by itself
            self._leases.delete_one({"_id": self._worker})

    def check(self) -> None:
        """Catch up first if the lease has run out. Raises PyMongoError when the database cannot be asked."""
        if time.monotonic() >= self._until:
            self._catch_up()

    def bump(self, kind: str, key: str, session: ClientSession | None = None) -> int:
        """Record, in the session's transaction or one of its own, that something no longer holds; its number.

        INVARIANT (no gap): a number is seen together with what it stands for, or a worker that looks between the two
        would pass over it for good.
        """
        if session is None:
            with self._log.database.client.start_session() as own:
                return own.with_transaction(
                    lambda started: self.bump(kind, key, started), write_concern=self._log.write_concern
                )
        counter = self._log.find_one_and_update(
            {"_id": "counter"}, {"$inc": {"value": 1}}, upsert=True, return_document=True, session=session
        )
        number = int(counter["value"]) if counter else 0
        self._log.insert_one({"_id": number, "n": number, "kind": kind, "key": key}, session=session)
        return number

    def settle(self, number: int) -> None:
        """Wait until no live worker can still act on what invalidation `number` ended."""
        self._catch_up()
        begun = time.monotonic()
        while time.monotonic() - begun < LEASE:
            if self._leases.find_one({"seen": {"$lt": number}}) is None:
                break
            time.sleep(POLL / 20)
        else:
            self._leases.delete_many({"seen": {"$lt": number}, "at": {"$lt": _ago(LEASE)}})

    def _poll(self) -> None:
        while not self._stopped.wait(POLL):
            try:
                self._catch_up()
            except PyMongoError:
                continue  # the lease runs out, and `check` refuses to go on without the database

    def _catch_up(self) -> None:
        with self._catching_up:
            lapsed = time.monotonic() >= self._until
            self._look()
            if lapsed:
                # INVARIANT (no gap): nobody waited for a lease that was not there; what ended meanwhile is looked up
                self._look()

    def _look(self) -> None:
        begun = time.monotonic()
        counter = self._log.find_one({"_id": "counter"}) or {"value": 0}
        latest = int(counter["value"])
        behind = latest != self._seen
        if behind:
            self._forget(latest)
        if behind or begun - self._renewed > LEASE / 4:
            self._leases.replace_one({"_id": self._worker}, {"seen": latest, "at": datetime.now(UTC)}, upsert=True)
            self._renewed = begun
        self._seen = latest
        self._until = begun + LEASE * 0.75

    def _forget(self, latest: int) -> None:
        if self._seen < 0 or latest < self._seen or latest - self._seen > KEPT:
            entries: list[dict[str, Any]] = [{"kind": kind, "key": ""} for kind in self._callbacks]
        else:
            entries = list(self._log.find({"n": {"$gt": self._seen, "$lte": latest}}))
        for entry in entries:
            for callback in self._callbacks.get(entry["kind"], []):
                callback(entry["key"])
        if latest % 1000 == 0:
            self._log.delete_many({"n": {"$lt": latest - 2 * KEPT}})


def _ago(seconds: float) -> datetime:
    return datetime.fromtimestamp(time.time() - seconds, UTC)
