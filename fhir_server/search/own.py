"""Own parameters: which search parameters of one's own there are in this process, and what forgets when they change.

May live here: that one table, and what is remembered of search parameters. May not know: where they are written down
and how far they have been indexed (`store/own_parameters.py`, which puts the table here).

A parameter that awaits its reindex is indexed by every write, and cannot be searched by: it would find what was written
since and miss what was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from types import MappingProxyType
from typing import ParamSpec, TypeVar

from fhir_server.definitions import paths
from fhir_server.definitions.own_parameters import fingerprint, kinds_of
from fhir_server.definitions.paths import Extractor
from fhir_server.definitions.search_parameters import SearchParameter

Given = ParamSpec("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Own:
    """One parameter on one type; `ready` once all that there was has been indexed by it.

    `of_record`: whether resources of the type belong to somebody's record.
    """

    parameter: SearchParameter
    ready: bool
    of_record: bool = True

    @property
    def marker(self) -> str:
        """The token of every envelope that was indexed by it as it is now. Nothing asks for it."""
        return f"{self.parameter.bases[0]}.{self.parameter.code}~{fingerprint(self.parameter)}"


Table = Mapping[str, Mapping[str, Own]]
_NONE: Mapping[str, Own] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _State:
    """The table, and the how-manieth it is: what is remembered is remembered of one of them."""

    table: Table
    number: int


_now = [_State({}, 0)]
_forget: list[Callable[[], None]] = []


def put(table: Table) -> None:
    """Make this what there is, by type and code; all that was remembered is forgotten where it is another."""
    if table == _now[0].table:
        return
    _now[0] = _State(MappingProxyType(dict(table)), _now[0].number + 1)
    for forget in _forget:
        forget()


def generation() -> int:
    """A number that changes with the table."""
    return _now[0].number


def of(type_: str) -> Mapping[str, Own]:
    """Those of a type, by code, ready or not."""
    return _now[0].table.get(type_, _NONE)


def awaits(type_: str, code: str) -> bool:
    """Whether there is such a parameter that was not yet indexed by."""
    found = of(type_).get(code)
    return found is not None and not found.ready


def forgets(forget: Callable[[], None]) -> None:
    """Call this whenever the parameters change."""
    _forget.append(forget)


def remembered(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """A `functools.cache` that holds for as long as the parameters do not change.

    What is on its way while they change is remembered of what they were, and not of what they are.
    """
    kept = cache(lambda _, *given: function(*given))  # type: ignore[call-arg]

    def call(*given: Given.args, **_: Given.kwargs) -> Made:
        return kept(generation(), *given)

    forgets(kept.cache_clear)
    return wraps(function)(call)


def extractor(type_: str, code: str) -> Extractor | None:
    """What one of these finds in a resource, of the kinds that its type is searched by; None where there is none."""
    found = of(type_).get(code)
    if found is None:
        return None
    kinds = kinds_of(found.parameter.type, of_record=found.of_record)
    walk = paths.compiled(found.parameter.expression, type_)
    return lambda resource: [each for each in walk(resource) if each.kind in kinds]
