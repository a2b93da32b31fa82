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
from tests.kit.cast import observed, opened
from tests.kit.copies import copy_of
from tests.kit.world import World


@pytest.fixture
def empty(database):
    """A server nobody has told anything."""
    made = World(database)
    yield made
    made.close()


@pytest.fixture(scope="session")
def opened_once(mongo_client):
    return copy_of(mongo_client, opened)


@pytest.fixture(scope="session")
def observed_once(mongo_client):
    return copy_of(mongo_client, observed)


@pytest.fixture
def world(opened_once, database):
    """A server beside a record that is `opened`."""
    made = opened_once.world(database)
    yield made
    made.close()


@pytest.fixture
def record(observed_once, database):
    """A server beside a record in which something was `observed`."""
    made = observed_once.world(database)
    yield made
    made.close()


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
        real, asked = ledger.book._ledger, []

        class Sometimes:
            def __getattr__(self, name):
                return getattr(real, name)

            def put(self, documents):
                return self._do(real.put, documents)

            def insert_many(self, documents, **more):
                return self._do(real.insert_many, documents, **more)

            def _do(self, put, documents, **more):
                asked.append(len(documents))
                if failures:
                    failures.pop()
                    if after:
                        put(documents, **more)
                    raise AutoReconnect("gone")
                return put(documents, **more)

        ledger.book._ledger = Sometimes()
        return asked

    return install


class Broken:
    """A collection that is not there."""

    def insert_one(self, *_, **__):
        raise problem(503, "transient", "the ledger cannot be written")
