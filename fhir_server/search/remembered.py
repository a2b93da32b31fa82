"""Remembered: queries that mean the same whenever they are asked.

May live here: which queries those are, and keeping what the last of them came to. May not know: what a query means
(`parse.py`), who asks. What says a modifier or a chain may hang on value sets and code systems that are stored, and an
age on the day: that is read anew each time, and so is what is long.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fhir_server.search import own
from fhir_server.search.codes import Codes
from fhir_server.search.parse import parse
from fhir_server.search.query import Query
from fhir_server.search.supported import kind_of, supported

REMEMBERED = 1_024
LONG = 512
"""Characters of a query, names and values together."""


def parsed(type_: str, pairs: tuple[tuple[str, str], ...], *, codes: Codes, now: int, **limits: Any) -> Query:
    """What `parse` says, remembered or not; `limits` are what it takes besides. Raises Problem 400 as it does."""
    if stands_alone(type_, pairs):
        return _parsed(own.generation(), type_, pairs, tuple(limits.items()))
    return parse(type_, pairs, codes=codes, now=now, **limits)


def stands_alone(type_: str, pairs: tuple[tuple[str, str], ...]) -> bool:
    """Whether what a query means hangs on nothing but what it says and which parameters there are."""
    known, length = supported(type_), 0
    for name, text in pairs:
        length += len(name) + len(text)
        if ":" in name or "." in name or name == "_filter":
            return False
        if name in known and kind_of(known[name]) == "age":
            return False
    return length <= LONG


@lru_cache(REMEMBERED)
def _parsed(_: int, type_: str, pairs: tuple[tuple[str, str], ...], limits: tuple[tuple[str, Any], ...]) -> Query:
    return parse(type_, pairs, **dict(limits))


own.forgets(_parsed.cache_clear)
