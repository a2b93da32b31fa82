"""Databases: each test has an empty one, and none waits until its forty indexes are made anew.

May live here: which are free, and how one is emptied. A database that was lent once keeps its collections and indexes; it
is as new in all that a server reads of it.
"""

from __future__ import annotations

import uuid
from typing import Any

from pymongo.database import Database
from pymongo.write_concern import WriteConcern

Named = Database[dict[str, Any]]
_FREE: list[str] = []
"""Names, of this process and its one mongod."""


def lent(client: Any) -> Named:
    """An empty database; `client` is any that reaches the mongod of the session."""
    named: Named = client[_FREE.pop() if _FREE else f"t{uuid.uuid4().hex[:12]}"]
    return named


def given_back(database: Named) -> None:
    """Empty it, for the next who asks."""
    database.command("profile", 0)
    for each in list(database.list_collections()):
        name = each["name"]
        if name.startswith("system.") or "validator" in each.get("options", {}):  # what a test demands of it goes too
            database.drop_collection(name)
            continue
        database.get_collection(name, write_concern=WriteConcern(1)).delete_many({})
        database.command("planCacheClear", name)
    # what was deleted is gone for majority reads too once a majority has taken a later write
    database.get_collection("resources", write_concern=WriteConcern("majority")).delete_many({})
    _FREE.append(database.name)
