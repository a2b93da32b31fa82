"""Pages between which somebody writes tell nothing of what is hidden (docs/adr/0039, decisions 16)."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.cast import opened
from tests.kit.clinical import MASKED, observation
from tests.kit.trips import TRIPS
from tests.kit.twin import new_world
from tests.kit.world import BASE

IDS = [f"o{number}" for number in range(1, 6)]
ONE_TYPE = "Observation?patient=lea&_count=2"
SEVERAL = "?_type=Observation,Condition&patient=lea&_count=2"
COMPARTMENT = "Patient/lea/Observation?_count=2"


@pytest.fixture
def worlds(databases):
    made = [new_world(databases())[0] for _ in range(2)]
    for world in made:
        opened(world)
    yield made
    for world in made:
        world.close()


def put(world, id_, **more):
    world.pass_time(seconds=1)
    answered = world.put(observation(id_, f"2026-0{id_[1]}-10", **more))
    assert answered.status in (200, 201), answered.json


def walked(world, url, between, who):
    """What each page gives, the cursor of its next link, and its round trips; `between` is done after the first."""
    found = []
    while url:
        world.settle()
        for patient in world.patients:
            world.house.records.record(patient)
        TRIPS.forget()
        got = world.ask(who, "GET", url)
        assert 200 == got.status, got.json
        links = {each["relation"]: each["url"].removeprefix(f"{BASE}/") for each in got.json["link"]}
        url = links.get("next", "")
        found.append((got.ids, got.json.get("total"), url, TRIPS.told()))
        if len(found) == 1:
            between(world)
    return found


@pytest.mark.parametrize("url", [ONE_TYPE, SEVERAL, COMPARTMENT])
def test_what_is_hidden_moves_nothing_when_it_is_updated(worlds, url):
    """One of the worlds holds o2 and o4, masked, and updates them between the pages; the other never held them."""
    full, _ = worlds
    for each in IDS:
        for world in worlds:
            hidden = each in ("o2", "o4")
            if world is full or not hidden:
                put(world, each, **({"meta": MASKED} if hidden else {}))
            else:
                world.pass_time(seconds=1)

    def between(world):
        for id_, hidden in (("o2", True), ("o1", False), ("o4", True), ("o4", True)):
            if world is full or not hidden:
                put(world, id_, note=[{"text": str(world.now)}], **({"meta": MASKED} if hidden else {}))
            else:
                world.pass_time(seconds=1)

    told = [walked(world, url, between, people.radiologist()) for world in worlds]

    assert told[0] == told[1]
    assert [f"Observation/{each}" for each in ("o5", "o3", "o1")] == [each for page in told[0] for each in page[0]]


@pytest.mark.parametrize("masked_at", [1, 3], ids=["long before", "just before"])
def test_the_place_of_a_version_that_is_hidden_is_no_place(worlds, masked_at):
    """o1 was masked for a while before the first page: in the other world it was not written then."""
    full, _ = worlds
    for number, each in enumerate(IDS, 1):
        for world in worlds:
            put(world, each)
            world.pass_time(minutes=5)
            if number == masked_at and world is full:
                put(world, "o1", meta=MASKED)
            world.pass_time(seconds=3 if world is full and number == masked_at else 4)

    def between(world):
        put(world, "o1", note=[{"text": "montré de nouveau"}])

    told = [walked(world, ONE_TYPE, between, people.radiologist()) for world in worlds]

    assert [page[0] for page in told[0]] == [page[0] for page in told[1]]
    assert [page[3] for page in told[0]] == [page[3] for page in told[1]]
    assert "Observation/o1" == told[0][-1][0][-1]


def test_what_is_masked_between_two_pages_is_on_none_that_follows_and_what_is_shown_again_comes_once(worlds):
    world, _ = worlds
    for each in IDS:
        put(world, each)

    def between(world):
        put(world, "o3", meta=MASKED)
        put(world, "o2", meta=MASKED)
        put(world, "o2", note=[{"text": "montré de nouveau"}])

    pages = walked(world, ONE_TYPE, between, people.radiologist())

    assert [f"Observation/{each}" for each in ("o5", "o4", "o2", "o1")] == [each for page in pages for each in page[0]]


def test_each_page_that_follows_takes_the_same_round_trips_whatever_was_updated(worlds):
    something = worlds[1]
    for each in IDS:
        for world in worlds:
            put(world, each)

    def between(world):
        if world is something:
            put(world, "o1", note=[{"text": "corrigé"}])
            put(world, "o5", meta=MASKED)

    told = [[page[3] for page in walked(world, ONE_TYPE, between, people.radiologist())] for world in worlds]

    assert told[0] == told[1]
    assert 2 == len([each for each in told[0][1] if each == "aggregate resources"])  # a total, and what was updated
