"""Values that a search is asked by, at their edges: what is answered, and what is refused; rows R81 and R88."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.kit import people

OPERATOR = people.operator()


@pytest.mark.parametrize("letter", ["x", "é", "(", "ﷺ"])
@pytest.mark.parametrize("asked", ["Patient?name", "Patient?name:contains", "Observation?code:text"])
def test_a_value_too_long_to_be_looked_for_is_refused_and_not_told_to_try_again(world, asked, letter):
    """R81: MongoDB compiles no pattern of that length, which was answered 503 for ever."""
    assert 200 == world.ask(OPERATOR, "GET", f"{asked}={quote(letter * 200)}").status
    for many in (9_000, 40_000):
        refused = world.ask(OPERATOR, "GET", f"{asked}={quote(letter * many)}")
        assert (400, "too-costly") == (refused.status, refused.json["issue"][0]["code"])
