"""One FHIR request and one FHIR response, as values.

May live here: their shapes. May not know: where they come from; `http/fhir.py` turns Flask's into these and back, and
`interactions/bundle.py` makes one of each entry of a batch or transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from fhir_server.foundation.light import light
from fhir_server.foundation.problem import bad_request
from fhir_server.store.documents import Stored

Pairs = tuple[tuple[str, str], ...]
_HALF = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What stands in a query string as it is; between a name and its value one `=`.
_PLAIN = re.compile(r"[A-Za-z0-9:/$,._~-]*=[A-Za-z0-9:/$,._~-]*")
# What no FHIR string holds (https://hl7.org/fhir/R4/datatypes.html#string).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SHORT = 512
"""Characters up to which a query is remembered as it was read."""


@light(frozen=True, slots=True)
class FhirRequest:
    """What was asked of the FHIR base.

    `path` is relative to `base` (absolute URL without a trailing slash), `query` the decoded pairs of the URL and of a
    `_search` form. `resource` is the parsed body, if it was JSON; `patch` the parsed JSON Patch. `native` is true when
    a Binary is wanted as its own content rather than as a resource. `entry` marks an entry of a bundle; `assigned`
    is the id its POST will get, `owner` the patient its bundle says it belongs to, `where` its FHIRPath in the bundle,
    `meant` what its condition found (one or nothing) before its transaction began to write, `names` what the names of
    the entries of its transaction stand for (`Type/id`), for what a patch brings. `aside` is what the address says of
    the format, which is no part of `query`: the links of an answer say it again.
    """

    method: str
    path: str
    base: str
    query: Pairs = ()
    resource: dict[str, Any] | None = None
    patch: list[dict[str, Any]] | None = None
    content_type: str = ""
    returning: Literal["minimal", "representation", "OperationOutcome"] = "representation"
    lenient: bool = False
    native: bool = False
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_none_exist: str | None = None
    request_id: str = ""
    address: str = ""
    entry: Literal["batch", "transaction"] | None = None
    assigned: str | None = None
    owner: str | None = None
    where: str = ""
    meant: tuple[Stored, ...] | None = None
    names: Mapping[str, str] | None = None
    aside: Pairs = ()

    @property
    def steps(self) -> tuple[str, ...]:
        """The path's segments."""
        return tuple(step for step in self.path.split("/") if step)

    def about(self, method: str, url: str, **changes: Any) -> FhirRequest:
        """The same request asking something else of the same server: an entry of its bundle."""
        path, _, query = url.partition("?")
        return replace(self, method=method, path=path, query=pairs(query), patch=None, aside=(), **changes)


@light(frozen=True, slots=True)
class FhirResponse:
    """What is answered: `body`, the exact bytes; `updated`, when what it tells of was written (microseconds)."""

    status: int
    body: bytes = b""
    content_type: str = "application/fhir+json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    updated: int | None = None

    @property
    def location(self) -> str | None:
        """The versioned address of what was written."""
        return self.headers.get("Location") or self.headers.get("Content-Location")


def pairs(query: str) -> Pairs:
    """The decoded pairs of a query string; `a` without `=` is a pair with an empty value.

    Raises Problem 400 where it is not percent-encoded UTF-8, or says a control character.
    """
    return _pairs_again(query) if len(query) <= _SHORT else _pairs(query)


def _pairs(query: str) -> Pairs:
    if _HALF.search(query):
        raise bad_request("a `%` in the query is followed by two hexadecimal digits")
    try:
        found = tuple(parse_qsl(query, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise bad_request("the query is not UTF-8") from None
    if any(_CONTROL.search(part) for pair in found for part in pair):
        raise bad_request("the query holds a control character")
    return found


_pairs_again = lru_cache(1_024)(_pairs)
"""Who looks at a record again asks what he asked before."""


def query_text(asked: Pairs) -> str:
    """A query string that `pairs` reads back as the same pairs, and that a URI may hold (RFC 3986)."""
    return "&".join([_spelt(name, text) for name, text in asked])


def _spelt(name: str, text: str) -> str:
    pair = f"{name}={text}"
    return pair if _PLAIN.fullmatch(pair) else urlencode([(name, text)], safe=":/$,-._~")
