"""Containment: the rules dom-3, dom-4 and dom-5 of https://hl7.org/fhir/R4/references.html#contained.

May live here: what holds between a resource and those it contains. May not know: elements; `validation.py` checks
each contained resource as one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

_Told = tuple[str, str, str]


def check_contained(resource: Mapping[str, Any], fragments: Collection[str]) -> Iterator[_Told]:
    """Path, issue code and text of each thing wrong; `fragments` are the ids that References name with `#`."""
    held = resource.get("contained")
    seen: set[str] = set()
    named: set[str] | None = None
    for at, each in enumerate(held if isinstance(held, list) else []):
        if not isinstance(each, dict):
            continue
        path = f".contained[{at}]"
        id_ = each.get("id")
        if not isinstance(id_, str):
            yield f"{path}.id", "required", "a contained resource has an `id`"
            continue
        if id_ in seen:
            yield f"{path}.id", "invalid", "two contained resources have the same `id`"
        seen.add(id_)
        if id_ not in fragments:
            named = set(_links(resource)) if named is None else named
        if id_ not in fragments and named is not None and f"#{id_}" not in named and "#" not in set(_links(each)):
            yield path, "invariant", "dom-3: a contained resource is referred to, or refers to its container"
        meta = each.get("meta")
        if isinstance(meta, dict):
            for name, key in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
                if name in meta:
                    yield f"{path}.meta.{name}", "invariant", f"{key}: a contained resource has no `meta.{name}`"


def _links(node: Any) -> Iterator[str]:
    """Every string that begins with `#`: a canonical, uri or url may name a contained resource too."""
    if isinstance(node, str):
        if node.startswith("#"):
            yield node
    elif isinstance(node, (dict, list)):
        for each in node.values() if isinstance(node, dict) else node:
            yield from _links(each)
