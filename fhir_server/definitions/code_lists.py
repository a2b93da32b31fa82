"""Code lists: which codes a value set holds, and what a code is called.

May live here: the code systems and value sets that the R4 package enumerates (https://hl7.org/fhir/R4/terminologies.html).
May not know: terminologies that others own (SNOMED CT, LOINC, UCUM, DICOM): what depends on them cannot be enumerated
here, and that is what None says. French code lists stand in `profiles/` and have readers of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from fhir_server.definitions.library import table


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of a code system: its English display, and the codes right above it, if any."""

    code: str
    display: str | None
    parents: tuple[str, ...]


def codes(value_set: str) -> frozenset[tuple[str, str]] | None:
    """The `(system, code)` pairs of a value set, by URL with or without version; None when it cannot be enumerated."""
    url = value_set.partition("|")[0]
    return _pairs(url) if url in table("value_sets") else None


def bare_codes(value_set: str) -> frozenset[str] | None:
    """The codes of a value set without their systems, for elements of type `code`; None when not enumerable."""
    url = value_set.partition("|")[0]
    return _bare(url) if url in table("value_sets") else None


def system_of(value_set: str, code: str) -> str | None:
    """The system that a value set takes a bare code from; None when there is none or more than one."""
    url = value_set.partition("|")[0]
    if url not in table("value_sets"):
        return None
    found = [system for system, held in _by_system(url).items() if code in held]
    return found[0] if len(found) == 1 else None


def display(system: str, code: str) -> str | None:
    """What a code is called in English; None when the system or the code is unknown here, or has no name."""
    found = concepts(system).get(code)
    return None if found is None else found.display


def below(system: str, code: str) -> frozenset[str] | None:
    """The code and all those under it in its hierarchy; None when the system or the code is unknown here."""
    known = concepts(system)
    if code not in known:
        return None
    found, open_ = {code}, [code]
    while open_:
        above = open_.pop()
        children = [each.code for each in known.values() if above in each.parents and each.code not in found]
        found.update(children)
        open_.extend(children)
    return frozenset(found)


def concepts(system: str) -> Mapping[str, Concept]:
    """The concepts of a code system by code, in published order; empty when it is not held here."""
    return _concepts(system) if system in table("code_systems") else MappingProxyType({})


def is_case_sensitive(system: str) -> bool:
    """Whether codes of the system differ by case alone; an unknown system is taken at its most exact."""
    known = table("code_systems")
    return bool(known[system]["case"]) if system in known else True


# What is kept is kept only for systems and value sets that there are: a name from a request is looked up first.


@cache
def _concepts(system: str) -> Mapping[str, Concept]:
    rows = table("code_systems")[system]["concepts"]
    return MappingProxyType({row[0]: Concept(row[0], row[1] if row[1:] else None, tuple(row[2:])) for row in rows})


@cache
def _by_system(value_set: str) -> Mapping[str, frozenset[str]]:
    return {
        system: frozenset(concepts(system) if held is None else held)
        for system, held in table("value_sets")[value_set].items()
    }


@cache
def _pairs(value_set: str) -> frozenset[tuple[str, str]]:
    return frozenset((system, code) for system, held in _by_system(value_set).items() for code in held)


@cache
def _bare(value_set: str) -> frozenset[str]:
    return frozenset[str]().union(*_by_system(value_set).values())
