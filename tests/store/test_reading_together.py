"""Reads of one document that wait at the same time share a query, and nothing else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.write_concern import WriteConcern

from fhir_server.store import together as module
from fhir_server.store.bounded import Bounded
from fhir_server.store.shared_reads import documents
from fhir_server.store.together import MOST

SOME = 40


class Held:
    """A collection whose queries wait until they are let go; it notes what each asked for."""

    def __init__(self, collection):
        self.collection = collection
        self.gate = threading.Event()
        self.asked = []
        self.failing = None

    def some(self, where, wanted, limit):
        self.asked.append(limit)
        if not self.gate.wait(20):
            raise TimeoutError
        if self.failing is not None and limit > 1:
            raise self.failing
        return self.collection.some(where, wanted, limit)

    def find_one(self, where, wanted):
        return self.collection.find_one(where, wanted)


def bounded(database, name):
    return Bounded(database, name, lambda: 5_000, WriteConcern("majority"))


@pytest.fixture
def held(database):
    database["few"].insert_many([{"_id": f"T/{n}", "facts": {"n": [n]}, "aside": n} for n in range(SOME)])
    return Held(bounded(database, "few"))


def asked_at_once(held, together, ids):
    """What each got, all of them having waited for the first."""
    with ThreadPoolExecutor(len(ids)) as pool:
        first = pool.submit(together.one, ids[0])
        while not held.asked:
            pass
        rest = [pool.submit(together.one, each) for each in ids[1:]]
        while len(together._waiting) < len(rest):
            pass
        held.gate.set()
        return [each.exception() or each.result() for each in (first, *rest)]


def test_who_waits_goes_with_the_next_query_and_each_gets_his_own(held):
    together = documents(held, {"facts": 1})
    ids = [f"T/{n}" for n in range(8)] + ["T/none"]

    got = asked_at_once(held, together, ids)

    assert got == [*({"_id": f"T/{n}", "facts": {"n": [n]}} for n in range(8)), None]
    assert held.asked == [1, 8]


def test_one_query_asks_for_so_many_and_no_more(held):
    together = documents(held, {"facts": 1})

    got = asked_at_once(held, together, [f"T/{n}" for n in range(SOME)])

    assert [each["facts"]["n"] for each in got] == [[n] for n in range(SOME)]
    assert held.asked == [1, MOST, MOST, SOME - 1 - 2 * MOST]


def test_two_who_ask_for_the_same_hold_nothing_in_common(held):
    together = documents(held, {"facts": 1})

    _, one, other = asked_at_once(held, together, ["T/0", "T/1", "T/1"])

    assert one == other
    assert one["facts"] is not other["facts"]
    assert held.asked == [1, 1]


def test_who_shared_a_query_that_failed_asks_again_by_himself(held):
    together = documents(held, {"facts": 1})
    held.failing = AutoReconnect("cut")

    got = asked_at_once(held, together, ["T/0", "T/1", "T/2", "T/3"])

    failed = [each for each in got if isinstance(each, Exception)]
    assert len(failed) == 1, "only who asked for all of them is told of it"
    assert {each["_id"] for each in got if isinstance(each, dict)} | {"T/1"} == {"T/0", "T/1", "T/2", "T/3"}
    assert together.one("T/5")["_id"] == "T/5"


def test_an_error_of_a_query_alone_is_its_own(database):
    refused = OperationFailure("no")

    class Refusing:
        def some(self, where, wanted, limit):
            raise refused

    together = documents(Refusing(), {"facts": 1})
    for _ in range(2):
        with pytest.raises(OperationFailure):
            together.one("T/1")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)


def test_who_waits_for_a_query_that_never_returns_asks_in_its_place(held, impatient):
    """Its connection is dead, say: what another asked on it is none of theirs."""
    together = documents(held, {"facts": 1})
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(together.one, "T/0")
        while not held.asked:
            pass
        gate, held.gate = held.gate, threading.Event()
        held.gate.set()
        rest = [pool.submit(together.one, f"T/{n}") for n in range(1, 9)]
        try:
            assert [each.result(5)["_id"] for each in rest] == [f"T/{n}" for n in range(1, 9)]
        finally:
            gate.set()
        assert first.result(5)["_id"] == "T/0"
    assert together.one("T/9")["_id"] == "T/9"


def test_who_went_with_a_query_that_never_returns_asks_again_by_himself(held, impatient):
    together = documents(held, {"facts": 1})
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(together.one, "T/0")
        while not held.asked:
            pass
        rest = [pool.submit(together.one, each) for each in ("T/1", "T/2")]
        while len(together._waiting) < len(rest):
            pass
        gate, held.gate = held.gate, threading.Event()
        gate.set()  # the first is answered; of the others one asks for both, and waits
        assert first.result(5)["_id"] == "T/0"
        while len(held.asked) < 2:
            pass
        gate, held.gate = held.gate, threading.Event()
        held.gate.set()
        try:
            while not any(each.done() for each in rest):
                pass
        finally:
            gate.set()
        assert [each.result(5)["_id"] for each in rest] == ["T/1", "T/2"]


def test_a_lead_that_was_handed_to_who_is_gone_is_taken_up(held, impatient):
    """A signal interrupted him while he waited."""
    together = documents(held, {"facts": 1})
    held.gate.set()
    together._under_way = True

    assert together.one("T/1")["_id"] == "T/1"
    assert not together._under_way


def test_each_sees_what_was_written_before_he_asked(database):
    """Writers and readers at once: nobody is answered by a query that was sent before he asked."""
    counted = bounded(database, "counted")
    counted.insert_many([{"_id": f"T/{n}", "n": 0} for n in range(4)])
    together = documents(counted, {"n": 1})
    stale = []

    def write_and_read(number):
        for turn in range(1, 60):
            counted.update_one({"_id": f"T/{number}"}, {"$set": {"n": turn}})
            for each in range(4):
                together.one(f"T/{each}")
            if together.one(f"T/{number}")["n"] != turn:
                stale.append((number, turn))

    threads = [threading.Thread(target=write_and_read, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert not stale
