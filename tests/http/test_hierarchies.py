"""`:below` and `:above` of references to places and organizations (R92)."""

from __future__ import annotations

import pytest

from tests.http.test_compartment_searches import observed
from tests.kit import people
from tests.kit.clinical import MASKED

OPERATOR = people.operator()


def place(id_, within=None):
    return {
        "resourceType": "Location",
        "id": id_,
        "name": id_,
        **({"partOf": {"reference": f"Location/{within}"}} if within else {}),
    }


@pytest.fixture
def house(world):
    """A tower of nine floors, each within the one below it, and a measure on the fourth; one more is masked."""
    world.put(place("l0"))
    for level in range(1, 10):
        world.put(place(f"l{level}", f"l{level - 1}"))
    for id_, at, more in (("o4", "l4", {}), ("masked", "l4", {"meta": MASKED})):
        world.put(observed(id_, focus=[{"reference": f"Location/{at}"}], **more))
    return world


def ids(world, who, query):
    got = world.ask(who, "GET", f"Observation?{query}")
    assert 200 == got.status, got.json
    return sorted(got.ids)


def test_a_search_below_a_place_finds_what_is_in_it_and_shows_what_may_be_seen(house):
    """R92, DMP-52."""
    assert ["Observation/masked", "Observation/o4"] == ids(house, OPERATOR, "focus:below=Location/l4")
    assert ["Observation/o4"] == ids(house, people.radiologist(), "patient=lea&focus:below=Location/l4")
    assert [] == ids(house, people.radiologist(), "patient=lea&focus:below=Location/l5")
    assert ["Observation/o4"] == ids(house, people.radiologist(), "patient=lea&focus:above=Location/l5")
    assert ["Observation/o4"] == ids(house, people.radiologist(), "_filter=focus ss Location/l5&patient=lea")


def test_more_levels_than_a_chain_has_links_are_refused_and_not_left_out(house):
    """R92: a part would be a narrower answer that looks like a whole one."""
    for query in ("focus:below=Location/l0", "focus:above=Location/l9"):
        got = house.ask(OPERATOR, "GET", f"Observation?{query}")
        assert (400, "too-costly") == (got.status, got.json["issue"][0]["code"])
        assert "at most 5 levels" in got.json["issue"][0]["diagnostics"]
    assert ["Observation/masked", "Observation/o4"] == ids(house, OPERATOR, "focus:below=Location/l4")


def test_it_takes_a_right_to_search_places(house):
    small = people.radiologist(scopes=("user/Observation.rs",))
    for id_ in ("l4", "none"):
        assert 403 == house.ask(small, "GET", f"Observation?focus:below=Location/{id_}").status


def test_a_search_has_so_many_levels_and_no_more(house):
    query = "&".join(["focus:below=Location/l8"] * 4)
    assert [] == ids(house, OPERATOR, query)
    got = house.ask(OPERATOR, "GET", f"Observation?{query}&focus:below=Location/l8")
    assert (400, "too-costly") == (got.status, got.json["issue"][0]["code"])


def test_there_is_no_hierarchy_in_a_scope(house):
    who = people.radiologist(scopes=("user/Observation.rs?focus:below=Location/l4", "user/Location.rs"))
    assert house.ask(who, "GET", "Observation?patient=lea").status in (400, 403)
