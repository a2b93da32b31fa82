"""URI parameters (https://hl7.org/fhir/R4/search.html#uri).

Both halves. "The match is precise, case, accent, and escape sensitive, and the entire URI must match"; a canonical
that is stored with a version is also found without it.
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.predicate import Has, Predicate
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

MODIFIERS: frozenset[str] = frozenset()


def index(value: Any, kind: str) -> list[str]:
    """`=uri`, and for a canonical with a version also `=uri` without it."""
    if not isinstance(value, str):
        return []
    bare, version, _ = value.partition("|")
    return [f"={value}", f"={bare}"] if version and kind == "canonical" else [f"={value}"]


def clause(asked: Asked, text: str) -> Predicate:
    """Exactly that URI."""
    return Has("token", f"{asked.name}={plain(text)}")
