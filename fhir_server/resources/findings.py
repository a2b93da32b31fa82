"""Findings: what validation has found so far, and what it must know of the resource around.

May live here: the values that checks pass to each other. May not know: any check. They become Issues
(https://hl7.org/fhir/R4/operationoutcome.html) when the walk is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fhir_server.foundation.problem import Severity


@dataclass(slots=True)
class Finding:
    """One thing wrong: the path is relative until the last level has put its step before it."""

    path: str
    code: str
    text: str
    severity: Severity = "error"


@dataclass(slots=True)
class Context:
    """What a check must know of the resource around it; `fragments` gathers the `#id` references that were met."""

    resource: Mapping[str, Any]
    type: str
    contained: Mapping[str, str]
    fragments: set[str]
    advice: bool
    inside: bool = False
    suggestions: list[str] = field(default_factory=list)


Findings: TypeAlias = "list[Finding] | None"
Check: TypeAlias = Callable[[Any, Context], Findings]


# A list with more findings than this is not walked to its end.
ENOUGH = 1000


def joined(found: Findings, more: list[Finding]) -> list[Finding]:
    """What was found, and more; the lists are the walk's own and grow in place."""
    if found is None:
        return more
    found.extend(more)
    return found


def prefixed(found: list[Finding], step: str) -> list[Finding]:
    """The findings, one step further out."""
    for each in found:
        each.path = step + each.path
    return found
