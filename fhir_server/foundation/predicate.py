"""Predicates: every question asked of the record is one of these values.

May live here: the nodes, and `matches`, their meaning over one document in memory.
May not know: MongoDB (its meaning there is `store/mongo.py`), FHIR, who asks or why.

A document is the stored envelope (`store/documents.py`): a mapping with `_id`, `type`, `version`, `updated`, `facts`,
`index`, `dates`, `numbers`, `together`, `contained`, `place` and `words`. A field is one name of a flat vocabulary;
`path_of` maps it to a path:

- `id resource version updated deposited` are the envelope's own (`resource` is the FHIR type);
- `token` is the array of `Type.parameter=value` strings of the search index;
- `date:<parameter>` is an array of intervals `{lo, hi}` in microseconds since 1970;
- `numbers` is an array of `{key, lo, hi}`, the intervals of numbers and quantities (`search/number.py`);
- `together` is an array of small documents `{name, token, dates, numbers}`: what stands within one element and is asked
  for together (`search/composite.py`);
- `contained` is an array of small documents `{id, resource, token, dates, numbers, together, place}`: resources that
  stand within this one (`search/contained.py`);
- `place` is where something is, `{type: "Point", coordinates: [longitude, latitude]}` in degrees (`search/near.py`);
- `text` and `content` are the arrays of words of the narrative and of the whole (`search/words.py`);
- any other name is a fact (`patient`, `label`, `author`…).

INVARIANT (emptiness): the empty disjunction is NOTHING and the empty conjunction is EVERYTHING, in both interpreters.
INVARIANT (one element): a clause on an array of structures is about one element of it, never a mixture of several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import cos, pi, radians, sin
from typing import Any, TypeAlias

BEGINNING = -(2**62)
END = 2**62
EARTH = 6_371_008.8
"""The mean radius of the earth, in metres."""


@dataclass(frozen=True, slots=True)
class Has:
    """The field, scalar or array, holds the value."""

    field: str
    value: str | int | bool


@dataclass(frozen=True, slots=True)
class Between:
    """The scalar field is at least `low` (inclusive) and below `high` (exclusive); None leaves a side open."""

    field: str
    low: int | str | None = None
    high: int | str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """One interval of the field has lo in [lo_min, lo_max] and hi in [hi_min, hi_max]; None leaves a side open."""

    field: str
    lo_min: int | None = None
    lo_max: int | None = None
    hi_min: int | None = None
    hi_max: int | None = None


@dataclass(frozen=True, slots=True)
class Prefix:
    """One string of the field begins with `text`."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Contains:
    """One string of the field begins with `start` and has `text` somewhere after it, or (`ends`) at its end."""

    field: str
    start: str
    text: str
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there and is neither null nor an empty array."""

    field: str


@dataclass(frozen=True, slots=True)
class Some:
    """One element of the array of structures at `field` satisfies `inner`, whose fields are relative to the element."""

    field: str
    inner: Predicate


@dataclass(frozen=True, slots=True)
class Near:
    """The point `[longitude, latitude]` at the field lies within so many `metres` of another on a sphere."""

    field: str
    latitude: float
    longitude: float
    metres: float


@dataclass(frozen=True, slots=True)
class Linked:
    """Another document, of type `type`, satisfies `inner`, and the two are linked by the token `token`.

    This one holds `token=` and the id of the other; or, `back`, the other holds `token=` and the id of this one, whose
    type is `of`. `records` are those the other must belong to, () for any; `certain` says that the type was named, and
    is not one of several that may be meant.
    INVARIANT (followed): whether that other may be seen is decided for it alone, so no interpreter knows this node.
    Who asks puts in its place what was found (`interactions/chained.py`).
    """

    token: str
    type: str
    inner: Predicate
    back: bool = False
    of: str = ""
    records: tuple[str, ...] = ()
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Under:
    """This holds `token=` and one of `ids` (`type`/id), or what stands under one, or (`up`) what one stands under.

    What stands under another holds `by=` and the id of that. It is followed as `Linked` is, level by level.
    """

    token: str
    type: str
    by: str
    ids: tuple[str, ...]
    up: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """The inner predicate does not hold (it does not hold either where the field is missing)."""

    inner: Predicate
    _hash: int | None = field(default=None, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return self._hash or _remembered(self, (Not, self.inner))


@dataclass(frozen=True, slots=True)
class All:
    """Every one holds."""

    of: tuple[Predicate, ...] = ()
    _hash: int | None = field(default=None, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return self._hash or _remembered(self, (All, self.of))


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801 - `Any` is Python's
    """At least one holds."""

    of: tuple[Predicate, ...] = ()
    _hash: int | None = field(default=None, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return self._hash or _remembered(self, (Any_, self.of))


Predicate: TypeAlias = (
    "Has | Between | Span | Prefix | Contains | Exists | Some | Near | Linked | Under | Not | All | Any_"
)

NOTHING = Any_(())
EVERYTHING = All(())

_ENVELOPE = {
    "id": "_id",
    "resource": "type",
    "version": "version",
    "updated": "updated",
    "deposited": "deposited",
    "token": "index",
    "numbers": "numbers",
    "together": "together",
    "place": "place",
    "contained": "contained",
    "text": "words.text",
    "content": "words.content",
}


def _remembered(node: Not | All | Any_, said: tuple[Any, ...]) -> int:
    """The hash of a node that holds others, worked out once: a guard is a large tree, and the key of several caches."""
    found = hash(said)
    object.__setattr__(node, "_hash", found)
    return found


def path_of(field: str, inside: bool = False) -> str:
    """The dotted path of a field in the envelope, or (`inside`) in an element of an array of structures."""
    if field.startswith("date:"):
        return f"dates.{field[5:]}"
    if inside:
        return field
    return _ENVELOPE.get(field) or f"facts.{field}"


def one_of(field: str, values: Iterable[str | int | bool]) -> Predicate:
    """The field holds one of the values; NOTHING when there is none."""
    return either(*(Has(field, value) for value in values))


def both(*predicates: Predicate) -> Predicate:
    """All of them, flattened; EVERYTHING drops out and NOTHING decides."""
    parts: list[Predicate] = []
    for each in predicates:
        if each == NOTHING:
            return NOTHING
        parts.extend(each.of if isinstance(each, All) else (each,))
    return parts[0] if len(parts) == 1 else All(tuple(dict.fromkeys(parts)))


def either(*predicates: Predicate) -> Predicate:
    """Any of them, flattened; NOTHING drops out and EVERYTHING decides."""
    parts: list[Predicate] = []
    for each in predicates:
        if each == EVERYTHING:
            return EVERYTHING
        parts.extend(each.of if isinstance(each, Any_) else (each,))
    return parts[0] if len(parts) == 1 else Any_(tuple(dict.fromkeys(parts)))


def rewrite(predicate: Predicate, change: Callable[[Predicate], Predicate | None]) -> Predicate:
    """The predicate with each node that `change` answers replaced; it is asked from the outside in."""
    changed = change(predicate)
    if changed is not None:
        return changed
    match predicate:
        case Not(inner):
            return Not(rewrite(inner, change))
        case All(of):
            return All(tuple(rewrite(each, change) for each in of))
        case Any_(of):
            return Any_(tuple(rewrite(each, change) for each in of))
    return predicate


def matches(predicate: Predicate, document: Mapping[str, Any], inside: bool = False) -> bool:
    """Whether the document satisfies the predicate; agrees with `to_mongo` by law (tests/security)."""
    match predicate:
        case All(of):
            return all(matches(each, document, inside) for each in of)
        case Any_(of):
            return any(matches(each, document, inside) for each in of)
        case Not(inner):
            return not matches(inner, document, inside)
        case Has(field, value):
            return any(_alike(each, value) and each == value for each in _values(document, path_of(field, inside)))
        case Between(field, low, high):
            value = _at(document, path_of(field, inside))
            return _within(value, low, high)
        case Span(field, lo_min, lo_max, hi_min, hi_max):
            return any(
                _bounded(each.get("lo"), lo_min, lo_max) and _bounded(each.get("hi"), hi_min, hi_max)
                for each in _values(document, path_of(field, inside))
                if isinstance(each, Mapping)
            )
        case Prefix(field, text):
            return any(
                isinstance(each, str) and each.startswith(text) for each in _values(document, path_of(field, inside))
            )
        case Contains(field, start, text, ends):
            return any(
                isinstance(each, str)
                and each.startswith(start)
                and (each.endswith(text, len(start)) if ends else text in each[len(start) :])
                for each in _values(document, path_of(field, inside))
            )
        case Exists(field):
            return _at(document, path_of(field, inside)) not in (None, [])
        case Some(field, inner):
            return any(
                isinstance(each, Mapping) and matches(inner, each, inside=True)
                for each in _values(document, path_of(field, inside))
            )
        case Near(field):
            at = _at(document, f"{path_of(field, inside)}.coordinates")
            return isinstance(at, list) and _is_near(predicate, *at)
        case Linked() | Under():
            raise not_followed(predicate)


def _is_near(asked: Near, longitude: float, latitude: float) -> bool:
    """By the haversine formula, in halves of the angle: exact for what is close together, too."""
    here, there = radians(asked.latitude), radians(latitude)
    across = sin(radians(longitude - asked.longitude) / 2) ** 2
    half_chord = sin((there - here) / 2) ** 2 + cos(here) * cos(there) * across
    return half_chord <= sin(min(asked.metres / EARTH, pi) / 2) ** 2


def not_followed(node: Linked | Under) -> LookupError:
    """What an interpreter says of a link that nobody followed: nothing is answered then."""
    return LookupError(f"nobody followed `{node.token}` to {node.type}")


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _values(document: Mapping[str, Any], path: str) -> list[Any]:
    value = _at(document, path)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _alike(value: Any, asked: str | int | bool) -> bool:
    """Whether both are of one kind. An integer of 64 bits comes from MongoDB as a kind of int, and a bool is none."""
    return type(value) is type(asked) or (type(asked) is int and isinstance(value, int) and type(value) is not bool)


def _within(value: Any, low: int | str | None, high: int | str | None) -> bool:
    for bound in (low, high):
        if bound is not None and not _alike(value, bound):
            return False
    if value is None:
        return False
    return (low is None or value >= low) and (high is None or value < high)


def _bounded(value: int | None, low: int | None, high: int | None) -> bool:
    return value is not None and (low is None or value >= low) and (high is None or value <= high)
