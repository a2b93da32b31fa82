"""Shared pages: pages that doors keep (`given.py`) and that are asked for again at the same time, in one command.

May live here: what such a page is asked for by, the stages that ask for several, and whose is what was found. May not
know: who waits for whom (`together.py`), who may see what: each is asked for with the guard of its own door.

A command costs the driver and MongoDB more than a small page in it (docs/adr/0048).

INVARIANT (to each his own): each page is of one record, and of the pages in a command no two are of the same. What was
found carries the record it is of, so that no page is taken for another.
INVARIANT (little): a page that was large is asked for by itself, so that nobody waits for much of somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bson import decode, encode
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from fhir_server.foundation.crowd import Crowd
from fhir_server.store.bounded import Bounded
from fhir_server.store.together import ALONE, Together, Unanswered

SMALL = 65_536
"""Bytes of a page, its texts not among them, up to which it is asked for together with others."""
MOST = 8
"""How many pages go with one command; beyond that little is spared."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Again:
    """A page that is asked for again, up to `limit` documents; filter and projection are encoded already.

    `seen` is how MongoDB told it before, `marks` document by document, if all of it is of the record `owner`; None and
    () where it was not told so, or must be asked for by itself.
    """

    where: Mapping[str, Any]
    wanted: Mapping[str, Any]
    keys: Sequence[tuple[str, int]]
    hint: Sequence[tuple[str, int]] | None
    limit: int
    seen: bytes | None = None
    owner: str | None = None
    marks: tuple[RawBSONDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class Now:
    """What a page is now: the `same`, or these documents; None where one answer did not hold them.

    `seen` is how it was told, if by itself.
    """

    same: bool = False
    documents: list[Document] | None = None
    seen: bytes | None = None


SAME = Now(same=True)


def marks_of(seen: bytes) -> tuple[RawBSONDocument, ...]:
    """The documents of a page that was told like that; () where it is too large to be shared."""
    return tuple(RawBSONDocument(seen)["firstBatch"]) if len(seen) <= SMALL else ()


class SharedPages:
    """One per collection and process."""

    def __init__(self, collection: Bounded, crowd: Crowd | None = None) -> None:
        """`crowd` is an estimate of how many ask at once; without it nobody waits for another."""
        self._collection = collection
        self._name = f"{collection.database.name}.{collection.name}"
        self._together = Together(self._asked, self._alone, MOST, crowd)

    def now(self, page: Again) -> Now:
        """What it is now. Raises PyMongoError."""
        return self._together.one(page) if page.marks else self._alone(page)

    def _alone(self, page: Again) -> Now:
        seen = self._collection.seen(
            page.where, page.wanted, page.limit, sort=page.keys, hint=page.hint, known=page.seen
        )
        if seen is None:
            return Now()
        return SAME if seen == page.seen else Now(documents=self._collection.read(seen), seen=seen)

    def _asked(self, pages: Sequence[Again]) -> list[Now | Literal[Unanswered.ALONE]]:
        """What each is now; whoever asks for another page of the same record asks by himself."""
        first: dict[str | None, Again] = {}
        for each in pages:
            first.setdefault(each.owner, each)
        told = self._joined(list(first.values())) if len(first) > 1 else None
        if told is None:
            return [ALONE] * len(pages)
        known = {"firstBatch": [mark for each in first.values() for mark in each.marks], "id": Int64(0)}
        if told.raw == encode({**known, "ns": self._name}):
            now = dict.fromkeys(first, SAME)
        else:
            now = {owner: self._now(each, told["firstBatch"]) for owner, each in first.items()}
        return [now[each.owner] if each is first[each.owner] else ALONE for each in pages]

    def _joined(self, pages: Sequence[Again]) -> RawBSONDocument | None:
        """What MongoDB tells of all of them; None where it does not, and each has to ask by himself."""
        try:
            return self._collection.joined([_stages(each) for each in pages], sum(each.limit for each in pages))
        except ServerSelectionTimeoutError:
            raise  # it was waited for long enough: each by himself would wait as long again
        except PyMongoError:
            return None

    def _now(self, page: Again, told: Sequence[RawBSONDocument]) -> Now:
        marks = [each for each in told if each["facts"]["patient"] == page.owner]
        if [each.raw for each in marks] == [each.raw for each in page.marks]:
            return SAME
        return Now(documents=[decode(each.raw, self._collection.codec_options) for each in marks])


def _stages(page: Again) -> list[Mapping[str, Any]]:
    return [{"$match": page.where}, {"$sort": dict(page.keys)}, {"$limit": page.limit}, {"$project": page.wanted}]
