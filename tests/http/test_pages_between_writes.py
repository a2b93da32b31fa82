"""Pages while somebody writes: what comes once, and in which order (row R73, docs/adr/0039)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fhir_server.search import cursor
from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.world import BASE

NOTE = [{"text": "corrigé"}]
USUAL = "Observation?patient=lea&_count=2"


@pytest.fixture
def lived(world):
    """A record with five observations, put one minute after the other; o5 is the last."""
    for number in range(1, 6):
        world.pass_time(minutes=1)
        put(world, f"o{number}")
    world.pass_time(seconds=5)
    return world


def put(world, id_, **more):
    answered = world.put(observation(id_, f"2026-0{id_[1]}-10", **more))
    assert answered.status in (200, 201), answered.json


def update(world, *ids):
    for id_ in ids:
        world.pass_time(seconds=1)
        put(world, id_, note=[{"text": f"corrigé à {world.now}"}])


def pages(world, url, *between, who=None, method="GET"):
    """The answers to all pages; after each of the first, the next of `between` is done."""
    found, waiting = [], list(between)
    while url:
        got = world.ask(who or people.holder(), method, url)
        assert 200 == got.status, got.json
        found.append(got)
        method = "GET"
        links = {each["relation"]: each["url"].removeprefix(f"{BASE}/") for each in got.json["link"]}
        url = links.get("next")
        if waiting:
            world.pass_time(seconds=5)
            waiting.pop(0)()
    return found


def walked(world, url, *between, **more):
    """The ids of all pages."""
    return " ".join(each.partition("/")[2] for got in pages(world, url, *between, **more) for each in got.ids)


@pytest.mark.parametrize("changed", ["o1", "o2", "o3"])
@pytest.mark.parametrize(("order", "expected"), [("_id", "o1 o2 o3"), ("-_id", "o3 o2 o1"), ("date", "o1 o2 o3")])
def test_by_what_does_not_change_each_comes_once_whatever_is_updated(record, changed, order, expected):
    """R73."""
    url = f"Observation?patient=lea&_count=1&_sort={order}"

    assert expected == walked(record, url, lambda: update(record, changed))


@pytest.mark.parametrize("order", ["", "&_sort=-_lastUpdated", "&_sort=-_lastUpdated,-_id"])
@pytest.mark.parametrize("changed", ["o1", "o3", "o4", "o5", "o1 o2 o3", "o1 o5", "o1 o1", "o1 o2 o3 o4 o5 o5 o4 o1"])
def test_by_the_last_update_each_comes_once_and_in_its_place_of_then(lived, order, changed):
    """R73: the usual order."""
    assert "o5 o4 o3 o2 o1" == walked(lived, USUAL + order, lambda: update(lived, *changed.split()))


def test_what_is_updated_between_any_two_pages_comes_once(lived):
    """R73."""
    changes = [lambda each=each: update(lived, *each.split()) for each in ("o1", "o5 o1 o3", "o1 o2", "o1")]

    assert "o5 o4 o3 o2 o1" == walked(lived, "Observation?patient=lea&_count=1", *changes)


def test_it_comes_as_it_is_now(lived):
    """R73."""
    last = pages(lived, USUAL, lambda: put(lived, "o1", note=NOTE))[-1].json["entry"][0]["resource"]

    assert ("o1", "2", NOTE) == (last["id"], last["meta"]["versionId"], last["note"])


@pytest.mark.parametrize(("order", "expected"), [("", "o3 o2 o1"), ("&_sort=-_lastUpdated,_id", "o1 o2 o3")])
@pytest.mark.parametrize("changed", ["o1", "o2", "o3", "o1 o3"])
def test_what_was_put_in_one_moment_goes_by_id(record, order, expected, changed):
    """R73."""
    url = f"Observation?patient=lea&_count=1{order}"

    assert expected == walked(record, url, lambda: update(record, *changed.split()))


def test_what_is_deleted_or_made_meanwhile_is_not_given(lived):
    """R73."""

    def change():
        assert lived.ask(people.operator(), "DELETE", "Observation/o3").status in (200, 204)
        put(lived, "o6")
        update(lived, "o6", "o1")

    assert "o5 o4 o2 o1" == walked(lived, USUAL, change)


def test_what_is_deleted_and_made_again_meanwhile_comes_once(lived):
    """R73: whether it was there or not when the first page was read."""

    def deleted(id_):
        assert lived.ask(people.operator(), "DELETE", f"Observation/{id_}").status in (200, 204)
        lived.pass_time(seconds=1)

    def again():
        deleted("o3")
        for each in ("o3", "o2", "o1"):
            put(lived, each)

    deleted("o1")
    lived.pass_time(minutes=5)
    update(lived, "o5")
    deleted("o2")

    # o1 was gone for long; that o2 was gone nobody can know from its date alone
    assert "o5 o4 o3 o2" == walked(lived, USUAL, again)


def test_what_matches_no_more_is_not_given_and_what_matches_since_is(lived):
    """R73: a page shows what matches when it is asked for."""

    def change():
        put(lived, "o3", status="amended")
        put(lived, "o1", status="final")

    put(lived, "o1", status="amended")
    lived.pass_time(minutes=5)
    update(lived, "o4", "o5")

    assert "o5 o4 o1 o2" == walked(lived, f"{USUAL}&status=final", change)


def test_what_is_under_way_while_the_first_page_is_read_comes_once(lived):
    """R73: it is dated before the first page, and lands after it."""
    update(lived, "o3")
    lived.pass_time(seconds=30)
    update(lived, "o5")
    lived.pass_time(seconds=10)
    read = lived.now

    def land():
        for id_, seconds in (("o1", 2), ("o2", 20), ("o4", 12), ("o5", 1), ("o3", 0)):
            lived.now = read - timedelta(seconds=seconds)
            put(lived, id_, note=[{"text": "en chemin"}])
        lived.now = read + timedelta(seconds=1)

    assert "o5 o3 o4 o2 o1" == walked(lived, USUAL, land)


def test_the_many_that_were_just_updated_make_no_long_address(lived):
    """R73: a cursor names at most so many of them."""
    several = [f"o{number}" for number in range(1, 10)]
    for each in several * 2:
        put(lived, each, note=[{"text": each}], **({"status": "amended"} if each == several[-1] else {}))
    for number in range(10, 60):
        for status in ("final", "amended"):
            lived.put({**observation(f"m{number}"), "status": status})

    def land():
        lived.pass_time(seconds=1)
        update(lived, "o1", "o2", "o9")

    found = pages(lived, "Observation?patient=lea&_count=50", land)
    seen = [each for got in found for each in got.ids]

    assert (59, 59) == (len(seen), len(set(seen)))
    assert all(len(got.json["link"][-1]["url"]) < 1_200 for got in found)


def test_a_cursor_from_before_there_were_snapshots_is_a_place_as_it_was(lived, monkeypatch):
    kept = cursor.seal
    with monkeypatch.context() as patched:
        patched.setattr(cursor, "seal", lambda key, asker, asked, place: kept(key, asker, asked, place[:2]))
        first = lived.ask(people.holder(), "GET", USUAL)
    following = first.json["link"][-1]["url"].removeprefix(f"{BASE}/")

    assert "o3 o2 o1" == walked(lived, following)


def test_in_the_order_of_last_updates_itself_what_was_given_comes_again(lived):
    """R73: who walks from the oldest update on misses nothing, and hears of each update."""
    url = f"{USUAL}&_sort=_lastUpdated"

    assert "o1 o2 o3 o4 o5 o1" == walked(lived, url, lambda: update(lived, "o1"))


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        ("GET", "?_type=Observation,Condition&patient=lea&_count=2", "c2 c1 o5 o4 o3 o2 o1"),
        ("GET", "Patient/lea/*?_type=Observation,Condition&_count=3", "c2 c1 o5 o4 o3 o2 o1"),
        ("GET", "Patient/lea/Observation?_count=2", "o5 o4 o3 o2 o1"),
        ("POST", "Observation/_search?patient=lea&_count=2", "o5 o4 o3 o2 o1"),
        ("GET", "Observation?patient=lea&_count=2&_include=Observation:performer", "o5 o4 o3 o2 o1"),
        ("GET", "Observation?patient=lea&_count=1&_id=o1,o2,o3,o4&_summary=true", "o4 o3 o2 o1"),
    ],
)
def test_all_searches_that_go_by_the_last_update_hold_what_they_began_with(lived, method, url, expected):
    """R73: of one type or several, of a compartment, posted."""
    for id_ in ("c1", "c2"):
        lived.pass_time(minutes=1)
        subject = {"subject": {"reference": "Patient/lea"}, "code": {"text": id_}}
        assert 201 == lived.put({"resourceType": "Condition", "id": id_, **subject}).status

    assert expected == walked(lived, url, lambda: update(lived, "o1", "o3"), lambda: update(lived, "o1"), method=method)


def test_traces_come_as_they_did(lived):
    """R73: they are never updated, and each page leaves more of them."""
    url = "AuditEvent?patient=lea&_count=3"
    seen = [each for got in pages(lived, url, lambda: update(lived, "o1")) for each in got.ids]

    assert 6 < len(seen) == len(set(seen))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("changed", ["o2", "o4", "o5", "o4 o5 o1"])
def test_what_is_contained_comes_once_though_a_page_ends_within_its_holder(lived, count, changed):
    """R73."""

    def held(*ids):
        for id_ in ids:
            lived.pass_time(seconds=1)
            names = [f"{id_}b", f"{id_}a"]
            inner = [{"resourceType": "Practitioner", "id": each, "name": [{"family": "Dupont"}]} for each in names]
            by = [{"reference": f"#{each}"} for each in names]
            put(lived, id_, contained=inner, performer=by, note=[{"text": str(lived.now)}])

    held("o1", "o2", "o3", "o4", "o5")
    lived.pass_time(minutes=5)
    url = f"Practitioner?family=dupont&_contained=true&_containedType=contained&_count={count}"
    found = pages(lived, url, lambda: held(*changed.split()), lambda: held("o1"), who=people.operator())
    seen = [each["resource"]["id"] for got in found for each in got.json["entry"]]

    assert [f"o{number}{each}" for number in (5, 4, 3, 2, 1) for each in "ba"] == seen
