"""Bounded: a collection none of whose queries runs longer than the setting allows.

May live here: giving each query its `maxTimeMS` where its caller gave none. May not know: what is asked. Nobody has to
remember the bound, so nobody forgets it; work that takes its time says so (`max_time_ms=None`).
https://www.mongodb.com/docs/manual/reference/method/cursor.maxTimeMS/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bson import decode
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError
from pymongo.write_concern import WriteConcern

Document = dict[str, Any]


class Bounded(Collection[Document]):
    """`most` says how many milliseconds a query may take: `store.connection.TooSlow` past it."""

    def __init__(self, database: Database[Document], name: str, most: Callable[[], int], concern: WriteConcern) -> None:
        super().__init__(database, name, write_concern=concern)
        self._most = most
        self._as_told = self.codec_options.with_options(document_class=RawBSONDocument)

    def find(self, *args: Any, **kwargs: Any) -> Any:
        """As Collection.find, and so find_one."""
        kwargs.setdefault("max_time_ms", self._most())
        return super().find(*args, **kwargs)

    def some(
        self,
        where: Mapping[str, Any],
        wanted: Mapping[str, Any],
        limit: int,
        *,
        sort: Sequence[tuple[str, int]] = (),
        hint: Sequence[tuple[str, int]] | None = None,
        session: ClientSession | None = None,
    ) -> list[Document]:
        """Up to `limit` documents, as `find` gives them.

        Outside of a transaction by one plain command, which spares what a cursor costs (docs/performance.md). Where
        that is cut off, or one answer does not hold them all, `find` does it, which asks again and asks for more.
        """
        if session is None:
            told = self._told(where, wanted, limit, sort, hint, self.codec_options)
            if told is not None:
                found: list[Document] = told["firstBatch"]
                return found
        more = {"sort": list(sort)} if sort else {}
        every: list[Document] = self.find(where, wanted, limit=limit, hint=hint, session=session, **more).to_list()
        return every

    def seen(
        self,
        where: Mapping[str, Any],
        wanted: Mapping[str, Any],
        limit: int,
        *,
        sort: Sequence[tuple[str, int]] = (),
        hint: Sequence[tuple[str, int]] | None = None,
        known: bytes | None = None,
    ) -> bytes | None:
        """What `some` finds, as MongoDB tells it (`read` reads it): the same bytes are the same documents.

        None where it was cut off, or one answer does not hold them all. `known` is what was seen of it before.
        """
        told = self._told(where, wanted, limit, sort, hint, self._as_told, known)
        return None if told is None else bytes(told.raw)

    def read(self, seen: bytes) -> list[Document]:
        """The documents of what was `seen`."""
        found: list[Document] = decode(seen, self.codec_options)["firstBatch"]
        return found

    def joined(
        self, several: Sequence[Sequence[Mapping[str, Any]]], most: int, within_ms: int, known: bytes | None = None
    ) -> Any:
        """The cursor of what several pipelines find, one after the other, up to `most` in all, within so much time.

        None where one answer does not hold them all. `known` is what was seen of them before: then it is as MongoDB
        tells it, and not read where it is that.
        """
        first, *others = several
        command = {
            "aggregate": self.name,
            "pipeline": [*first, *({"$unionWith": {"coll": self.name, "pipeline": list(each)}} for each in others)],
            "cursor": {"batchSize": most + 1},
            "maxTimeMS": min(within_ms, self._most()),
            "readConcern": self.read_concern.document,
        }
        return self._whole(command, self.codec_options if known is None else self._as_told, known)

    def _told(  # noqa: PLR0917 - what is asked
        self,
        where: Mapping[str, Any],
        wanted: Mapping[str, Any],
        limit: int,
        sort: Sequence[tuple[str, int]],
        hint: Sequence[tuple[str, int]] | None,
        options: Any,
        known: bytes | None = None,
    ) -> Any:
        command = {
            "find": self.name,
            "filter": where,
            "projection": wanted,
            "limit": limit,
            "batchSize": limit + 1,  # or a full page leaves a cursor open, and takes a round trip more to end it
            "maxTimeMS": self._most(),
            "readConcern": self.read_concern.document,
        }
        if sort:
            command["sort"] = dict(sort)
        if hint:
            command["hint"] = dict(hint)
        try:
            return self._whole(command, options, known)
        except ServerSelectionTimeoutError:
            raise  # it was waited for long enough: `find` would wait as long again
        except AutoReconnect:
            return None

    def _whole(self, command: dict[str, Any], options: Any, known: bytes | None) -> Any:
        """The cursor that a command leaves, None where there is more to it than one answer holds."""
        told = self.database.command(command, codec_options=options)["cursor"]
        # what held all before holds all now; to read it would make a document of each it holds
        if (known is not None and told.raw == known) or not told["id"]:
            return told
        self.database.command({"killCursors": self.name, "cursors": [told["id"]]})
        return None

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
