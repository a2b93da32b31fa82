"""Reference parameters (https://hl7.org/fhir/R4/search.html#reference).

Both halves. A local reference is kept as `Type/id` without its version, so that it is found however it was written; an
absolute URL of this server is local; any other stays the URL it is. A contained one (`#x`) leaves no token. A canonical
identifies, and stays as it is: one that is asked for by an address of this server is looked for in both spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fhir_server.definitions.compartments import may_be_owned
from fhir_server.definitions.library import load
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.foundation.predicate import Predicate, Under, either, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.search import token, uri
from fhir_server.search.escapes import plain
from fhir_server.search.nearest import shown
from fhir_server.search.query import Asked
from fhir_server.search.supported import elements

MODIFIERS = frozenset({"identifier", *uri.HIERARCHY})
PARENTS = {"Location": "Location.partof", "Organization": "Organization.partof"}
"""The types of which R4 says that one stands in another, and the tokens that say in which."""

_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.+")
_ADDRESS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:[^?#|]*/"
    r"([A-Z][A-Za-z]{1,63})(/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?"
)


def index(value: Any, kind: str, base: str = "") -> tuple[str, list[str]]:
    """The `Type/id` it may mention ("" for none), and its tokens.

    The tokens are `=Type/id` or `=url`, and those of `:identifier` for a Reference that has an identifier.
    """
    text = written(value) or ""
    here = local(text, "" if isinstance(value, str) else base) or ""
    tokens = []
    if here:
        tokens.append("=" + here)
    elif text and text[0] != "#":
        whole = text.partition("#")[0] if kind == "canonical" else text  # what is within it is of it
        forms = (text, whole, whole.partition("|")[0]) if kind == "canonical" else (text,)
        tokens.extend(f"={each}" for each in dict.fromkeys(forms))
    if isinstance(value, dict) and "identifier" in value:
        tokens.extend(":identifier" + each for each in token.index(value["identifier"], "Identifier"))
    return here or mentioned(text) or "", tokens


def clause(asked: Asked, text: str) -> Predicate:
    """One reference: `id`, `Type/id`, a URL, `:Type=id`, or `:identifier=system|value`; Problem 400 for any other."""
    if asked.modifier == "identifier":
        return token.pair(f"{asked.name}:identifier", asked.parameter.code, text)
    if asked.modifier in uri.HIERARCHY:  # of canonicals; literal references are asked for together (`hierarchy`)
        return uri.hierarchy(asked, text)
    return one_of("token", [f"{asked.name}={each}" for each in named(asked, text)])


def targets(parameter: SearchParameter) -> tuple[str, ...]:
    """The types a parameter may refer to: those that R4 names, or any."""
    return parameter.targets or load().endpoints


def has_hierarchy(parameter: SearchParameter) -> bool:
    """Whether a literal reference of the parameter may name what stands in another."""
    return not PARENTS.keys().isdisjoint(targets(parameter))


def hierarchy(asked: Asked, values: Iterable[str]) -> Predicate:
    """`:below` and `:above` of literal references; Problem 400 for what stands in nothing.

    https://hl7.org/fhir/R4/search.html#reference: "location:below=42". What is named is among what is found.
    """
    plainly = replace(asked, modifier=None)
    ids: dict[str, list[str]] = {}
    for value in values:
        several = [each for each in named(plainly, value) if each.partition("/")[0] in PARENTS]
        if not several:
            raise bad_request(
                f"`{asked.parameter.code}:{asked.modifier}` takes references to {' or '.join(PARENTS)}: only these "
                "stand in one another"
            )
        for each in several:
            ids.setdefault(each.partition("/")[0], []).append(each)
    return either(
        *(
            Under(asked.name, type_, PARENTS[type_], tuple(dict.fromkeys(several)), up=asked.modifier == "above")
            for type_, several in ids.items()
        )
    )


def named(asked: Asked, text: str) -> list[str]:
    """What a value may refer to: `Type/id` for each type a bare id could have, or one URL."""
    wanted = plain(text)
    code = asked.parameter.code
    allowed = (asked.modifier,) if asked.modifier else targets(asked.parameter)
    if _ID.fullmatch(wanted):
        return [f"{type_}/{wanted}" for type_ in allowed]
    here = local(wanted, asked.base)
    if here:
        if "/_history/" in wanted or "#" in wanted:
            raise bad_request(f"`{code}` takes a reference without a version or a fragment", code="not-supported")
        type_ = here.partition("/")[0]
        if type_ not in allowed and (asked.modifier or asked.parameter.targets):
            raise bad_request(f"`{code}` refers to {', '.join(allowed[:12])} and to nothing else")
        if type_ not in allowed:
            raise bad_request(f"`{code}` refers to resources, and `{shown(type_)}` is no type of them")
        return [here, wanted] if wanted != here and _may_be_url(asked) else [here]
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


def _may_be_url(asked: Asked) -> bool:
    kinds = {kind for kind, _ in elements(asked.type, asked.parameter)}
    return not kinds.isdisjoint(("canonical", "uri"))


def mentioned(text: str) -> str | None:
    """`Type/id` of what a link may be a mention of: a local one, or one whose address ends so, whatever the host.

    INVARIANT (no address tells): `resources/references.py`, `drop`, takes away by the same. Of an address, what can be
    in nobody's record is none: https://hl7.org/fhir/R4/references.html#canonical speaks of definitions.
    """
    bare = text.strip().partition("|")[0]
    found = _ADDRESS.fullmatch(bare)
    if found:
        return found[1] + found[2] if may_be_owned(found[1]) else None
    return local(bare)


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
