"""Blobs: the bytes of Binaries, in GridFS, apart from the resource that gives access to them.

May live here: writing under a random key before the transaction, binding, reading, sweeping (decisions 14).
May not know: who may read. A key is found only in an envelope that came through the door.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gridfs import GridFSBucket, NoFile
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

UNBOUND_FOR = timedelta(hours=1)


class Blobs:
    """The bucket `blobs` of a database."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._bucket = GridFSBucket(database, "blobs", write_concern=WriteConcern("majority", j=True))
        self._bindings = database.get_collection("blobs", write_concern=WriteConcern("majority", j=True))

    def write(self, content: bytes) -> str:
        """Store bytes that nothing refers to yet; their random key."""
        key = secrets.token_urlsafe(24)
        self._bucket.upload_from_stream_with_id(key, key, content)
        return key

    def bind(self, key: str, owner: str, session: ClientSession | None) -> None:
        """Say, in the session's transaction, that resource `owner` (`Binary/id`) holds these bytes."""
        self._bindings.insert_one({"_id": key, "owner": owner}, session=session)

    def read(self, key: str) -> bytes:
        """The bytes. Raises LookupError when they are not there."""
        try:
            content: bytes = self._bucket.open_download_stream(key).read()
        except NoFile as missing:
            raise LookupError("the content of this binary is missing") from missing
        return content

    def remove(self, key: str) -> None:
        """Remove bytes and their binding, of a record that is destroyed; harmless where they are gone already."""
        with contextlib.suppress(NoFile):
            self._bucket.delete(key)
        self._bindings.delete_one({"_id": key})

    def adopted(self, key: str) -> bool:
        """Whether a version of a Binary holds the bytes after all; then they are bound to it.

        What an update brought was bound to nothing once.
        """
        for collection, name in (("resources", "_id"), ("history", "id")):
            found = self._bindings.database[collection].find_one({"type": "Binary", "blob": key}, {name: 1})
            if found is not None:
                self.bind(key, found[name], None)
                return True
        return False

    def unbound(self, now: datetime | None = None) -> Iterator[str]:
        """The keys of what was written more than an hour ago and never bound: its write was refused, or never ended."""
        limit = (now or datetime.now(UTC)) - UNBOUND_FOR
        for each in self._bucket.find({"uploadDate": {"$lt": limit}}):
            if self._bindings.find_one({"_id": each._id}, {"_id": 1}) is None:  # noqa: SLF001 - gridfs names it so
                yield str(each._id)  # noqa: SLF001
