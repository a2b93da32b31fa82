"""Elements: what may stand where in a resource or data type.

May live here: the elements of https://hl7.org/fhir/R4/elementdefinition.html that a reader of resources needs: types,
cardinality, bindings, flags, invariants. May not know: resources; who checks them is `resources/validation.py`.

A place is named by a type (`Patient`, `HumanName`) or by the path of a backbone element (`Patient.contact`). The name
of an element is its last step without `[x]`; the names of its JSON properties are the keys of `properties`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from fhir_server.definitions.code_lists import bare_codes
from fhir_server.definitions.library import load, table

INLINE = ("BackboneElement", "Element")
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Primitive:
    """A primitive type: its JSON form (`string`, `number` or `boolean`), regular expression (whole match), base."""

    name: str
    json: str
    regex: str | None
    base: str
    max_length: int | None


@dataclass(frozen=True, slots=True)
class TypeRef:
    """One type of an element: `targets` are the resource types a Reference or canonical may name, () is any type."""

    code: str
    targets: tuple[str, ...] = ()
    profile: str | None = None

    @property
    def structure(self) -> str:
        """The type whose children an element of this type has: `SimpleQuantity` where Quantity is so profiled."""
        return self.profile or self.code


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding: strength is `required`, `extensible`, `preferred` or `example`; no code may leave `maximum`."""

    strength: str
    value_set: str | None
    maximum: str | None = None

    def codes(self) -> frozenset[str] | None:
        """The bare codes of the value set; None when they cannot be enumerated."""
        return None if self.value_set is None else bare_codes(self.value_set)


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule on an element, in FHIRPath; severity is `error` or `warning`, and good practice is only advice."""

    key: str
    severity: str
    human: str
    expression: str
    best_practice: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """One element. `max` None is unbounded; `properties` are the JSON names it may have, with the type of each.

    `invariants` are those the element names; those of its type stand on the root of the type, `element("Reference")`.
    """

    path: str
    name: str
    min: int
    max: int | None
    types: tuple[TypeRef, ...]
    binding: Binding | None
    summary: bool
    modifier: bool
    content_reference: str | None
    is_choice: bool
    properties: Mapping[str, TypeRef]
    invariants: tuple[Invariant, ...]

    @property
    def repeats(self) -> bool:
        """Whether its JSON form is an array (https://hl7.org/fhir/R4/json.html#repeat)."""
        return self.max is None or self.max > 1

    @property
    def targets(self) -> tuple[str, ...]:
        """The resource types that its references may name, of all its types."""
        return tuple(dict.fromkeys(target for each in self.types for target in each.targets))

    def place(self, type_: TypeRef) -> str:
        """The place of its children, for `children` and `properties`, when its value has this type."""
        if self.content_reference is not None:
            return self.content_reference
        return self.path if type_.code in INLINE else type_.structure


class Property(NamedTuple):
    """A JSON property: the element it is a form of, and the type of that form."""

    element: Element
    type: TypeRef


def primitive(name: str) -> Primitive | None:
    """The primitive type of that name, or None."""
    return _primitives().get(name)


@cache
def _primitives() -> Mapping[str, Primitive]:
    return {
        name: Primitive(name, each.json, each.regex, each.base, each.max_length)
        for name, each in load().definitions.items()
        if each.json is not None and each.base is not None
    }


def element(path: str) -> Element | None:
    """The element at a path, as `Patient`, `Patient.contact.name` or `Observation.value[x]` (with or without `[x]`).

    The path stays within one type, content references apart: `HumanName.given`, not `Patient.name.given`.
    """
    place, _, name = path.rpartition(".")
    if not place:
        return _type(path).roots.get(path) if path in table("elements") else None
    return children(place).get(name.removesuffix("[x]"))


def children(place: str) -> Mapping[str, Element]:
    """The elements under a type or backbone element by name, in published order; empty when there are none."""
    owner = place.partition(".")[0]
    if owner not in table("elements"):
        return _NONE
    found = _type(owner)
    if place in found.children:
        return found.children[place]
    referring = element(place) if "." in place else None
    if referring is None or referring.content_reference is None:
        return _NONE
    return children(referring.content_reference)


def properties(place: str) -> Mapping[str, Property]:
    """The JSON properties under a type or backbone element: `valueQuantity` where the element is `value[x]`.

    Neither `resourceType` nor the `_name` twins of primitives are listed.
    """
    return _properties(place) if children(place) else _NONE


@cache
def _properties(place: str) -> Mapping[str, Property]:
    return MappingProxyType(
        {name: Property(each, type_) for each in children(place).values() for name, type_ in each.properties.items()}
    )


class _Type(NamedTuple):
    roots: Mapping[str, Element]
    children: Mapping[str, Mapping[str, Element]]


@cache
def _type(name: str) -> _Type:
    rows = table("elements")[name]
    invariants = {
        key: Invariant(key, each["severity"], each["human"], each["expression"], each.get("bestPractice", False))
        for key, each in rows["invariants"].items()
    }
    roots: dict[str, Element] = {}
    under: dict[str, dict[str, Element]] = {}
    for row in rows["elements"]:
        made = _element(row, invariants)
        place, _, _ = made.path.rpartition(".")
        if place:
            under.setdefault(place, {})[made.name] = made
        else:
            roots[made.path] = made
    return _Type(roots, under)


def _element(row: Mapping[str, Any], invariants: Mapping[str, Invariant]) -> Element:
    path: str = row["path"]
    is_choice = path.endswith("[x]")
    name = path.rpartition(".")[2].removesuffix("[x]")
    content = row.get("content")
    types = tuple(_type_ref(each) for each in row.get("types", [{"code": "BackboneElement"}] if content else []))
    binding = row.get("binding")
    maximum = row.get("max", "1")
    return Element(
        path=path,
        name=name,
        min=row.get("min", 0),
        max=None if maximum == "*" else int(maximum),
        types=types,
        binding=binding and Binding(binding["strength"], binding.get("valueSet"), binding.get("max")),
        summary=row.get("summary", False),
        modifier=row.get("modifier", False),
        content_reference=content,
        is_choice=is_choice,
        properties={name + each.code[0].upper() + each.code[1:]: each for each in types}
        if is_choice
        else {name: types[0]}
        if types
        else {},
        invariants=tuple(invariants[key] for key in row.get("invariants", [])),
    )


def _type_ref(row: Mapping[str, Any]) -> TypeRef:
    targets = tuple(row.get("targets", ()))
    return TypeRef(row["code"], () if targets == ("Resource",) else targets, row.get("profile"))
