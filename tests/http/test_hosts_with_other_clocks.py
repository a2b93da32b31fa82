"""A version is dated after the one before it, though that was dated by a host whose clock is ahead (docs/adr/0039)."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.family import letter_of

AHEAD = timedelta(minutes=5)
HOLDER, OPERATOR = people.holder(), people.operator()
HISTORY, WHOLE = "Observation/o1/_history", "Observation/_history"


@pytest.fixture
def ahead(world):
    """Does something on a host whose clock is five minutes ahead of this one's."""

    def do(work):
        world.now += AHEAD
        try:
            return work()
        finally:
            world.now -= AHEAD

    return do


def put(world, note, id_="o1"):
    return world.put(observation(id_, "2026-01-10", note=[{"text": note}]))


def dates(world, url=HISTORY, who=HOLDER):
    """Version and date of each, as a history tells them."""
    entries = world.ask(who, "GET", url).json["entry"]
    found = [each["resource"]["meta"] for each in entries if "resource" in each]
    return [(each["versionId"], each["lastUpdated"]) for each in found]


def test_each_version_is_later_than_the_one_before_by_as_much_as_shows(world, ahead):
    put(world, "one")
    ahead(lambda: put(world, "two"))
    for note in ("three", "four"):
        world.pass_time(seconds=1)
        put(world, note)
    world.pass_time(minutes=10)
    put(world, "five")

    expected = ["10:10:02.000", "10:05:00.002", "10:05:00.001", "10:05:00.000", "10:00:00.000"]
    told = [(str(5 - at), f"2026-11-23T{when}Z") for at, when in enumerate(expected)]
    assert told == dates(world)
    assert told == dates(world, WHOLE, OPERATOR)
    found = world.ask(HOLDER, "GET", f"Observation?patient=lea&_lastUpdated={told[0][1]}")
    assert ["Observation/o1"] == found.ids


def test_what_a_history_shows_of_a_time_is_what_stood_then(world, ahead):
    ahead(lambda: put(world, "one"))
    put(world, "two")
    for at, version in (("2026-11-23T10:05:00.000Z", "1"), ("2026-11-23T10:05:00.001Z", "2"), ("2026-11-23T10:06:00Z", "2")):  # fmt: skip
        assert [version] == [each for each, _ in dates(world, f"{HISTORY}?_at={at}")]
    assert ["2"] == [each for each, _ in dates(world, f"{HISTORY}?_since=2026-11-23T10:05:00.001Z")]


def test_a_change_answers_as_it_is_stored_and_who_asks_for_what_is_later_is_told(world, ahead):
    first = ahead(lambda: put(world, "one"))
    seen = first.json["meta"]["lastUpdated"]
    changed = put(world, "two")
    stood = world.ask(HOLDER, "GET", "Observation/o1")

    assert "2026-11-23T10:05:00.001Z" == changed.json["meta"]["lastUpdated"] == stood.json["meta"]["lastUpdated"]
    assert changed.headers["Last-Modified"] == stood.headers["Last-Modified"]
    assert ["Observation/o1"] == world.ask(HOLDER, "GET", f"Observation?patient=lea&_lastUpdated=gt{seen}").ids
    patched = world.ask(OPERATOR, "PATCH", "Observation/o1", [{"op": "remove", "path": "/note"}])
    assert "2026-11-23T10:05:00.002Z" == patched.json["meta"]["lastUpdated"]


def test_what_is_updated_between_two_pages_by_a_host_that_is_behind_comes_once(world, ahead):
    for id_ in ("o2", "o3"):
        put(world, "one", id_)
        world.pass_time(seconds=1)
    ahead(lambda: put(world, "one"))
    first = world.ask(HOLDER, "GET", "Observation?patient=lea&_count=1")
    world.pass_time(seconds=-3)
    put(world, "two")

    following = next(each["url"] for each in first.json["link"] if each["relation"] == "next").partition("/fhir/")[2]
    found = first.ids
    while following:
        rest = world.ask(HOLDER, "GET", following)
        found += rest.ids
        links = {each["relation"]: each["url"].partition("/fhir/")[2] for each in rest.json["link"]}
        following = links.get("next")
    assert ["Observation/o1", "Observation/o3", "Observation/o2"] == found


def test_a_deletion_and_what_is_made_anew_come_after_it_too(world, ahead):
    ahead(lambda: put(world, "one"))
    assert world.ask(OPERATOR, "DELETE", "Observation/o1").status in (200, 204)
    put(world, "again")

    history = world.ask(OPERATOR, "GET", WHOLE).json["entry"]
    assert ["PUT", "DELETE", "PUT"] == [each["request"]["method"] for each in history]
    when = [f"2026-11-23T10:05:00.00{each}Z" for each in (2, 1, 0)]
    assert when == [each["response"]["lastModified"] for each in history]


def test_a_content_that_a_document_binds_later_is_dated_after_itself(world, ahead):
    """Decisions 14: binding is a version of the Binary."""
    who = replace(OPERATOR, identities=frozenset({"Organization/chu"}))
    content = {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(b"lettre").decode()}
    made = ahead(lambda: world.ask(who, "POST", "Binary", content))
    where = f"Binary/{made.json['id']}"
    document = letter_of("lea", "d1", None)
    document["content"][0]["attachment"]["url"] = where
    told = world.ask(who, "POST", "DocumentReference", {name: each for name, each in document.items() if name != "id"})

    assert (201, 201) == (made.status, told.status), told.json
    meta = world.ask(OPERATOR, "GET", where).json["meta"]
    assert ("2", "2026-11-23T10:05:00.001Z") == (meta["versionId"], meta["lastUpdated"])
