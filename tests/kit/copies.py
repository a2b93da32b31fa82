"""Copies: what a world was told once, for each test that begins where it ends.

May live here: how a database is copied and filled again. What begins so is a server started anew beside a record that
was there: its ids go on where those of the world that was told ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from tests.kit.databases import given_back, lent
from tests.kit.world import World

RAW = CodecOptions(document_class=RawBSONDocument)
OWN = frozenset({"leases", "secret_keys"})
"""What a server draws or holds itself."""


@dataclass(frozen=True)
class Copy:
    """What stood in the database of a world that was told something and stopped, and the number its next id has."""

    documents: Mapping[str, Sequence[RawBSONDocument]]
    number: int

    def world(self, database: Database[dict[str, Any]]) -> World:
        """A world over an empty database that begins where the other ended."""
        for name, documents in self.documents.items():
            there = database.get_collection(name, codec_options=RAW, write_concern=WriteConcern(1))
            there.insert_many(documents)
        made = World(database)
        made.goes_on_at(self.number)
        return made


def copy_of(client: Any, tell: Callable[[World], None]) -> Copy:
    """A copy of a world that was told this."""
    database = lent(client)
    try:
        world = World(database)
        try:
            tell(world)
        finally:
            world.close()
        return Copy(_documents(database), world.next_number())
    finally:
        given_back(database)


def _documents(database: Database[dict[str, Any]]) -> dict[str, list[RawBSONDocument]]:
    found = {}
    for each in database.list_collection_names(filter={"type": "collection"}):
        if each not in OWN and (documents := list(database.get_collection(each, codec_options=RAW).find())):
            found[each] = documents
    return found
