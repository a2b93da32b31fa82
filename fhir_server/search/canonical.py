"""Canonicals: references by the URL, and the version, of what defines something.

https://hl7.org/fhir/R4/references.html#canonical. May live here: reading one, what it may name and what may name a
resource by it as predicates, and which of several versions is meant. May not know: how these are fetched; whoever
fetches them does so through the guard. One without a version leads to the newest that its asker sees; it is among what
leads back to any version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fhir_server.definitions.library import load
from fhir_server.definitions.paths import Found
from fhir_server.foundation.predicate import Has, Not, Predicate, Prefix, both, either, one_of
from fhir_server.search.own import remembered
from fhir_server.search.supported import elements, supported

KINDS = frozenset({"canonical", "uri"})


class Canonical(NamedTuple):
    """A URL, a version ("" for none), and the types of what it may name."""

    url: str
    version: str
    types: tuple[str, ...]

    def means(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource is of the type, at the URL and of the version."""
        said = (resource.get("resourceType") in self.types, resource.get("url"), self.version or None)
        return said == (True, self.url, resource.get("version") if self.version else None)


@remembered
def defining() -> frozenset[str]:
    """The types that have a canonical URL and versions of it."""
    return frozenset(each for each in load().endpoints if {"url", "version"} <= supported(each).keys())


def read(found: Found, types: Iterable[str]) -> Canonical | None:
    """What a value says, if it is one that may name some of the types (none: any)."""
    if found.kind not in KINDS or not isinstance(found.value, str):
        return None
    url, _, version = found.value.partition("#")[0].partition("|")
    leading = tuple(sorted(defining().intersection(types) if types else defining()))
    return Canonical(url, version, leading) if leading and ":" in url else None


def clause(named: Iterable[Canonical]) -> Predicate:
    """Whatever some canonicals may name; NOTHING for none."""
    bare: dict[str, None] = {}
    of_a_version = []
    for each in named:
        at = [f"{type_}.url={each.url}" for type_ in each.types]
        if each.version:
            versions = [f"{type_}.version={each.version}" for type_ in each.types]
            of_a_version.append(both(one_of("token", at), one_of("token", versions)))
        else:
            bare.update(dict.fromkeys(at))
    return either(one_of("token", bare), *of_a_version)


def chosen(named: Iterable[Canonical], newest_first: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Of what was found, each with its name, what each of the canonicals means: the newest that it may name."""
    wanted = (next((name for name, each in newest_first if one.means(each)), None) for one in named)
    return [each for each in dict.fromkeys(wanted) if each is not None]


@remembered
def is_one(type_: str, code: str) -> bool:
    """Whether a reference parameter may hold canonicals."""
    return any(kind in KINDS for kind, _ in elements(type_, supported(type_)[code]))


def may_name(token: str, type_: str) -> bool:
    """Whether what stands under a token name (`Type.code`) may be the canonical URL of something of a type."""
    source, _, code = token.partition(".")
    return type_ in defining() and is_one(source, code)


def said(values: Sequence[str], type_: str) -> list[Canonical]:
    """What one resource names of a type, by the values of its tokens: one with a version leaves that without it too."""
    found = []
    for each in values:
        url, _, version = each.partition("#")[0].partition("|")
        if ":" in url and (version or not any(one.startswith(f"{url}|") for one in values)):
            found.append(Canonical(url, version, (type_,)))
    return found


def defined(said_by: Mapping[str, Sequence[str]], url: str, version: str) -> dict[str, str | None]:
    """The URL and version that something has, by the values of its tokens of these names."""
    urls, versions = said_by[url], [each for each in said_by[version] if not each.startswith("|")]
    return {"url": next(iter(urls), None), "version": next(iter(versions), None)}


def naming(name: str, resource: Mapping[str, Any]) -> Predicate:
    """What names a resource by the canonicals of a parameter (`Type.code`): its version, or no version at all.

    What names another version of it as well is not told apart from what names that alone.
    """
    url, version = resource.get("url"), resource.get("version")
    if not isinstance(url, str):
        return one_of("token", ())
    bare = both(Has("token", f"{name}={url}"), Not(Prefix("token", f"{name}={url}|")))
    return either(bare, Has("token", f"{name}={url}|{version}")) if version else bare
