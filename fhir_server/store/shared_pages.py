"""Shared pages: first pages within records that are asked for at the same time, in one command.

May live here: what such a page is asked for by, the stages that ask for several, and whose is what was found. May not
know: who waits for whom (`together.py`), who may see what: each is asked for with the guard of its own door.

A command costs the driver and MongoDB more than a small page in it (docs/adr/0048).

INVARIANT (to each his own): each page is of one type within one record, and of the pages in a command no two are of the
same. What was found carries both, so that no page is taken for another.
INVARIANT (brief): a command of several ends after QUICK seconds, whatever one of them asks for; then each asks by
himself. Whether a page may be asked for together with others, its door says (`given.py`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import decode, encode
from bson.errors import BSONError
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from fhir_server.foundation.crowd import Crowd
from fhir_server.store.bounded import Bounded
from fhir_server.store.together import ALONE, Together, Unanswered

SMALL = 65_536
"""Bytes up to which a page is asked for together with others; of one that is kept, its texts are not among them."""
FEW = 64
"""Documents of a page that may be asked for together with others; one of them only tells whether there are more."""
QUICK = 0.05
"""Seconds within which several are found, or none of them."""
MOST = 8
"""How many pages go with one command; beyond that little is spared."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A page as it is asked for, up to `limit` documents; filter and projection are encoded already.

    `within` is the record (patient id) and the FHIR type that all of it is of; None where it must be asked for by
    itself.
    """

    where: Mapping[str, Any]
    wanted: Mapping[str, Any]
    keys: Sequence[tuple[str, int]]
    hint: Sequence[tuple[str, int]] | None
    limit: int
    within: tuple[str, str] | None = None

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

    `seen` is how they were told, if as it is of a page asked for again.
    """

    same: bool = False
    documents: list[Document] | None = None
    seen: bytes | None = None


SAME = Now(same=True)


def marks_of(asked: Asked, seen: bytes) -> tuple[RawBSONDocument, ...]:
    """The documents of a page that was told like that; () where it may not be shared."""
    return tuple(RawBSONDocument(seen)["firstBatch"]) if asked.within is not None and len(seen) <= SMALL else ()


class SharedPages:
    """One per collection and process. Its questions raise PyMongoError; `shared` lets them go with those of others."""

    def __init__(self, collection: Bounded, crowd: Crowd | None = None) -> None:
        """`crowd` is an estimate of how many ask at once; without it nobody waits for another."""
        self._collection = collection
        self._name = f"{collection.database.name}.{collection.name}"
        self._once_more = Together(self._several_again, self._one_again, MOST, crowd)
        self._for_the_first_time = Together(self._several_anew, self._one_anew, MOST, crowd)

    def again(self, page: Again, *, shared: bool) -> Now:
        """What a page is now that was told before."""
        return self._once_more.one(page) if shared and page.marks else self._one_again(page)

    def anew(self, asked: Asked, *, shared: bool) -> list[Document]:
        """What is found."""
        return self._for_the_first_time.one(asked) if shared and asked.within is not None else self._one_anew(asked)

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

    def _several_again(self, pages: Sequence[Again]) -> list[Now | Unanswered]:
        first = _first([each.asked for each in pages])
        group = [pages[place] for place in first.values()]
        known = self._as_told([mark for each in group for mark in each.marks])
        told = self._joined([each.asked for each in group], known)
        if told is not None and told.raw == known:
            return _each_his_own(first, dict.fromkeys(first, SAME), len(pages))
        parted = _parted(told, first)
        now = {within: self._now(pages[first[within]], marks) for within, marks in parted.items()}
        return _each_his_own(first, now, len(pages))

    def _now(self, page: Again, told: Sequence[RawBSONDocument]) -> Now:
        if [each.raw for each in told] == [each.raw for each in page.marks]:
            return SAME
        documents = [decode(each.raw, self._collection.codec_options) for each in told]
        return Now(documents=documents, seen=self._as_told(told))

    def _several_anew(self, pages: Sequence[Asked]) -> list[list[Document] | Unanswered]:
        first = _first(pages)
        told = self._joined([pages[place] for place in first.values()])
        return _each_his_own(first, _parted(told, first), len(pages))

    def _joined(self, pages: Sequence[Asked], known: bytes | None = None) -> Any:
        """What MongoDB tells of all of them; None where it does not, and each has to ask by himself."""
        if len(pages) == 1:
            return None
        most = sum(each.limit for each in pages)
        try:
            return self._collection.joined([each.stages() for each in pages], most, int(QUICK * 1_000), known)
        except ServerSelectionTimeoutError:
            raise  # it was waited for long enough
        except (PyMongoError, BSONError):  # too slow or too large together, say
            return None

    def _as_told(self, marks: Sequence[RawBSONDocument]) -> bytes:
        """How MongoDB tells that it found these."""
        return encode({"firstBatch": marks, "id": Int64(0), "ns": self._name})


def _first(pages: Sequence[Asked]) -> dict[Hashable, int]:
    """The place of the first of them within each type of each record: whoever comes second asks by himself."""
    places: dict[Hashable, int] = {}
    for place, each in enumerate(pages):
        places.setdefault(each.within, place)
    return places


def _parted(told: Any, first: Mapping[Hashable, int]) -> dict[Hashable, list[Any]]:
    """What was found, by what it is within; nothing if it was not told, or is within none of these."""
    if told is None:
        return {}
    parted: dict[Hashable, list[Any]] = {within: [] for within in first}
    for each in told["firstBatch"]:
        patient = each["facts"].get("patient")
        within = (patient if isinstance(patient, str) else None, each["type"])
        if within not in parted:
            return {}
        parted[within].append(each)
    return parted


def _each_his_own(first: Mapping[Hashable, int], answers: Mapping[Hashable, Any], many: int) -> list[Any]:
    """The answers, each at the place of who asked for it."""
    told: list[Any] = [ALONE] * many
    for within, answer in answers.items():
        told[first[within]] = answer
    return told
