"""FHIRPath places: where the paths of a FHIRPath Patch lead in a resource (https://hl7.org/fhir/R4/fhirpatch.html).

May live here: reading such a path, and the places it names. May not know: what is done there. A path is made of
element names, `[n]`, `.first()`, `.last()`, `.extension('url')` and `.where(element = literal and …)`: a part of
FHIRPath that names places and can compute nothing.

A primitive stands in JSON at `name`, what is below it (its id and its extensions) at `_name`; it may have either alone
(https://hl7.org/fhir/R4/json.html#primitive). Here it is one place with children as any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.definitions.elements import Element, children, primitive
from fhir_server.foundation.problem import Issue, Problem, unprocessable
from fhir_server.search.nearest import meant, shown

_STRING = r"'(?:[^'\\]|\\.)*'"
_STEP = re.compile(
    rf"""\.?(?:where\((?P<where>(?:{_STRING}|[^'()])*)\)|extension\(\s*(?P<url>{_STRING})\s*\)|(?P<end>first|last)\(\)
        |(?P<name>[A-Za-z][A-Za-z0-9]*)(?![A-Za-z0-9(])|\[(?P<index>\d{{1,9}})\])""",
    re.VERBOSE | re.DOTALL,
)
_CLAUSE = re.compile(
    rf"\s*(?P<path>[A-Za-z][A-Za-z0-9.]*)\s*=\s*(?P<literal>{_STRING}|true\b|false\b|-?\d+(?:\.\d+)?)\s*(?:(?P<more>and\b)|$)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {**{each: each for each in "'\"`\\/"}, "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ANY = frozenset({"Resource", "DomainResource"})
"""Where the definitions do not say what stands: a contained resource says so itself."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a resource: the keys and indexes of its value, the definition of what is below it, and its element."""

    keys: tuple[str | int, ...]
    place: str
    element: Element | None = None

    @property
    def is_primitive(self) -> bool:
        """Whether what is below it stands apart from its value."""
        return primitive(self.place) is not None

    @property
    def beside(self) -> tuple[str | int, ...]:
        """The keys of what is below it."""
        return twin(self.keys) if self.is_primitive else self.keys


def twin(keys: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The keys of what stands beside a primitive: `_name` for `name`."""
    if isinstance(keys[-1], int):
        return (*keys[:-2], f"_{keys[-2]}", keys[-1])
    return (*keys[:-1], f"_{keys[-1]}")


def at(resource: Any, keys: Iterable[str | int]) -> Any:
    """What stands at the keys; None for nothing."""
    for key in keys:
        if isinstance(key, int):
            resource = resource[key] if isinstance(resource, list) and key < len(resource) else None
        else:
            resource = resource.get(key) if isinstance(resource, dict) else None
    return resource


def offered(place: str) -> Mapping[str, Element]:
    """The elements below a place by name; below a primitive its id and its extensions."""
    if primitive(place) is None:
        return children(place)
    return children("Element") if place != "xhtml" else {}


def found(resource: dict[str, Any], path: str) -> list[Spot]:
    """The places a path leads to. Raises Problem 422 for what is no path of elements."""
    return _follow(resource, path, _steps(resource, path))


def list_of(resource: dict[str, Any], path: str) -> tuple[Spot, Element, str]:
    """What holds the whole list that a path names, the list's element and its key. Raises Problem 422 for none."""
    steps = _steps(resource, path)
    name = steps[-1]["name"] if steps else None
    if name is None:
        raise wrong(f"`{path}` is no list of the resource: it ends with the name of an element that repeats")
    owners = _follow(resource, path, steps[:-1])
    if len(owners) != 1:
        raise wrong(f"`{path}` is {'more than one list' if owners else 'no list'} of the resource")
    element = offered(place_of(resource, owners[0])).get(name)
    if element is None or not element.repeats:
        raise wrong(f"`{path}` is no list of the resource{'' if element else meant(name, offered(owners[0].place))}")
    return owners[0], element, next(iter(element.properties))


def place_of(resource: dict[str, Any], spot: Spot) -> str:
    """The definition of what is below a spot: a contained resource says itself what it is."""
    if not spot.keys or spot.is_primitive:
        return spot.place
    node = at(resource, spot.keys)
    return str(node.get("resourceType", spot.place)) if isinstance(node, dict) else spot.place


def wrong(text: str) -> Problem:
    """422 for an operation that does not fit."""
    return unprocessable((Issue("error", "processing", text[:300]),))


# --- following


def _steps(resource: Mapping[str, Any], path: str) -> list[re.Match[str]]:
    type_, rest = str(resource["resourceType"]), path.strip()
    if not re.match(rf"{type_}(?![A-Za-z0-9])", rest):
        raise wrong(f"the path begins with `{type_}`")
    rest, steps = rest.removeprefix(type_), []
    while rest:
        step = _STEP.match(rest) if rest[0] in ".[" else None
        if step is None:
            raise wrong(
                f"`{path}` cannot be followed from `{shown(rest)}` on: a path is made of elements, `[n]`, where, "
                "extension, first and last"
            )
        steps.append(step)
        rest = rest[step.end() :]
    return steps


def _follow(resource: dict[str, Any], path: str, steps: Iterable[re.Match[str]]) -> list[Spot]:
    type_ = str(resource["resourceType"])
    spots, places = [Spot((), type_)], {type_}
    for step in steps:
        if step["name"] is not None:
            places = _defined(places, step["name"], path)
            spots = [each for spot in spots for each in _below(resource, spot, step["name"])]
        elif step["index"] is not None:
            spots = spots[int(step["index"]) :][:1]
        elif step["end"] is not None:
            spots = spots[:1] if step["end"] == "first" else spots[-1:]
        elif step["url"] is not None:
            places, url = _defined(places, "extension", path), _text(step["url"])
            extensions = (each for spot in spots for each in _below(resource, spot, "extension"))
            spots = [each for each in extensions if at(resource, (*each.keys, "url")) == url]
        else:
            clauses = list(_clauses(step["where"]))
            for names, _ in clauses:
                within = places
                for name in names:
                    within = _defined(within, name, path)
            spots = [each for each in spots if all(_holds(resource, each, *clause) for clause in clauses)]
    return spots


def _defined(places: set[str], name: str, path: str) -> set[str]:
    """The places that an element leads to from any of some. Raises Problem 422 where none of them has it."""
    if places & _ANY:
        return set(_ANY)
    elements = [each for place in places if (each := offered(place).get(name)) is not None]
    if not elements:
        known = [each for place in sorted(places) for each in offered(place)]
        raise wrong(f"`{name}` of `{path}` is no element of {' or '.join(sorted(places)[:3])}{meant(name, known)}")
    return {element.place(type_) for element in elements for type_ in element.properties.values()}


def _below(resource: dict[str, Any], spot: Spot, name: str) -> Iterator[Spot]:
    element = offered(place_of(resource, spot)).get(name)
    node = at(resource, spot.beside)
    if element is None or not isinstance(node, dict):
        return
    for key, type_ in element.properties.items():
        place, keys = element.place(type_), (*spot.beside, key)
        lists = [node.get(key), node.get(f"_{key}") if primitive(place) else None]
        if any(isinstance(each, list) for each in lists):
            many = max(len(each) for each in lists if isinstance(each, list))
            yield from (Spot((*keys, index), place, element) for index in range(many))
        elif any(each is not None for each in lists):
            yield Spot(keys, place, element)


# --- conditions


def _clauses(text: str) -> Iterator[tuple[list[str], str]]:
    """The element and the literal of each comparison. Raises Problem 422."""
    clause, start = None, 0
    while clause is None or clause["more"]:
        clause = _CLAUSE.match(text, start)
        if clause is None:
            raise wrong(
                "`where` compares elements with `'text'`, a number, `true` or `false`, joined by `and`, and "
                f"`{shown(text[start:].strip())}` does not"
            )
        yield clause["path"].split("."), clause["literal"]
        start = clause.end()


def _holds(resource: dict[str, Any], spot: Spot, names: list[str], literal: str) -> bool:
    spots = [spot]
    for name in names:
        spots = [each for every in spots for each in _below(resource, every, name)]
    values = [at(resource, each.keys) for each in spots]
    if literal.startswith("'"):
        return _text(literal) in values
    if literal in ("true", "false"):
        return any(each is (literal == "true") for each in values)
    numbers = (each for each in values if isinstance(each, int | Decimal) and not isinstance(each, bool))
    return any(each == Decimal(literal) for each in numbers)


def _text(literal: str) -> str:
    """What a literal says (https://hl7.org/fhirpath/N1/#string). Raises Problem 422 for an escape that there is not."""

    def said(escape: re.Match[str]) -> str:
        if len(escape[1]) > 1:
            return chr(int(escape[1][1:], 16))
        if escape[1] not in _ESCAPED:
            raise wrong(f"`{escape[0]}` is no escape of a FHIRPath text")
        return _ESCAPED[escape[1]]

    return _ESCAPE.sub(said, literal[1:-1])
