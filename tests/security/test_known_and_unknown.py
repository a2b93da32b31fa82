"""Known and unknown are answered alike: the same work is done, and the same sentences come (decisions 17).

What is counted is what is asked of MongoDB by the request's own thread, and how often a password is hashed; `python -m
bench.alike` measures the time.
"""

from __future__ import annotations

import re
import threading

import pytest
from pymongo import monitoring

from bench.alike import NUMBER, WAYS, browser
from fhir_server.smart import accounts
from tests.kit.application import application


class Work(monitoring.CommandListener):
    """What this thread asks of MongoDB: the command and the collection."""

    def __init__(self):
        self.done, self.thread = [], threading.get_ident()

    def started(self, event):
        if threading.get_ident() == self.thread:
            self.done.append((event.command_name, event.command.get(event.command_name)))

    def succeeded(self, event): ...

    def failed(self, event): ...


class Hasher:
    """The hasher, which also counts."""

    def __init__(self, hasher, work):
        self.hasher, self.work = hasher, work

    def __getattr__(self, name):
        self.work.done.append(("argon2", name))
        return getattr(self.hasher, name)


@pytest.fixture(scope="module")
def served(mongo_uri, mongo_client):
    work = Work()
    heard = monitoring._LISTENERS.command_listeners
    heard.append(work)
    try:
        with application(mongo_uri, mongo_client) as app:
            yield app, work
    finally:
        heard.remove(work)


def answered(served, path, form):
    app, work = served
    client, csrf = browser(app, path)
    work.done.clear()
    work.thread = threading.get_ident()
    answer = client.post(path, data={**form, "csrf": csrf})
    done = list(work.done)
    page = re.sub(r'name="csrf" value="[^"]*"', "", answer.get_data(as_text=True))
    for value in form.values():
        page = page.replace(value, "x")
    return (answer.status_code, answer.headers.get("Location"), page), done, client


@pytest.mark.parametrize("name", WAYS)
def test_the_same_work_is_done_and_the_same_is_said(served, name, monkeypatch):
    monkeypatch.setattr(accounts, "HASHER", Hasher(accounts.HASHER, served[1]))
    way = WAYS[name]
    known, work, _ = answered(served, way.path, way.known)
    unknown, other, _ = answered(served, way.path, way.unknown)

    assert known == unknown
    assert work == other
    assert len([each for each in work if "argon2" in each]) == (name == "sign-in")
    assert len(work) > 3


def test_a_wrong_code_of_recovery_costs_the_same(served):
    done = []
    for identifier in ("paul", "zoe"):
        _, _, client = answered(served, "/auth/forgotten-password", {"identifier": identifier, "number": NUMBER})
        page = client.get("/auth/recovery-code").get_data(as_text=True)
        csrf = re.search(r'name="csrf" value="([^"]*)"', page)[1]
        served[1].done.clear()
        assert 200 == client.post("/auth/recovery-code", data={"csrf": csrf, "code": "x"}).status_code
        done.append(list(served[1].done))
    assert done[0] == done[1] != []


def test_what_is_written_for_nobody_goes_nowhere(served, mongo_client):
    answered(served, "/auth/forgotten-password", {"identifier": "zoe", "number": NUMBER})
    app, _ = served
    shown = app.test_client().get("/sandbox/outbox.json").json
    assert not [each for each in shown if each["channel"] == "nobody"]


def test_who_is_known_is_sent_what_was_asked_for(served):
    app, _ = served
    app.extensions["smart"].records.creation_codes.drop()  # as many as there may be are on their way
    for name in ("forgotten password", "forgotten identifier", "creation code by mail", "creation code by post"):
        before = app.test_client().get("/sandbox/outbox.json").json
        answered(served, WAYS[name].path, WAYS[name].known)
        assert len(before) < len(app.test_client().get("/sandbox/outbox.json").json), name
