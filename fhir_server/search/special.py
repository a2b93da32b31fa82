"""The parameters that begin with an underscore and are no element of a type (https://hl7.org/fhir/R4/search.html#table).

May live here: `_id` and `_lastUpdated`, which the envelope answers itself, and what shapes the answer: `_count`,
`_sort`, `_total`, `_summary`. `_profile`, `_security`, `_tag` and `_source` are parameters like any other;
`_include` has a file of its own. May not know: how a name is found to be one of these (`parse.py`).
"""

from __future__ import annotations

import re

from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Has, Predicate
from fhir_server.foundation.problem import bad_request
from fhir_server.search import date, words
from fhir_server.search.escapes import plain
from fhir_server.search.nearest import meant, shown
from fhir_server.search.query import NEWEST_FIRST, Order, Total
from fhir_server.search.supported import kind_of, supported

# What shapes the answer and may be said once.
ONCE = frozenset({"_count", "_sort", "_total", "_summary", "_elements", "_page", "_contained", "_containedType"})
# What is no business of search: formats are negotiated by whoever answers.
PASSED_BY = frozenset({"_format", "_pretty"})
# All that leaves what is found as it is; includes, which bring more along, are no part of it.
SHAPING = ONCE | PASSED_BY
# What the specification has and we do not: refused whatever the caller's leniency.
NOT_HERE = frozenset({"_query", "_score", "_type"})

# What says which resources are meant, beside the parameters of a type.
MEANT = frozenset({"_filter", "_list", *words.NAMES})

SUMMARIES = ("true", "text", "data", "count", "false")
PAGE = "_page"
DEFAULT_COUNT = 20
MAXIMUM_COUNT = 200
SORT_KEYS = 4

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_COUNT = re.compile(r"[0-9]{1,18}")


def id_clause(type_: str, text: str) -> Predicate:
    """`_id`: one logical id; Problem 400 for what cannot be one."""
    return Has("id", f"{type_}/{logical_id(text)}")


def logical_id(text: str) -> str:
    """The id as it is; Problem 400 for what cannot be one."""
    wanted = plain(text)
    if not _ID.fullmatch(wanted):
        raise bad_request("`_id` takes logical ids: letters, digits, `-` and `.`, at most 64 of them")
    return wanted


def updated_clause(text: str) -> Predicate:
    """`_lastUpdated`: one date with a prefix, asked of the moment the version was written."""
    return date.instant_clause("updated", "_lastUpdated", text)


def updated_missing(missing: bool) -> Predicate:
    """`_lastUpdated:missing`: every version has one."""
    return NOTHING if missing else EVERYTHING


def contained(text: str | None) -> str:
    """`true`, `both`, or "" where what is contained is not searched; Problem 400 for any other word."""
    if text not in (None, "false", "true", "both"):
        raise bad_request(f"`_contained` is `true`, `false` or `both`, not `{shown(text)}`")
    return "" if text in (None, "false") else text


def contained_type(text: str | None) -> str:
    """`contained` where what is contained is wanted itself, else ""; Problem 400 for any other word."""
    if text not in (None, "container", "contained"):
        raise bad_request(f"`_containedType` is `container` or `contained`, not `{shown(text)}`")
    return "contained" if text == "contained" else ""


def list_id(text: str) -> str:
    """The id of the List that `_list` names; Problem 400 for one that is worked out (`$current-problems`)."""
    wanted = plain(text).removeprefix("List/")
    if wanted.startswith("$"):
        raise bad_request(f"the functional list `{shown(wanted)}` is not supported", code="not-supported")
    if not _ID.fullmatch(wanted):
        raise bad_request("`_list` takes the id of one List")
    return wanted


def count(text: str | None, maximum: int) -> int:
    """The page size: `DEFAULT_COUNT` when nothing is said, never above `maximum`; Problem 400 for what is no count."""
    if text is None:
        return min(DEFAULT_COUNT, maximum)
    if not _COUNT.fullmatch(text):
        raise bad_request(f"`_count` takes a whole number, zero or more; at most {maximum} matches are given at a time")
    return min(int(text), maximum)


def order(type_: str, text: str | None) -> tuple[Order, ...]:
    """The keys of a sort, newest first when nothing is said; Problem 400 for a key that has no order."""
    if text is None:
        return NEWEST_FIRST
    keys = text.split(",")
    if len(keys) > SORT_KEYS:
        raise bad_request(f"`_sort` takes at most {SORT_KEYS} keys", code="too-costly")
    found: dict[str, Order] = {}
    for each in keys:
        key = _key(type_, each)
        found.setdefault(key.field, key)  # what is told apart by a key already is not by the same once more
    return tuple(found.values())


def total(text: str | None) -> Total:
    """How the matches are counted; an estimate is answered accurately. Problem 400 for any other word."""
    match text:
        case None | "accurate" | "estimate":
            return "accurate"
        case "none":
            return "none"
    raise bad_request(f"`_total` is `none`, `accurate` or `estimate`, not `{shown(text)}`")


def summary(text: str | None) -> str | None:
    """`count`, or None for resources, whole or cut (`interactions/summary.py`); Problem 400 for what is no form."""
    if text not in (None, *SUMMARIES):
        raise bad_request(
            f"`_summary` is `true`, `text`, `data`, `count` or `false`, not `{shown(text)}`{meant(text, SUMMARIES)}",
            "_summary",
        )
    return "count" if text == "count" else None


def _key(type_: str, text: str) -> Order:
    descending = text.startswith("-")
    code = text.removeprefix("-")
    match code:
        case "_lastUpdated":
            return Order("updated", descending)
        case "_id":
            return Order("id", descending)
    parameter = supported(type_).get(code)
    if parameter is None or kind_of(parameter) not in _KEYS:
        near = meant(code, (*supported(type_), "_lastUpdated", "_id"), "-" if descending else "")
        why = _WITHOUT_ORDER[kind_of(parameter)] if parameter is not None else f" on {type_}{near}"
        raise bad_request(f"`_sort` cannot go by `{shown(code)}`{why}", code="not-supported")
    return Order(_KEYS[kind_of(parameter)].format(type=type_, code=code), descending)


_KEYS = {
    "date": "date:{code}",
    "string": "text:{type}.{code}^",
    "phonetic": "text:{type}.{code}^",
    "token": "code:{type}.{code}=",
    "uri": "text:{type}.{code}=",
    "reference": "text:{type}.{code}=",
    "number": "number:{type}.{code}",
    "quantity": "number:{type}.{code}",
}
"""What each type of parameter is sorted by (`query.Order`)."""
_WITHOUT_ORDER = {
    "composite": ": a composite has no order",
    "near": ": the places found are not sorted by their distance",
    "age": ": it is computed; sort by `birthdate` the other way round",
}
