"""Values that a search is asked by, at their edges: what is answered, and what is refused; rows R81 and R88."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.kit import people

OPERATOR = people.operator()


@pytest.mark.parametrize("zone", ["13:60", "13:99", "14:01", "15:00", "24:00"])
@pytest.mark.parametrize("sign", ["%2B", "-"])
def test_a_time_zone_that_there_is_not_was_taken_for_another(world, sign, zone):
    """R97."""
    for hour in (zone, "14:00"):
        answered = world.ask(OPERATOR, "GET", f"Observation?date=2026-01-01T10:00:00{sign}{hour}")
        assert (400 if hour == zone else 200) == answered.status


@pytest.mark.parametrize("letter", ["x", "é", "(", "ﷺ"])
@pytest.mark.parametrize("asked", ["Patient?name", "Patient?name:contains", "Observation?code:text"])
def test_a_value_too_long_to_be_looked_for_is_refused_and_not_told_to_try_again(world, asked, letter):
    """R81: MongoDB compiles no pattern of that length, which was answered 503 for ever."""
    assert 200 == world.ask(OPERATOR, "GET", f"{asked}={quote(letter * 200)}").status
    for many in (9_000, 40_000):
        refused = world.ask(OPERATOR, "GET", f"{asked}={quote(letter * many)}")
        assert (400, "too-costly") == (refused.status, refused.json["issue"][0]["code"])
