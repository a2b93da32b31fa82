"""In XML, too, what is hidden is answered as what is absent (decisions 16 and 17), over HTTP with real tokens."""

from __future__ import annotations

import json

import pytest

from fhir_server.resources import json_text, xml_text
from tests.kit.application import FHIR_JSON, application, bearer, deposit
from tests.kit.battery import ABSENT
from tests.kit.world import label

XML = "application/fhir+xml"
PATCH = "application/json-patch+json"
SCOPE = "openid user/DocumentReference.rs user/Binary.rs user/Patient.rs"
MASK = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
OF_THE_ANSWER_ALONE = {"X-Request-Id", "Date"}


@pytest.fixture(scope="module")
def record(mongo_uri, mongo_client):
    """Paul's record with a letter that is shown and one that is masked; a nurse who reads it, a doctor who may not."""
    with application(mongo_uri, mongo_client) as app:
        client, operator = app.test_client(), bearer(app)
        letters = []
        for _ in range(2):
            made = client.post("/fhir", data=json.dumps(deposit()), headers=operator, content_type=FHIR_JSON)
            places = [
                each["response"]["location"].split("/fhir/")[1].split("/_history")[0] for each in made.json["entry"]
            ]
            letters.append({each.partition("/")[0]: each for each in places})
        where = f"/fhir/{letters[1]['DocumentReference']}"
        masked = client.patch(where, data=json.dumps(MASK), headers=operator, content_type=PATCH)
        assert 200 == masked.status_code, masked.json

        def ask(login, address, accept=XML, method="GET", **more):
            token = client.post("/sandbox/token", json={"as": login, "scope": SCOPE}).json["access_token"]
            headers = {"Authorization": f"Bearer {token}", "Accept": accept, **more.pop("headers", {})}
            return client.open(f"/fhir/{address}", method=method, headers=headers, **more)

        yield ask, *letters


def whole(answer, *names):
    """Everything of an answer but what no two have in common and these names."""
    body = answer.data
    for name in names:
        body = body.replace(name.encode(), b"-")
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in OF_THE_ANSWER_ALONE)
    return answer.status_code, headers, body


@pytest.mark.parametrize("type_", ["DocumentReference", "Binary"])
@pytest.mark.parametrize("login", ["inf-petit", "dr-diallo"])
@pytest.mark.parametrize(
    ("method", "template"),
    [("GET", "{}"), ("HEAD", "{}"), ("GET", "{}/_history/1"), ("GET", "{}/_history"), ("GET", "{}?_pretty=true")],
)
def test_what_is_hidden_is_answered_in_xml_as_what_is_absent(record, login, type_, method, template):
    ask, _, masked = record
    hidden = ask(login, template.format(masked[type_]), method=method)
    absent = ask(login, template.format(f"{type_}/{ABSENT}"), method=method)

    assert 404 == hidden.status_code
    assert whole(absent) == whole(hidden)
    if method == "GET":
        assert (f"{XML}; charset=utf-8", "OperationOutcome") == (
            hidden.content_type,
            xml_text.read(hidden.data)["resourceType"],
        )


def test_what_is_shown_is_shown_in_xml_as_in_json(record):
    ask, shown, _ = record
    for type_ in ("DocumentReference", "Binary"):
        plain, answer = ask("inf-petit", shown[type_], FHIR_JSON), ask("inf-petit", shown[type_])
        assert (200, 200) == (plain.status_code, answer.status_code)
        assert json_text.read(plain.data)["id"] == xml_text.read(answer.data)["id"]


def test_a_search_in_xml_has_no_trace_of_what_is_hidden(record):
    ask, shown, masked = record
    for query in ("patient=paul-martin", "patient=paul-martin&_summary=count", "patient=paul-martin&_total=accurate"):
        plain = json_text.read(ask("inf-petit", f"DocumentReference?{query}", FHIR_JSON).data)
        answer = ask("inf-petit", f"DocumentReference?{query}")
        assert plain["total"] == xml_text.read(answer.data)["total"]
        assert masked["DocumentReference"].encode() not in answer.data
    assert shown["DocumentReference"].encode() in ask("inf-petit", "DocumentReference?patient=paul-martin").data
    known = [
        ask("inf-petit", f"DocumentReference?_id={id_}") for id_ in (masked["DocumentReference"].split("/")[1], ABSENT)
    ]
    assert [0, 0] == [xml_text.read(each.data)["total"] for each in known]
    assert len(known[0].data) == len(known[1].data)


def test_who_may_not_read_a_record_is_told_in_xml_what_is_told_of_nobody(record):
    ask, *_ = record
    shut, nobody = (ask("dr-diallo", f"DocumentReference?patient={each}") for each in ("paul-martin", "nobody"))
    assert 403 == shut.status_code
    assert whole(nobody) == whole(shut)


def test_a_write_in_xml_of_what_is_hidden_is_refused_as_one_of_what_is_absent(record):
    ask, _, masked = record
    answers = []
    for where in (masked["DocumentReference"], f"DocumentReference/{ABSENT}"):
        type_, id_ = where.split("/")
        body = xml_text.write(
            {"resourceType": type_, "id": id_, "status": "current", "content": [{"attachment": {"url": "a"}}]}
        )
        answers.append(whole(ask("inf-petit", where, method="PUT", data=body, content_type=XML), id_))
    assert answers[0] == answers[1]
    assert answers[0][0] >= 400
