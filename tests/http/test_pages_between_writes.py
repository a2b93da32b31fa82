"""Pages while somebody writes: what comes once, and in which order (row R73, docs/deviations.md)."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.world import BASE

NOTE = [{"text": "corrigé"}]


def walked(world, url, between):
    """The ids of all pages; `between` is done after the first of them."""
    seen, done = [], False
    while url:
        got = world.ask(people.holder(), "GET", url)
        assert 200 == got.status, got.json
        seen += [each.partition("/")[2] for each in got.ids]
        links = {each["relation"]: each["url"].removeprefix(f"{BASE}/") for each in got.json["link"]}
        url = links.get("next")
        if not done:
            world.pass_time(seconds=5)
            between()
            done = True
    return seen


@pytest.mark.parametrize("changed", ["o1", "o2", "o3"])
@pytest.mark.parametrize(("order", "expected"), [("_id", "o1 o2 o3"), ("-_id", "o3 o2 o1"), ("date", "o1 o2 o3")])
def test_by_what_does_not_change_each_comes_once_whatever_is_updated(record, changed, order, expected):
    """R73."""
    day = f"2026-0{changed[1]}-10"
    found = walked(
        record,
        f"Observation?patient=lea&_count=1&_sort={order}",
        lambda: record.put(observation(changed, day, note=NOTE)),
    )

    assert expected == " ".join(found)


@pytest.mark.parametrize("order", ["", "&_sort=-_lastUpdated"])
def test_by_the_last_update_what_is_updated_meanwhile_has_moved_to_the_front(record, order):
    """R73: the usual order; who walks through all of a record asks for `_sort=_id`."""
    found = walked(
        record,
        f"Observation?patient=lea&_count=1{order}",
        lambda: record.put(observation("o1", "2026-01-10", note=NOTE)),
    )

    assert "o3 o2" == " ".join(found)
