"""Ledger (traces d'accès): what was done, on record before anyone hears the answer (decisions 20 and 21).

May live here: having records written in shared batches, with what is to stand only if they do; taking in what
transactions carried. May not know: what a record says beyond its envelope; how a batch is written (`book.py`), when
chains are sealed (`seals.py`). If a record cannot be written, the asker gets 503.

INVARIANT (durable): `settle` returns only when a majority has journaled the records; a kill -9 loses none of those.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from _thread import LockType
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.audit_event.book import ATTEMPT, Along, Book, Record, Ticket
from fhir_server.audit_event.chain import digest
from fhir_server.audit_event.seals import Seals
from fhir_server.foundation.crowd import Crowd
from fhir_server.foundation.problem import Problem, problem
from fhir_server.store.collections import make_collections

INDEXES = (
    IndexModel([("facts.patients", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)]),
    IndexModel([("facts.patients", ASCENDING), ("last.date", DESCENDING), ("_id", DESCENDING)]),
    IndexModel([("facts.author", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)], sparse=True),
    IndexModel([("updated", DESCENDING), ("_id", DESCENDING)]),
    *(IndexModel([(f"facts.{path}", ASCENDING)], sparse=True) for path in ("about", "mentions.id", "mentions.held.id")),
    IndexModel([("chain.writer", ASCENDING), ("chain.seq", ASCENDING)], unique=True),
)
"""No index on the search tokens: a record has some seventy, and is only ever sought within a record or an author."""

BATCH = 1_000
WAITING = 10_000
LINGER = 0.03
"""Seconds that a batch waits at most for who will come anyway."""
PATIENCE = 8.0
HOUSEKEEPING = 0.5
ADOPT_EVERY = 5.0
SEAL_EVERY = 60.0

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Ticket(Ticket):
    """What one request waits for; `done` is held until it is written or refused, and `then` the next to be woken."""

    done: LockType = field(default_factory=threading.Lock)
    then: _Ticket | None = None


class Ledger:
    """One per process. `start` takes in what transactions carried, then serves; `stop` drains and seals."""

    def __init__(
        self, database: Database[Record], clock: Callable[[], datetime] | None = None, writer: str = ""
    ) -> None:
        """`clock` is the protocol clock (decisions 11), for the moments of seals; `writer` begins the chain's name."""
        self._database = database
        self._carried = database.get_collection(
            "carried", read_concern=ReadConcern("majority"), write_concern=WriteConcern(1)
        )
        self.seals = Seals(database, clock or (lambda: datetime.now(UTC)))
        self.book = Book(database, self.seals, writer)
        self._queue: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._taken_in: SimpleQueue[str] = SimpleQueue()
        self._open = False
        self.crowd = Crowd(LINGER)
        self._awaited = WAITING
        self._full = threading.Event()
        self._waking = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def writer(self) -> str:
        """The name of the chain that this process writes itself."""
        return self.book.writer

    def prepare(self) -> None:
        """The collections and indexes, before the first request."""
        make_collections(self._database, ("ledger", "carried", "seals"))
        self._database["ledger"].create_indexes(list(INDEXES))

    def start(self) -> None:
        """Begin a chain from the latest seal, and take in what was carried. Raises Problem 503 when it cannot."""
        self.book.begin()
        self._open = True
        self._run(self._commit_forever, "ledger")
        self.adopt()
        self._run(self._keep_house, "ledger-house")

    def begin_anew(self) -> None:
        """Begin another chain with the next record: the database was emptied (sandbox)."""
        self.book.begin_anew()

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

    def settle(self, records: Sequence[Record], carried: str | None = None, *, along: Along = ()) -> None:
        """Return when a majority has journaled these envelopes, and with them what comes `along`.

        Raises Problem 503 when that cannot be had; what comes along is written then no more than they are.

        `carried` names the entry of collection `carried` that holds the same records: it is deleted once they are
        written.
        """
        if not records:
            return
        if not self._open or self._queue.qsize() >= WAITING:
            raise _refusal()
        ticket = _Ticket([(each, digest(each)) for each in records], along, time.monotonic() + PATIENCE)
        ticket.done.acquire()
        self._queue.put(ticket)
        if self._queue.qsize() >= self._awaited:
            self._full.set()
        in_time = ticket.done.acquire(timeout=PATIENCE)
        if not in_time:
            with self._waking:
                ticket.until = 0.0
        if ticket.then is not None:
            ticket.then.done.release()
        if not (in_time and ticket.written):
            raise _refusal()
        if carried is not None:
            self._taken_in.put(carried)

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

    def _commit_forever(self) -> None:
        while True:
            tickets = self._gather()
            if not tickets:
                return
            begun = time.monotonic()
            self.book.write(tickets)
            self.crowd.met(len(tickets), self._queue.qsize(), time.monotonic() - begun)
            self._wake(tickets)

    def _wake(self, tickets: Sequence[_Ticket]) -> None:
        """Tell them that it is done: readers at once, writers one after the other, each by the one before.

        A dozen threads woken at once stand in line for the interpreter, and hand it to each other over and over.
        Readers win that back, since those who come again together share a query (`store/together.py`).

        INVARIANT (nobody is stuck): whoever gave up waiting either passes it on or was left out.
        """
        with self._waking:
            writers = [ticket for ticket in tickets if ticket.along and ticket.until]
            for ticket, after in itertools.pairwise(writers):
                ticket.then = after
        for ticket in tickets:
            if not ticket.along:
                ticket.done.release()
        if writers:
            writers[0].done.release()

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
                self._linger(self.crowd.others)
            tickets.append(ticket)
            count += len(ticket.records)
        return tickets

    def _linger(self, others: int) -> None:
        """In a crowd, wait for those who will come anyway, but no longer than it pays.

        A record costs the database in a batch of eight a fifth of what it costs alone. The crowd is who was in the last
        batch and who came while it was written: without waiting for the one half, the other would go alone each time.
        Who is alone waits for nobody; only the last of those who are waited for wakes this thread.
        """
        self._full.clear()
        self._awaited = others
        if self._queue.qsize() < others:
            self._full.wait(self.crowd.patience)
        self._awaited = WAITING

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


def _refusal() -> Problem:
    return problem(503, "transient", "the access could not be put on record, so nothing is disclosed", Retry_After="1")
