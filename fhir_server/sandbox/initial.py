"""The initial state: the dossier's resources in the record, and the way back to them.

May live here: writing them once, and emptying a sandbox. May not know: what the resources say; they are data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fhir_server.definitions.identifiers import keys_of
from fhir_server.foundation.predicate import EVERYTHING
from fhir_server.sandbox import dossier
from fhir_server.sandbox.mark import MARK, claim
from fhir_server.store.changes import Changes, Unit
from fhir_server.store.connection import Database
from fhir_server.store.freshness import KEPT, Freshness

_PATIENCE = 10.0
_STAYS = frozenset({"invalidations", "leases", "sandbox", "secret_keys", "smart_keys"})
"""Collections that a reset leaves alone: how workers hear of it, the keys, and what belongs to the sandbox itself."""


def load(database: Database, changes: Changes, *, sign_ons: Callable[[], None] = lambda: None) -> bool:
    """Write the dossier into a sandbox that was never loaded, then its `sign_ons`; whether there was anything to do.

    One worker writes; the others return once it is done, or take over from one that was killed.
    """
    claim(database)
    marks = database["sandbox"]
    until = time.monotonic() + _PATIENCE
    while (
        marks.update_one({"_id": MARK, "loaded": {"$exists": False}}, {"$set": {"loaded": False}}).modified_count == 0
    ):
        if (marks.find_one({"_id": MARK}) or {}).get("loaded"):
            return False
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    resources = [each for each in dossier.resources() if not _there(database, each)]
    practice = dossier.resource("Organization", "cabinet-tilleuls")
    submitter = sorted(keys_of(practice))

    def write(unit: Unit) -> None:
        for resource in resources:
            unit.create(resource, submitter=submitter, after=EVERYTHING, id_=resource["id"], voice="scheme")
        unit.flush()

    try:
        changes.atomically(write)
        sign_ons()
    except BaseException:
        marks.update_one({"_id": MARK}, {"$unset": {"loaded": ""}})
        raise
    marks.update_one({"_id": MARK}, {"$set": {"loaded": True}})
    return True


def empty(database: Database, freshness: Freshness) -> None:
    """Take everything out of a sandbox, and have every worker forget what it remembers before this returns."""
    for name in database.list_collection_names():
        if name not in _STAYS and not name.startswith("system."):
            database[name].delete_many({})
    database["sandbox"].update_one({"_id": MARK}, {"$unset": {"loaded": ""}})
    freshness.settle(_forget_everything(database))


def _there(database: Database, resource: dict[str, Any]) -> bool:
    """Whether an earlier start, killed half-way, wrote it already."""
    return (
        database["resources"].find_one({"_id": f"{resource['resourceType']}/{resource['id']}"}, {"_id": 1}) is not None
    )


def _forget_everything(database: Database) -> int:
    """Step so far ahead in the log of invalidations that every worker gives up following it and starts afresh."""
    counter: dict[str, Any] | None = database["invalidations"].find_one_and_update(
        {"_id": "counter"}, {"$inc": {"value": KEPT + 1}}, upsert=True, return_document=True
    )
    return int(counter["value"]) if counter else 0
