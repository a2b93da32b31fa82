"""The state of a sandbox: what is loaded, once; the mark that keeps real data away; the clock that all workers share."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from fhir_server.foundation.uuid7 import uuid7
from fhir_server.sandbox import dossier, initial
from fhir_server.sandbox.clock import SandboxClock
from fhir_server.sandbox.mark import claim, is_marked, kept
from fhir_server.store.changes import Changes
from fhir_server.store.connection import EngineFault
from fhir_server.store.freshness import Freshness
from fhir_server.store.shelf import Shelf


@pytest.fixture
def worker(database):
    """Makes workers of one server: their freshness and their changes."""
    Shelf(database).prepare()
    made = []

    def worker():
        freshness = Freshness(database, f"w{len(made)}")
        freshness.prepare()
        freshness.start()
        made.append(freshness)
        return freshness, Changes(Shelf(database), freshness, lambda: datetime.now(UTC), uuid7)

    yield worker
    for freshness in made:
        freshness.stop()


def test_the_whole_dossier_is_there_after_the_first_start_and_is_written_once(database, worker):
    _, changes = worker()
    signed_on = []
    assert initial.load(database, changes, sign_ons=lambda: signed_on.append(1)) is True
    assert database["resources"].count_documents({}) == len(dossier.resources())
    assert {each["version"] for each in database["resources"].find()} == {1}
    assert initial.load(database, changes, sign_ons=lambda: signed_on.append(2)) is False
    assert signed_on == [1]
    binary = database["resources"].find_one({"_id": "Binary/paul-consultation"})
    assert binary["facts"]["about"] == ["DocumentReference/paul-consultation"]
    assert binary["facts"]["patient"] == "paul-martin"


def test_workers_that_start_together_load_it_once(database, worker):
    workers = [worker() for _ in range(3)]
    done = []
    threads = [threading.Thread(target=lambda c=c: done.append(initial.load(database, c))) for _, c in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [False, False, True]
    assert database["resources"].count_documents({}) == len(dossier.resources())


def test_a_load_that_failed_is_taken_up_again(database, worker):
    _, changes = worker()

    def fail():
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        initial.load(database, changes, sign_ons=fail)
    assert initial.load(database, changes) is True
    assert database["resources"].count_documents({}) == len(dossier.resources())


def test_emptied_and_loaded_again_it_is_as_at_first_and_every_worker_forgot(database, worker):
    freshness, changes = worker()
    other, _ = worker()
    forgotten = []
    other.on("record", forgotten.append)
    initial.load(database, changes)
    database["resources"].delete_one({"_id": "Patient/lea-martin"})
    database["outbox"].insert_one({"_id": "n"})
    database["smart_keys"].insert_one({"_id": "k"})
    forgotten.clear()
    initial.empty(database, freshness)
    assert "" in forgotten
    assert database["resources"].count_documents({}) == 0
    assert database["outbox"].count_documents({}) == 0
    assert database["smart_keys"].count_documents({}) == 1
    assert initial.load(database, changes) is True
    assert database["resources"].find_one({"_id": "Patient/lea-martin"})["version"] == 1


def test_a_database_with_real_data_is_never_taken_for_a_sandbox(database):
    database["resources"].insert_one({"_id": "Patient/real"})
    with pytest.raises(EngineFault, match="is not a sandbox's"):
        claim(database)
    assert not is_marked(database)


def test_an_empty_database_becomes_one_and_stays_one(database):
    claim(database)
    database["resources"].insert_one({"_id": "Patient/x"})
    claim(database)
    assert is_marked(database)


def test_what_a_sandbox_keeps_is_drawn_once(database):
    assert kept(database, "secret", lambda: {"secret": "a"}) == {"secret": "a"}
    assert kept(database, "secret", lambda: {"secret": "b"}) == {"secret": "a"}


def test_a_moved_clock_is_moved_for_every_worker_when_the_answer_comes(database, worker):
    mine, others = (SandboxClock(database, worker()[0]) for _ in range(2))
    mine.move(datetime.now(UTC) + timedelta(days=30))
    assert others() - datetime.now(UTC) > timedelta(days=29)
    late = SandboxClock(database, worker()[0])
    late.read()
    assert late() - datetime.now(UTC) > timedelta(days=29)
    mine.reset()
    assert abs(others() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("collection", ["smart_clients", "smart_accounts"])
def test_a_database_in_which_somebody_is_registered_is_no_sandboxs(database, collection):
    """Decision 4: before its first record, a server already has the clients and accounts it was given."""
    database[collection].insert_one({"_id": "real"})
    with pytest.raises(EngineFault, match="is not a sandbox's"):
        claim(database)
    assert not is_marked(database)
