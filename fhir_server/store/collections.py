"""Collections: made before the first request, because a transaction may not make them. May live here: that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from pymongo.database import Database
from pymongo.errors import CollectionInvalid, OperationFailure


def make_collections(database: Database[dict[str, Any]], names: Iterable[str]) -> None:
    """Make those that are missing; another process may make the same ones at the same moment."""
    there = set(database.list_collection_names())
    for name in names:
        if name not in there:
            with contextlib.suppress(CollectionInvalid, OperationFailure):
                database.create_collection(name)
