"""Targets: whether a Reference is well-formed and names a type that its element allows.

May live here: the forms of https://hl7.org/fhir/R4/references.html#literal, and the types they tell. May not know:
whether what is named exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fhir_server.definitions.elements import TypeRef
from fhir_server.definitions.library import load

# Relative, optionally versioned; or a search, which a transaction resolves (conditional reference).
_RELATIVE = re.compile(r"([A-Z][A-Za-z]*)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#\S+)?|\?\S+)")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_RESTFUL = re.compile(r"https?://\S+/([A-Z][A-Za-z]*)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")

Told = tuple[str, str, str] | None
Aim = Callable[[Mapping[str, Any], Mapping[str, str], set[str]], Told]


@cache
def _types() -> frozenset[str]:
    return frozenset(load().types)


def target_check(type_: TypeRef) -> Aim:
    """A function of a Reference, the contained resources' types by id, and the set that gathers fragments.

    It answers None, or path, issue code and text of what is wrong.
    """
    allowed = frozenset(type_.targets)
    wanted = " or ".join(type_.targets)

    def aim(node: Mapping[str, Any], contained: Mapping[str, str], fragments: set[str]) -> Told:
        text = node.get("reference")
        if text.__class__ is str:
            kind, wrong = _kind(text, contained, fragments)
            if wrong is not None:
                return ".reference", *wrong
            if kind is not None:
                if allowed and kind not in allowed:
                    return ".reference", "invalid", f"a reference to {wanted} is expected, not to {kind}"
                if "type" in node and node["type"] != kind:
                    return ".type", "invalid", f"`type` says something else than the reference, which is to {kind}"
                return None
        said = node.get("type")
        if allowed and said.__class__ is str and said not in allowed and said in _types():
            return ".type", "invalid", f"a reference to {wanted} is expected, not to {said}"
        return None

    return aim


def _kind(text: str, contained: Mapping[str, str], fragments: set[str]) -> tuple[str | None, tuple[str, str] | None]:
    """The type that a literal reference tells, if it does, or code and text of what is wrong with it."""
    found = _RELATIVE.fullmatch(text)
    if found is not None:
        if found[1] in _types():
            return found[1], None
        return None, ("value", "a reference names a resource type that does not exist")
    if text.startswith("#"):
        if text == "#":
            return None, None
        fragments.add(text[1:])
        if text[1:] in contained:
            return contained[text[1:]], None
        return None, ("invariant", "ref-1: a fragment names a contained resource")
    if _ABSOLUTE.fullmatch(text):
        restful = _RESTFUL.fullmatch(text)
        return (restful[1], None) if restful and restful[1] in _types() else (None, None)
    return None, ("value", "a reference is `Type/id`, `#id` or absolute")
