"""FHIRPath's words: what its operators and functions do to collections.

May live here: pure functions over lists of JSON values and over truths, as http://hl7.org/fhirpath/N1/ defines them.
May not know: definitions, places, how an expression is read. An empty collection wanted as a truth is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import orjson

from fhir_server.foundation.moment import interval


class Bare:
    """A primitive element without a value."""

    __slots__ = ()


BARE = Bare()


@dataclass(frozen=True, slots=True)
class Scope:
    """What %context and %resource are."""

    context: Any
    resource: Any


Items: TypeAlias = Callable[[Any, Scope], list[Any]]
Truth: TypeAlias = Callable[[Any, Scope], bool | None]


def listed(found: bool | None) -> list[Any]:
    """A truth as a collection."""
    return [] if found is None else [found]


def _and(left: Truth, right: Truth) -> Truth:
    def both(this: Any, scope: Scope) -> bool | None:
        first = left(this, scope)
        if first is False:
            return False
        second = right(this, scope)
        if second is False:
            return False
        return None if first is None or second is None else True

    return both


def _or(left: Truth, right: Truth) -> Truth:
    def either(this: Any, scope: Scope) -> bool | None:
        first = left(this, scope)
        if first:
            return True
        second = right(this, scope)
        if second:
            return True
        return None if first is None or second is None else False

    return either


def _xor(left: Truth, right: Truth) -> Truth:
    def one(this: Any, scope: Scope) -> bool | None:
        first, second = left(this, scope), right(this, scope)
        return None if first is None or second is None else first is not second

    return one


def _implies(left: Truth, right: Truth) -> Truth:
    def follows(this: Any, scope: Scope) -> bool | None:
        first = left(this, scope)
        if first is False:
            return True
        second = right(this, scope)
        if second:
            return True
        return None if first is None or second is None else False

    return follows


def _equal(left: list[Any], right: list[Any]) -> list[Any]:
    if not left or not right or BARE in left or BARE in right:
        return []
    return [left == right]


def _unequal(left: list[Any], right: list[Any]) -> list[Any]:
    return [not each for each in _equal(left, right)]


def _compare(left: list[Any], right: list[Any], sign: str) -> list[Any]:
    """Numbers, dates and quantities; nothing where precision or unit leaves it open."""
    if len(left) != 1 or len(right) != 1:
        return []
    low, high = (left[0], right[0]) if sign in ("<=", "<") else (right[0], left[0])
    if isinstance(low, str) and isinstance(high, str):
        return _compare_dates(low, high)
    if isinstance(low, dict) and isinstance(high, dict):
        if any(low.get(name) != high.get(name) for name in ("system", "code", "unit")):
            return []
        low, high = low.get("value"), high.get("value")
    if not isinstance(low, (int, Decimal)) or not isinstance(high, (int, Decimal)):
        return []
    return [low <= high if sign in ("<=", ">=") else low < high]


def _compare_dates(low: str, high: str) -> list[Any]:
    try:
        first, second = interval(low), interval(high)
    except ValueError:
        return []
    if first.lo > second.hi:
        return [False]
    return [True] if first.hi <= second.lo or first == second else []


def _union(left: list[Any], right: list[Any]) -> list[Any]:
    return list({_key(each): each for each in reversed((*left, *right))}.values())[::-1]


def _key(value: Any) -> Any:
    """What makes two values the same in a set: themselves, or the JSON text of an object."""
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS) if isinstance(value, (dict, list)) else value


def combine(left: list[Any], right: list[Any]) -> list[Any]:
    """Both collections, one after the other, doubles kept."""
    return left + right


def intersect(left: list[Any], right: list[Any]) -> list[Any]:
    """What of the left is also on the right."""
    keys = {_key(each) for each in right}
    return [each for each in left if _key(each) in keys]


def _concatenate(left: list[Any], right: list[Any]) -> list[Any]:
    return [f"{left[0] if left else ''}{right[0] if right else ''}"]


def _add(left: list[Any], right: list[Any]) -> list[Any]:
    return [left[0] + right[0]] if left and right else []


def _member(left: list[Any], right: list[Any]) -> list[Any]:
    return [left[0] in right] if left else []


def is_of(value: Any, type_: str) -> bool:
    """Whether a JSON value is of the type: a boolean, a decimal, or a resource of that name."""
    match type_:
        case "Boolean" | "boolean":
            return isinstance(value, bool)
        case "decimal" | "Decimal":
            return isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    return isinstance(value, dict) and value.get("resourceType") == type_


def _is_distinct(items: list[Any]) -> list[Any]:
    return [len({_key(each) for each in items}) == len(items)]


def _to_integer(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[+-]?\d{1,18}", value) else None
    return value if isinstance(value, int) else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, Decimal)) else None


LOGIC: dict[str, Callable[[Truth, Truth], Truth]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
OPERATORS: dict[str, Callable[[list[Any], list[Any]], list[Any]]] = {
    "=": _equal,
    "!=": _unequal,
    "|": _union,
    "&": _concatenate,
    "+": _add,
    "in": _member,
    "contains": lambda left, right: _member(right, left),
    "<=": lambda left, right: _compare(left, right, "<="),
    ">=": lambda left, right: _compare(left, right, ">="),
    "<": lambda left, right: _compare(left, right, "<"),
    ">": lambda left, right: _compare(left, right, ">"),
}
WHOLE: dict[str, Callable[[list[Any]], list[Any]]] = {
    "first": lambda items: items[:1],
    "tail": lambda items: items[1:],
    "trace": lambda items: items,
    "isDistinct": _is_distinct,
    "count": lambda items: [len(items)],
    "exists": lambda items: [bool(items)],
    "hasValue": lambda items: [len(items) == 1 and not isinstance(items[0], (dict, Bare))],
    "empty": lambda items: [not items],
}
SINGLE: dict[str, Callable[..., Any]] = {
    "matches": lambda value, pattern: bool(pattern.fullmatch(value)) if isinstance(value, str) else None,
    "startsWith": lambda value, start: value.startswith(start) if isinstance(value, str) else None,
    "contains": lambda value, part: part in value if isinstance(value, str) else None,
    "replaceMatches": lambda value, old, new: re.sub(old, new, value) if isinstance(value, str) else None,
    "toInteger": _to_integer,
    "toString": _text,
}
