"""What is answered past Flask's routes is answered as Flask would have: status, headers and bytes."""

from __future__ import annotations

import json
import re

import pytest

from tests.kit.application import FHIR_JSON, application, bearer

MADE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[^\"]*|[0-9a-f]{24}|Date:.*"
)
NUMBER = {"X-Request-Id": "one"}
PATIENT = {"resourceType": "Patient", "id": "lea", "name": [{"family": "Martin"}]}
BASIC = {"resourceType": "Basic", "code": {"text": "è"}}
XML = '<Basic xmlns="http://hl7.org/fhir"><code><text value="è"/></code></Basic>'
ASKED = (
    ("GET", "Patient/lea", {}),
    ("HEAD", "Patient/lea", {}),
    ("GET", "Patient/lea", {"If-None-Match": 'W/"1"'}),
    ("GET", "Patient/lea?_pretty=true", {}),
    ("GET", "Patient/lea?_format=xml", {}),
    ("GET", "Patient/lea", {"Accept": "application/fhir+xml"}),
    ("GET", "Patient/lea", {"Accept": "text/html,application/xhtml+xml"}),
    ("GET", "Patient/lea", {"Accept": "image/png"}),
    ("GET", "Patient/lea", {"Origin": "https://app.example"}),
    ("GET", "Patient/lea", {"X-Request-Id": "not one of ours!"}),
    ("GET", "Patient/nobody", {}),
    ("GET", "Patient/nobody", {"Accept": "application/fhir+xml"}),
    ("GET", "Patient?name=martin", {}),
    ("GET", "Patient?nonsense=1", {}),
    ("GET", "Patient?name=%80", {}),
    ("GET", "Patient?name=" + "a" * 9_000, {}),
    ("GET", "Nonsense/x", {}),
    ("GET", "Nonsense", {}),
    ("PUT", "Patient", {}),
    ("DELETE", "Patient/lea", {"If-Match": 'W/"7"'}),
    ("DELETE", "Basic/nobody", {}),
    ("OPTIONS", "Patient/lea", {}),
    ("BREW", "Patient/lea", {}),
)
SENT = (
    ("POST", "Basic", {"data": json.dumps(BASIC), "content_type": FHIR_JSON}),
    ("POST", "Basic", {"data": XML, "content_type": "application/fhir+xml"}),
    ("POST", "Basic", {"data": json.dumps(BASIC), "content_type": FHIR_JSON, "headers": {"Prefer": "return=minimal"}}),
    ("POST", "Basic", {"data": "{", "content_type": FHIR_JSON}),
    ("POST", "Basic", {"data": "x", "content_type": "text/plain"}),
    ("POST", "Basic", {"data": json.dumps({**BASIC, "code": 1}), "content_type": FHIR_JSON}),
    ("PUT", "Patient/lea", {"data": json.dumps(PATIENT), "content_type": FHIR_JSON}),
    ("PATCH", "Patient/lea", {"data": "[]", "content_type": "application/json-patch+json"}),
)


@pytest.fixture(scope="module", params=["*", "https://app.example"], ids=["all origins", "one origin"])
def app(request, mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, sandbox=False, cors_origins=request.param) as made:
        told = made.test_client().put(
            "/fhir/Patient/lea", data=json.dumps(PATIENT), content_type=FHIR_JSON, headers=bearer(made)
        )
        assert told.status_code == 201
        yield made


def told(app, monkeypatch, method, path, *, directly, token=True, **sent):
    """Status, headers and body, without what is another each time; and whether Flask was asked."""
    flask = []
    with monkeypatch.context() as patched:
        if not directly:
            patched.setattr(app, "_direct", None)
        whole = app.full_dispatch_request
        patched.setattr(app, "full_dispatch_request", lambda: flask.append(path) or whole())
        headers = {**NUMBER, **(bearer(app) if token else {}), **sent.pop("headers", {})}
        answer = app.test_client().open(f"/fhir/{path}", method=method, headers=headers, **sent)
    headers = sorted(f"{name}: {value}" for name, value in answer.headers if name != "Content-Length")
    if answer.data and "Content-Length" in answer.headers:
        assert len(answer.data) == int(answer.headers["Content-Length"])
    return (answer.status, [MADE.sub("-", each) for each in headers], MADE.sub("-", answer.text)), bool(flask)


@pytest.mark.parametrize(("method", "path", "headers"), ASKED)
def test_who_asks_hears_the_same(app, monkeypatch, method, path, headers):
    for token in (True, False):
        sent = {"headers": headers, "token": token}
        slow, through = told(app, monkeypatch, method, path, directly=False, **sent)
        quick, passed = told(app, monkeypatch, method, path, directly=True, **sent)
        assert (True, method not in ("OPTIONS", "BREW")) == (through, not passed)
        assert slow == quick


@pytest.mark.parametrize(("method", "path", "sent"), SENT)
def test_who_sends_hears_the_same(app, monkeypatch, method, path, sent):
    for token in (True, False):
        asked = {**sent, "token": token}
        slow, _ = told(app, monkeypatch, method, path, directly=False, **asked)
        quick, passed = told(app, monkeypatch, method, path, directly=True, **asked)
        assert not passed
        assert slow == quick


def test_what_breaks_is_told_and_counted_as_flask_would(app, monkeypatch, caplog):
    monkeypatch.setattr("fhir_server.interactions.pipeline.answer", lambda *_: {}["secret"])
    slow, _ = told(app, monkeypatch, "GET", "Patient/lea", directly=False)
    quick, passed = told(app, monkeypatch, "GET", "Patient/lea", directly=True)

    assert "500 INTERNAL SERVER ERROR" == slow[0]
    assert (slow, False) == (quick, passed)
    assert 2 == sum("request one" in each.getMessage() for each in caplog.records)
    assert "secret" not in caplog.text


def test_a_sandbox_answers_nothing_past_its_guard(mongo_uri, mongo_client, monkeypatch):
    with application(mongo_uri, mongo_client, open=True) as made:
        for _ in range(2):
            _, through = told(made, monkeypatch, "GET", "Patient/paul-martin", directly=True, token=False)
            assert through
        host = {"headers": {"Host": "attacker.example"}, "token": False}
        for _ in range(2):
            (status, _, _), _ = told(made, monkeypatch, "GET", "Patient/paul-martin", directly=True, **host)
            assert "421 MISDIRECTED REQUEST" == status
