"""`age`: how old a patient is on the day of the question (https://hl7.org/fhir/R4/patient.html, patient extensions).

May live here: from a number of completed years to the days of birth that make them. Nothing is indexed by it: what is
asked of is `birthdate`, and `deceased`, for "deceased patients are excluded from the search". A date of birth that is
known to the year makes an age between two, and is found as a number that is a range is (`number.py`).
"""

from __future__ import annotations

import math
from calendar import isleap
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from fhir_server.foundation.moment import from_micros, micros
from fhir_server.foundation.predicate import BEGINNING, END, Has, Not, Predicate, Span, both, either
from fhir_server.foundation.problem import bad_request
from fhir_server.search import number
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

MODIFIERS: frozenset[str] = frozenset()

_BORN = "date:birthdate"
_ALIVE = Not(Has("token", "Patient.deceased=true"))


def clause(asked: Asked, text: str) -> Predicate:
    """One value of the form `[prefix]years`; Problem 400 for what is no number, and where no day is known."""
    code = asked.parameter.code
    prefix, around = number.read(code, plain(text), "an age in years such as `30`")
    if asked.now is None:
        raise bad_request(
            f"`{code}` is not supported here: it would mean another thing every day", code="not-supported"
        )
    least, end, years = math.ceil(around.low), math.ceil(around.end), around.exact
    at_least, at_most = _bounds(asked.now)
    match prefix:
        case "gt" | "sa":
            found = at_least(math.floor(years) + 1, surely=prefix == "sa")
        case "ge":
            found = at_least(math.ceil(years))
        case "lt" | "eb":
            found = at_most(math.ceil(years) - 1, surely=prefix == "eb")
        case "le":
            found = at_most(math.floor(years))
        case "ap":
            found = both(at_least(math.ceil(around.near_low)), at_most(math.floor(around.near_high)))
        case "ne":
            found = either(at_most(least - 1), at_least(end))
        case _:
            found = both(at_least(least, surely=True), at_most(end - 1, surely=True))
    return both(found, _ALIVE)


def known() -> Predicate:
    """Whoever has an age: who was born on a day that is known, and has not died."""
    return both(Has("token", "Patient.birthdate!"), _ALIVE)


def _bounds(now: int) -> tuple[Callable[..., Predicate], Callable[..., Predicate]]:
    """What is asked of the days of birth for at least, and for at most, so many years.

    `surely`: on each of the days on which the patient may have been born.
    """

    def at_least(years: int, *, surely: bool = False) -> Predicate:
        last = _too_young(now, years) - 1
        return Span(_BORN, hi_max=last) if surely else Span(_BORN, lo_max=last)

    def at_most(years: int, *, surely: bool = False) -> Predicate:
        first = _too_young(now, years + 1)
        return Span(_BORN, lo_min=first) if surely else Span(_BORN, hi_min=first)

    return at_least, at_most


def _too_young(now: int, years: int) -> int:
    """When the first is born who has not completed so many years: who is born on 29 February does on 1 March."""
    today = from_micros(now).date()
    year = today.year - years
    if years <= 0:
        return END
    if year < 1:
        return BEGINNING
    leaps = today.month == 2 and today.day == 29 and not isleap(year)
    last = date(year, 2, 28) if leaps else today.replace(year=year)
    return micros(datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1))
