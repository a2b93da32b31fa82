"""Secret keys of the deployment: drawn once, shared by its workers. May live here: that, and not what they are for."""

from __future__ import annotations

import secrets
from typing import Any

from pymongo.database import Database
from pymongo.write_concern import WriteConcern


def secret_key(database: Database[dict[str, Any]], name: str, size: int = 32) -> bytes:
    """The key of that name; whoever asks first draws it."""
    collection = database.get_collection("secret_keys", write_concern=WriteConcern("majority", j=True))
    found = collection.find_one_and_update(
        {"_id": name}, {"$setOnInsert": {"key": secrets.token_bytes(size)}}, upsert=True, return_document=True
    )
    if found is None:
        raise LookupError("the key could not be kept")
    return bytes(found["key"])
