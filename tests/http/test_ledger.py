"""The ledger against a real mongod: durable before the answer, adopted after a crash, sealed, verified (decisions 20, 21)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhir_server.audit_event import ledger as room
from fhir_server.audit_event.ledger import Ledger
from fhir_server.audit_event.seals import verify
from fhir_server.foundation.problem import Problem
from tests.kit.ledgers import a_record, ids


def wait_until(true, seconds=8):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def kinds(database):
    return [each.kind for each in verify(database)]


def test_what_is_settled_is_in_the_ledger_and_the_ledger_is_sound(database, ledgers):
    ledger = ledgers()
    ledger.settle([a_record("a1"), a_record("a2")])
    ledger.settle([a_record("a3")])
    assert {"AuditEvent/a1", "AuditEvent/a2", "AuditEvent/a3"} == ids(database)
    assert [1, 2, 3] == [each["chain"]["seq"] for each in database.ledger.find().sort("chain.seq", 1)]
    assert [] == verify(database)


def test_many_threads_share_batches_and_one_chain(database, ledgers):
    ledger = ledgers()

    def work(name):
        for number in range(40):
            ledger.settle([a_record(f"{name}-{number}")])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 640 == len(ids(database))
    assert [ledger.writer] == database.ledger.distinct("chain.writer")
    assert [] == verify(database)


def test_a_sound_batch_costs_one_insert(ledgers, failing):
    ledger = ledgers()
    asked = failing(ledger, [], after=False)
    for name in ("a1", "a2", "a3"):
        ledger.settle([a_record(name), a_record(f"{name}-b")])
    assert [2, 2, 2] == asked


TAMPERED = [
    ("changed", lambda ledger: ledger.update_one({"_id": "AuditEvent/a2"}, {"$set": {"facts.patient": "paul"}})),
    (
        "changed",
        lambda ledger: ledger.update_one({"_id": "AuditEvent/a2"}, {"$set": {"entry.disclosed": ["Patient/lea"]}}),
    ),
    ("dropped", lambda ledger: ledger.delete_one({"_id": "AuditEvent/a2"})),
    ("dropped", lambda ledger: ledger.delete_one({"_id": "AuditEvent/a3"})),
    ("unchained", lambda ledger: ledger.insert_one({"_id": "AuditEvent/x", "facts": {}})),
]


@pytest.mark.parametrize(("kind", "tamper"), TAMPERED)
def test_tampering_is_found(database, ledgers, kind, tamper):
    ledger = ledgers()
    for name in ("a1", "a2", "a3"):
        ledger.settle([a_record(name)])
    assert 1 == ledger.seals.seal()
    tamper(database.ledger)
    assert [kind] == kinds(database)


def test_tampering_with_a_seal_is_found(database, ledgers):
    ledger = ledgers()
    ledger.settle([a_record("a1")])
    ledger.seals.seal()
    database.seals.update_one({"_id": 1}, {"$set": {"at": "2020-01-01T00:00:00.000Z"}})
    assert ["seal"] == kinds(database)


def test_labels_restamped_with_the_document_keep_the_ledger_sound(database, ledgers):
    facts = {"id": "DocumentReference/d1", "label": ["INVISIBLE_PATIENT"]}
    ledgers().settle([a_record("a1", about=(facts,)), a_record("a2", about=(facts,))])
    database.ledger.update_one({"_id": "AuditEvent/a1"}, {"$set": {"facts.label": ["N"]}})
    database.ledger.update_one({"_id": "AuditEvent/a2"}, {"$unset": {"facts.label": ""}})
    assert [] == verify(database)


def test_the_heads_of_all_chains_are_sealed_together_and_only_once(database, ledgers):
    one, two = ledgers(), ledgers()
    one.settle([a_record("a1")])
    two.settle([a_record("b1")])
    assert 1 == one.seals.seal()
    assert {one.writer, two.writer} == {head["writer"] for head in database.seals.find_one()["heads"]}
    assert two.seals.seal() is None or database.seals.count_documents({}) == 2
    two.settle([a_record("b2")])
    two.seals.seal()
    assert [] == verify(database)


def test_a_chain_begins_from_the_latest_seal(database, ledgers):
    first = ledgers()
    first.settle([a_record("a1")])
    first.stop()
    ledgers().settle([a_record("b1")])
    chain = database.ledger.find_one({"_id": "AuditEvent/b1"})["chain"]
    seal = database.seals.find_one({"_id": 1})
    assert (1, 1, seal["hash"]) == (chain["seq"], chain["seal"], chain["prev"])
    assert [] == verify(database)


def test_two_processes_that_seal_at_once_make_one_seal(database, ledgers):
    one, two = ledgers(), ledgers()
    one.settle([a_record("a1")])
    made = []
    threads = [threading.Thread(target=lambda each=each: made.append(each.seals.seal())) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == verify(database)
    assert 1 <= len([each for each in made if each]) <= 2


def test_a_settled_entry_is_carried_no_longer(database, ledgers):
    ledger = ledgers()
    records = [a_record("a1")]
    database.carried.insert_one({"_id": "e1", "at": datetime.now(UTC), "envelopes": records})
    ledger.settle(records, carried="e1")
    assert {"AuditEvent/a1"} == ids(database)
    wait_until(lambda: database.carried.count_documents({}) == 0)


def test_what_a_dead_process_carried_is_adopted_at_the_start(database, ledgers):
    database.carried.insert_many(
        [
            {"_id": f"e{n}", "at": datetime.now(UTC), "envelopes": [a_record(f"a{n}"), a_record(f"b{n}")]}
            for n in range(3)
        ]
    )
    ledgers()
    assert 6 == len(ids(database))
    wait_until(lambda: database.carried.count_documents({}) == 0)
    assert [] == verify(database)


def test_what_stays_carried_is_adopted_while_we_serve(database, ledgers, monkeypatch):
    monkeypatch.setattr(room, "ADOPT_EVERY", 0.2)
    ledgers()
    database.carried.insert_one({"_id": "e1", "at": datetime.now(UTC), "envelopes": [a_record("a1")]})
    wait_until(lambda: ids(database) == {"AuditEvent/a1"})


def test_an_entry_adopted_twice_and_settled_by_its_own_process_stands_once(database, ledgers):
    one, two, three = ledgers(), ledgers(), ledgers()
    for round_ in range(10):
        records = [a_record(f"r{round_}-{n}") for n in range(3)]
        database.carried.insert_one({"_id": f"e{round_}", "at": datetime.now(UTC), "envelopes": records})
        mine = [{name: value for name, value in each.items() if name != "chain"} for each in records]
        threads = [
            threading.Thread(target=one.adopt),
            threading.Thread(target=two.adopt),
            threading.Thread(target=three.settle, args=(mine, f"e{round_}")),
            threading.Thread(target=three.settle, args=([a_record(f"other-{round_}")],)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 40 == database.ledger.count_documents({})
    assert [] == verify(database)


@pytest.mark.parametrize("after", [False, True])
def test_a_database_that_comes_back_costs_time_and_nothing_else(database, ledgers, failing, after):
    ledger = ledgers()
    failing(ledger, [1, 2], after=after)
    ledger.settle([a_record("a1"), a_record("a2")])
    ledger.settle([a_record("a3")])
    assert 3 == len(ids(database))
    assert [] == verify(database)


def test_a_database_that_stays_away_is_503_and_never_an_endless_wait(database, ledgers, failing, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.5)
    ledger = ledgers()
    failures = list(range(1000))
    failing(ledger, failures, after=False)
    begun = time.monotonic()
    with pytest.raises(Problem) as refused:
        ledger.settle([a_record("a1")])
    assert (503, "1") == (refused.value.status, refused.value.headers["Retry-After"])
    assert time.monotonic() - begun < 5
    failures.clear()
    time.sleep(0.6)
    ledger.settle([a_record("a2")])
    assert "AuditEvent/a2" in ids(database)
    assert [] == verify(database)


def test_a_record_that_cannot_be_written_does_not_take_others_with_it(database, ledgers):
    ledger = ledgers()
    bad = a_record("bad")
    bad["dates"] = {"date": [{"lo": 2**63, "hi": 2**63}]}
    refused = []

    def settle(record):
        try:
            ledger.settle([record])
        except Problem as problem:
            refused.append((record["_id"], problem.status))

    threads = [threading.Thread(target=settle, args=(each,)) for each in (bad, *(a_record(f"a{n}") for n in range(8)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ([("AuditEvent/bad", 503)], 8) == (refused, len(ids(database)))
    assert [] == verify(database)


def test_a_full_queue_refuses_at_once(ledgers, monkeypatch):
    ledger = ledgers()
    monkeypatch.setattr(room, "WAITING", 0)
    with pytest.raises(Problem) as refused:
        ledger.settle([a_record("a1")])
    assert 503 == refused.value.status


def test_nothing_is_settled_before_the_start_or_after_the_stop(database):
    ledger = Ledger(database)
    ledger.prepare()
    with pytest.raises(Problem):
        ledger.settle([a_record("a1")])
    ledger.start()
    ledger.stop()
    with pytest.raises(Problem):
        ledger.settle([a_record("a2")])
    assert set() == ids(database)


def test_a_stop_drains_what_is_queued(database, ledgers, monkeypatch):
    ledger, settled, taken, told = ledgers(), [], [], threading.Event()
    real = ledger.book.write

    def held(tickets):
        taken.extend(tickets)
        told.wait(8)
        real(tickets)

    def settle(number):
        ledger.settle([a_record(f"a{number}")], carried=f"e{number}")
        settled.append(f"AuditEvent/a{number}")

    monkeypatch.setattr(ledger.book, "write", held)
    threads = [threading.Thread(target=settle, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(taken) + ledger._queue.qsize() == 50)
    told.set()
    ledger.stop()
    for thread in threads:
        thread.join()
    assert (50, set(settled)) == (len(settled), ids(database))
    assert [] == verify(database)


CHILD = """
import sys, threading
sys.path.insert(0, {root!r})
from tests.kit.ledgers import a_record
from fhir_server.audit_event.ledger import Ledger
from fhir_server.store.connection import connect
ledger = Ledger(connect({uri!r})[{name!r}])
ledger.prepare()
ledger.start()
said = threading.Lock()
def work(thread):
    for number in range(100_000):
        name = f"{{thread}}-{{number}}"
        ledger.settle([a_record(name)])
        with said:
            sys.stdout.write(f"AuditEvent/{{name}}\\n")
            sys.stdout.flush()
for thread in range(8):
    threading.Thread(target=work, args=(thread,)).start()
"""


def test_a_kill_9_loses_no_entry_that_was_acknowledged(database, mongo_uri, ledgers):
    program = CHILD.format(root=str(Path(__file__).parents[2]), uri=mongo_uri, name=database.name)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        acknowledged = [child.stdout.readline().strip() for _ in range(1_000)]
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read()
    acknowledged += rest.split("\n")[:-1]
    assert len(acknowledged) >= 1_000
    assert set() == set(acknowledged) - ids(database)
    ledgers().settle([a_record("after")])
    assert [] == verify(database)


def test_the_reads_of_a_record_use_an_index(database, ledgers):
    ledgers().settle([a_record(f"a{number}") for number in range(30)])
    for order in ("updated", "last.date"):
        found = (
            database.ledger.find({"type": "AuditEvent", "facts.patients": "lea"})
            .sort([(order, -1), ("_id", -1)])
            .limit(5)
        )
        stats = found.explain()["executionStats"]
        assert (5, 5) == (stats["nReturned"], stats["totalDocsExamined"])
