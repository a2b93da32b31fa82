"""Past: which versions of before may still be told, found where they stand.

May live here: the stages that ask it. May not know: who may see what; the filters come from the door.
"""

from __future__ import annotations

from typing import Any

from fhir_server.store.mongo import Filter
from fhir_server.store.shelf import Shelf


def still_seen(shelf: Shelf, current: Filter, past: Filter) -> list[dict[str, Any]]:
    """Leaves of past versions those of which what is current may be seen, or else the deletion that is the last.

    In the database, so that the number of round trips does not tell how many are left out (decisions 17).
    """
    now = [{"$match": current}, {"$project": {"_id": 1}}]
    last = [{"$match": past}, {"$sort": {"version": -1}}, {"$limit": 1}, {"$match": {"method": "DELETE"}}]
    beside = {"from": shelf.of("").name, "localField": "id", "foreignField": "_id", "pipeline": now}
    before = {"from": shelf.history.name, "localField": "id", "foreignField": "id"}
    return [
        {"$lookup": {**beside, "as": "now"}},
        {"$lookup": {**before, "pipeline": [*last, {"$project": {"_id": 1}}], "as": "end"}},
        {"$match": {"$nor": [{"now": {"$size": 0}, "end": {"$size": 0}}]}},
        {"$unset": ["now", "end"]},
    ]
