"""A new resource upon which nothing hangs is written in the transaction of its ledger record (docs/adr/0025)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.errors import AutoReconnect

from fhir_server.audit_event.seals import verify
from fhir_server.foundation.problem import Problem
from fhir_server.store import along
from tests.kit import people
from tests.kit.clinical import MASKED, observation
from tests.kit.ledgers import a_record, ids


def one(number):
    made = observation(None, f"2026-03-{number % 28 + 1:02d}", note=[{"text": f"le {number}e"}])
    return {name: value for name, value in made.items() if value is not None}


def test_creates_at_once_are_each_stored_once_with_one_record_and_carry_nothing(world, monkeypatch):
    house, told = world.house, []
    monkeypatch.setattr(house.shelf.carried, "insert_one", lambda *_, **__: told.append(1), raising=False)
    before = house.shelf.ledger.count_documents({})
    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda n: world.ask(people.doctor(), "POST", "Observation", one(n)), range(64)))

    assert {201} == {each.status for each in answers}
    places = {each.headers["Location"].split("/fhir/")[1].split("/_history")[0] for each in answers}
    stored = {each["_id"] for each in house.shelf.resources.find({"type": "Observation"}, {"_id": 1})}
    assert (64, places) == (len(places), stored)
    assert before + 64 == house.shelf.ledger.count_documents({})
    assert [] == told
    assert [] == verify(house.shelf.database)


@pytest.mark.parametrize("after", [False, True])
def test_a_ledger_that_cannot_be_reached_for_a_moment_writes_what_came_along_once(database, ledgers, failing, after):
    ledger = ledgers()
    failing(ledger, [1, 2], after=after)
    ledger.settle([a_record("a1")], along=[("resources", {"_id": "Device/d1"})])
    assert ({"AuditEvent/a1"}, 1) == (ids(database), database.resources.count_documents({}))
    assert [] == verify(database)


def test_what_a_majority_did_not_take_leaves_neither_resource_nor_record(world, monkeypatch):
    """Decisions 20: a write and its entry are atomic; without the entry, 503 and nothing is written."""
    ledger = world.house.ledger
    monkeypatch.setattr("fhir_server.audit_event.ledger.PATIENCE", 0.5)

    def gone(*_):
        raise AutoReconnect("gone")

    before = world.house.shelf.ledger.count_documents({})
    with monkeypatch.context() as cut:
        cut.setattr(ledger.book, "_insert", gone)
        refused = world.ask(people.doctor(), "POST", "Observation", one(1))
    assert 503 == refused.status
    assert 0 == world.house.shelf.resources.count_documents({"type": "Observation"})
    assert before == world.house.shelf.ledger.count_documents({})
    assert 201 == world.ask(people.doctor(), "POST", "Observation", one(1)).status


def test_one_whose_id_is_there_already_is_refused_and_takes_nobody_with_it(database, ledgers):
    database.resources.insert_one({"_id": "Device/taken"})
    ledger = ledgers()
    refused = []

    def settle(name, document):
        try:
            ledger.settle([a_record(name)], along=[("resources", {"_id": document})])
        except Problem as problem:
            refused.append((name, problem.status))

    several = [("bad", "Device/taken"), *((f"a{n}", f"Device/{n}") for n in range(8))]
    threads = [threading.Thread(target=settle, args=each) for each in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ([("bad", 503)], 8, 9) == (refused, len(ids(database)), database.resources.count_documents({}))
    assert [] == verify(database)


@pytest.mark.parametrize(
    ("body", "carried"),
    [
        (one(1), False),
        ({**one(1), "derivedFrom": [{"reference": "Observation/o3"}]}, False),
        ({"resourceType": "Organization", "name": "une équipe qu'un Consent peut nommer"}, True),
        ({**one(1), "note": [{"text": "x" * along.LARGEST}]}, True),
    ],
    ids=["alone", "mentions another", "remembered by workers", "large"],
)
def test_only_what_nothing_hangs_upon_goes_along(record, monkeypatch, body, carried):
    told = []
    kept = record.house.shelf.carried
    real = kept.insert_one
    monkeypatch.setattr(kept, "insert_one", lambda *each, **more: told.append(1) or real(*each, **more), raising=False)
    answered = record.ask(people.operator(), "POST", body["resourceType"], body)
    assert (201, carried) == (answered.status, bool(told))


def test_what_mentions_a_masked_resource_is_shown_without_it_though_it_went_along(record):
    """Decisions 16: a mention of what is hidden leaves no trace, whoever wrote the mention."""
    body = {**one(1), "derivedFrom": [{"reference": "Observation/o3"}]}
    made = record.ask(people.operator(), "POST", "Observation", body)
    at = made.headers["Location"].split("/fhir/")[1].split("/_history")[0]
    seen = record.ask(people.radiologist(), "GET", at)
    assert (200, None) == (seen.status, seen.json.get("derivedFrom"))
    assert [] == record.ask(people.radiologist(), "GET", "Observation?patient=lea&derived-from=o3").json.get(
        "entry", []
    )
    shown = record.ask(people.holder(), "GET", at)
    assert "Observation/o3" == shown.json["derivedFrom"][0]["reference"]


def test_a_mask_set_while_a_mention_is_on_its_way_hides_it_all_the_same(record, monkeypatch):
    """Write skew: the mask commits after the facts were copied and before the copy is written."""
    ledger = record.house.ledger
    real = ledger.settle
    meta = {"security": MASKED["security"]}

    def settle(*args, along=(), **more):
        if along:
            monkeypatch.undo()
            record.put({**observation("o1", "2026-01-10"), "meta": meta})
        return real(*args, along=along, **more)

    monkeypatch.setattr(ledger, "settle", settle)
    made = record.ask(
        people.operator(), "POST", "Observation", {**one(1), "derivedFrom": [{"reference": "Observation/o1"}]}
    )
    at = made.headers["Location"].split("/fhir/")[1].split("/_history")[0]
    assert "derivedFrom" not in record.ask(people.radiologist(), "GET", at).json
    assert "derivedFrom" in record.ask(people.holder(), "GET", at).json
