"""Health: alive while the process runs, ready while the record can be reached; neither tells of what is stored."""

import contextlib
import time

import pytest
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.read_preferences import Nearest

from fhir_server.store.connection import connect
from fhir_server.store.engine import Engine
from tests.kit.application import application


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, sandbox=False) as made:
        yield made


def test_it_is_alive_and_ready_without_a_token(app):
    client = app.test_client()
    assert (200, {"status": "live"}) == (client.get("/health/live").status_code, client.get("/health/live").json)
    assert (200, {"status": "ready"}) == (client.get("/health/ready").status_code, client.get("/health/ready").json)
    assert b"" == client.head("/health/ready").data


@pytest.mark.parametrize("part", ["lease", "database"])
def test_it_is_alive_but_not_ready_while_the_database_does_not_answer(app, monkeypatch, part):
    def silent(*_, **__):
        raise ServerSelectionTimeoutError("mongodb://user:secret@10.0.0.1:27017")

    house = app.extensions["house"]
    if part == "lease":
        monkeypatch.setattr(house.freshness, "check", silent)
    else:
        monkeypatch.setattr(type(house.shelf.database), "command", silent)
    client = app.test_client()

    ready = client.get("/health/ready")
    assert (503, "unready") == (ready.status_code, ready.json["status"])
    assert "secret" not in ready.text
    assert "10.0.0.1" not in ready.text
    assert 200 == client.get("/health/live").status_code


def test_it_is_not_ready_while_the_database_answers_and_takes_no_writes(tmp_path):
    """Just after its engine was started again, for one: whatever is asked then could not be put on record."""
    engine = Engine.start(tmp_path)
    client = connect(engine.uri)
    try:
        with application(engine.uri, client, sandbox=False) as made:
            asked = made.test_client()
            assert 200 == asked.get("/health/ready").status_code
            with contextlib.suppress(PyMongoError):
                client.admin.command("replSetStepDown", 60, force=True)
            told = asked.get("/health/ready")
            assert (503, "unready") == (told.status_code, told.json["status"])
            client.admin.command("replSetFreeze", 0, read_preference=Nearest())
            deadline = time.monotonic() + 60
            while asked.get("/health/ready").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        client.close()
        engine.stop()


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_can_only_be_read(app, method, path):
    assert 405 == app.test_client().open(path, method=method).status_code


def test_nothing_else_is_under_health(app):
    for path in ("/health", "/health/", "/health/db", "/health/live/x"):
        answered = app.test_client().get(path)
        assert 404 == answered.status_code
        assert "OperationOutcome" == answered.json["resourceType"]


def test_it_leaves_no_entry_in_the_ledger(app):
    ledger = app.extensions["house"].shelf.database["ledger"]
    before = ledger.count_documents({})
    app.test_client().get("/health/live")
    app.test_client().get("/health/ready")
    assert before == ledger.count_documents({})
