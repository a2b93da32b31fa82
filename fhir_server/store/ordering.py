"""Ordering: a sort as MongoDB does it, and where its pages begin.

May live here: the keys of `search/query.py: Order` as paths and expressions, the filter of what comes after a
position, and what pages of one filter and one order have in common. May not know: who may see what is sorted.

An update, an id and a date that goes down stand in the envelope, and an index may serve them. Every other key is worked
out of the tokens, numbers and dates of each match: no index serves that, and it costs reading every match, within the
time a query may take. A token that is there only through a mention stands apart from the others (`facts.mentions`) and
so orders nothing, whoever asks (decisions 16). What has no value comes last, whichever way the sort goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING

from fhir_server.foundation.predicate import NOTHING
from fhir_server.store.documents import OF_A_RECORD, WANTED, WITHIN_A_RECORD
from fhir_server.store.mongo import Filter, to_mongo
from fhir_server.store.shared_pages import FEW, Asked

Keys = list[tuple[str, int]]
_MADE = "sort"
_BUT_TEXT = {name: 1 for name in WANTED if name != "body"}


class Ordered(Protocol):
    """One key of a sort (`search/query.py: Order`)."""

    @property
    def field(self) -> str: ...  # noqa: D102
    @property
    def descending(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Sought:
    """What pages of one filter in one order are asked for by.

    `hint` is the index they must be found by, None where MongoDB may choose. `sent`, the filter, `wanted`, what is
    fetched, and `marks`, all of that but the text, are encoded already. `keeps`: what was given may be kept
    (`given.py`), since the order stands in the envelope, and nothing is a trace. `within` is the record and the type by
    which all of it is found: a page of it may be asked for together with others (`shared_pages.py`).
    """

    filter: Filter
    keys: Keys
    hint: Keys | None
    sent: Mapping[str, Any]
    wanted: Mapping[str, Any]
    marks: Mapping[str, Any]
    keeps: bool
    within: tuple[str, str] | None

    def whole(self, limit: int) -> Asked:
        """A first page, all that is wanted of it."""
        return Asked(self.sent, self.wanted, self.keys, self.hint, limit, self.within if limit <= FEW else None)

    def marked(self, limit: int) -> Asked:
        """The same without the texts."""
        return replace(self.whole(limit), wanted=self.marks)


def sought(query: Filter, order: Sequence[Ordered], type_: str) -> Sought:
    """What pages of a filter are asked for by, among what is of the type ("" for several)."""
    keys = keys_of(order)
    # the position is read from what it sorts by
    places = dict.fromkeys((path.partition(".")[0] for path, _ in keys), 1)
    traces = type_ == "AuditEvent"
    hint = None if traces else index_for(query, keys)
    keeps = not traces and is_stored(order)
    wanted, marks = _encoded({**WANTED, **places}), _encoded({**_BUT_TEXT, **places})
    within = (query["facts.patient"], query["type"]) if hint is OF_A_RECORD else None
    return Sought(query, keys, hint, _encoded(query), wanted, marks, keeps, within)


def _encoded(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return RawBSONDocument(encode(document))


def is_stored(order: Sequence[Ordered]) -> bool:
    """Whether everything the sort goes by stands in the envelope, missing values last."""
    return all(_stored(each) for each in order)


def keys_of(order: Sequence[Ordered]) -> Keys:
    """The paths and directions of a sort; what is worked out has two keys, the first for being missing."""
    keys: Keys = []
    for number, each in enumerate(order):
        direction = DESCENDING if each.descending else ASCENDING
        if not _stored(each):
            keys += [(f"{_MADE}.missing{number}", ASCENDING), (f"{_MADE}.value{number}", direction)]
        elif each.field.startswith("date:"):
            keys.append((f"last.{each.field[5:]}", direction))
        else:
            keys.append(("_id" if each.field == "id" else each.field, direction))
    if not any(path == "_id" for path, _ in keys):
        keys.append(("_id", keys[-1][1] if keys else ASCENDING))
    return keys


def index_for(query: Filter, keys: Keys | None = None) -> Keys | None:
    """The index that a page, or (without keys) a total, must be found by; None where MongoDB may choose.

    For a token within a record, the latest first, one is always the best, and for a type of it. Left to itself MongoDB
    remembers a plan by the shape of a query: a common token would have it read the whole record for a rare one as well.
    """
    token, record = query.get("index"), query.get("facts.patient")
    if not isinstance(record, str) or keys not in (None, WITHIN_A_RECORD[-2:]):
        return None
    rest = {path: asked for path, asked in query.items() if path != "index"}
    if not isinstance(query.get("type"), str) or not _is_of_facts(rest):
        return None
    return WITHIN_A_RECORD if isinstance(token, str) else OF_A_RECORD if token is None else None


def _is_of_facts(query: Filter) -> bool:
    """Whether nothing is asked but of which type it is and what its facts are: a record, and the guard."""
    return all(
        all(map(_is_of_facts, asked)) if path.startswith("$") else path == "type" or path.startswith("facts.")
        for path, asked in query.items()
    )


def stages(order: Sequence[Ordered], query: Filter, place: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
    """The stages that find up to `limit` matches in order, after a position."""
    made = {number: each for number, each in enumerate(order) if not _stored(each)}
    keys = keys_of(order)
    return [
        {"$match": query},
        {"$addFields": {f"{_MADE}.value{number}": _expression(each) for number, each in made.items()}},
        {"$addFields": {f"{_MADE}.missing{n}": {"$eq": [f"${_MADE}.value{n}", None]} for n in made}},
        *([{"$match": after(keys, place)}] if place is not None else []),
        {"$sort": dict(keys)},
        {"$limit": limit},
    ]


def _stored(key: Ordered) -> bool:
    return key.field in ("updated", "id") or (key.field.startswith("date:") and key.descending)


def _expression(key: Ordered) -> dict[str, Any]:
    """The least value of a key going up, the greatest going down; null where there is none."""
    kind, _, name = key.field.partition(":")
    chosen = "$max" if key.descending else "$min"
    match kind:
        case "date":
            return {"$ifNull": [f"$first.{name}", None]}
        case "number":
            known = {"input": {"$ifNull": ["$numbers", []]}, "as": "each", "cond": {"$in": [name, "$$each.key"]}}
            end = "$$each.hi" if key.descending else "$$each.lo"
            return {chosen: {"$map": {"input": {"$filter": known}, "as": "each", "in": end}}}
    begins = {"$eq": [{"$indexOfBytes": ["$$each", name]}, 0]}
    bare = {"$lt": [{"$indexOfBytes": ["$$each", "|"]}, 0]}
    condition = {"$and": [begins, bare]} if kind == "code" else begins
    return {chosen: {"$filter": {"input": "$index", "as": "each", "cond": condition}}}


def _value_at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def position(keys: Sequence[tuple[str, int]], document: Mapping[str, Any]) -> list[Any]:
    """Where a document stands: what the keys find in it."""
    return [_value_at(document, path) for path, _ in keys]


def after(keys: Sequence[tuple[str, int]], position: Sequence[Any]) -> Filter:
    """Strictly after a position, in the order of the keys; MongoDB sorts a missing value below every other."""
    branches: list[Filter] = []
    equal: list[Filter] = []
    for (path, direction), value in zip(keys, position, strict=True):
        beyond = _beyond(path, direction, value)
        if beyond is not None:
            branches.append({"$and": [*equal, beyond]})
        equal.append({path: value})
    return {"$or": branches} if branches else to_mongo(NOTHING)


def _beyond(path: str, direction: int, value: Any) -> Filter | None:
    if value is None:
        return {"$nor": [{path: None}]} if direction == ASCENDING else None
    if direction == ASCENDING:
        return {path: {"$gt": value}}
    return {"$or": [{path: {"$lt": value}}, {path: None}]}
