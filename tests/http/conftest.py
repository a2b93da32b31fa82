"""Worlds for the interactions: an empty one, one with an open record; what runs a command; ledgers nobody serves."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from pymongo.errors import AutoReconnect

from fhir_server.audit_event.ledger import Ledger
from fhir_server.commands import main
from fhir_server.foundation.problem import problem
from fhir_server.sandbox.dossier import PLACE
from tests.kit import people
from tests.kit.cast import told_of_the_cast
from tests.kit.clinical import MASKED, observation
from tests.kit.world import World, opening


@pytest.fixture
def empty(database):
    """A server nobody has told anything."""
    made = World(database)
    yield made
    made.close()


@pytest.fixture
def world(empty):
    """Léa Martin's record, open: Dr Bernard is her médecin traitant, Dr Diallo may consult; and the CHU."""
    told_of_the_cast(empty)
    answers = opening(treatingPhysician="Practitioner/bernard", authorized=["Practitioner/diallo"])
    opened = empty.ask(people.holder(), "POST", "Patient/lea/$open-record", answers)
    assert opened.status == 200, opened.json
    return empty


@pytest.fixture
def record(world):
    """Three observations, one of them masked to professionals."""
    world.put(observation("o1", "2026-01-10"))
    world.put(observation("o2", "2026-02-10"))
    world.put(observation("o3", "2026-03-10", meta=MASKED))
    return world


@pytest.fixture
def run(mongo_uri, database, monkeypatch):
    monkeypatch.setenv("FHIR_SERVER_MONGO_URI", mongo_uri)

    def run(*arguments):
        return CliRunner().invoke(main, [*arguments, "--database", database.name])

    return run


@pytest.fixture
def loaded(run, tmp_path):
    """The Martins, loaded from the examples."""
    answer = run("load", str(PLACE), "--size", "100")
    assert answer.exit_code == 0, answer.output
    return answer


@pytest.fixture
def failing_carry(monkeypatch):
    """A ledger that takes nothing of what a transaction carries: what it tells of must not happen either."""

    @contextmanager
    def failing(world):
        with monkeypatch.context() as patched:
            patched.setattr(world.house.shelf, "carried", Broken())
            yield

    return failing


@pytest.fixture
def ledgers(database):
    """Starts ledgers; all are stopped after the test."""
    started = []

    def start(**_):
        ledger = Ledger(database)
        ledger.prepare()
        ledger.start()
        started.append(ledger)
        return ledger

    yield start
    for ledger in started:
        ledger.stop()


@pytest.fixture
def failing(monkeypatch):
    """Makes a ledger's insert fail as the database would, before or after it took the records; notes their numbers."""

    def install(ledger, failures, *, after):
        real, asked = ledger._ledger, []

        class Sometimes:
            def __getattr__(self, name):
                return getattr(real, name)

            def insert_many(self, documents, **more):
                asked.append(len(documents))
                if failures:
                    failures.pop()
                    if after:
                        real.insert_many(documents, **more)
                    raise AutoReconnect("gone")
                return real.insert_many(documents, **more)

        ledger._ledger = Sometimes()
        return asked

    return install


class Broken:
    """A collection that is not there."""

    def insert_one(self, *_, **__):
        raise problem(503, "transient", "the ledger cannot be written")
