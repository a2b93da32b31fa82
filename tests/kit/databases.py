"""Databases: each test has an empty one, and none waits until its forty indexes are made anew.

May live here: which are free, and how one is emptied. A database that was lent once keeps its collections and indexes; it
is as new in all that a server reads of it.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any

from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

Named = Database[dict[str, Any]]
LOCAL = ReadConcern("local")
POOL = 16
"""How many there are before the first is lent again: MongoDB walks over what was deleted of late in a collection whenever
it reads all of it, so that one database for all tests would be slower from test to test."""
_FREE: deque[str] = deque()
"""Names, of this process and its one mongod; who waited longest comes first."""
_MADE: list[str] = []


def lent(client: Any) -> Named:
    """An empty database; `client` is any that reaches the mongod of the session."""
    if not _FREE or len(_MADE) < POOL:
        _MADE.append(f"t{uuid.uuid4().hex[:12]}")
        _FREE.appendleft(_MADE[-1])
    named: Named = client[_FREE.popleft()]
    return named


def given_back(database: Named) -> None:
    """Empty it, for the next who asks."""
    database.command("profile", 0)
    kept = []
    for each in database.list_collections():
        name = each["name"]
        if name.startswith("system.") or "validator" in each.get("options", {}):  # what a test demands of it goes too
            database.drop_collection(name)
        else:
            kept.append(name)
    for name in _filled(database, kept):
        database.get_collection(name, write_concern=WriteConcern(1)).delete_many({})
        database.command("planCacheClear", name)
    # what was deleted is gone for majority reads too once a majority has taken a later write
    database.get_collection("resources", write_concern=WriteConcern("majority")).delete_many({})
    _FREE.append(database.name)


def _filled(database: Named, names: list[str]) -> list[str]:
    """Those collections in which there is something, asked for all at once."""
    if not names:
        return []
    asked = {name: [{"$limit": 1}, {"$project": {"_id": 0, "in": {"$literal": name}}}] for name in names}
    others = [{"$unionWith": {"coll": name, "pipeline": asked[name]}} for name in names[1:]]
    first = database.get_collection(names[0], read_concern=LOCAL)
    return [each["in"] for each in first.aggregate([*asked[names[0]], *others])]
