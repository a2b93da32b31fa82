"""The copy of a record, and its destruction: nothing is left of it but the trace that it was destroyed (DMP-104, DMP-105)."""

from __future__ import annotations

import json
import re
from base64 import b64decode

import pytest
from gridfs import GridFSBucket

from fhir_server.audit_event.seals import Seals, verify
from fhir_server.foundation.problem import Problem
from fhir_server.interactions import retention
from fhir_server.store import destruction
from tests.http.test_life_of_a_record import at_once
from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.family import letter_of
from tests.kit.steps import closed, destroyed, existence, identity, opened_for, outbox
from tests.kit.world import BASE, submission

TEN_YEARS = 3_653


def deposited(world):
    told = world.ask(people.hospital(), "POST", "", submission())
    assert 200 == told.status, told.json


def pages(world, who, url):
    found = []
    while url:
        told = world.ask(who, "GET", url)
        assert 200 == told.status, told.json
        assert "searchset" == told.json["type"]
        found.append(told.json)
        url = next(
            (each["url"].removeprefix(f"{BASE}/") for each in told.json["link"] if each["relation"] == "next"), None
        )
    return found


def copied(world, who=None, count=3):
    told = pages(world, who or people.holder(), f"Patient/lea/$copy-record?_count={count}")
    return [entry["resource"] for page in told for entry in page.get("entry", ())]


@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_the_holder_copies_the_record_with_the_content_of_its_documents(world, is_closed):
    """DMP-105."""
    deposited(world)
    world.put(observation("o1", "2026-01-10"))
    world.put(letter_of("lea", "hidden", "INVISIBLE_PATIENT"))
    if is_closed:
        closed(world)

    found = copied(world)

    kinds = {each["resourceType"] for each in found}
    assert {"Patient", "Consent", "DocumentReference", "Binary", "List", "Observation", "Organization"} <= kinds
    content = next(each for each in found if each["resourceType"] == "Binary")
    assert b"%PDF-1.4 lettre" == b64decode(content["data"])
    assert "hidden" not in {each["id"] for each in found}
    ids = [
        (each["resourceType"], each["id"])
        for each in found
        if each["resourceType"] not in ("Organization", "Practitioner")
    ]
    assert len(ids) == len(set(ids))


def test_a_copy_is_on_record(world):
    before = world.house.shelf.ledger.count_documents({})
    copied(world, count=100)

    last = world.house.shelf.ledger.find_one(sort=[("chain.seal", -1), ("chain.seq", -1)])
    assert before + 1 == world.house.shelf.ledger.count_documents({})
    assert "Patient/lea" in last["entry"]["disclosed"]


def test_a_page_ends_where_it_has_enough_content_and_the_next_goes_on(world, monkeypatch):
    deposited(world)
    whole = {(each["resourceType"], each["id"]) for each in copied(world, count=100)}
    monkeypatch.setattr("fhir_server.interactions.operations.copy_record.ENOUGH", 1)

    assert whole == {(each["resourceType"], each["id"]) for each in copied(world, count=100)}


def test_nobody_copies_another_s_record(world):
    for who in (people.doctor(), people.radiologist(), people.hospital()):
        known, unknown = (world.ask(who, "GET", f"Patient/{each}/$copy-record") for each in ("lea", "nobody"))
        assert (403, known.json) == (unknown.status, unknown.json)
    assert 404 == world.ask(people.holder("paul"), "GET", "Patient/lea/$copy-record").status
    assert 400 == world.ask(people.holder(), "GET", "Patient/lea/$copy-record?_count=0").status
    assert copied(world, people.operator())


# --- destruction


@pytest.fixture
def over(world):
    """A record with a document and its content, that was closed ten years ago."""
    deposited(world)
    world.put(observation("o1", "2026-01-10"))
    world.put(observation("o1", "2026-01-11"))
    world.ask(people.doctor(), "GET", "Observation?patient=lea")
    world.ask(people.hospital(), "POST", "Observation", {})
    closed(world)
    world.pass_time(days=TEN_YEARS)
    return world


def left(world):
    """Where the record is still told of, the trace of its destruction and the notice of it apart."""
    database, found = world.house.shelf.database, []
    for name in database.list_collection_names():
        if name in ("invalidations", "leases"):
            continue
        for each in database[name].find({}):
            told = json.dumps(each, default=str, ensure_ascii=False)
            if re.search(rf"\blea\b|Léa|{people.INS}", told):
                found.append((name, told))
    return found


def test_nothing_is_left_but_that_it_was_destroyed(over):
    """DMP-104."""
    assert 1 == over.house.shelf.database["blobs.files"].count_documents({})

    assert 200 == destroyed(over).status

    found = left(over)
    assert ["ledger", "outbox"] == sorted(name for name, _ in found), [told[:300] for _, told in found]
    trace = next(told for name, told in found if name == "ledger")
    assert "write.destruction" in trace
    assert "détruit" in next(json.loads(told)["text"] for name, told in found if name == "outbox")
    assert [] == list(GridFSBucket(over.house.shelf.database, "blobs").find({}))
    assert 0 == over.house.shelf.database["blobs"].count_documents({})
    assert {} == existence(over)
    for who in (people.operator(), people.holder(), people.doctor()):
        assert 404 == over.ask(who, "GET", "Patient/lea").status
        assert 404 == over.ask(who, "GET", "Observation/o1").status
    assert 404 == destroyed(over).status


