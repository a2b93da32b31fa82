"""Paths: what a search parameter finds in a resource, with the FHIR type of each value.

May live here: the walks of R4's SearchParameters (https://hl7.org/fhir/R4/search.html#parameters), made from their
expressions by `expressions.py`. May not know: how found values are indexed or asked for (`search/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from fhir_server.definitions.expressions import Move, Resource, Spot, Step, spots_of, values_of, walk_from
from fhir_server.definitions.search_parameters import SearchParameter, parameter, parameters


class Found(NamedTuple):
    """One value: as JSON has it, its FHIR type, and the path of the element it came from, which names its binding.

    The kind of a resource (`Bundle.entry.resource`) is its type; of a backbone element, `BackboneElement`.
    """

    value: Any
    kind: str
    element: str


Extractor: TypeAlias = Callable[[Resource], list[Found]]
Finder: TypeAlias = Callable[[Resource], dict[str, list[Found]]]
Composite: TypeAlias = Callable[[Resource], list[tuple[list[Found], ...]]]
# R4 gives these no expression: they are about text, or about what only their description says.
WITHOUT_PATH: Mapping[str, str] = {
    "_content": "a search in the text of the whole resource",
    "_text": "a search in the narrative",
    "_query": "the name of a query, not a value of the resource",
    "_filter": "a language of its own, not a value of the resource",
}


def extractor(type_: str, code: str) -> Extractor:
    """What a search parameter finds in a resource of the type: a function that gives values with their types.

    A composite gives the values that hold its components (see `composite`). A parameter of WITHOUT_PATH gives nothing.
    A last `.extension('url')` gives the extension's value. Raises KeyError for a parameter that the type has not.
    """
    return _extractor(type_, code)


def composite(type_: str, code: str) -> Composite:
    """What a composite parameter finds: for each value that holds its components, what each component finds in it.

    `[([code…], [quantity…]), …]`, in the order of `SearchParameter.components`; values that lack a component are left
    out, since nothing can match them. Raises KeyError for what is no composite parameter of the type.
    """
    return _composite(type_, code)


@cache
def needs(type_: str, code: str) -> tuple[tuple[frozenset[str], ...], ...]:
    """What a resource has in which a composite finds something: of one of these, a property of each set.

    Raises KeyError as `composite` does.
    """
    asked = _composed_of(type_, code)
    found: list[tuple[frozenset[str], ...]] = []
    for spot in spots_of(asked.expression, type_):
        if spot.first or spot.moves:
            found.append((frozenset((spot.first,)),) if spot.first else ())
            continue
        inner = (spots_of(component.expression, spot.place, root=type_) for component in asked.components)
        begin = (frozenset(each.first for each in spots) for spots in inner)
        found.append(tuple(each for each in begin if "" not in each))
    return tuple(found)


@cache
def finder(type_: str) -> Finder:
    """All that the parameters of a type find in a resource, by code; parameters that find nothing are left out.

    The same as each `extractor` for itself, in one walk that only looks at the properties that the resource has. Raises
    KeyError for what is no resource type.
    """
    if not parameters(type_):
        raise KeyError(f"`{type_}` is no resource type")
    walk, rest = visitor(type_, parameters(type_), _gathered)
    others = {code: extractor(type_, code) for code in rest if parameters(type_)[code].expression}

    def find(resource: Resource) -> dict[str, list[Found]]:
        found = {code: values for code, each in others.items() if (values := each(resource))}
        walk(resource, found)
        return found

    return find


End: TypeAlias = tuple[str, str, str]
"""Where walks end: the parameter, the kind and the element of what stands there."""
Take: TypeAlias = Callable[[list[Any], Any], None]
"""What is done with the values at an end, and whatever gathers what comes of it."""


def visitor(
    type_: str, codes: Iterable[str], make: Callable[[tuple[End, ...]], Take | None]
) -> tuple[Callable[[Resource, Any], None], list[str]]:
    """One walk over a resource of the type for many parameters, and those of the codes that it cannot walk for.

    It looks only at properties that the resource has, and goes each way once. `make` is asked once for each place where
    walks end what is to be done with the values there; it is done with what is given to the walk beside the resource.
    """
    known = parameters(type_)
    by_property: dict[str, _Branch] = {}
    rest: list[str] = []
    for code in codes:
        expression = known[code].expression if code in known else ""
        spots = spots_of(expression, type_) if expression and expression not in _ODD else []
        if not spots or not all(spot.first for spot in spots):
            rest.append(code)
            continue
        for spot in spots:
            by_property.setdefault(spot.first, _Branch({}, [])).grow(spot.moves, (code, spot.kind, spot.element))
    visits = {name: branch.compiled(make) for name, branch in by_property.items()}

    def walk(resource: Resource, into: Any) -> None:
        for name in resource:
            if (visit := visits.get(name)) and (values := values_of(resource, name)):
                visit(values, resource, into)

    return walk, rest


def _gathered(ends: tuple[End, ...]) -> Take:
    """What becomes of values in a finder."""

    def take(values: list[Any], found: dict[str, list[Found]]) -> None:
        for code, kind, element in ends:
            found.setdefault(code, []).extend([_found(each, kind, element) for each in values])

    return take


class _Branch(NamedTuple):
    """Walks that have begun alike, and which of them end here."""

    further: dict[Move, _Branch]
    ends: list[End]

    def grow(self, moves: tuple[Move, ...], end: End) -> None:
        """Adds one walk."""
        if moves:
            self.further.setdefault(moves[0], _Branch({}, [])).grow(moves[1:], end)
        else:
            self.ends.append(end)

    def compiled(self, make: Callable[[tuple[End, ...]], Take | None]) -> Callable[[list[Any], Resource, Any], None]:
        """The branch as one function of the values so far, their resource, and what gathers what comes of it."""
        take = make(tuple(self.ends)) if self.ends else None
        further = tuple(
            (move.name if isinstance(move, Step) else "", move, branch.compiled(make))
            for move, branch in self.further.items()
        )

        def visit(values: list[Any], root: Resource, into: Any) -> None:
            if take is not None:
                take(values, into)
            one = values[0] if len(values) == 1 else None
            for name, move, on in further:
                # most of what may stand in an object does not
                if name and one is not None and not (isinstance(one, dict) and name in one):
                    continue
                if reached := move(values, root):
                    on(reached, root, into)

        return visit


def compiled(expression: str, type_: str) -> Extractor:
    """An expression of the subset as a function over resources (or data types) of a type. Raises PathError."""
    return _joined(spots_of(expression, type_))


@cache
def _extractor(type_: str, code: str) -> Extractor:
    asked = _known(type_, code)
    if asked.expression in _ODD:
        return _ODD[asked.expression]
    if not asked.expression:
        return _nothing
    return compiled(asked.expression, type_)


@cache
def _composite(type_: str, code: str) -> Composite:
    asked = _composed_of(type_, code)
    holders = []
    for spot in spots_of(asked.expression, type_):
        inner = [spots_of(component.expression, spot.place, root=type_) for component in asked.components]
        holders.append((spot, tuple(map(_walks, inner))))

    def find(resource: Resource) -> list[tuple[list[Found], ...]]:
        found: list[tuple[list[Found], ...]] = []
        for spot, parts in holders:
            for value in walk_from(spot, resource, resource):
                each: list[list[Found]] = []
                for part in parts:
                    if not (held := part(value, resource)):
                        break
                    each.append(held)
                else:
                    found.append(tuple(each))
        return found

    return find


def _composed_of(type_: str, code: str) -> SearchParameter:
    asked = _known(type_, code)
    if not asked.components:
        raise KeyError(f"`{code}` of `{type_}` is not composite")
    return asked


def _known(type_: str, code: str) -> SearchParameter:
    asked = parameter(type_, code)
    if asked is None:
        raise KeyError(f"`{type_}` has no search parameter `{code}`")
    return asked


def _nothing(_: Resource) -> list[Found]:
    return []


def _deceased(resource: Resource) -> list[Found]:
    """`Patient.deceased`: true once there is a date or a true, false otherwise, also where nothing is said."""
    dead = "deceasedDateTime" in resource or resource.get("deceasedBoolean", False) is not False
    return [Found(dead, "boolean", "Patient.deceased[x]")]


def _multiple(resource: Resource) -> list[Found]:
    """Whether the patient is one of several: an order among them says so too; nothing where nothing is said."""
    said = [resource[name] for name in ("multipleBirthBoolean", "multipleBirthInteger") if name in resource]
    return [Found(each is not False, "boolean", "Patient.multipleBirth[x]") for each in said]


_ODD: Mapping[str, Extractor] = {
    "Patient.deceased.exists() and Patient.deceased != false": _deceased,
    "Patient.multipleBirth.select($this != false)": _multiple,
}


def _joined(spots: list[Spot]) -> Extractor:
    """What all the walks find, one after the other."""
    walk_over = _walks(spots)
    return lambda resource: walk_over(resource, resource)


def _walks(spots: list[Spot]) -> Callable[[Any, Resource], list[Found]]:
    """What walks find from a value of a resource, one after the other; those that are rooted begin at the resource."""
    ways = tuple((spot.first, spot.rooted, spot if spot.moves else None, spot.kind, spot.element) for spot in spots)

    def find(value: Any, resource: Resource) -> list[Found]:
        found: list[Found] = []
        for first, rooted, spot, kind, element in ways:
            begin = resource if rooted else value
            if first and not (isinstance(begin, dict) and first in begin):
                continue
            if spot is not None:
                reached = walk_from(spot, begin, resource)
            else:  # most lead no further than to a property
                reached = values_of(begin, first) if first else [begin]
            found += [_found(each, kind, element) for each in reached]
        return found

    return find


def _found(value: Any, kind: str, element: str) -> Found:
    if kind == "Resource":
        kind = value.get("resourceType", kind) if isinstance(value, dict) else kind
    return Found(value, kind, element)
