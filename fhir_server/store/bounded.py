"""Bounded: a collection none of whose queries runs longer than the setting allows.

May live here: giving each query its `maxTimeMS` where its caller gave none. May not know: what is asked. Nobody has to
remember the bound, so nobody forgets it; work that takes its time says so (`max_time_ms=None`).
https://www.mongodb.com/docs/manual/reference/method/cursor.maxTimeMS/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

Document = dict[str, Any]


class Bounded(Collection[Document]):
    """`most` says how many milliseconds a query may take: `store.connection.TooSlow` past it."""

    def __init__(self, database: Database[Document], name: str, most: Callable[[], int], concern: WriteConcern) -> None:
        super().__init__(database, name, write_concern=concern)
        self._most = most

    def find(self, *args: Any, **kwargs: Any) -> Any:
        """As Collection.find, and so find_one."""
        kwargs.setdefault("max_time_ms", self._most())
        return super().find(*args, **kwargs)

    def aggregate(self, *args: Any, **kwargs: Any) -> Any:
        """As Collection.aggregate."""
        kwargs.setdefault("maxTimeMS", self._most())
        return super().aggregate(*args, **kwargs)

    def count_documents(self, *args: Any, **kwargs: Any) -> int:
        """As Collection.count_documents, which is an aggregation of its own making."""
        kwargs.setdefault("maxTimeMS", self._most())
        return super().count_documents(*args, **kwargs)

    def distinct(self, *args: Any, **kwargs: Any) -> list[Any]:
        """As Collection.distinct."""
        kwargs.setdefault("maxTimeMS", self._most())
        return super().distinct(*args, **kwargs)
