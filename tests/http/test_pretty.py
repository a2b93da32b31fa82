"""`_pretty`: "Ask for a pretty printed response for human convenience" (https://hl7.org/fhir/R4/http.html#parameters)."""

from __future__ import annotations

import base64
import json

import pytest

from tests.kit.application import application


@pytest.fixture(scope="module")
def client(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True) as app:
        yield app.test_client()


@pytest.mark.parametrize(
    "path",
    [
        "Patient/paul-martin",
        "Patient?name=martin&_include=Patient:organization",
        "Patient/paul-martin/_history",
        "metadata",
        "Patient/nobody",
        "Patient?nonsense=1",
        "Patient?name=%80",
    ],
)
def test_whoever_asks_for_it_reads_an_answer_of_many_lines(client, path):
    asked = f"/fhir/{path}{'&' if '?' in path else '?'}_pretty="
    plain, pretty = client.get(asked + "false"), client.get(asked + "true")

    assert b"\n" not in plain.data
    assert b'\n  "resourceType": "' in pretty.data
    assert plain.status_code == pretty.status_code
    assert set(plain.json) == set(pretty.json)
    if path != "Patient/nobody" and "?" not in path and "_history" not in path:
        assert json.loads(plain.data) == json.loads(pretty.data)
    told = client.head(asked + "true")
    assert (b"", pretty.headers["Content-Type"]) == (told.data, told.headers["Content-Type"])
    assert len(pretty.data) == int(told.headers["Content-Length"])


@pytest.mark.parametrize("kind", ["text/plain; charset=iso-8859-1", "application/json", "application/fhir+json"])
def test_a_binary_is_its_own_bytes_however_pretty(client, kind):
    content = b'{"resourceType":"Basic"}'
    body = {"resourceType": "Binary", "contentType": kind, "data": base64.b64encode(content).decode()}
    made = client.post("/fhir/Binary", data=json.dumps(body), content_type="application/fhir+json")
    told = client.get(f"/fhir/Binary/{made.json['id']}?_pretty=true", headers={"Accept": "*/*"})

    assert (200, content) == (told.status_code, told.data)
