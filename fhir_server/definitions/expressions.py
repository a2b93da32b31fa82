"""Expressions: the subset of FHIRPath that search parameters are written in, compiled to walks over JSON.

May live here: reading an expression and the moves it is made of. May not know: search parameters; what they make of
a walk is in `paths.py`. The language is http://hl7.org/fhirpath/N1/, of which R4's SearchParameters use: paths from a
type, a bare element or `%resource`; `as T`, `.as(T)`, `.ofType(T)`; `[n]`; `.extension('url')`; `.where(…)` over
`resolve() is T`, `name='text'` and `hasExtension('url')`; unions.

Types are known from the definitions while compiling, so that a walk only follows JSON properties. What is outside the
subset is refused while compiling, never while walking; a walk over a resource of another shape than R4's finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from fhir_server.definitions.elements import children
from fhir_server.definitions.library import load

Resource: TypeAlias = dict[str, Any]
# One step of a walk: the values so far and the resource they are of, to the values one step further.
Move: TypeAlias = Callable[[list[Any], Resource], list[Any]]


class PathError(ValueError):
    """The expression is not of the subset, or names what the definitions do not have."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a walk has come to from `%resource` or from a value: how, and what stands there.

    `first` is the JSON property that the walk begins with, "" where it has not moved by a name yet; `trail` are the
    paths of the elements it has gone through, its own among them.
    """

    first: str
    moves: tuple[Move, ...]
    kind: str
    place: str
    element: str
    targets: tuple[str, ...] = ()
    rooted: bool = False
    is_extension: bool = False
    trail: tuple[str, ...] = ()


def walk(moves: tuple[Move, ...], values: list[Any], root: Resource) -> list[Any]:
    """What the moves lead to from the values, of one resource."""
    for move in moves:
        values = move(values, root)
        if not values:
            break
    return values


def walk_from(spot: Spot, value: Any, root: Resource) -> list[Any]:
    """What stands at a spot, for the value that the walk begins at."""
    begin = values_of(value, spot.first) if spot.first else [value]
    return walk(spot.moves, begin, root) if begin else begin


def values_of(value: Any, name: str) -> list[Any]:
    """The values of a JSON property; nulls, which stand for primitives that have only extensions, are no values."""
    each = value.get(name) if isinstance(value, dict) else None
    if isinstance(each, list):
        return [one for one in each if one is not None]
    return [] if each is None else [each]


@dataclass(frozen=True, slots=True)
class Step:
    """The move by one property name: walks that begin alike can be seen to."""

    name: str

    def __call__(self, values: list[Any], _: Resource) -> list[Any]:
        """What stands under the name in each of the values."""
        if len(values) == 1:
            return values_of(values[0], self.name)
        return [each for value in values for each in values_of(value, self.name)]


def _nth(index: int) -> Move:
    return lambda values, _: values[index : index + 1]


def _keep(test: Callable[[Any, Resource], bool]) -> Move:
    return lambda values, root: [each for each in values if isinstance(each, dict) and test(each, root)]


def _is_of(url: str, extension: Any) -> bool:
    return isinstance(extension, dict) and extension.get("url") == url


def _has_extension(url: str) -> Move:
    return _keep(lambda value, _: any(_is_of(url, each) for each in values_of(value, "extension")))


# A literal reference ends in Type/id or Type/id/_history/version (https://hl7.org/fhir/R4/references.html#literal).
_LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")


def target_type(reference: Mapping[str, Any], root: Resource) -> str | None:
    """The type of resource that a Reference in `root` names; None when it cannot be known without asking for it.

    The literal decides, also one to a contained resource; then `Reference.type`, for logical references and URNs.
    """
    literal = reference.get("reference")
    if isinstance(literal, str):
        if literal.startswith("#"):
            return _contained_type(literal[1:], root)
        if found := _LITERAL.search(literal):
            return found[1]
    said = reference.get("type")
    return said.rpartition("/")[2] if isinstance(said, str) else None


def _contained_type(id_: str, root: Resource) -> str | None:
    if not id_:
        return root.get("resourceType")
    for each in values_of(root, "contained"):
        if isinstance(each, dict) and each.get("id") == id_:
            return each.get("resourceType")
    return None


@cache
def _refers_to(type_: str, targets: tuple[str, ...]) -> Move:
    """References to one type. Where the definitions allow no other type, one that does not say is taken to be of it."""
    if targets == (type_,):
        return _keep(lambda value, root: target_type(value, root) in (type_, None))
    return _keep(lambda value, root: target_type(value, root) == type_)


# --- compiling ---

_TOKEN = re.compile(r"\s*(?:(?P<text>'[^']*')|(?P<name>%?[A-Za-z_]\w*)|(?P<number>\d+)|(?P<sign>[.()\[\]|=]))")


def spots_of(expression: str, place: str, root: str | None = None) -> list[Spot]:
    """Where the walks of an expression end, from a place; `root` is the type of `%resource`."""
    reader = _Reader(expression, place, root or place)
    spots = reader.union()
    if reader.peek():
        raise reader.refusal()
    return [end for spot in spots for end in (_named(spot, "value") if spot.is_extension else [spot])]


class _Reader:
    """Reads one expression from left to right, and keeps the spots that are possible after each step."""

    def __init__(self, expression: str, place: str, root: str) -> None:
        self.expression = expression
        self.place = place
        self.root = root
        self.tokens: list[str] = []
        at = 0
        text = expression.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match:
                raise self.refusal()
            self.tokens.append(match[0].strip())
            at = match.end()
        self.at = 0

    def refusal(self) -> PathError:
        return PathError(f"`{self.expression}` is not a path that search parameters are written in")

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def expect(self, *tokens: str) -> None:
        for token in tokens:
            if self.next() != token:
                raise self.refusal()

    def name(self) -> str:
        found = self.next()
        if not found.isidentifier():
            raise self.refusal()
        return found

    def text(self) -> str:
        found = self.next()
        if not found.startswith("'"):
            raise self.refusal()
        return found[1:-1]

    def union(self) -> list[Spot]:
        """Operands between bars."""
        spots = self.cast()
        while self.peek() == "|":
            self.next()
            spots = spots + self.cast()
        return spots

    def cast(self) -> list[Spot]:
        """A path, perhaps with `as T` behind it."""
        spots = self.path()
        if self.peek() == "as":
            self.next()
            spots = _of_type(spots, self.name())
        if not spots:
            raise PathError(f"`{self.expression}` leads nowhere from `{self.place}`")
        return spots

    def path(self) -> list[Spot]:
        """A head and its steps."""
        if self.peek() == "(":
            self.next()
            spots = self.union()
            self.expect(")")
        else:
            spots = self.head()
        while self.peek() in (".", "["):
            spots = self.step(spots)
        return spots

    def head(self) -> list[Spot]:
        """A type's own name, an abstract type it specializes, `%resource`, or an element of the place."""
        name = self.next()
        if name == "%resource":
            return [Spot("", (), self.root, self.root, self.root, rooted=True)]
        here = Spot("", (), self.place, self.place, self.place)
        if name == self.place or (name in load().definitions and _is_a(self.place, name)):
            return [here]
        if not name.isidentifier():
            raise self.refusal()
        return _named(here, name)

    def step(self, spots: list[Spot]) -> list[Spot]:
        """One step: an index, a function or a name."""
        if self.next() == "[":
            index = self.next()
            self.expect("]")
            if not index.isdecimal() or len(spots) != 1:
                raise self.refusal()
            return [_moved(spots[0], _nth(int(index)))]
        name = self.name()
        if self.peek() != "(":
            return [end for spot in spots for end in _named(spot, name)]
        self.next()
        match name:
            case "as" | "ofType":
                spots = _of_type(spots, self.name())
            case "extension":
                spots = [end for spot in spots for end in _extension(spot, self.text())]
            case "where":
                spots = self.where(spots)
            case _:
                raise self.refusal()
        self.expect(")")
        return spots

    def where(self, spots: list[Spot]) -> list[Spot]:
        """What stands between the brackets of `where`."""
        name = self.name()
        match name:
            case "resolve":
                self.expect("(", ")", "is")
                type_ = self.name()
                if not load().is_type(type_):
                    raise self.refusal()
                return [_moved(spot, _refers_to(type_, spot.targets)) for spot in spots if spot.kind == "Reference"]
            case "hasExtension":
                self.expect("(")
                url = self.text()
                self.expect(")")
                return [_moved(spot, _has_extension(url)) for spot in spots]
        self.expect("=")
        text = self.text()
        here = [spot for spot in spots if name in children(spot.place)]
        return [_moved(spot, _keep(lambda value, _: value.get(name) == text)) for spot in here]


