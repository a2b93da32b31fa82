"""Paths: what a search parameter finds in a resource, with the FHIR type of each value.

May live here: the walks of R4's SearchParameters (https://hl7.org/fhir/R4/search.html#parameters), made from their
expressions by `expressions.py`. May not know: how found values are indexed or asked for (`search/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from fhir_server.definitions.expressions import Move, Resource, Spot, spots_of, values_of, walk_from
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
def finder(type_: str) -> Finder:
    """All that the parameters of a type find in a resource, by code; parameters that find nothing are left out.

    The same as each `extractor` for itself, in one walk that only looks at the properties that the resource has. Raises
    KeyError for what is no resource type.
    """
    if not parameters(type_):
        raise KeyError(f"`{type_}` is no resource type")
    by_property: dict[str, _Branch] = {}
    others: dict[str, Extractor] = {}
    for code, each in parameters(type_).items():
        spots = spots_of(each.expression, type_) if each.expression and each.expression not in _ODD else []
        if spots and all(spot.first for spot in spots):
            for spot in spots:
                by_property.setdefault(spot.first, _Branch({}, [])).grow(spot.moves, (code, spot.kind, spot.element))
        elif each.expression:
            others[code] = extractor(type_, code)

    def find(resource: Resource) -> dict[str, list[Found]]:
        found = {code: values for code, each in others.items() if (values := each(resource))}
        for name in resource:
            if (branch := by_property.get(name)) and (values := values_of(resource, name)):
                branch.collect(values, resource, found)
        return found

    return find


class _Branch(NamedTuple):
    """Walks that have begun alike: `ends` are the parameters that stop here, with kind and element."""

    further: dict[Move, _Branch]
    ends: list[tuple[str, str, str]]

    def grow(self, moves: tuple[Move, ...], end: tuple[str, str, str]) -> None:
        """Adds one walk."""
        if moves:
            self.further.setdefault(moves[0], _Branch({}, [])).grow(moves[1:], end)
        else:
            self.ends.append(end)

    def collect(self, values: list[Any], root: Resource, found: dict[str, list[Found]]) -> None:
        """Adds to `found` what the walks find from here."""
        for code, kind, element in self.ends:
            found.setdefault(code, []).extend([_found(each, kind, element) for each in values])
        for move, branch in self.further.items():
            if further := move(values, root):
                branch.collect(further, root, found)


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
    asked = _known(type_, code)
    if not asked.components:
        raise KeyError(f"`{code}` of `{type_}` is not composite")
    holders = [
        (spot, [_within(component.expression, spot.place, type_) for component in asked.components])
        for spot in spots_of(asked.expression, type_)
    ]

    def find(resource: Resource) -> list[tuple[list[Found], ...]]:
        found = []
        for spot, parts in holders:
            for value in walk_from(spot, resource, resource):
                each = tuple(part(value, resource) for part in parts)
                if all(each):
                    found.append(each)
        return found

    return find


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
    return lambda resource: [
        _found(each, spot.kind, spot.element) for spot in spots for each in walk_from(spot, resource, resource)
    ]


def _within(expression: str, place: str, type_: str) -> Callable[[Any, Resource], list[Found]]:
    """A component's expression, over a value at a place and the resource that holds it."""
    spots = spots_of(expression, place, root=type_)
    return lambda value, resource: [
        _found(each, spot.kind, spot.element)
        for spot in spots
        for each in walk_from(spot, resource if spot.rooted else value, resource)
    ]


def _found(value: Any, kind: str, element: str) -> Found:
    if kind == "Resource":
        kind = value.get("resourceType", kind) if isinstance(value, dict) else kind
    return Found(value, kind, element)
