"""Every object of the published examples, by the place it stands at: what the FHIRPath oracle is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fhir_server.definitions.elements import properties
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
