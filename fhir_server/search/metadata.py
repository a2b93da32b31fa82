"""Metadata: the profiles, tags and security labels that resources are found by, told back as a Meta.

https://hl7.org/fhir/R4/resource.html#Meta. Both halves: which tokens say something of them, and what these say. It is
read off the index and not off the resources: display, version and `userSelected` of a coding are not in it.

May not know: whose resources these are, or who asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from fhir_server.foundation.predicate import Predicate, one_of
from fhir_server.search import reference

PARAMETERS = {"_profile": "profile", "_security": "security", "_tag": "tag"}
"""The search parameters, and the element of Meta that each looks at."""


def there(types: Iterable[str]) -> Predicate:
    """That a resource of one of these types has a profile, a tag or a security label."""
    return one_of("token", [f"{type_}.{name}!" for type_ in types for name in PARAMETERS])


def meta(told: Iterable[Collection[str]], base: str = "") -> dict[str, Any]:
    """`profile`, `security` and `tag` of an R4 Meta, each value once and in order; without those that there are not.

    `told` are the tokens (`Type._tag=…`) of one resource each, or of several that say the same: what a token means is
    seen from those beside it. `base` is the address of this server.
    """
    found: dict[str, set[Any]] = {name: set() for name in PARAMETERS.values()}
    for tokens in told:
        said: dict[str, set[str]] = {}
        for token in tokens:
            name, _, value = token.partition("=")
            said.setdefault(name.partition(".")[2], set()).add(value)
        for name, values in said.items():
            found[PARAMETERS[name]] |= _profiles(values, base) if name == "_profile" else _codings(values, base)
    made = {name: sorted(values) for name, values in found.items() if values}
    return {name: values if name == "profile" else [*map(_coding, values)] for name, values in made.items()}


def _profiles(values: Collection[str], base: str) -> set[str]:
    """The canonicals behind the forms of `uri.index`: one with a version is found without it too."""
    versioned = {bare for bare, _, version in (each.partition("|") for each in values) if version}
    return {each for each in values if each not in versioned and not _names_a_resource(each, base)}


def _codings(values: Collection[str], base: str) -> set[tuple[str, str]]:
    """System and code, "" for none, behind the forms of `token.index`: `code`, `system|code` or `|code`, `system|`."""
    cuts = {(each[:at], each[at + 1 :]) for each in values for at, letter in enumerate(each) if letter == "|"}
    # a bar may stand in a code or a system as well: a pair is one when its other forms are there
    pairs = {(system, code) for system, code in cuts if code in values and (not system or f"{system}|" in values)}
    forms = {form for system, code in pairs for form in (code, f"{system}|{code}", f"{system}|")}
    alone = {(each[:-1], "") for each in values if each.endswith("|") and each[:-1] and each not in forms}
    return {pair for pair in pairs | alone if not _names_a_resource(pair[0], base)}


def _coding(pair: tuple[str, str]) -> dict[str, str]:
    return {name: value for name, value in zip(("system", "code"), pair, strict=True) if value}


def _names_a_resource(url: str, base: str) -> bool:
    """Whether a URL is a reference to a resource of this server, which not everybody may be told of.

    INVARIANT (no more than a read): where that one is hidden a read takes its name away (`resources/references.py`,
    `drop`), and the index keeps it. R4 wants profiles and systems absolute; one below `base` is told unless it names
    what may lie in somebody's record.
    """
    if reference.local(url) is not None:
        return True
    return reference.local(url.partition("|")[0], base) is not None and reference.mentioned(url) is not None
