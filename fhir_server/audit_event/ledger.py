"""Ledger (traces d'accès): what was done, on record before anyone hears the answer (decisions 20 and 21).

May live here: writing records in shared batches, one chain per process, with what is to stand only if they do; taking
in what transactions carried. May not know: what a record says beyond its envelope; when chains are sealed (`seals.py`).
If a record cannot be written, the asker gets 503.

INVARIANT (durable): `settle` returns only when a majority has journaled the records; a kill -9 loses none of those.
INVARIANT (together): what a ticket brings along stands if, and only if, its records do: one transaction writes both.
INVARIANT (one chain): only the committer thread links records, and it links in the order it inserts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from _thread import LockType
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.audit_event.chain import NOTHING_BEFORE, Head, digest, linked
from fhir_server.audit_event.seals import Seals
from fhir_server.foundation.problem import Problem, problem
from fhir_server.store.collections import make_collections
from fhir_server.store.straight import Straight

Record = dict[str, Any]
Along = Sequence[tuple[str, Record]]
"""New documents, each with the collection it goes into."""

INDEXES = (
    IndexModel([("facts.patients", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)]),
    IndexModel([("facts.patients", ASCENDING), ("last.date", DESCENDING), ("_id", DESCENDING)]),
    IndexModel([("facts.author", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)], sparse=True),
    IndexModel([("updated", DESCENDING), ("_id", DESCENDING)]),
    *(IndexModel([(f"facts.{path}", ASCENDING)], sparse=True) for path in ("about", "mentions.id", "mentions.held.id")),
    IndexModel([("chain.writer", ASCENDING), ("chain.seq", ASCENDING)], unique=True),
)
"""No index on the search tokens: a record has some seventy, and is only ever sought within a record or an author."""

MAJORITY = WriteConcern("majority", j=True)
DUPLICATE = 11000
"""MongoDB's code for a key that is there already."""
BATCH = 1_000
WAITING = 10_000
LINGER = 0.02
PATIENCE = 8.0
ATTEMPT = 3.0
HOUSEKEEPING = 0.5
ADOPT_EVERY = 5.0
SEAL_EVERY = 60.0

log = logging.getLogger(__name__)


class _Unwritten(Exception):
    """The time of a batch ran out before a majority had it."""


class _Unfit(Exception):
    """What was brought along can never be written: something of its name is there already."""


@dataclass(slots=True, eq=False)
class _Ticket:
    """What one request waits for: records with their digests; `done` is held until they are written or refused."""

    records: list[tuple[Record, str]]
    along: Along
    carried: str | None
    until: float
    written: bool = False
    done: LockType = field(default_factory=threading.Lock)


