"""Date parameters (https://hl7.org/fhir/R4/search.html#date and #prefix).

Both halves. A value is an interval, whatever its precision, and so is what is asked; each prefix says how the two must
lie. A Period without an end has none, and a Timing counts by its outer limits, as the specification has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fhir_server.foundation.moment import Interval, interval
from fhir_server.foundation.predicate import BEGINNING, END, Between, Predicate, Span, either
from fhir_server.foundation.problem import bad_request
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

MODIFIERS: frozenset[str] = frozenset()

# lo_min, lo_max, hi_min, hi_max: bounds on a target's two ends, all inclusive, None for open.
_Bounds = tuple[int | None, int | None, int | None, int | None]


def _equal(q: Interval) -> _Bounds:
    return (q.lo, None, None, q.hi)


def _above(q: Interval) -> _Bounds:
    return (None, None, q.hi + 1, None)


def _below(q: Interval) -> _Bounds:
    return (None, q.lo - 1, None, None)


def _around(q: Interval) -> _Bounds:
    """Overlaps the value widened on both sides by its own width: our "approximately", which needs no clock."""
    width = q.hi - q.lo + 1
    return (None, q.hi + width, q.lo - width, None)


PREFIXES: dict[str, Callable[[Interval], tuple[_Bounds, ...]]] = {
    # "the range of the search value fully contains the range of the target value"
    "eq": lambda q: (_equal(q),),
    # "… does not fully contain …"
    "ne": lambda q: (_below(q), _above(q)),
    # "the range above the search value intersects with the range of the target value"
    "gt": lambda q: (_above(q),),
    "lt": lambda q: (_below(q),),
    # "… or the range of the search value fully contains the range of the target value"
    "ge": lambda q: (_above(q), _equal(q)),
    "le": lambda q: (_below(q), _equal(q)),
    # "the range above the search value contains the range of the target value"
    "sa": lambda q: ((q.hi + 1, None, None, None),),
    "eb": lambda q: ((None, None, None, q.lo - 1),),
    "ap": lambda q: (_around(q),),
}


def index(value: Any, kind: str) -> list[dict[str, int]]:
    """The interval `{lo, hi}` of a date, dateTime, instant, Period or Timing, in microseconds; [] for what has none."""
    if isinstance(value, str):
        found = _stored(value)
    elif not isinstance(value, dict):
        return []
    elif kind == "Timing":
        found = _timing(value)
    else:
        found = _period(value)
    return [{"lo": found.lo, "hi": found.hi}] if found else []


def clause(asked: Asked, text: str) -> Predicate:
    """One value of the form `[prefix]date`, asked of the intervals of a parameter; Problem 400 for what is no date."""
    return either(*(Span(asked.field, *bounds) for bounds in _asked(asked.parameter.code, text)))


def instant_clause(field: str, code: str, text: str) -> Predicate:
    """The same asked of a scalar field that holds one moment (`_lastUpdated`)."""
    return either(*(_point(field, bounds) for bounds in _asked(code, text)))


def overlaps(code: str, text: str) -> Predicate:
    """`po` of `_filter`: what has an interval that shares a moment with a date; Problem 400 for what is no date."""
    span = _interval(code, plain(text))
    if code == "_lastUpdated":
        return Between("updated", span.lo, span.hi + 1)
    return Span(f"date:{code}", lo_max=span.hi, hi_min=span.lo)


def _asked(code: str, text: str) -> tuple[_Bounds, ...]:
    wanted = plain(text)
    prefix = wanted[:2] if wanted[:2] in PREFIXES else ""
    return PREFIXES[prefix or "eq"](_interval(code, wanted[len(prefix) :]))


def _interval(code: str, moment: str) -> Interval:
    if " " in moment:
        raise bad_request(f"`{code}` has a space in its date; write the plus sign of a time zone as `%2B`")
    try:
        if not moment.isascii():
            raise ValueError  # noqa: TRY301 - digits of other scripts are no date either
        return interval(moment)
    except ValueError:
        raise bad_request(
            f"`{code}` takes a date such as `2026`, `2026-11`, `2026-11-23` or `2026-11-23T10:00:00Z`,"
            f" after one of the prefixes {' '.join(PREFIXES)} or none"
        ) from None


def _point(field: str, bounds: _Bounds) -> Predicate:
    lows = [bound for bound in (bounds[0], bounds[2]) if bound is not None]
    highs = [bound + 1 for bound in (bounds[1], bounds[3]) if bound is not None]
    return Between(field, max(lows, default=None), min(highs, default=None))


def _stored(text: str) -> Interval | None:
    """The interval of a date that validation let in, a leap second and any number of decimals included."""
    try:
        return interval(text)
    except ValueError:
        kept = re.sub(r"(\.\d{9})\d+", r"\1", re.sub(r":60(?=[.Z+-])", ":59", text))
    try:
        return interval(kept)
    except ValueError:
        return None


def _period(period: dict[str, Any]) -> Interval | None:
    start, end = period.get("start"), period.get("end")
    if start is None and end is None:
        return None
    first = _stored(start) if isinstance(start, str) else Interval(BEGINNING, BEGINNING)
    last = _stored(end) if isinstance(end, str) else Interval(END, END)
    if first is None or last is None:
        return None
    return Interval(first.lo, last.hi)


def _timing(timing: dict[str, Any]) -> Interval | None:
    spans = [_stored(event) for event in timing.get("event") or () if isinstance(event, str)]
    repeat = timing.get("repeat")
    bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
    if isinstance(bounds, dict):
        spans.append(_period(bounds))
    known = [span for span in spans if span is not None]
    if not known:
        return None
    return Interval(min(span.lo for span in known), max(span.hi for span in known))
