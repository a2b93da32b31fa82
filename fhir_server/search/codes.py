"""Codes: what a value set holds and what stands above or below a code, as token clauses ask it.

May live here: the question a clause asks (`Codes`), its answer from the published R4 lists, and what a ValueSet or
CodeSystem resource says (https://hl7.org/fhir/R4/valueset.html#compositions, codesystem.html#hierarchy).
May not know: where such a resource is found, or who may see it. What cannot be told in full is refused: a part of a
value set would be a narrower answer that nobody sees to be one, and its negation a fuller one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from fhir_server.definitions import code_lists
from fhir_server.foundation.problem import bad_request
from fhir_server.search.nearest import shown

Pair: TypeAlias = tuple[str, str]
Parents: TypeAlias = Mapping[str, tuple[str, ...]]
"""The codes of a system, each with those right above it."""

LARGEST = 1_000
"""How many codes a clause may stand for; the search itself counts them among its values."""
_DEEPEST = 8


class Codes(Protocol):
    """What is known of code systems and value sets; None for what is not held, or may not be seen."""

    def value_set(self, url: str) -> Mapping[str, Any] | frozenset[Pair] | None:
        """The `(system, code)` pairs of a value set, or the ValueSet resource that tells them."""

    def code_system(self, url: str) -> Mapping[str, Any] | Parents | None:
        """The codes of a code system with their parents, or the CodeSystem resource that tells them."""


class Published:
    """The lists that R4 publishes, and nothing else."""

    def value_set(self, url: str) -> frozenset[Pair] | None:
        """Those that R4 enumerates."""
        return code_lists.codes(url)

    def code_system(self, url: str) -> Parents | None:
        """Those that R4 defines."""
        found = code_lists.concepts(url.partition("|")[0])
        return {code: each.parents for code, each in found.items()} or None


PUBLISHED = Published()


def members(codes: Codes, url: str, depth: int = 0) -> frozenset[Pair]:
    """The pairs of a value set; Problem 400 for one that is not held here, or that cannot be enumerated."""
    found = codes.value_set(url)
    if found is None:
        raise bad_request(f"the value set `{shown(url)}` is not held here", code="not-found")
    if isinstance(found, frozenset):
        return found
    if depth > _DEEPEST:
        raise _unknown(url, "names others in a circle")
    expansion = found.get("expansion")
    if isinstance(expansion, dict) and "total" in expansion and "offset" not in expansion:
        return _expanded(expansion.get("contains") or ())
    compose = found.get("compose")
    if not isinstance(compose, dict) or not compose.get("include"):
        raise _unknown(url, "says neither what it includes nor what it comes to")
    held = frozenset[Pair]().union(*(_part(codes, url, each, depth) for each in compose["include"]))
    return held.difference(*(_part(codes, url, each, depth) for each in compose.get("exclude") or ()))


def below(codes: Codes, system: str, code: str) -> frozenset[str]:
    """The code and all under it; Problem 400 for a system that is not held here. A code it has not stands alone."""
    parents = _parents(codes, system)
    found, open_ = {code}, [code]
    while open_:
        above_ = open_.pop()
        children = [each for each, over in parents.items() if above_ in over and each not in found]
        found.update(children)
        open_ += children
    return frozenset(found)


def above(codes: Codes, system: str, code: str) -> frozenset[str]:
    """The code and all it stands under; Problem 400 for a system that is not held here."""
    parents = _parents(codes, system)
    found, open_ = {code}, [code]
    while open_:
        over = [each for each in parents.get(open_.pop(), ()) if each not in found]
        found.update(over)
        open_ += over
    return frozenset(found)


def _parents(codes: Codes, system: str) -> Parents:
    found = codes.code_system(system)
    if found is None:
        raise bad_request(f"the code system `{shown(system)}` is not held here", code="not-found")
    if "resourceType" not in found:
        return found
    return _told(system, found)


def _told(system: str, found: Mapping[str, Any]) -> Parents:
    """The codes that a CodeSystem resource tells."""
    if found.get("content") != "complete":
        raise bad_request(f"of the code system `{shown(system)}` not all codes are held here", code="not-supported")
    parents: dict[str, tuple[str, ...]] = {}
    _concepts(found.get("concept") or (), (), parents)
    return parents


def _concepts(
    concepts: Iterable[Mapping[str, Any]], over: tuple[str, ...], parents: dict[str, tuple[str, ...]]
) -> None:
    """Codes that stand within others, and those that say so by the property `parent` or `child`."""
    for each in concepts:
        named = [
            (one.get("code"), str(one.get("valueCode")))
            for one in each.get("property") or ()
            if one.get("code") in ("parent", "child")
        ]
        code = str(each.get("code"))
        parents[code] = (*parents.get(code, ()), *over, *(value for name, value in named if name == "parent"))
        for name, value in named:
            if name == "child":
                parents[value] = (*parents.get(value, ()), code)
        _concepts(each.get("concept") or (), (code,), parents)


def _part(codes: Codes, url: str, part: Mapping[str, Any], depth: int) -> frozenset[Pair]:
    """One include or exclude: what its system gives, and what is in every value set it names."""
    sets = [members(codes, str(each), depth + 1) for each in part.get("valueSet") or ()]
    system = part.get("system")
    if isinstance(system, str):
        sets.append(frozenset((system, code) for code in _of_system(codes, url, system, part)))
    if not sets:
        raise _unknown(url, "includes what has neither a system nor a value set")
    return sets[0].intersection(*sets[1:])


def _of_system(codes: Codes, url: str, system: str, part: Mapping[str, Any]) -> frozenset[str]:
    listed = part.get("concept")
    filters = part.get("filter") or ()
    if listed:
        if filters:
            raise _unknown(url, "both lists and filters")
        return frozenset(str(each.get("code")) for each in listed)
    found = frozenset(_parents(codes, system))
    for each in filters:
        operator, value = each.get("op"), str(each.get("value"))
        if each.get("property") != "concept" or operator not in ("is-a", "descendent-of", "is-not-a"):
            raise _unknown(url, f"filters by `{shown(str(each.get('property')))} {shown(str(operator))}`")
        under = below(codes, system, value)
        match operator:
            case "is-a":
                found &= under
            case "descendent-of":
                found &= under - {value}
            case _:
                found -= under
    return found


def _expanded(contains: Iterable[Mapping[str, Any]]) -> frozenset[Pair]:
    found: set[Pair] = set()
    for each in contains:
        if "code" in each and not each.get("abstract"):
            found.add((str(each.get("system", "")), str(each["code"])))
        found |= _expanded(each.get("contains") or ())
    return frozenset(found)


def _unknown(url: str, why: str) -> Exception:
    return bad_request(f"the value set `{shown(url)}` cannot be enumerated: it {why}", code="not-supported")
