"""Extraction: what the offered parameters find in a resource.

May live here: joining the finders of the definitions with the profiles' parameters and one's own. May not know:
FHIRPath (`definitions/paths.py`), nor what becomes of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fhir_server.definitions import paths
from fhir_server.definitions.paths import Extractor, Found
from fhir_server.search import own
from fhir_server.search.own import remembered
from fhir_server.search.supported import profiled

Finder: TypeAlias = Callable[[dict[str, Any]], Mapping[str, list[Found]]]


@remembered
def extractor(type_: str, code: str) -> Extractor:
    """What one offered parameter finds in a resource of the type; KeyError for what the type has not."""
    added = profiled(type_).get(code)
    if added is not None:
        return paths.compiled(added.expression, type_)
    return own.extractor(type_, code) or paths.extractor(type_, code)


@remembered
def finder(type_: str) -> Finder:
    """What all parameters of a type find in a resource, by code; those that find nothing are left out."""
    published = paths.finder(type_)
    added = {code: extractor(type_, code) for code in (*profiled(type_), *own.of(type_))}
    if not added:
        return published

    def find(resource: dict[str, Any]) -> Mapping[str, list[Found]]:
        found = published(resource)
        for code, each in added.items():
            values = each(resource)
            if values:
                found[code] = values
        return found

    return find
