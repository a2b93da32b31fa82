"""Reference parameters (https://hl7.org/fhir/R4/search.html#reference).

Both halves. A local reference is kept as `Type/id` without its version, so that it is found however it was written; an
absolute URL of this server is local; any other stays the URL it is. A contained one (`#x`) leaves no token.
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.foundation.predicate import Predicate, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search import token, uri
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

MODIFIERS = frozenset({"identifier", *uri.HIERARCHY})

_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.+")


def index(value: Any, kind: str, base: str = "") -> tuple[str, list[str]]:
    """The local `Type/id` it names ("" for any other), and its tokens.

    The tokens are `=Type/id` or `=url`, and those of `:identifier` for a Reference that has an identifier.
    """
    text = written(value) or ""
    here = local(text, base) or ""
    tokens = []
    if here:
        tokens.append("=" + here)
    elif text and text[0] != "#":
        tokens.append("=" + text)
        if kind == "canonical" and "|" in text:
            tokens.append("=" + text.partition("|")[0])
    if isinstance(value, dict) and "identifier" in value:
        tokens.extend(":identifier" + each for each in token.index(value["identifier"], "Identifier"))
    return here, tokens


def clause(asked: Asked, text: str) -> Predicate:
    """One reference: `id`, `Type/id`, a URL, `:Type=id`, or `:identifier=system|value`; Problem 400 for any other."""
    if asked.modifier == "identifier":
        return token.pair(f"{asked.name}:identifier", asked.parameter.code, text)
    if asked.modifier in uri.HIERARCHY:  # of canonicals; a literal reference has no hierarchy of its own
        return uri.hierarchy(asked, text)
    return one_of("token", [f"{asked.name}={each}" for each in named(asked, text)])


def named(asked: Asked, text: str) -> list[str]:
    """What a value may refer to: `Type/id` for each type a bare id could have, or one URL."""
    wanted = plain(text)
    code, targets = asked.parameter.code, asked.parameter.targets
    allowed = (asked.modifier,) if asked.modifier else targets
    if _ID.fullmatch(wanted):
        if not allowed:
            raise bad_request(f"`{code}` needs a reference of the form `Type/id` or a URL")
        return [f"{type_}/{wanted}" for type_ in allowed]
    here = local(wanted, asked.base)
    if here:
        if "/_history/" in wanted or "#" in wanted:
            raise bad_request(f"`{code}` takes a reference without a version or a fragment", code="not-supported")
        if allowed and here.partition("/")[0] not in allowed:
            raise bad_request(f"`{code}` refers to {', '.join(allowed[:12])} and to nothing else")
        return [here]
    if asked.modifier or not _ABSOLUTE.fullmatch(wanted):
        raise bad_request(f"`{code}` needs a reference of the form `id`, `Type/id` or a URL")
    return [wanted]


def local(text: str, base: str = "") -> str | None:
    """`Type/id` of a reference to this server, without version or fragment; None for a contained or foreign one.

    `base` is the server's own URL without a slash at its end.
    """
    if base and text.startswith(base) and text[len(base) : len(base) + 1] == "/":
        text = text[len(base) + 1 :]
    found = _LOCAL.fullmatch(text)
    return found[1] if found else None


def written(value: Any) -> str | None:
    """The text of a reference, whatever element holds it: a Reference, a canonical, or a resource in its place."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    text = value.get("reference")
    if text is None and "resourceType" in value and "id" in value:
        text = f"{value['resourceType']}/{value['id']}"
    return text if isinstance(text, str) else None
