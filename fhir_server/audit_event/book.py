"""Book (registre): one chain of the ledger, and the writing of batches into it (decisions 20 and 21).

May live here: linking records in the order in which they are inserted, and finding out after a failure what is there.
May not know: who waits for it; what a record says.

INVARIANT (durable): what is `written` was journaled by a majority before it was marked so.
INVARIANT (together): what a ticket brings along stands if, and only if, its records do: one transaction writes both.
INVARIANT (one chain): one thread alone writes in a book, and it links in the order in which it inserts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo import DESCENDING
from pymongo.database import Database
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.audit_event.chain import NOTHING_BEFORE, Head, link
from fhir_server.audit_event.seals import Seals
from fhir_server.store.straight import Straight

Record = dict[str, Any]
Slip = tuple[Record, str]
"""A record and its digest (`chain.digest`)."""
Along = Sequence[tuple[str, Record]]
"""New documents, each with the collection it goes into."""

MAJORITY = WriteConcern("majority", j=True)
DUPLICATE = 11000
"""MongoDB's code for a key that is there already."""
ATTEMPT = 3.0

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Ticket:
    """Records with their digests, to be written until `until`, by the monotonic clock, or not at all."""

    records: Sequence[Slip]
    along: Along
    until: float
    written: bool = False


class _Unwritten(Exception):
    """The time of a batch ran out before a majority had it."""


class _Unfit(Exception):
    """What was brought along can never be written: something of its name is there already."""


class Book:
    """One per process that writes; `begin` comes before the first batch."""

    def __init__(self, database: Database[Record], seals: Seals, name: str = "") -> None:
        """`name` begins the chain's name; it is the host's without one."""
        seen = ReadConcern("majority")
        self._database = database
        self._ledger = Straight(database, "ledger", seen, MAJORITY)
        self._seals = seals
        self._name = f"{name or socket.gethostname()}.{os.getpid()}"
        self.writer = f"{self._name}.{uuid.uuid4().hex}"
        self._anew = False
        self._genesis = self._head = Head(0, NOTHING_BEFORE, 0)

    def begin(self) -> None:
        """A chain of its own name, from the latest seal. Raises PyMongoError."""
        self.writer = f"{self._name}.{uuid.uuid4().hex}"
        self._genesis = self._head = self._seals.beginning()

    def begin_anew(self) -> None:
        """Begin another chain with the next record: the database was emptied (sandbox)."""
        self._anew = True

    def write(self, tickets: Sequence[Ticket]) -> None:
        """Write the tickets whose time is not up, and mark them; one that cannot be written takes no other with it."""
        try:
            self._commit(tickets)
        except Exception:
            log.exception("a batch of the ledger could not be written")

    def _commit(self, tickets: Sequence[Ticket]) -> None:
        waiting = [ticket for ticket in tickets if ticket.until > time.monotonic()]
        if not waiting:
            return
        try:
            along = [each for ticket in waiting for each in ticket.along]
            records = [record for ticket in waiting for record in ticket.records]
            self._write(records, along, max(ticket.until for ticket in waiting))
        except _Unwritten:
            log.warning("no majority took a batch of the ledger in time")
            return
        except Exception:
            if len(waiting) == 1:
                raise
            for ticket in waiting:
                with contextlib.suppress(Exception):
                    self._commit([ticket])
            return
        for ticket in waiting:
            ticket.written = True

    def _write(self, records: Sequence[Slip], along: Along, until: float) -> None:
        """Link and insert, in order, until a majority has every one. Raises _Unwritten when time is up, _Unfit."""
        if self._anew:
            self._anew = False
            self.begin()
        pending = records
        pause = 0.02
        while pending:
            head = self._head
            for record, content in pending:
                record["chain"], head = link(content, self.writer, head)
            left = until - time.monotonic()
            if left <= 0:
                raise _Unwritten
            try:
                with pymongo.timeout(min(ATTEMPT, left)):
                    self._insert([record for record, _ in pending], along)
            except PyMongoError as cause:
                pending = self._still_missing(pending, cause, until)
                if pending and not _taken(cause):
                    time.sleep(pause)
                    pause = min(pause * 2, 0.5)
            else:
                self._head = head
                return

    def _insert(self, records: Sequence[Record], along: Along) -> None:
        """All of it or, where something comes along, none of it. Raises PyMongoError, _Unfit."""
        if not along:
            self._ledger.put(records)
            return
        apart: dict[str, list[Record]] = {}
        for name, document in along:
            apart.setdefault(name, []).append(document)
        with self._database.client.start_session() as session, session.start_transaction(write_concern=MAJORITY):
            self._ledger.insert_many(records, session=session)
            for name, documents in apart.items():
                try:
                    self._database[name].insert_many(documents, session=session)
                except BulkWriteError as cause:
                    if any(each.get("code") == DUPLICATE for each in cause.details.get("writeErrors", ())):
                        raise _Unfit from cause
                    raise

    def _still_missing(self, records: Sequence[Slip], cause: PyMongoError, until: float) -> Sequence[Slip]:
        """After a failure, the database says how far the chain got and which records it has, ours or adopted."""
        try:
            with pymongo.timeout(max(0.05, min(ATTEMPT, until - time.monotonic()))):
                newest = self._ledger.find_one(
                    {"chain.writer": self.writer}, {"chain": 1}, sort=[("chain.seq", DESCENDING)]
                )
                found = self._ledger.find({"_id": {"$in": [record["_id"] for record, _ in records]}}, {"_id": 1})
                there = {each["_id"] for each in found}
        except PyMongoError:
            log.warning("the ledger cannot be reached: %s", type(cause).__name__)
            return records
        chain = newest["chain"] if newest else None
        self._head = Head(chain["seq"], chain["hash"], chain["seal"]) if chain else self._genesis
        return [each for each in records if each[0]["_id"] not in there]


def _taken(cause: PyMongoError) -> bool:
    """Whether a record was refused because it is there already, which waiting would not change."""
    return isinstance(cause, BulkWriteError) and any(
        each.get("code") == DUPLICATE and "_id_" in each.get("errmsg", "")
        for each in cause.details.get("writeErrors", [])
    )
