"""Straight: a collection that takes new documents by one plain command.

May live here: saying `insert` without the driver's bulk writes, which ask of each document what it is and keep a log of
each; and telling what was not written as they would. May not know: what the documents are. Nothing is sent twice: who
inserts finds out himself what is there (docs/adr/0014).
https://www.mongodb.com/docs/manual/reference/command/insert/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DocumentTooLarge
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

Document = dict[str, Any]


class Straight(Collection[Document]):
    """In order and outside a transaction; documents bring their `_id`."""

    def __init__(self, database: Database[Document], name: str, seen: ReadConcern, concern: WriteConcern) -> None:
        super().__init__(database, name, read_concern=seen, write_concern=concern)

    def put(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """As Collection.insert_many, without a list of what was put in.

        Raises BulkWriteError, with what the database says of each document it refused.
        """
        command = {"insert": self.name, "documents": documents, "writeConcern": self.write_concern.document}
        try:
            told = self.database.command(command)
        except DocumentTooLarge:  # all of them together; bulk writes are cut by size
            self.insert_many(documents)  # type: ignore[arg-type]
            return
        lost = [told["writeConcernError"]] if "writeConcernError" in told else []
        refused = told.get("writeErrors", [])
        if refused or lost:
            raise BulkWriteError({"writeErrors": refused, "writeConcernErrors": lost, "nInserted": told.get("n", 0)})
