"""A document that replaces another makes it `superseded`, whether or not the patch of it was sent along.

DMP-136; TD2.1 by ITI-65 and by ITI-105; MHD's UpdateDocumentRefs (IHE.MHD.Patch.Parameters).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.kit import people
from tests.kit.clinical import directives
from tests.kit.replacing import WAYS, alone, deposited, events, patching, replaces, sent, standing, with_patch

HOSPITAL, HOLDER, DOCTOR, OPERATOR = people.hospital(), people.holder(), people.doctor(), people.operator()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_replaced_is_superseded_though_nobody_sent_the_patch(world, way):
    """DMP-136."""
    old = deposited(world)
    made = WAYS[way](world, HOSPITAL, replaces(old))

    assert made.status in (200, 201), made.json
    assert 3 == len(made.json["entry"]) if way == "ITI-65" else made.json["status"] == "current"
    assert ("2", "superseded") == standing(world, old)
    found = world.ask(DOCTOR, "GET", "DocumentReference?patient=lea&status=current").json
    assert (1, old) == (found["total"], found["entry"][0]["resource"]["relatesTo"][0]["target"]["reference"])
    assert "current" == world.ask(OPERATOR, "GET", f"{old}/_history/1").json["status"]


def test_it_is_as_if_the_patch_had_been_sent_but_for_its_own_answer(world):
    first, second = deposited(world), deposited(world)
    world.pass_time(hours=1)
    began = world.now
    without = world.ask(HOSPITAL, "POST", "", sent(replaces(first)))
    world.pass_time(hours=1)
    later = world.now
    patched = world.ask(HOSPITAL, "POST", "", with_patch(sent(replaces(second)), patching(second)))

    assert [200, 200] == [without.status, patched.status]
    assert (3, 4) == (len(without.json["entry"]), len(patched.json["entry"]))
    assert ("2", "superseded") == standing(world, first) == standing(world, second)
    one, other = (world.ask(OPERATOR, "GET", each).json for each in (first, second))
    assert {"masterIdentifier", "id", "meta", "content"} >= {name for name in one if one[name] != other[name]}
    history = world.ask(OPERATOR, "GET", f"{first}/_history").json["entry"]
    assert ["PATCH", "POST"] == [each["request"]["method"] for each in history]

    told = events(world, began)
    assert [("110107", "C", "0")] * 2 == [(type_, action, outcome) for type_, _, action, outcome, _ in told]
    assert told[:1] == events(world, later), "the patch that was sent is in the one event as well"


def test_a_document_that_comes_alone_and_what_it_supersedes_are_both_on_record(world):
    """Decisions 20: one entry of the ledger, an event for each."""
    old = deposited(world)
    world.pass_time(hours=1)
    made = world.ask(HOSPITAL, "POST", "DocumentReference", alone(replaces(old)))
    new = f"DocumentReference/{made.json['id']}"

    told = events(world, world.now)
    assert sorted([("create", "C", "0", [new]), ("patch", "U", "0", [old])]) == sorted(each[1:] for each in told)


def test_entries_of_a_batch_supersede_each_for_itself(world):
    one, two = deposited(world), deposited(world)
    entries = [
        {"resource": alone(replaces(each)), "request": {"method": "POST", "url": "DocumentReference"}}
        for each in (one, "DocumentReference/nobody", two)
    ]
    told = world.ask(HOSPITAL, "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}).json["entry"]

    assert ["201", "404", "201"] == [each["response"]["status"][:3] for each in told]
    assert ["DocumentReference.relatesTo[0].target"] == told[1]["response"]["outcome"]["issue"][0]["expression"]
    assert ("2", "superseded") == standing(world, one) == standing(world, two)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_superseded_already_stays_as_it_is(world, way):
    old = deposited(world)
    for _ in range(2):
        assert WAYS[way](world, HOSPITAL, replaces(old)).status in (200, 201)
        assert ("2", "superseded") == standing(world, old)


def test_the_same_submission_sent_again_supersedes_nothing_anew(world):
    old, bundle = deposited(world), sent()
    bundle["entry"][1]["resource"]["relatesTo"] = replaces(old)
    first = deposited(world, bundle)
    back = [{"op": "replace", "path": "/status", "value": "current"}]
    assert 200 == world.ask(HOSPITAL, "PATCH", old, back).status

    assert first == deposited(world, bundle)
    assert ("3", "current") == standing(world, old)


def test_the_holder_replaces_what_he_deposited(world):
    """DMP-63: his own documents."""
    document = directives()
    old = f"DocumentReference/{world.ask(HOLDER, 'POST', 'DocumentReference', document).json['id']}"
    again = world.ask(HOLDER, "POST", "DocumentReference", {**document, "relatesTo": replaces(old)})

    assert (201, ("2", "superseded")) == (again.status, standing(world, old)), again.json


# --- what else the same transaction does


def test_it_is_superseded_with_the_deposit_or_not_at_all(world):
    """The unique id of the new one is taken: that is found when all is written."""
    old, taken = deposited(world), sent()
    deposited(world, taken)
    for way in ("", "DocumentReference"):
        body = sent(replaces(old)) if way == "" else alone(replaces(old))
        document = body["entry"][1]["resource"] if way == "" else body
        document["masterIdentifier"] = taken["entry"][1]["resource"]["masterIdentifier"]
        assert 409 == world.ask(HOSPITAL, "POST", way, body).status
        assert ("1", "current") == standing(world, old)


def test_what_another_entry_makes_of_it_is_to_be_superseded(world):
    old = deposited(world)
    told = world.ask(HOSPITAL, "POST", "", with_patch(sent(replaces(old)), patching(old, value="entered-in-error")))
    assert (422, ["Bundle.entry[1].resource.relatesTo[0].target"]) == (told.status, told.json["issue"][0]["expression"])
    assert ("1", "current") == standing(world, old)

    nothing = patching(old, value="current")
    told = world.ask(HOSPITAL, "POST", "", with_patch(sent(replaces(old)), nothing))
    assert (200, 4) == (told.status, len(told.json["entry"]))
    assert ("2", "superseded") == standing(world, old)


@pytest.mark.parametrize(("status", "answered"), [("superseded", 200), ("current", 422)])
def test_what_comes_with_what_replaces_it_comes_superseded(world, status, answered):
    bundle = sent()
    document = json.loads(json.dumps(sent()["entry"][1]))
    document["fullUrl"] = "urn:uuid:00000000-0000-4000-8000-000000000009"
    del document["resource"]["content"][0]["attachment"]["url"], document["resource"]["meta"]
    document["resource"]["status"] = status
    bundle["entry"][1]["resource"]["relatesTo"] = replaces(document["fullUrl"])

    assert answered == world.ask(HOSPITAL, "POST", "", with_patch(bundle, document)).status
    itself = sent()
    itself["entry"][1]["resource"]["relatesTo"] = replaces(itself["entry"][1]["fullUrl"])
    assert 422 == world.ask(HOSPITAL, "POST", "", itself).status


def test_what_the_same_bundle_reads_is_superseded(world):
    old = deposited(world)
    told = world.ask(OPERATOR, "POST", "", with_patch(sent(replaces(old)), {"request": {"method": "GET", "url": old}}))
    assert (4, "superseded") == (len(told.json["entry"]), told.json["entry"][3]["resource"]["status"])


def test_a_conditional_write_supersedes_when_it_makes_something(world):
    old, there = deposited(world), alone()
    found = f"identifier={there['masterIdentifier']['system']}|{there['masterIdentifier']['value']}"
    assert 201 == world.ask(HOSPITAL, "POST", "DocumentReference", there).status
    replacing = alone(replaces(old))
    told = world.ask(HOSPITAL, "POST", "DocumentReference", replacing, if_none_exist=found)
    assert (200, ("1", "current")) == (told.status, standing(world, old))

    told = world.ask(HOSPITAL, "PUT", "DocumentReference?identifier=urn:x|nothing", replacing)
    assert (201, ("2", "superseded")) == (told.status, standing(world, old)), told.json


def test_what_an_operator_puts_under_an_id_stands_as_he_says(world):
    """ADR 11: he loads what refers to what comes later, and what was replaced long ago says so itself."""
    old = deposited(world)
    world.put({**alone(replaces(old)), "id": "laid"})
    assert ("1", "current") == standing(world, old)


def test_of_two_that_replace_one_at_once_each_lands_and_it_is_superseded_once(world):
    old, barrier = deposited(world), Barrier(2)

    def go(bundle):
        barrier.wait()
        return world.ask(HOSPITAL, "POST", "", bundle).status

    with ThreadPoolExecutor(2) as pool:
        assert [200, 200] == list(pool.map(go, [sent(replaces(old)), sent(replaces(old))]))
    assert ("2", "superseded") == standing(world, old)
