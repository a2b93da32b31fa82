"""Nodes: walking JSON of which nothing is sure yet.

May live here: getting at what stands at a path, whatever stands there. May not know: what any element means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def node_of(value: Any) -> Mapping[str, Any]:
    """The object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def values(node: Any, path: str) -> Iterator[Any]:
    """Every value at a path of element names, through lists."""
    step, _, rest = path.partition(".")
    found = node.get(step) if isinstance(node, dict) else None
    for each in found if isinstance(found, list) else [found]:
        if each is not None:
            if rest:
                yield from values(each, rest)
            else:
                yield each


def nodes(node: Any, path: str) -> Iterator[Mapping[str, Any]]:
    """Every object at a path."""
    return (each for each in values(node, path) if isinstance(each, dict))


def references_at(node: Any, path: str) -> Iterator[Mapping[str, Any]]:
    """Every Reference at a path that says where it leads."""
    return (each for each in nodes(node, path) if "reference" in each or "identifier" in each)


def codings(value: Any) -> Iterator[Mapping[str, Any]]:
    """The Codings with a code of a CodeableConcept, a Coding, or a list of either."""
    for each in value if isinstance(value, list) else [value]:
        node = node_of(each)
        if isinstance(node.get("coding"), list):
            yield from codings(node["coding"])
        elif isinstance(node.get("code"), str) and isinstance(node.get("system", ""), str):
            yield node
