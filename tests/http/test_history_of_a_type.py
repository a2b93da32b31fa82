"""The history of a type: what may be seen of what was and still is, or was deleted (rows 30, 31 and 33)."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.world import BASE, label, submission

OPERATOR = people.operator()
MASK = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]


def observed(id_, value="1"):
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/lea"},
        "valueString": value,
    }


def lived(world):
    """Two resources with five versions, one of them deleted; one version each minute from ten o'clock on."""
    for what in (observed("a"), observed("b"), observed("a", "2"), None, observed("a", "3")):
        if what is None:
            world.ask(OPERATOR, "DELETE", "Observation/b")
        else:
            world.put(what)
        world.pass_time(minutes=1)


def told(answered):
    """`id/version` of each entry."""
    return [
        f"{each['fullUrl'].rsplit('/', 1)[1]}/{each['response']['etag'][3:-1]}"
        for each in answered.json.get("entry", ())
    ]


def walked(world, url, who=OPERATOR):
    seen = []
    while url:
        got = world.ask(who, "GET", url)
        assert 200 == got.status, got.json
        seen.append(told(got))
        url = next(
            (each["url"].removeprefix(f"{BASE}/") for each in got.json["link"] if each["relation"] == "next"), None
        )
    return seen


def test_the_history_of_a_type_is_newest_first_and_tells_of_deletions(world):
    """Rows 30 and 33."""
    lived(world)
    got = world.ask(OPERATOR, "GET", "Observation/_history")

    assert ("history", 5, ["a/3", "b/2", "a/2", "b/1", "a/1"]) == (got.json["type"], got.json["total"], told(got))
    assert ["PUT", "DELETE", "PUT", "PUT", "PUT"] == [each["request"]["method"] for each in got.json["entry"]]
    assert ["200", "204", "200", "201", "201"] == [each["response"]["status"] for each in got.json["entry"]]
    assert [True, False, True, True, True] == ["resource" in each for each in got.json["entry"]]


def test_what_was_made_again_was_made(world):
    """Row 30."""
    lived(world)
    world.put(observed("b", "2"))
    got = world.ask(OPERATOR, "GET", "Observation/_history?_count=1")

    assert (["b/3"], "201") == (told(got), got.json["entry"][0]["response"]["status"])


@pytest.mark.parametrize("where", ["Observation/b/_history", "Observation/_history", "_history"])
def test_an_update_of_what_was_made_again_was_told_as_a_creation(world, where):
    """Row 30: of a resource that was made again, each update on the same page was 201 in the history of its type."""
    world.put(observed("b", "1"))
    world.put(observed("b", "2"))
    world.ask(OPERATOR, "DELETE", "Observation/b")
    world.pass_time(seconds=10)
    for value in ("3", "4"):
        world.put(observed("b", value))
    statuses = {"b/5": "200", "b/4": "201", "b/3": "204", "b/2": "200", "b/1": "201"}

    def answered(query):
        got = world.ask(OPERATOR, "GET", f"{where}?_count=100{query}")
        told = ((each["response"]["etag"], each) for each in got.json["entry"] if each["fullUrl"].endswith("/b"))
        return {f"b/{etag[3:-1]}": each["response"]["status"] for etag, each in told}

    assert statuses == answered("")
    assert {name: statuses[name] for name in ("b/5", "b/4")} == answered("&_since=2026-11-23T10:00:10Z")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_it_is_walked_page_by_page_while_others_write(world, count):
    """Row 31."""
    lived(world)
    first = world.ask(OPERATOR, "GET", f"Observation/_history?_count={count}")
    world.put(observed("c"))
    rest = walked(world, first.json["link"][1]["url"].removeprefix(f"{BASE}/"))

    assert ["a/3", "b/2", "a/2", "b/1", "a/1"] == [*told(first), *(each for page in rest for each in page)]
    assert "total" not in first.json


def test_versions_of_one_moment_are_walked_in_order(world):
    """Row 31: a clock that stands still loses nothing."""
    for value in range(12):
        world.put(observed("a", str(value)))

    assert [[f"a/{each}"] for each in range(12, 0, -1)] == walked(world, "Observation/_history?_count=1")


def test_since_and_at(world):
    """Row 31."""
    lived(world)
    for query, expected in {
        "_since=2026-11-23T10:02:00Z": ["a/3", "b/2", "a/2"],
        "_since=2099-01-01T00:00:00Z": [],
        "_at=2026-11-23T10:01:30Z": ["b/1", "a/1"],
        "_at=2026-11-23T10:02:30Z": ["a/2", "b/1"],
        "_at=2099": ["a/3", "b/2"],
        "_since=2026-11-23T10:01:00Z&_at=2026-11-23T10:02:30Z": ["a/2", "b/1"],
    }.items():
        assert expected == told(world.ask(OPERATOR, "GET", f"Observation/_history?{query}")), query
        assert expected == [each for page in walked(world, f"Observation/_history?{query}&_count=1") for each in page]


@pytest.mark.parametrize("query", ["_since=x", "_at=x", "_count=0", "_before=2", "_page=x", "_page=x&_page=y", "_list=x", "patient=lea"])  # fmt: skip
def test_what_cannot_be_read_is_refused(world, query):
    assert 400 == world.ask(OPERATOR, "GET", f"Observation/_history?{query}").status


def test_a_page_is_its_asker_s(world):
    """Row 73, for a history."""
    lived(world)
    url = world.ask(OPERATOR, "GET", "Observation/_history?_count=1").json["link"][1]["url"].removeprefix(f"{BASE}/")

    assert 400 == world.ask(people.holder(), "GET", url).status
    assert 400 == world.ask(OPERATOR, "GET", url.replace("_count=1", "_count=2")).status


def test_what_is_hidden_now_is_not_in_it_nor_what_it_was(world):
    """Decisions 16: current and past must both be visible."""
    world.ask(people.hospital(), "POST", "", submission())
    where = world.ask(people.holder(), "GET", "DocumentReference?patient=lea").ids[0]
    key = where.partition("/")[2]
    assert [f"{key}/1"] == told(world.ask(people.radiologist(), "GET", "DocumentReference/_history"))
    world.ask(people.holder(), "PATCH", where, MASK)
    for who, expected in ((people.radiologist(), []), (people.doctor(), [f"{key}/2", f"{key}/1"])):
        got = world.ask(who, "GET", "DocumentReference/_history")
        assert (len(expected), expected) == (got.json["total"], told(got))
    world.ask(people.holder(), "PATCH", where, [{"op": "remove", "path": "/securityLabel/1"}])
    # while it was masked it was not his to see
    assert [f"{key}/3", f"{key}/1"] == told(world.ask(people.radiologist(), "GET", "DocumentReference/_history"))


def test_each_record_that_is_disclosed_is_told_of_it(world):
    """Decisions 20."""
    lived(world)
    world.ask(people.doctor(), "GET", "Observation/_history")
    got = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=history-type").json

    assert (1, "0") == (got["total"], got["entry"][0]["resource"]["outcome"])
    assert [["Observation/a", "Observation/b"]] == [
        sorted(set(each["entry"]["disclosed"]))
        for each in world.house.shelf.ledger.find({"index": "AuditEvent.subtype=history-type"})
    ]


def test_somebody_without_standing_sees_nothing(world):
    lived(world)
    got = world.ask(people.professional("inconnu", "10000000005"), "GET", "Observation/_history")

    assert (200, 0, []) == (got.status, got.json["total"], told(got))
