"""Moments: partial dates as intervals, and back.

May live here: FHIR's date, dateTime and instant (https://hl7.org/fhir/R4/datatypes.html#dateTime) as half-open spans
of time, in integer microseconds since 1970-01-01T00:00Z. May not know: clocks; now is always an argument.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000
_FORM = re.compile(
    r"(?P<y>\d{4})(-(?P<mo>\d\d)(-(?P<d>\d\d)"
    r"(T(?P<h>\d\d):(?P<mi>\d\d)(:(?P<s>\d\d)(\.(?P<f>\d{1,9}))?)?"
    r"(?P<z>Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))?)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Interval:
    """First and last microsecond covered, both included."""

    lo: int
    hi: int


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(value: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=value)


def months_later(value: int, months: int) -> int:
    """The same time some months later, or (negative) before; on the last day of a month that has no such day."""
    moment = from_micros(value)
    year, index = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, monthrange(year, index + 1)[1])
    return micros(moment.replace(year=year, month=index + 1, day=day))


def instant(moment: datetime) -> str:
    """FHIR instant with milliseconds: `2026-11-23T10:00:00.000Z`."""
    return instant_at(micros(moment))


def instant_at(value: int) -> str:
    """The same of microseconds since 1970; what is left of the last millisecond is cut off."""
    second, rest = divmod(value, 1_000_000)
    return f"{_to_the_second(second)}.{rest // 1000:03d}Z"


@lru_cache(64)
def _to_the_second(value: int) -> str:
    """Kept, because much happens in one second."""
    return (EPOCH + timedelta(seconds=value)).isoformat()[:-6]  # but for +00:00


@lru_cache(maxsize=4096)
def interval(text: str) -> Interval:
    """What a partial date covers: a year, a month, a day, a minute, a second or less; no zone is UTC.

    Raises ValueError for what is not a FHIR date (24:00, 30 February, a time without minutes). Remembered: facts, the
    index and rules look at the same dates.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"`{text}` is not a date")
    part = found.groupdict()
    year = int(part["y"])
    if year < 1:
        raise ValueError(f"`{text}` is not a date")
    if part["mo"] is None:
        return _span(datetime(year, 1, 1, tzinfo=UTC), 366 if monthrange(year, 2)[1] == 29 else 365)
    month = int(part["mo"])
    if part["d"] is None:
        return _span(datetime(year, month, 1, tzinfo=UTC), monthrange(year, month)[1] if 1 <= month <= 12 else 0)
    day = int(part["d"])
    if part["h"] is None:
        return _span(datetime(year, month, day, tzinfo=UTC), 1)
    zone = _zone(part["z"])
    begin = datetime(year, month, day, int(part["h"]), int(part["mi"]), int(part["s"] or 0), tzinfo=zone)
    start = micros(begin)
    if part["s"] is None:
        return Interval(start, start + 60_000_000 - 1)
    if part["f"] is None:
        return Interval(start, start + 1_000_000 - 1)
    digits = part["f"][:6]
    unit = 10 ** (6 - len(digits))
    start += int(digits) * unit
    return Interval(start, start + unit - 1)


def _span(begin: datetime, days: int) -> Interval:
    start = micros(begin)
    return Interval(start, start + days * _DAY - 1)


def _zone(text: str | None) -> timezone:
    if text in (None, "Z"):
        return UTC
    assert text is not None  # noqa: S101 - narrowed for the type checker
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))
