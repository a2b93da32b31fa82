"""The connection: the way to a MongoDB that is fit to serve.

May live here: opening a client, and refusing a server that cannot keep our promises (a change of the record is one
multi-document transaction, durable on a majority). May not know: what is stored, who runs the server.
https://www.mongodb.com/docs/manual/core/transactions/
"""

from __future__ import annotations

from typing import Any

import pymongo.database
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, DocumentTooLarge, ExecutionTimeout, OperationFailure, PyMongoError

OLDEST = 17
"""The wire version of MongoDB 6.0."""

Client = MongoClient[dict[str, Any]]
Database = pymongo.database.Database[dict[str, Any]]


DatabaseFault = PyMongoError
"""Whatever the driver raises when the database does not do what it was asked."""
TooSlow = ExecutionTimeout
"""A query that ran longer than it may."""
TooLarge = DocumentTooLarge
"""A document of more than the 16 MB that MongoDB takes."""


class EngineFault(RuntimeError):
    """The database cannot be had; the sentence says what to do next."""


def connect(uri: str, *, patience: float = 5.0, once: bool = False) -> Client:
    """A client of the replica set or sharded cluster at `uri`: majority writes and reads, on the primary.

    `patience` is how many seconds an unreachable server is waited for. A write that fails on the way is sent again by
    the driver, unless `once`: that costs the database a second write, and is for who finds out himself.

    Raises EngineFault for a server that cannot be reached, is older than 6.0, or stands alone (it has no transactions).
    """
    try:
        client: Client = MongoClient(
            uri,
            appname="fhir-server",
            serverSelectionTimeoutMS=int(patience * 1000),
            w="majority",
            journal=True,
            readConcernLevel="majority",
            retryWrites=not once,
            tz_aware=True,
        )
    except (ConfigurationError, ValueError) as cause:
        raise EngineFault("the MongoDB URI cannot be read: write `mongodb://host:27017/?replicaSet=rs0`") from cause
    try:
        hello = client.admin.command("hello")
        client.admin.command("listDatabases", nameOnly=True)
    except OperationFailure as cause:
        client.close()
        raise EngineFault(
            "MongoDB answers but does not let us in: check the user, the password and `authSource` in the URI"
        ) from cause
    except PyMongoError as cause:
        client.close()
        raise EngineFault(
            "MongoDB does not answer: check that it runs, that its replica set has a primary, and the URI"
        ) from cause
    if hello.get("maxWireVersion", 0) < OLDEST:
        client.close()
        raise EngineFault("MongoDB is older than 6.0: upgrade it (7 or 8 in production)")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        client.close()
        raise EngineFault(
            "MongoDB stands alone and has no transactions: start it with `--replSet rs0` and run `rs.initiate()` once, "
            "or leave `--mongo-uri` out to use the embedded engine"
        )
    return client
