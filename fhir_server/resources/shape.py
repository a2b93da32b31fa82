"""Shape: reading parts of a resource of which nothing is sure, and telling what a profile misses.

May live here: safe steps into JSON, and the table form in which profile rules are written. May not know: profiles.
A rule is a row; `issues_of` turns the rows that a resource breaks into Issues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fhir_server.foundation.problem import Issue, Severity

Resource = Mapping[str, Any]


class Row(NamedTuple):
    """How often an element must be there: path from the resource, least and most (None is unbounded), and severity."""

    path: str
    least: int
    most: int | None
    severity: Severity = "error"


def values(node: Any, path: str) -> list[Any]:
    """Every value at a dotted path, arrays opened."""
    found = [node]
    for step in path.split("."):
        inside = (each[step] for each in found if isinstance(each, dict) and step in each)
        found = [one for each in inside for one in (each if isinstance(each, list) else [each]) if one is not None]
    return found


def nodes(node: Any, path: str) -> list[Mapping[str, Any]]:
    """Every object at a dotted path."""
    return [each for each in values(node, path) if isinstance(each, dict)]


def text(node: Any, path: str) -> str | None:
    """The first string at a dotted path, or None."""
    return next((each for each in values(node, path) if isinstance(each, str)), None)


def codings(node: Any, path: str) -> list[Mapping[str, Any]]:
    """The Codings of the CodeableConcepts at a dotted path; those that are no Codings at all are left out."""
    return [each for each in nodes(node, f"{path}.coding") if is_coding(each)]


def is_coding(node: Mapping[str, Any]) -> bool:
    """Whether system and code, where they are there, are texts."""
    return isinstance(node.get("code", ""), str) and isinstance(node.get("system", ""), str)


def extensions(node: Any, url: str) -> list[Mapping[str, Any]]:
    """The extensions of a node that have this url."""
    return [each for each in nodes(node, "extension") if each.get("url") == url]


def claims(resource: Resource, *profiles: str) -> bool:
    """Whether `meta.profile` names one of the profiles, with or without a version."""
    named = {each.partition("|")[0] for each in values(resource, "meta.profile") if isinstance(each, str)}
    return not named.isdisjoint(profiles)


def issues_of(resource: Resource, rows: Iterable[Row], profile: str) -> Iterator[Issue]:
    """An Issue for each row that the resource breaks; choice elements are written with their type."""
    for row in rows:
        count = sum(
            1 for each in row.path.split(" ") for _ in (values(resource, each) or values(resource, _twin(each)))
        )
        place = f"{resource.get('resourceType')}.{row.path.split(' ')[0]}"
        if count < row.least:
            yield Issue(row.severity, "required", f"`{profile}` requires `{row.path}`", place)
        elif row.most is not None and count > row.most:
            wanted = "no" if row.most == 0 else f"at most {row.most}"
            yield Issue(row.severity, "structure", f"`{profile}` allows {wanted} `{row.path}`", place)


def _twin(path: str) -> str:
    before, dot, last = path.rpartition(".")
    return f"{before}{dot}_{last}"
