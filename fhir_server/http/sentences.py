"""Sentences: a scope in the words of the person who is asked. May live here: that. May not know: pages."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.smart.scope import parse


def sentence(text: str, word: Callable[..., str]) -> str:
    """A resource scope in words: `lire, rechercher : les documents`."""
    scope = parse(text)
    if scope is None:
        return text
    rights = ", ".join(word(f"right.{each}") for each in scope.rights)
    key = f"type.{scope.type}"
    what = word(key)
    told = f"{rights} : {scope.type if what == key else what}"
    if scope.criteria:
        criteria = ", ".join(f"{name}={value}" for name, value in scope.criteria)
        told += f" ({word('only', criteria=criteria)})"
    return told
