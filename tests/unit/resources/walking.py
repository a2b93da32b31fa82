"""Every object of the published examples, by the place it stands at: what the FHIRPath oracle is asked about."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from fhir_server.definitions.elements import children, primitive, properties
from fhir_server.resources.json_text import read

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def examples(folder: str) -> list[Path]:
    return sorted((EXAMPLES / folder).glob("*.json"))


@cache
def resource_of(path: Path) -> dict[str, Any]:
    return read(path.read_bytes())


def walk(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict):
        return
    yield place, node
    for name, value in node.items():
        found = properties(place).get(name)
        if found is None:
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                inner = each.get("resourceType") if found.type.code == "Resource" else found.element.place(found.type)
                yield from walk(each, str(inner))


def objects_by_place() -> dict[str, list[tuple[Any, Any]]]:
    """(object, resource it is in) by place, of all R4 examples."""
    found: dict[str, list[tuple[Any, Any]]] = {}
    for path in examples("r4"):
        resource = resource_of(path)
        for place, node in walk(resource, resource["resourceType"]):
            found.setdefault(place, []).append((node, resource))
    return found


SAMPLES: dict[str, list[Any]] = {
    "boolean": [True, False],
    "integer": [1, 0, 7],
    "positiveInt": [1, 3],
    "unsignedInt": [0, 2],
    "decimal": [Decimal("1.5"), Decimal(-1), Decimal(200)],
    "date": ["2024-02-29", "2020"],
    "dateTime": ["2024-02-29T10:00:00Z", "2020-01-01"],
    "instant": ["2024-02-29T10:00:00Z", "2020-01-01T00:00:00Z"],
    "time": ["10:00:00"],
    "string": ["Name", "a b", "*", "5", "Resource.element"],
    "uri": ["http://unitsofmeasure.org", "urn:example:a", "http://hl7.org/fhir/StructureDefinition/x"],
    "code": ["1", "%", "draft"],
}


def filled(place: str, variant: int, depth: int = 2) -> dict[str, Any]:
    """An object with something in every element that has a sample; the variant turns choices, codes and samples."""
    made: dict[str, Any] = {}
    for element in children(place).values():
        options = list(element.properties.items())
        name, type_ = options[variant % len(options)]
        codes = sorted(element.binding.codes() or ()) if element.binding and type_.code == "code" else []
        samples = codes or SAMPLES.get(type_.code, [])
        if samples:
            value: Any = samples[variant % len(samples)]
        elif primitive(type_.code) or type_.code in ("Resource", "Extension", "xhtml") or not depth:
            continue
        else:
            value = filled(element.place(type_), variant, depth - 1)
        if value != {}:
            made[name] = [value] * (1 + variant % 2) if element.repeats else value
    return made


def changed(resource, path, value):
    made = copy.deepcopy(resource)
    node = made
    *before, last = path
    for step in before:
        node = node[step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return made


def told(issues, severity="error"):
    return [issue.expression for issue in issues if issue.severity == severity]
