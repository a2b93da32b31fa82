"""Shared pages: first pages within records that are asked for at the same time, in one command.

May live here: what such a page is asked for by, the stages that ask for several, and whose is what was found. May not
know: who waits for whom (`together.py`), who may see what: each is asked for with the guard of its own door.

A command costs the driver and MongoDB more than a small page in it (docs/adr/0048).

INVARIANT (to each his own): each page is of one record, and of the pages in a command no two are of the same. What was
found carries the record it is of, so that no page is taken for another.
INVARIANT (little): only small pages are asked for together, so that nobody waits for much of somebody else's. Whether
one will be small that is not known yet, the last page of the same door says (`given.py`).
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
"""Bytes up to which a page is asked for together with others; of one that is kept, its texts are not among them."""
FEW = 64
"""Documents of a page that may be asked for together with others."""
MOST = 8
"""How many pages go with one command; beyond that little is spared."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A page as it is asked for, up to `limit` documents; filter and projection are encoded already.

    `owner` is the record all of it is of (patient id), None where it must be asked for by itself.
    """

    where: Mapping[str, Any]
    wanted: Mapping[str, Any]
    keys: Sequence[tuple[str, int]]
    hint: Sequence[tuple[str, int]] | None
    limit: int
    owner: str | None = None

    def stages(self) -> list[Mapping[str, Any]]:
        """The same as a pipeline."""
        return [{"$match": self.where}, {"$sort": dict(self.keys)}, {"$limit": self.limit}, {"$project": self.wanted}]


@dataclass(frozen=True, slots=True)
class Again:
    """A page that is asked for once more, without its texts.

    `seen` is how MongoDB told it before, None if it was not told so; `marks` document by document, if it may be shared.
    """

    asked: Asked
    seen: bytes | None = None
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


def marks_of(asked: Asked, seen: bytes) -> tuple[RawBSONDocument, ...]:
    """The documents of a page that was told like that; () where it may not be shared."""
    return tuple(RawBSONDocument(seen)["firstBatch"]) if asked.owner is not None and len(seen) <= SMALL else ()


class SharedPages:
    """One per collection and process. Raises PyMongoError."""

    def __init__(self, collection: Bounded, crowd: Crowd | None = None) -> None:
        """`crowd` is an estimate of how many ask at once; without it nobody waits for another."""
        self._collection = collection
        self._name = f"{collection.database.name}.{collection.name}"
        self._once_more = Together(self._several_again, self._one_again, MOST, crowd)
        self._for_the_first_time = Together(self._several_anew, self._one_anew, MOST, crowd)

    def again(self, page: Again) -> Now:
        """What a page is now that was told before."""
        return self._once_more.one(page) if page.marks else self._one_again(page)

    def anew(self, asked: Asked) -> list[Document]:
        """What is found."""
        return self._for_the_first_time.one(asked) if asked.owner is not None else self._one_anew(asked)

    def _one_again(self, page: Again) -> Now:
        asked = page.asked
        seen = self._collection.seen(
            asked.where, asked.wanted, asked.limit, sort=asked.keys, hint=asked.hint, known=page.seen
        )
        if seen is None:
            return Now()
        return SAME if seen == page.seen else Now(documents=self._collection.read(seen), seen=seen)

    def _one_anew(self, asked: Asked) -> list[Document]:
        return self._collection.some(asked.where, asked.wanted, asked.limit, sort=asked.keys, hint=asked.hint)

    def _several_again(self, pages: Sequence[Again]) -> list[Now | Literal[Unanswered.ALONE]]:
        """What each is now; whoever asks for another page of the same record asks by himself."""
        first: dict[str | None, Again] = {}
        for each in pages:
            first.setdefault(each.asked.owner, each)
        marks = [mark for each in first.values() for mark in each.marks]
        known = encode({"firstBatch": marks, "id": Int64(0), "ns": self._name})
        told = self._joined([each.asked for each in first.values()], known)
        if told is None:
            return [ALONE] * len(pages)
        if told.raw == known:
            now = dict.fromkeys(first, SAME)
        else:
            parted = _parted(told["firstBatch"], first)
            now = {owner: self._now(each, parted[owner]) for owner, each in first.items()}
        return [now[each.asked.owner] if each is first[each.asked.owner] else ALONE for each in pages]

    def _now(self, page: Again, told: Sequence[RawBSONDocument]) -> Now:
        if [each.raw for each in told] == [each.raw for each in page.marks]:
            return SAME
        return Now(documents=[decode(each.raw, self._collection.codec_options) for each in told])

    def _several_anew(self, pages: Sequence[Asked]) -> list[list[Document] | Literal[Unanswered.ALONE]]:
        """What each finds; whoever asks for another page of the same record asks by himself."""
        first: dict[str | None, Asked] = {}
        for each in pages:
            first.setdefault(each.owner, each)
        told = self._joined(list(first.values()))
        if told is None:
            return [ALONE] * len(pages)
        parted = _parted(told["firstBatch"], first)
        return [parted[each.owner] if each is first[each.owner] else ALONE for each in pages]

    def _joined(self, pages: Sequence[Asked], known: bytes | None = None) -> Any:
        """What MongoDB tells of all of them; None where it does not, and each has to ask by himself."""
        if len(pages) == 1:
            return None
        try:
            return self._collection.joined([each.stages() for each in pages], sum(each.limit for each in pages), known)
        except ServerSelectionTimeoutError:
            raise  # it was waited for long enough: each by himself would wait as long again
        except PyMongoError:
            return None


def _parted(told: Sequence[Any], owners: Mapping[str | None, Any]) -> dict[str | None, list[Any]]:
    parted: dict[str | None, list[Any]] = {each: [] for each in owners}
    for each in told:
        parted[each["facts"]["patient"]].append(each)
    return parted
