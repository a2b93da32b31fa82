"""URI parameters (https://hl7.org/fhir/R4/search.html#uri).

Both halves. "The match is precise, case, accent, and escape sensitive, and the entire URI must match"; a canonical
that is stored with a version is also found without it.
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.predicate import Has, Predicate, Prefix, either, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

HIERARCHY = frozenset({"above", "below"})
MODIFIERS = HIERARCHY


def index(value: Any, kind: str) -> list[str]:
    """`=uri`, and for a canonical with a version also `=uri` without it."""
    if not isinstance(value, str):
        return []
    bare, version, _ = value.partition("|")
    return [f"={value}", f"={bare}"] if version and kind == "canonical" else [f"={value}"]


def clause(asked: Asked, text: str) -> Predicate:
    """Exactly that URI; with `:below` what stands under it as well, with `:above` what it stands under.

    Problem 400 where a hierarchy is asked of what is no URL: "this modifier only applies to URLs, not URNs".
    """
    return hierarchy(asked, text) if asked.modifier in HIERARCHY else Has("token", f"{asked.name}={plain(text)}")


def hierarchy(asked: Asked, text: str) -> Predicate:
    """What is at a URL or, by whole segments of its path, below or above it; with a version, by parts of that."""
    url, _, version = plain(text).rstrip("/").partition("|")
    scheme, _, rest = url.partition("://")
    if not rest or not scheme.isalnum():
        raise bad_request(f"`{asked.parameter.code}:{asked.modifier}` takes a URL, not a URN")
    if version:
        parts = version.split(".")
        if asked.modifier == "above":
            return one_of("token", [f"{asked.name}={url}|{'.'.join(parts[:at])}" for at in range(1, len(parts) + 1)])
        return either(Has("token", f"{asked.name}={url}|{version}"), Prefix("token", f"{asked.name}={url}|{version}."))
    if asked.modifier == "below":
        return either(
            one_of("token", [f"{asked.name}={url}", f"{asked.name}={url}/"]), Prefix("token", f"{asked.name}={url}/")
        )
    steps = rest.split("/")
    over = [f"{scheme}://{'/'.join(steps[:at])}" for at in range(1, len(steps) + 1)]
    return one_of("token", [f"{asked.name}={each}{end}" for each in over for end in ("", "/")])
