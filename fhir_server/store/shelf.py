"""The shelf: the collections of the record, and their indexes.

May live here: which collections there are, what serves their queries, and what is asked of them together. May not know:
what an envelope says beyond the paths of its indexes, who may see it.
"""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from fhir_server.foundation.crowd import Crowd
from fhir_server.store import claims
from fhir_server.store.bounded import Bounded
from fhir_server.store.collections import make_collections
from fhir_server.store.documents import OF_A_RECORD, WITHIN_A_RECORD
from fhir_server.store.shared_pages import SharedPages
from fhir_server.store.shared_reads import documents

INDEXED_BY = "indexed_by"
"""Which version of a SearchParameter all is indexed by (`own_parameters.py`)."""
DESTRUCTIONS = "destructions"
"""Which records are being destroyed (`destruction.py`)."""
COLLECTIONS = ("resources", "history", "blobs", "invalidations", "leases", INDEXED_BY, DESTRUCTIONS, claims.COLLECTION)
RESOURCE_INDEXES = (
    IndexModel(OF_A_RECORD),
    IndexModel(WITHIN_A_RECORD),
    IndexModel([("facts.patient", ASCENDING), ("type", ASCENDING), ("last.date", DESCENDING), ("_id", DESCENDING)]),
    IndexModel([("index", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)]),
    IndexModel([("type", ASCENDING), ("updated", DESCENDING), ("_id", DESCENDING)]),
    # what was updated, by which pages find what was since their first (docs/adr/0039): no create is in it
    IndexModel([("type", ASCENDING), ("updated", DESCENDING)], partialFilterExpression={"version": {"$gt": 1}}),
    IndexModel([("facts.author", ASCENDING), ("type", ASCENDING)], sparse=True),
    IndexModel([("facts.submitter", ASCENDING), ("type", ASCENDING)], sparse=True),
    IndexModel([("facts.about", ASCENDING)], sparse=True),
    IndexModel([("facts.mentions.id", ASCENDING)], sparse=True),
    IndexModel([("facts.mentions.token", ASCENDING)], sparse=True),
    IndexModel([("facts.mentions.held.id", ASCENDING)], sparse=True),
    IndexModel([("facts.held.id", ASCENDING)], sparse=True),
    IndexModel([("dates.birthdate.lo", ASCENDING)], sparse=True),
    IndexModel([("facts.hidden.lo", ASCENDING), ("facts.hidden.hi", ASCENDING)], sparse=True),
    # what has no number or quantity is not in it; within a record the presence token above is nearer (docs/adr/0015)
    IndexModel([("numbers.key", ASCENDING), ("numbers.lo", ASCENDING), ("numbers.hi", ASCENDING)], sparse=True),
    IndexModel([("place", GEOSPHERE)]),  # what has no place is not in it
    IndexModel([("unique", ASCENDING)], unique=True, sparse=True),
)
HISTORY_INDEXES = (
    IndexModel([("id", ASCENDING), ("version", DESCENDING)]),
    # by which a record is destroyed; by its types, who has represented the holder is found
    IndexModel([("facts.patient", ASCENDING), ("type", ASCENDING)], sparse=True),
    IndexModel([("type", ASCENDING), ("updated", DESCENDING), ("id", DESCENDING), ("version", DESCENDING)]),
    IndexModel([("facts.mentions.id", ASCENDING)], sparse=True),
    IndexModel([("facts.mentions.held.id", ASCENDING)], sparse=True),
    IndexModel([("facts.about", ASCENDING)], sparse=True),
    IndexModel([("facts.held.id", ASCENDING)], sparse=True),
)


class Shelf:
    """The collections, and nothing else; whoever holds one is listed in setup.cfg's import contracts."""

    def __init__(
        self, database: Database[dict[str, Any]], max_time_ms: int = 5_000, base: str = "", crowd: Crowd | None = None
    ) -> None:
        """`max_time_ms` bounds each query of the record: `store.connection.TooSlow` past it.

        `base` is the address of the FHIR server: whoever writes has to tell it, or links below it are no mentions.
        `crowd` tells how many ask at once.
        """
        self.max_time_ms = max_time_ms
        self.base = base
        self.database = database
        self.resources = self._bounded("resources")
        self.history = self._bounded("history")
        self.ledger = self._bounded("ledger")
        self.carried = self._bounded("carried")
        self.outbox = self._bounded("outbox")
        self.current = documents(self.resources)
        self.pages = SharedPages(self.resources, crowd)

    def _bounded(self, name: str) -> Bounded:
        return Bounded(self.database, name, lambda: self.max_time_ms, WriteConcern("majority", j=True))

    def prepare(self) -> None:
        """Collections and indexes, made before the first request: a transaction may not create them."""
        make_collections(self.database, COLLECTIONS)
        self.resources.create_indexes(list(RESOURCE_INDEXES))
        self.history.create_indexes(list(HISTORY_INDEXES))
        self.database[claims.COLLECTION].create_indexes(list(claims.INDEXES))

    def of(self, type_: str) -> Any:
        """The collection that holds the current versions of a FHIR type: AuditEvents live in the ledger."""
        return self.ledger if type_ == "AuditEvent" else self.resources
