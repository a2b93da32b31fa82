"""Shared reads: documents that are asked for by their `_id` at the same time, in one query (docs/adr/0040).

May live here: the query of several, and what each gets of it. May not know: who waits for whom (`together.py`), who may
see what.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.store.bounded import Bounded
from fhir_server.store.documents import WANTED
from fhir_server.store.together import Together

Document = dict[str, Any]

LARGE = 65_536
"""Bytes of a document whose body is not fetched before its guard is asked: how long that takes would tell of it."""
UNASKED = {**WANTED, "body": {"$cond": [{"$lte": [{"$bsonSize": "$$ROOT"}, LARGE]}, "$body", None]}}
"""What is fetched of a document before its guard is asked."""


def documents(collection: Bounded, wanted: Mapping[str, Any] = UNASKED) -> Together[str, Document | None]:
    """Who asks for an `_id` gets its document, None where there is none; `wanted` is the projection of each."""

    def all_of(ids: Sequence[str]) -> list[Document | None]:
        several = list(dict.fromkeys(ids))
        where = {"_id": {"$in": several} if len(several) > 1 else several[0]}
        found = {each["_id"]: each for each in collection.some(where, wanted, len(several))}
        taken: set[str] = set()
        return [_own(found.get(each), each, taken) for each in ids]

    return Together(all_of, lambda id_: collection.find_one({"_id": id_}, wanted))


def _own(document: Document | None, id_: str, taken: set[str]) -> Document | None:
    """Who asks for the same has a copy: no two hold the same facts."""
    if id_ in taken:
        return copy.deepcopy(document)
    taken.add(id_)
    return document
