"""Claims: who is about to make what a condition did not find. May live here: that; may not know: what is made.

Two transactions that claim the same key write to one document, and MongoDB lets one of two such writes stand: the other
begins again, and finds what was made. A claim says nothing once its transaction is over and goes by itself.

https://www.mongodb.com/docs/manual/core/transactions-production-consideration/#in-progress-transactions-and-write-conflicts
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

COLLECTION = "claims"
INDEXES = (IndexModel([("at", ASCENDING)], expireAfterSeconds=3_600),)
_WRITE_CONFLICT = 112


def claim(database: Database[dict[str, Any]], key: str, at: datetime, session: ClientSession) -> None:
    """Claim a key in a transaction, which is run again should another have claimed it at the same time."""
    try:
        database[COLLECTION].update_one(
            {"_id": key}, {"$set": {"at": at}, "$inc": {"n": 1}}, upsert=True, session=session
        )
    except DuplicateKeyError as taken:
        raise claimed_meanwhile() from taken


def claimed_meanwhile() -> OperationFailure:
    """What has a transaction run again: somebody else did at the same time what was to be done once."""
    return OperationFailure("claimed meanwhile", _WRITE_CONFLICT, {"errorLabels": ["TransientTransactionError"]})
