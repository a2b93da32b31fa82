"""Pages: what a page is, and what a walk in the order of last updates keeps of its first, so that no update moves it.

May live here: these values, how a page is fetched, and the stages that find what was updated since, at the place it had
then. May not know: who may see what; the filters of what is current and of what is past come from the door
(docs/adr/0039).

A write is dated before it can be seen, so what is dated before the first page may land after it. What is older than
`settled` had landed; of what is not, the walk keeps what it has given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import DESCENDING

from fhir_server.store import ordering
from fhir_server.store.bounded import Bounded
from fhir_server.store.documents import WANTED, Stored
from fhir_server.store.mongo import Filter

UNDER_WAY = 120_000_000
"""Microseconds: a write that is dated earlier has landed, or never will. MongoDB ends a transaction after a minute, and
looks every half minute which are due; the rest is for clocks that differ."""
MOST = 32
"""How many marks there are at most, so that a cursor stays short: those of the latest."""
_PLACE = 2
THEN = "then"


@dataclass(frozen=True, slots=True)
class Page:
    """Some versions, and the position of the last of them when there are more; that of each where it was asked for.

    `told` keeps how the entries were told, by what that depended on; None of a page that is not kept (`given.py`).
    """

    entries: list[Stored] = field(default_factory=list)
    next: list[Any] | None = None
    places: list[list[Any]] = field(default_factory=list)
    told: dict[Hashable, bytes] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a walk is: `place` is an update and a `Type/id`, `moment` the latest update that its first page could see.

    `given` are marks of what was given as it was updated later than `settled`, and has an older version.
    """

    place: tuple[Any, ...]
    moment: int
    settled: int
    given: tuple[str, ...] = ()

    @classmethod
    def begun(cls, latest: int, now: int) -> Snapshot:
        """Before a first page that is asked for now, and that begins with this update."""
        return cls((latest + 1, ""), latest, min(latest, now - UNDER_WAY))

    @classmethod
    def of(cls, kept: Sequence[Any]) -> Snapshot | None:
        """What a cursor keeps; None where that is a place alone, as it was sealed before there were snapshots."""
        if len(kept) == _PLACE:
            return None
        *place, moment, settled, given = kept
        return cls(tuple(place), moment, settled, tuple(given))

    def kept(self) -> list[Any]:
        """As a cursor keeps it."""
        return [*self.place, self.moment, self.settled, list(self.given)]

    def behind(self, page: Page, many: int) -> Snapshot:
        """After so many of a page were given as well."""
        if not many:
            return self
        settled, given = self.settled, list(self.given)
        places = page.places or [[each.updated, each.id] for each in page.entries]
        for (updated, _), version in zip(places[:many], page.entries, strict=False):
            if updated <= settled:
                break
            if version.version > 1 and len(given) == MOST:
                settled = updated
            elif version.version > 1:
                given.append(_mark(version.id))
        return Snapshot(tuple(places[many - 1]), self.moment, settled, tuple(given))

    def ungiven(self, found: Iterable[Mapping[str, Any]]) -> list[tuple[list[Any], Mapping[str, Any]]]:
        """Of the documents that the stages find those that were not given, each with the place it had."""
        marks = frozenset(self.given)
        return [([each[THEN], each["_id"]], each) for each in found if not marks or _mark(each["_id"]) not in marks]


def fetched(  # noqa: PLR0917 - what a page is asked for by
    collection: Bounded,
    sought: ordering.Sought,
    order: Sequence[ordering.Ordered],
    after: Sequence[Any] | None,
    limit: int,
    asking: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Up to `limit` of what is sought, whole, in that order after a position; one round trip."""
    found: list[dict[str, Any]]
    if ordering.is_stored(order):
        filter_ = sought.sent if after is None else {"$and": [sought.sent, ordering.after(sought.keys, after)]}
        found = collection.some(filter_, sought.wanted, limit, sort=sought.keys, hint=sought.hint, **asking)
    else:
        stages_ = ordering.stages(order, sought.filter, after, limit)
        found = collection.aggregate([*stages_, {"$project": sought.wanted}], **asking).to_list()
    return found


def holds(order: Sequence[ordering.Ordered]) -> bool:
    """Whether a sort is by last updates, the latest first, and by nothing else but the id."""
    fields = [each.field for each in order]
    return fields in (["updated"], ["updated", "id"]) and order[0].descending


def stages(  # noqa: PLR0917 - what a door knows, and what is asked of it
    current: Filter, past: Filter, history: str, keys: ordering.Keys, since: Snapshot, limit: int
) -> list[dict[str, Any]]:
    """The stages that find up to `limit` of what was updated since and not passed, by the places of then.

    `past` guards the versions in the collection `history`: the place of one that may not be seen would tell of it.
    The version of then is the last that is dated up to the moment. If it is not settled, and its place was passed, it
    landed later or was given: the one before it counts.
    """
    tie = keys[1][1]
    ahead = ordering.after([("updated", DESCENDING), ("id", tie)], since.place)
    then = [
        {"$match": {"$and": [past, {"updated": {"$lte": since.moment}}]}},
        {"$match": {"$or": [{"updated": {"$lte": since.settled}}, ahead]}},
        {"$sort": {"version": DESCENDING}},
        {"$limit": 1},
        {"$project": {"_id": 0, "id": 1, "updated": 1, "method": 1}},
    ]
    since_then = {"version": {"$gt": 1}, "updated": {"$gt": since.settled, "$gte": since.place[0]}}
    return [
        {"$match": {"$and": [current, {**since_then, "$nor": [ordering.after(keys, since.place)]}]}},
        {"$lookup": {"from": history, "localField": "_id", "foreignField": "id", "pipeline": then, "as": THEN}},
        {"$match": {THEN: {"$elemMatch": {"$nor": [{"method": "DELETE"}], **ahead}}}},
        {"$set": {THEN: {"$first": f"${THEN}.updated"}}},
        {"$sort": {THEN: DESCENDING, "_id": tie}},
        {"$limit": limit + 1 + len(since.given)},
        {"$project": {**WANTED, THEN: 1}},
    ]


def _mark(id_: str) -> str:
    return hashlib.blake2b(id_.encode(), digest_size=6).hexdigest()
