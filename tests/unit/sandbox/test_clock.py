"""The domain clock of a sandbox: what it can be asked, and what a duration means."""

from datetime import UTC, datetime

import pytest

from fhir_server.foundation.problem import Problem
from fhir_server.sandbox.clock import asked, later

NOW = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("P1M", datetime(2026, 2, 28, 10, 30, tzinfo=UTC)),
        ("P1Y1M", datetime(2027, 2, 28, 10, 30, tzinfo=UTC)),
        ("P14D", datetime(2026, 2, 14, 10, 30, tzinfo=UTC)),
        ("P2W", datetime(2026, 2, 14, 10, 30, tzinfo=UTC)),
        ("PT2H15M5S", datetime(2026, 1, 31, 12, 45, 5, tzinfo=UTC)),
        ("-P1M", datetime(2025, 12, 31, 10, 30, tzinfo=UTC)),
        ("P18Y", datetime(2044, 1, 31, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_duration_moves_by_the_calendar(duration, expected):
    assert later(NOW, duration) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "1M", "P1", "P1H", "P-1M", "P1.5D", "P9999999Y"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises((ValueError, OverflowError)):
        later(NOW, text)
    with pytest.raises(Problem) as refusal:
        asked({"advance": text}, NOW)
    assert refusal.value.status == 400


def test_an_instant_is_taken_as_it_is():
    assert asked({"now": "2027-05-01T08:00:00+02:00"}, NOW) == datetime(2027, 5, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "P1M",
        {},
        {"now": 1},
        {"now": "soon"},
        {"now": "2027-13-01"},
        {"advance": "P1M", "now": "2027"},
        {"x": "y"},
    ],
)
def test_anything_else_is_refused(body):
    with pytest.raises(Problem) as refusal:
        asked(body, NOW)
    assert refusal.value.status == 400


@pytest.mark.parametrize("body", [{"now": "9999-12-31T23:59:59Z"}, {"now": "0001-01-01"}, {"advance": "P7900Y"}])
def test_the_clock_is_never_moved_to_where_it_could_not_go_on(body):
    """A second before the last one of the calendar, every request would fail, that which moves the clock back too."""
    with pytest.raises(Problem):
        asked(body, NOW)
