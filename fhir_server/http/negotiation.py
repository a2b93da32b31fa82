"""Negotiation: which representation is asked for and sent (https://hl7.org/fhir/R4/http.html#mime-type).

May live here: Accept, `_format`, Prefer, the content type of a body, the limits of a request. May not know: FHIR types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fhir_server.foundation.problem import bad_request, problem

Returning = Literal["minimal", "representation", "OperationOutcome"]

Format = Literal["json", "xml"]

JSON_TYPES = frozenset({"application/fhir+json", "application/json", "text/json"})
XML_TYPES = frozenset({"application/fhir+xml", "application/xml", "text/xml"})
XML = "application/fhir+xml; charset=utf-8"
PATCH_TYPE = "application/json-patch+json"
FORM_TYPE = "application/x-www-form-urlencoded"
FORMATS: Mapping[str, Format] = {
    "json": "json",
    "xml": "xml",
    **dict.fromkeys(JSON_TYPES, "json"),
    **dict.fromkeys(XML_TYPES, "xml"),
}
_RESOURCE_TYPES = JSON_TYPES | {"application/fhir+xml"}
# How exactly a range of Accept names a format: `*/*`, `application/*`, or by one of its names.
_ANY: Mapping[str, int] = {"*/*": 1, "application/*": 2}
_NAMED = 3
_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*(\d+(?:\.\d*)?)\s*(?:;|$)", re.IGNORECASE)
RETURNING: Mapping[str, Returning] = {
    "minimal": "minimal",
    "representation": "representation",
    "OperationOutcome": "OperationOutcome",
}
# A string, a bracket, comma or colon, or anything else without white space: the tokens of JSON that is known to be one.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_VERSION = re.compile(r"fhirVersion=([\d.]+)")


@dataclass(frozen=True, slots=True)
class Preferences:
    """`Prefer: return=…` and `handling=…` (RFC 7240)."""

    returning: Returning = "representation"
    lenient: bool = False


@lru_cache(256)
def spoken(accept: str | None, format_: str | None) -> Format:
    """The format to answer in: `_format` before Accept, the higher q first, JSON where neither is preferred.

    Raises Problem 406 when the asker reads nothing we write.
    """
    if format_ is not None:
        name, _, rest = format_.partition(";")
        chosen = FORMATS.get(_type(name))
        if chosen is None or _wrong_version(rest):
            raise problem(406, "not-supported", f"`_format={format_}` is not supported; use json or xml")
        return chosen
    if accept is None or not accept.strip():
        return "json"
    json, xml = _wish(accept, "json"), _wish(accept, "xml")
    if json[0] == xml[0] == 0:
        raise problem(406, "not-supported", "only application/fhir+json and application/fhir+xml are spoken here")
    return "json" if json >= xml or is_browser(accept) else "xml"


@lru_cache(256)
def is_browser(accept: str | None) -> bool:
    """Whether a page for people is asked for before anything else: what a browser that is given an address sends.

    It takes XML as well, which it shows worse; it is given JSON laid out for reading.
    """
    return accept is not None and _type(accept.partition(",")[0].partition(";")[0]) == "text/html"


def is_content(path: str, method: str, content_type: str | None) -> bool:
    """Whether a Binary is sent as its own content: with a type that is not a resource's.

    `application/xml` is what a CDA document is, as where a Binary is asked for.
    """
    at = path.strip("/").split("/")
    if at[0] != "Binary" or (method, len(at)) not in (("POST", 1), ("PUT", 2)):
        return False
    return _type((content_type or "").partition(";")[0]) not in _RESOURCE_TYPES | {""}


def wants_native(accept: str | None, format_: str | None) -> bool:
    """Whether a Binary is wanted as its own content: unless JSON, or FHIR's XML, is asked for by name.

    `application/xml` may well be what the document itself is: a CDA is no resource in XML.
    """
    if format_ is not None:
        return False
    return not any(_type(part.partition(";")[0]) in _RESOURCE_TYPES for part in (accept or "").split(","))


def indented(body: bytes) -> bytes:
    """JSON on lines of its own, two spaces a level; nothing but white space is added, so every digit stays."""
    made: list[bytes] = []
    depth, before = 0, b""
    for token in _TOKEN.findall(body):
        closes = token in (b"}", b"]")
        depth -= closes
        if before in (b"{", b"[", b",") if not closes else before not in (b"{", b"["):
            made.append(b"\n" + b"  " * depth)
        made.append(b": " if token == b":" else token)
        depth += token in (b"{", b"[")
        before = token
    return b"".join(made)


def media_type(content_type: str | None) -> str:
    """The media type of a body, lower case, its charset checked. Raises Problem 415."""
    name, _, rest = (content_type or "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", rest, re.IGNORECASE)
    if charset and charset.group(1).lower() not in ("utf-8", "utf8", "us-ascii"):
        raise problem(415, "not-supported", "a body is UTF-8")
    if _wrong_version(rest):
        raise problem(415, "not-supported", "only FHIR 4.0 is spoken here")
    return name.strip().lower()


@lru_cache(256)
def preferences(prefer: str | None) -> Preferences:
    """What a Prefer header asks for. Raises Problem 400 for a value that cannot be honoured."""
    returning: Returning = "representation"
    lenient = False
    for part in re.split(r"[,;]", prefer or ""):
        name, _, value = part.strip().partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "return":
            if value not in RETURNING:
                raise bad_request(f"`Prefer: return={value}` is not supported", code="not-supported")
            returning = RETURNING[value]
        elif name == "handling":
            if value not in ("strict", "lenient"):
                raise bad_request(f"`Prefer: handling={value}` is not supported", code="not-supported")
            lenient = value == "lenient"
    return Preferences(returning, lenient)


def _wish(accept: str, wanted: Format) -> tuple[float, int]:
    """How much a format is wanted, and how exactly it is named: the most exact range decides (RFC 9110, 12.5.1)."""
    exact, quality = 0, 0.0
    for part in accept.split(","):
        name, _, rest = part.partition(";")
        type_ = _type(name)
        named = _NAMED if "/" in type_ and FORMATS.get(type_) == wanted else _ANY.get(type_, 0)
        if named and named >= exact and not _wrong_version(rest):
            found = _QUALITY.search(rest)
            told = min(float(found[1]), 1.0) if found else 1.0
            quality = max(told, quality) if named == exact else told
            exact = named
    return quality, exact


def _type(name: str) -> str:
    """A media type as it is compared: a `+` that an address turned into a blank is one again."""
    return name.strip().lower().replace(" ", "+")


def _wrong_version(parameters: str) -> bool:
    found = _VERSION.search(parameters)
    return bool(found and not found.group(1).startswith("4.0"))
