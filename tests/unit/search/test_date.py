"""Date parameters: each prefix against intervals taken day by day, as the specification words them."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.moment import interval, micros
from fhir_server.foundation.predicate import BEGINNING, END, matches
from fhir_server.foundation.problem import Problem
from fhir_server.search import date as dates
from fhir_server.search.query import Asked
from fhir_server.search.supported import supported

ASKED = Asked("Patient", supported("Patient")["birthdate"])
FIRST = date(2019, 11, 1)
# A world of 500 days; a range is the set of its days, and an open end reaches beyond the world.
DAYS = [FIRST + timedelta(days=n) for n in range(500)]
BEFORE, AFTER = date(1900, 1, 1), date(2100, 1, 1)


def text_of(day, precision):
    return day.isoformat()[: {"year": 4, "month": 7, "day": 10}[precision]]


@cache
def days_of(text):
    """The days a partial date names, one by one."""
    return {day for day in [BEFORE, *all_days(), AFTER] if day.isoformat().startswith(text)}


@cache
def all_days():
    return [date(2019, 1, 1) + timedelta(days=n) for n in range(366 * 3)]


TEXTS = st.builds(text_of, st.sampled_from(DAYS), st.sampled_from(["year", "month", "day"]))


def naive(prefix, asked, target):
    """The words of https://hl7.org/fhir/R4/search.html#prefix, on sets of days."""
    above = {day for day in [*all_days(), AFTER] if day > max(asked)}
    below = {day for day in [BEFORE, *all_days()] if day < min(asked)}
    contained = target <= asked
    return {
        "eq": contained,
        "ne": not contained,
        "gt": bool(target & above),
        "lt": bool(target & below),
        "ge": bool(target & above) or contained,
        "le": bool(target & below) or contained,
        "sa": not target & asked and target <= above,
        "eb": not target & asked and target <= below,
    }[prefix]


def found(text, *spans):
    return matches(dates.clause(ASKED, text), {"dates": {"birthdate": list(spans)}})


@given(st.sampled_from(["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]), TEXTS, TEXTS)
def test_a_prefix_means_what_the_specification_says_of_partial_dates(prefix, asked, target):
    (span,) = dates.index(target, "date")
    assert naive(prefix, days_of(asked), days_of(target)) == found(prefix + asked, span)


@given(
    st.sampled_from(["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]),
    TEXTS,
    st.none() | st.sampled_from(DAYS),
    st.none() | st.sampled_from(DAYS),
)
def test_a_prefix_means_what_the_specification_says_of_periods(prefix, asked, start, end):
    if start is None and end is None:
        return
    if start and end and start > end:
        start, end = end, start
    period = {name: day.isoformat() for name, day in (("start", start), ("end", end)) if day}
    (span,) = dates.index(period, "Period")
    target = {day for day in [BEFORE, *all_days(), AFTER] if (start or BEFORE) <= day <= (end or AFTER)}
    assert naive(prefix, days_of(asked), target) == found(prefix + asked, span)


@given(TEXTS, TEXTS)
def test_approximately_is_an_overlap_with_the_value_widened_by_its_own_width(asked, target):
    days, span = days_of(asked), dates.index(target, "date")[0]
    width = timedelta(days=len(days))
    about = {day for day in all_days() if min(days) - width <= day <= max(days) + width}
    assert bool(about & days_of(target)) == found("ap" + asked, span)


@given(TEXTS)
def test_no_prefix_is_eq(asked):
    assert dates.clause(ASKED, asked) == dates.clause(ASKED, "eq" + asked)


@given(st.sampled_from(list(dates.PREFIXES)), TEXTS, st.sampled_from(DAYS))
def test_a_moment_is_asked_as_the_interval_of_that_moment(prefix, asked, day):
    moment = micros(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    clause = dates.instant_clause("updated", "_lastUpdated", prefix + asked)
    assert found(prefix + asked, {"lo": moment, "hi": moment}) == matches(clause, {"updated": moment})


def test_ne_does_not_find_what_has_no_value():
    assert not matches(dates.clause(ASKED, "ne2020"), {"dates": {}})


def test_one_of_several_values_is_enough():
    spans = [dates.index("2019", "date")[0], dates.index("2021", "date")[0]]
    assert found("2021", *spans)
    assert not found("2020", *spans)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ({"start": "2020"}, "Period", (interval("2020").lo, END)),
        ({"end": "2020"}, "Period", (BEGINNING, interval("2020").hi)),
        ({"event": ["2020-05", "2020-01-01"]}, "Timing", (interval("2020-01-01").lo, interval("2020-05").hi)),
        (
            {"event": ["2020-05"], "repeat": {"boundsPeriod": {"start": "2020-03"}}},
            "Timing",
            (interval("2020-03").lo, END),
        ),
        (
            "2016-12-31T23:59:60Z",
            "instant",
            (interval("2016-12-31T23:59:59Z").lo, interval("2016-12-31T23:59:59Z").hi),
        ),
        (
            "2020-01-01T00:00:00.1234567890123Z",
            "instant",
            (interval("2020-01-01T00:00:00.123456Z").lo, interval("2020-01-01T00:00:00.123456Z").hi),
        ),
    ],
)
def test_a_stored_value_covers_its_outer_limits(value, kind, expected):
    assert [{"lo": expected[0], "hi": expected[1]}] == dates.index(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({}, "Period"),
        ({"start": "soon"}, "Period"),
        ({"repeat": {"frequency": 1}}, "Timing"),
        ({"event": ["soon"]}, "Timing"),
        ("soon", "date"),
        (5, "integer"),
    ],
)
def test_what_has_no_interval_leaves_none(value, kind):
    assert [] == dates.index(value, kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ge",
        "20",
        "2020-13",
        "2020-02-30",
        "2020-1-1",
        "٢٠٢٠",
        "2020-01-01T24:00",
        "2020-01-01T10",
        "0000",
        "EQ2020",
    ],
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(Problem, match="takes a date"):
        dates.clause(ASKED, text)


def test_a_space_where_a_plus_was_meant_is_explained():
    with pytest.raises(Problem, match="%2B"):
        dates.clause(ASKED, "2020-01-01T10:00:00 02:00")