def _moved(spot: Spot, move: Move) -> Spot:
    return replace(spot, moves=(*spot.moves, move))


def _named(spot: Spot, name: str) -> list[Spot]:
    """An element of a spot, in each of the types it may have."""
    element = children(spot.place).get(name)
    if element is None:
        return []
    begins = not spot.first and not spot.moves
    return [
        Spot(
            first=property_ if begins else spot.first,
            moves=() if begins else (*spot.moves, Step(property_)),
            kind=type_.code,
            place=element.place(type_),
            element=element.path,
            targets=type_.targets,
            rooted=spot.rooted,
            trail=(*spot.trail, element.path),
        )
        for property_, type_ in element.properties.items()
    ]


def _extension(spot: Spot, url: str) -> list[Spot]:
    """The extensions of a spot that have a URL."""
    same = _keep(lambda value, _: value.get("url") == url)
    return [replace(_moved(each, same), is_extension=True) for each in _named(spot, "extension")]


def _of_type(spots: list[Spot], type_: str) -> list[Spot]:
    """The spots of a type. R4 writes `DateTime` once for `dateTime`."""
    exact = type_ if type_ in load().definitions else type_[:1].lower() + type_[1:]
    return [spot for spot in spots if _is_a(spot.kind, exact)]


def _is_a(type_: str, other: str) -> bool:
    """Whether a type is another or specializes it."""
    return type_ == other or (type_ in load().definitions and other in load().ancestors(type_))
