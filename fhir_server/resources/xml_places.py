"""XML places: which elements and attributes may stand where, in what order, and what each is in JSON.

May live here: what https://hl7.org/fhir/R4/xml.html makes of the definitions, a place at a time and on first use. May
not know: texts; `xml_text.py` reads and writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from fhir_server.definitions.elements import Property, primitive, properties
from fhir_server.definitions.library import load

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
DIV = f"{{{XHTML}}}div"

Kind: TypeAlias = Literal["string", "number", "boolean", "xhtml", "resource", "object"]


@dataclass(frozen=True, slots=True)
class Part:
    """One element that may stand at a place: `order` is its turn there, `inner` the place of its children."""

    name: str
    path: str
    order: int
    kind: Kind
    repeats: bool
    inner: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place: its `parts` by JSON name and, as `tags`, by qualified XML name; what it has as attributes.

    "A few properties are represented as attributes: […] extension URLs in the url attribute on an extension, and the id
    property on elements (but not on resources, where the resource id is an element)".
    """

    name: str
    parts: Mapping[str, Part]
    tags: Mapping[str, Part]
    attributes: tuple[str, ...]


@cache
def place(name: str) -> Place:
    """The place of that name: a type (`Patient`, `HumanName`) or a backbone element (`Patient.contact`)."""
    definition = load().definitions.get(name)
    is_resource = definition is not None and definition.kind == "resource"
    attributes = () if is_resource else ("id", "url") if name == "Extension" else ("id",)
    orders: dict[str, int] = {}
    parts: dict[str, Part] = {}
    for form, property_ in properties(name).items():
        if form not in attributes:
            order = orders.setdefault(property_.element.path, len(orders))
            parts[form] = _part(form, property_, order)
    tags = {f"{{{XHTML if each.kind == 'xhtml' else FHIR}}}{form}": each for form, each in parts.items()}
    return Place(name, parts, tags, attributes)


def resource_type(tag: str) -> str | None:
    """The concrete resource type that a qualified XML name is of, or None."""
    namespace, _, name = tag[1:].partition("}")
    return name if namespace == FHIR and load().is_type(name) else None


def _part(form: str, property_: Property, order: int) -> Part:
    element, type_ = property_
    simple = primitive(type_.code)
    kind: Kind
    if type_.code == "xhtml":
        kind, inner = "xhtml", ""
    elif type_.code == "Resource":
        kind, inner = "resource", ""
    elif simple is not None:
        kind = "number" if simple.json == "number" else "boolean" if simple.json == "boolean" else "string"
        inner = "Element"
    else:
        kind, inner = "object", element.place(type_)
    return Part(form, element.name, order, kind, element.repeats, inner)