class Ledger:
    """One per process. `start` takes in what transactions carried, then serves; `stop` drains and seals."""

    def __init__(
        self, database: Database[Record], clock: Callable[[], datetime] | None = None, writer: str = ""
    ) -> None:
        """`clock` is the protocol clock (decisions 11), for the moments of seals; `writer` begins the chain's name."""
        seen = ReadConcern("majority")
        self._database = database
        self._ledger = Straight(database, "ledger", seen, MAJORITY)
        self._carried = database.get_collection("carried", read_concern=seen, write_concern=WriteConcern(1))
        self.seals = Seals(database, clock or (lambda: datetime.now(UTC)))
        self._name = f"{writer or socket.gethostname()}.{os.getpid()}"
        self.writer = f"{self._name}.{uuid.uuid4().hex}"
        self._anew = False
        self._genesis = self._head = Head(0, NOTHING_BEFORE, 0)
        self._queue: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._taken_in: SimpleQueue[str] = SimpleQueue()
        self._open = False
        self._crowd = 0
        self._awaited = WAITING
        self._full = threading.Event()
        self._took = 0.0
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def prepare(self) -> None:
        """The collections and indexes, before the first request."""
        make_collections(self._database, ("ledger", "carried", "seals"))
        self._ledger.create_indexes(list(INDEXES))

    def start(self) -> None:
        """Begin a chain from the latest seal, and take in what was carried. Raises Problem 503 when it cannot."""
        self._begin_chain()
        self._open = True
        self._run(self._commit_forever, "ledger")
        self.adopt()
        self._run(self._keep_house, "ledger-house")

    def begin_anew(self) -> None:
        """Begin another chain with the next record: the database was emptied (sandbox)."""
        self._anew = True

    def stop(self) -> None:
        """Write what is queued, seal, and end; nothing is settled afterwards."""
        self._open = False
        self._stopped.set()
        self._queue.put(None)
        for thread in self._threads:
            thread.join(timeout=PATIENCE + ATTEMPT)
        self._threads.clear()
        with contextlib.suppress(PyMongoError):
            self._let_go()
            self.seals.seal()

    def settle(
        self, records: Sequence[Record], carried: str | None = None, *, along: Along = (), wait: bool = True
    ) -> None:
        """Return when a majority has journaled these envelopes, and with them what comes `along`.

        Raises Problem 503 when that cannot be had; what comes along is written then no more than they are.

        `carried` names the entry of collection `carried` that holds the same records: it is deleted once they are
        written, and without `wait` they are only queued, since that entry is durable already.
        """
        if not records:
            return
        if not self._open or self._queue.qsize() >= WAITING:
            raise _refusal()
        ticket = _Ticket([(each, digest(each)) for each in records], along, carried, time.monotonic() + PATIENCE)
        ticket.done.acquire()
        self._queue.put(ticket)
        if self._queue.qsize() >= self._awaited:
            self._full.set()
        if (wait or carried is None) and not (ticket.done.acquire(timeout=PATIENCE) and ticket.written):
            ticket.until = 0.0
            raise _refusal()

    def adopt(self, only: Collection[str] | None = None) -> int:
        """Take in the entries that committed transactions carried, all or `only` some; how many there were.

        Idempotent, and safe beside the process that carried them: a record has one id, whoever brings it first.
        Raises Problem 503 when they cannot be written.
        """
        where = {} if only is None else {"_id": {"$in": list(only)}}
        adopted = 0
        for entry in self._carried.find(where, batch_size=100):
            self.settle(entry["envelopes"], entry["_id"])
            adopted += 1
        self._let_go()
        return adopted

    def _begin_chain(self) -> None:
        """A chain of its own name, from the latest seal."""
        self.writer = f"{self._name}.{uuid.uuid4().hex}"
        self._genesis = self._head = self.seals.beginning()

    def _commit_forever(self) -> None:
        while True:
            tickets = self._gather()
            if not tickets:
                return
            begun = time.monotonic()
            try:
                self._commit(tickets)
            except Exception:
                log.exception("a batch of the ledger could not be written")
            finally:
                self._took = time.monotonic() - begun
                self._crowd = max(len(tickets) + self._queue.qsize(), self._crowd - 1)
                for ticket in tickets:
                    ticket.done.release()

    def _gather(self) -> list[_Ticket]:
        """Whatever is queued, up to a batch, as soon as there is something; [] after `stop`."""
        tickets: list[_Ticket] = []
        count = 0
        while count < BATCH:
            try:
                ticket = self._queue.get(block=not tickets)
            except Empty:
                break
            if ticket is None:
                self._queue.put(None)  # the end stays in the queue, behind whatever came after it
                if self._queue.qsize() > 1:
                    continue
                break
            if not tickets:
                self._linger(self._crowd - 1)
            tickets.append(ticket)
            count += len(ticket.records)
        return tickets

    def _linger(self, others: int) -> None:
        """In a crowd, wait for those who will come anyway, but never longer than the last batch took to write.

        A record costs the database in a batch of eight a fifth of what it costs alone. The crowd is who was in the last
        batch and who came while it was written: without waiting for the one half, the other would go alone each time.
        Who is alone waits for nobody; only the last of those who are waited for wakes this thread.
        """
        self._full.clear()
        self._awaited = others
        if self._queue.qsize() < others:
            self._full.wait(min(self._took, LINGER))
        self._awaited = WAITING

    def _commit(self, tickets: list[_Ticket]) -> None:
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
            for ticket in waiting:  # one that cannot be written at all must not take the others with it
                with contextlib.suppress(Exception):
                    self._commit([ticket])
            return
        for ticket in waiting:
            ticket.written = True
            if ticket.carried is not None:
                self._taken_in.put(ticket.carried)

    def _write(self, records: list[tuple[Record, str]], along: Along, until: float) -> None:
        """Link and insert, in order, until a majority has every one. Raises _Unwritten when time is up, _Unfit."""
        if self._anew:
            self._anew = False
            self._begin_chain()
        pending = records
        pause = 0.02
        while pending:
            head = self._head
            for record, content in pending:
                head = linked(record, content, self.writer, head)
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

    def _insert(self, records: list[Record], along: Along) -> None:
        """All of it or, where something comes along, none of it. Raises PyMongoError, _Unfit."""
        if not along:
            self._ledger.insert_many(records)
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

    def _still_missing(
        self, records: list[tuple[Record, str]], cause: PyMongoError, until: float
    ) -> list[tuple[Record, str]]:
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

    def _keep_house(self) -> None:
        """Delete what is settled, adopt what stays carried (seen twice, so no clock is asked), seal."""
        seen: set[str] = set()
        adopt_at = time.monotonic() + ADOPT_EVERY
        seal_at = time.monotonic() + SEAL_EVERY
        while not self._stopped.wait(HOUSEKEEPING):
            try:
                self._let_go()
                now = time.monotonic()
                if now >= adopt_at:
                    adopt_at = now + ADOPT_EVERY
                    there = {each["_id"] for each in self._carried.find({}, {"_id": 1}).limit(WAITING)}
                    if there & seen:
                        self.adopt(there & seen)
                    seen = there
                if now >= seal_at:
                    seal_at = now + SEAL_EVERY
                    self.seals.seal()
            except (PyMongoError, Problem) as cause:
                log.warning("the ledger's house was not kept: %s", type(cause).__name__)

    def _let_go(self) -> None:
        """Delete the carried entries whose records the ledger has."""
        settled: list[str] = []
        with contextlib.suppress(Empty):
            while True:
                settled.append(self._taken_in.get_nowait())
        if settled:
            self._carried.delete_many({"_id": {"$in": settled}})

    def _run(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()


def _taken(cause: PyMongoError) -> bool:
    """Whether a record was refused because it is there already, which waiting would not change."""
    return isinstance(cause, BulkWriteError) and any(
        each.get("code") == DUPLICATE and "_id_" in each.get("errmsg", "")
        for each in cause.details.get("writeErrors", [])
    )


def _refusal() -> Problem:
    return problem(503, "transient", "the access could not be put on record, so nothing is disclosed", Retry_After="1")
