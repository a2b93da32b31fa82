"""The sandbox's clock: the domain clock, which can be moved; the protocol clock never is (decisions 11).

May live here: how far the domain clock is from the real one, kept in the database for all workers. May not know: who
reads it. Durations are those of ISO 8601 (`P1M`, `P14D`, `PT2H`); months are months of the calendar.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

from fhir_server.foundation.moment import from_micros, interval
from fhir_server.foundation.problem import bad_request
from fhir_server.store.connection import Database
from fhir_server.store.freshness import Freshness

_DURATION = re.compile(
    r"(?P<sign>-)?P(?=.)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_MICROSECOND = timedelta(microseconds=1)
_YEARS = range(1900, 3000)
"""Where the clock may be moved: it goes on from there, and rules reckon some years back and ahead of it."""
_SPAN = f"between {_YEARS.start} and {_YEARS.stop - 1}"


class SandboxClock:
    """Called, it says what time it is in the record. `move` sets it for every worker before it returns."""

    def __init__(self, database: Database, freshness: Freshness) -> None:
        self._kept = database["sandbox"]
        self._freshness = freshness
        self._ahead = timedelta()
        freshness.on("clock", lambda _: self.read())

    def __call__(self) -> datetime:
        """Now, in the record."""
        return datetime.now(UTC) + self._ahead

    def read(self) -> None:
        """Take over what the database says."""
        kept = self._kept.find_one({"_id": "clock"}) or {}
        self._ahead = int(kept.get("ahead", 0)) * _MICROSECOND

    def move(self, to: datetime) -> None:
        """Make it `to` now, for all workers."""
        ahead = (to - datetime.now(UTC)) // _MICROSECOND
        self._kept.update_one({"_id": "clock"}, {"$set": {"ahead": ahead}}, upsert=True)
        self._tell()

    def reset(self) -> None:
        """Back to the real time, for all workers."""
        self._kept.delete_one({"_id": "clock"})
        self._tell()

    def _tell(self) -> None:
        self.read()
        self._freshness.settle(self._freshness.bump("clock", ""))


def asked(body: object, now: datetime) -> datetime:
    """The time that `{"now": instant}` or `{"advance": duration}` asks for; Problem 400 for anything else."""
    match body:
        case {"now": str(text), **rest} if not rest:
            try:
                return _within(from_micros(interval(text).lo))
            except (ValueError, OverflowError) as cause:
                raise bad_request(f"`now` must be an instant {_SPAN}, such as `2027-01-31T10:00:00Z`") from cause
        case {"advance": str(text), **rest} if not rest:
            try:
                return _within(later(now, text))
            except (ValueError, OverflowError) as cause:
                raise bad_request(f"`advance` must be a duration that leads {_SPAN}, such as `P1M`, `P14D`") from cause
    raise bad_request('give `{"now": instant}` or `{"advance": duration}`')


def _within(moved: datetime) -> datetime:
    if moved.year not in _YEARS:
        raise ValueError("the clock cannot go on there")
    return moved


def later(now: datetime, duration: str) -> datetime:
    """`now` moved by an ISO 8601 duration; the last day of a month stays in the month. Raises ValueError."""
    found = _DURATION.fullmatch(duration)
    if not found:
        raise ValueError(f"`{duration}` is not a duration")
    sign = -1 if found["sign"] else 1
    part = {name: sign * int(value) for name, value in found.groupdict(default="0").items() if name != "sign"}
    months = now.year * 12 + now.month - 1 + part["years"] * 12 + part["months"]
    year, month = divmod(months, 12)
    day = min(now.day, monthrange(year, month + 1)[1])
    moved = now.replace(year=year, month=month + 1, day=day)
    return moved + timedelta(
        weeks=part["weeks"], days=part["days"], hours=part["hours"], minutes=part["minutes"], seconds=part["seconds"]
    )
