"""Who waits for the ledger hears of it, in whatever order the others are told, or lose patience (decisions 20)."""

from __future__ import annotations

import threading
import time

import pytest

from fhir_server.audit_event import ledger as room
from fhir_server.foundation.problem import Problem
from tests.kit.ledgers import a_record


def settling(ledger, names, told):
    """Threads that each settle a record with a document of its own; what became of each is `told`."""

    def settle(name):
        try:
            ledger.settle([a_record(name)], along=[("apart", {"_id": name})])
            told[name] = "written"
        except Problem as refused:
            told[name] = refused.status

    threads = [threading.Thread(target=settle, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    return threads


def held_up(monkeypatch, ledger, seconds):
    """The writing of batches, each of them as much later."""
    write = ledger.book.write
    monkeypatch.setattr(ledger.book, "write", lambda tickets: (time.sleep(seconds), write(tickets)))


def a_ticket(until=1.0):
    made = room._Ticket([], [("apart", {})], until)
    made.done.acquire()
    return made


@pytest.mark.parametrize("readers", [0, 3])
def test_all_of_one_batch_are_told(database, ledgers, monkeypatch, readers):
    ledger, told = ledgers(), {}
    held_up(monkeypatch, ledger, 0.2)
    reading = [threading.Thread(target=ledger.settle, args=([a_record(f"r{number}")],)) for number in range(readers)]
    for thread in reading:
        thread.start()
    for thread in (*reading, *settling(ledger, [f"w{number}" for number in range(40)], told)):
        thread.join(room.PATIENCE / 2)
        assert not thread.is_alive()

    assert {"written"} == set(told.values())
    assert 40 == len(told) == database.apart.count_documents({})


def test_who_gives_up_waiting_keeps_nobody_from_hearing(ledgers, monkeypatch):
    """Some of a batch lose patience just when the others are told."""
    ledger, told = ledgers(), {}
    held_up(monkeypatch, ledger, 0.4)
    settling(ledger, ["first"], {})
    time.sleep(0.1)  # whoever comes now waits for the next batch, some 0.7 seconds
    monkeypatch.setattr(room, "PATIENCE", 0.7)
    hasty = settling(ledger, [f"h{number}" for number in range(5)], told)
    time.sleep(0.1)
    monkeypatch.setattr(room, "PATIENCE", 5)
    patient = settling(ledger, [f"p{number}" for number in range(5)], told)
    for thread in (*hasty, *patient):
        thread.join(4)

    assert ["written"] * 5 == [told[f"p{number}"] for number in range(5)]
    assert 10 == len(told)


def test_who_gave_up_before_is_left_out_of_the_line(ledgers):
    first, gone, last = a_ticket(), a_ticket(until=0.0), a_ticket()
    ledgers()._wake([first, gone, last])

    assert first.then is last
    assert first.done.acquire(timeout=0)
    assert not last.done.acquire(timeout=0)


def test_who_gives_up_within_the_line_passes_it_on(ledgers, monkeypatch):
    ledger, after = ledgers(), a_ticket()
    monkeypatch.setattr(room, "PATIENCE", 0.3)
    monkeypatch.setattr(ledger.book, "write", lambda tickets: setattr(tickets[0], "then", after) or time.sleep(0.6))
    with pytest.raises(Problem):
        ledger.settle([a_record("a1")], along=[("apart", {"_id": "a1"})])

    assert after.done.acquire(timeout=1)
