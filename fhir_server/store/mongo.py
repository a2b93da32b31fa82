"""The second meaning of a predicate: a MongoDB filter.

May live here: one `match` over the nodes of `foundation/predicate.py`. May not know: who asks, or what for.
House law: one clause is one `$elemMatch`, and nothing is negated but through `$nor`
(https://www.mongodb.com/docs/manual/reference/operator/query/nor/); a dotted pair of bounds on an array would let two
different elements satisfy one clause.
"""

from __future__ import annotations

import re
from math import pi
from typing import Any

from fhir_server.foundation.predicate import (
    EARTH,
    All,
    Any_,
    Between,
    Contains,
    Exists,
    Has,
    Linked,
    Near,
    Not,
    Predicate,
    Prefix,
    Some,
    Span,
    Under,
    not_followed,
    path_of,
)

Filter = dict[str, Any]


def to_mongo(predicate: Predicate, inside: bool = False) -> Filter:
    """The filter that selects exactly the documents for which `matches` is true; `inside` an array element."""
    match predicate:
        case All(of):
            return joined([to_mongo(each, inside) for each in of])
        case Any_(of):
            return _disjunction(of, inside)
        case Not(inner):
            denied = to_mongo(inner, inside)
            return {"$nor": denied["$or"] if denied.keys() == {"$or"} else [denied]}
        case Has(field, value):
            return {path_of(field, inside): value}
        case Between(field, low, high):
            bounds = {"$gte": low, "$lt": high}
            kept = {operator: bound for operator, bound in bounds.items() if bound is not None}
            return {path_of(field, inside): kept} if kept else to_mongo(Exists(field), inside)
        case Span(field, lo_min, lo_max, hi_min, hi_max):
            lo, hi = _bounds(lo_min, lo_max), _bounds(hi_min, hi_max)
            return {
                path_of(field, inside): {"$elemMatch": {"lo": lo or {"$exists": True}, "hi": hi or {"$exists": True}}}
            }
        case Prefix(field, text):
            return {path_of(field, inside): {"$regex": "^" + _literal(text)}}
        case Contains(field, start, text, ends):
            end = "\\z" if ends else ""
            return {path_of(field, inside): {"$regex": f"^{_literal(start)}[\\s\\S]*{_literal(text)}{end}"}}
        case Exists(field):
            path = path_of(field, inside)
            return {"$nor": [{path: None}, {path: {"$size": 0}}]}
        case Some(field, inner):
            return {path_of(field, inside): {"$elemMatch": to_mongo(inner, inside=True)}}
        case Near(field, latitude, longitude, metres):
            circle = [[longitude, latitude], min(metres / EARTH, pi)]
            return {path_of(field, inside): {"$geoWithin": {"$centerSphere": circle}}}
        case Linked() | Under():
            raise not_followed(predicate)


def joined(filters: list[Filter]) -> Filter:
    """The filter of several filters together; what none may be is said in one `$nor`."""
    merged: Filter = {}
    none_of: list[Filter] = []
    rest: list[Filter] = []
    for each in filters:
        if each.keys() == {"$nor"}:
            none_of += each["$nor"]
        elif any(key.startswith("$") or key in merged for key in each):
            if not each.items() <= merged.items():  # what is said twice is said
                rest.append(each)
        else:
            merged.update(each)
    if none_of:
        merged["$nor"] = _listed(none_of)
    if not rest:
        return merged
    if not merged and len(rest) == 1:
        return rest[0]
    return {"$and": [merged, *rest] if merged else rest}


def _listed(none_of: list[Filter]) -> list[Filter]:
    """The same, with all values that one field may not hold in one list."""
    values: dict[str, list[Any]] = {}
    rest: list[Filter] = []
    for each in none_of:
        path, held = next(iter(each.items()), ("", None))
        several = held["$in"] if isinstance(held, dict) and held.keys() == {"$in"} else [held]
        if len(each) == 1 and several and all(isinstance(value, str | int) for value in several):
            values.setdefault(path, []).extend(several)
        else:
            rest.append(each)
    lists: list[Filter] = [{path: {"$in": held} if len(held) > 1 else held[0]} for path, held in values.items()]
    return [*lists, *rest]


def _disjunction(of: tuple[Predicate, ...], inside: bool) -> Filter:
    if not of:  # of no document: MongoDB sees that by its bounds, where it would test `$nor` upon each
        return {"$nor": [{}]} if inside else {"_id": {"$in": []}}
    values: dict[str, list[str | int | bool]] = {}
    for each in of:
        if isinstance(each, Has):
            values.setdefault(each.field, []).append(each.value)
    filters: list[Filter] = [
        {path_of(field, inside): {"$in": several} if len(several) > 1 else several[0]}
        for field, several in values.items()
    ]
    filters += [to_mongo(each, inside) for each in of if not isinstance(each, Has)]
    return filters[0] if len(filters) == 1 else {"$or": filters}


def _bounds(low: int | None, high: int | None) -> Filter:
    bounds = {"$gte": low, "$lte": high}
    return {operator: bound for operator, bound in bounds.items() if bound is not None}


def _literal(text: str) -> str:
    return re.escape(text).replace("\x00", "\\x00")