def test_the_ledger_still_holds_together_and_an_emptied_trace_is_no_way_to_change_one(over):
    """DMP-153: traces are kept as long as the record; docs/adr/0029."""
    before = over.house.shelf.ledger.count_documents({})
    destroyed(over)
    database, ledger = over.house.shelf.database, over.house.shelf.ledger
    Seals(database, over.house.clock).seal()

    assert [] == verify(database)
    assert before + 1 == ledger.count_documents({})
    empty = ledger.find_one({"emptied": {"$exists": True}})
    ledger.update_one({"_id": empty["_id"]}, {"$set": {"facts.class": ["audit", "x"]}})
    assert ["changed"] == [each.kind for each in verify(database)]
    ledger.replace_one({"_id": empty["_id"]}, empty)
    ledger.update_one({"_id": empty["_id"]}, {"$set": {"emptied.digest": "0" * 64}})
    assert ["changed"] == [each.kind for each in verify(database)]
    ledger.replace_one({"_id": empty["_id"]}, empty)
    ledger.update_one({"_id": empty["_id"]}, {"$set": {"emptied.entry": "none"}})
    assert ["changed"] == [each.kind for each in verify(database)]
    ledger.replace_one({"_id": empty["_id"]}, empty)
    assert [] == verify(database)


def test_an_operator_reads_the_ledger_across_what_was_emptied(over):
    destroyed(over)

    told = over.ask(people.operator(), "GET", "AuditEvent?_count=100&_sort=date")
    assert 200 == told.status
    assert all(each["resource"]["source"] for each in told.json["entry"] if each["search"]["mode"] == "match")


def test_the_record_of_somebody_else_is_left_alone(over):
    told = opened_for(over, people.doctor(), patient=other(), email="paul@example.org")
    paul = told.headers["Location"].split("/Patient/")[1].partition("/")[0]
    over.put({**letter_of(paul, "of-paul", None), "context": {"related": [{"reference": "Observation/o1"}]}})
    before = over.ask(people.holder(paul), "GET", f"Patient/{paul}/$everything").json["entry"]

    destroyed(over)

    after = over.ask(people.holder(paul), "GET", f"Patient/{paul}/$everything").json["entry"]
    assert len(before) == len(after)
    assert [] == verify(over.house.shelf.database)


def test_the_same_ins_opens_a_new_record_afterwards(over):
    destroyed(over)

    assert 201 == opened_for(over, people.doctor()).status


@pytest.mark.parametrize("who", [people.holder(), people.doctor(), people.hospital()], ids=["holder", "doctor", "chu"])
def test_nobody_but_the_operator_destroys(over, who):
    assert destroyed(over, who, demanded=True).status in (403, 404)
    assert 200 == over.ask(people.holder(), "GET", "Patient/lea").status


def test_a_record_is_kept_until_the_day(over):
    over.pass_time(days=-2)
    assert 403 == destroyed(over).status
    assert [] == retention.due(over.house)
    over.pass_time(days=2)
    assert ["lea"] == retention.due(over.house)


def test_an_open_record_is_409_and_a_closed_one_is_destroyed_at_the_holder_s_demand(world):
    assert 409 == destroyed(world, demanded=True).status
    closed(world)
    assert 403 == destroyed(world).status
    assert 200 == destroyed(world, demanded=True).status
    assert 404 == world.ask(people.holder(), "GET", "Patient/lea").status


@pytest.mark.parametrize("at", ["outbox", "blobs", "ledger", "row"])
def test_a_destruction_that_was_cut_goes_on(over, monkeypatch, at):
    """Absent to everybody from its first moment; asked again, or by the next round, it is finished."""
    broken = {
        "outbox": "fhir_server.notices.outbox.Outbox.forget_record",
        "blobs": "fhir_server.store.blobs.Blobs.remove",
        "ledger": "fhir_server.interactions.operations.destroy_record.emptied",
        "row": "fhir_server.store.destruction._remove",
    }[at]
    with monkeypatch.context() as patched:
        patched.setattr(broken, cut)
        with pytest.raises(Cut):
            destroyed(over)
    assert 404 == over.ask(people.holder(), "GET", "Patient/lea").status
    assert ["lea"] == destruction.unfinished(over.house.shelf) == retention.due(over.house)

    retention.destroy(over.house, "lea", BASE)

    assert [] == retention.due(over.house)
    assert [] == [name for name, _ in left(over) if name not in ("ledger", "outbox")]
    assert [] == verify(over.house.shelf.database)


def test_a_round_destroys_what_is_due_by_the_same_rules(over):
    assert ["lea"] == retention.due(over.house)
    retention.destroy(over.house, "lea", BASE)
    assert [] == retention.due(over.house)
    with pytest.raises(Problem) as gone:
        retention.destroy(over.house, "lea", BASE)
    assert 404 == gone.value.status


def test_a_ledger_that_fails_destroys_nothing(over, failing_carry):
    with failing_carry(over):
        assert destroyed(over).status >= 500
    assert 200 == over.ask(people.holder(), "GET", "Patient/lea").status
    assert [] == destruction.unfinished(over.house.shelf)


def test_of_two_destructions_at_once_nothing_is_left(over):
    told = at_once(lambda: destroyed(over).status, lambda: destroyed(over).status)

    assert 200 in told
    assert set(told) <= {200, 404}
    assert [] == retention.due(over.house)


def test_the_holder_is_told_of_the_destruction(over):
    """DMP-107."""
    destroyed(over)

    assert ["Votre dossier médical partagé est détruit"] == [each["subject"] for each in outbox(over)]


class Cut(Exception):
    """The process ended here."""


def cut(*_, **__):
    raise Cut


def other():
    return identity(identifier=[{"use": "official", "system": people.INS_SYSTEM, "value": "181096912300276"}])
