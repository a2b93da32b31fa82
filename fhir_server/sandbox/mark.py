"""The mark: what says that a database is a sandbox's, so that real and synthetic data never meet.

May live here: reading and setting the mark, and the secrets that belong to one sandbox. May not know: what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.store.connection import Database, EngineFault

MARK = "mark"
_HOLDS = ("resources", "history", "ledger", "smart_clients", "smart_accounts")


def claim(database: Database) -> None:
    """Mark an empty database as a sandbox's; EngineFault for one that holds anything and is not marked."""
    holds = any(database[name].find_one({}, {"_id": 1}) for name in _HOLDS)
    if holds and not is_marked(database):  # in this order: another worker may mark and load it meanwhile
        raise EngineFault(
            f"the database `{database.name}` is not a sandbox's: give another `--data` or `--database`, "
            "or leave `--sandbox` out"
        )
    database["sandbox"].update_one({"_id": MARK}, {"$setOnInsert": {"synthetic": True}}, upsert=True)


def is_marked(database: Database) -> bool:
    """Whether this is a sandbox's database."""
    return database["sandbox"].find_one({"_id": MARK}) is not None


def kept(database: Database, name: str, draw: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What this sandbox keeps under `name`; what `draw` gives becomes it when there is nothing yet."""
    box = database["sandbox"]
    found = box.find_one({"_id": name})
    if found is None:  # several workers may draw; the first one's is kept
        box.update_one({"_id": name}, {"$setOnInsert": draw()}, upsert=True)
        found = box.find_one({"_id": name}) or {}
    return {key: value for key, value in found.items() if key != "_id"}
