"""Every standing limit, at it and past it: what is answered is the right refusal, never a part of what was asked (R16)."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from fhir_server.settings import Settings
from tests.kit.application import FHIR_JSON, application

XML = "application/fhir+xml"
APART = frozenset({"max_time_ms"})
"""Tried below, by a server that is given one millisecond."""

SMALL = {"max_body": 100_000, "max_depth": 16, "max_entries": 10, "max_url": 2_000, "max_query": 3_000}
SMALL |= {"max_content": 200_000, "max_values": 7, "chain_depth": 2, "max_linked": 3, "max_count": 9, "max_included": 4}


@pytest.fixture(scope="module")
def client(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True, **SMALL) as app:
        yield app.test_client()


def code_of(answered):
    assert "application/fhir+json; charset=utf-8" == answered.content_type
    assert "OperationOutcome" == answered.json["resourceType"]
    return answered.status_code, answered.json["issue"][0]["code"]


def padded(start: bytes, end: bytes, length: int) -> bytes:
    return start + b"a" * (length - len(start) - len(end)) + end


def nested(levels: int) -> dict:
    """An Organization whose body is `levels` arrays and objects deep."""
    inner = {"url": "urn:x", "valueString": "x"}
    for _ in range((levels - 3) // 2):
        inner = {"url": "urn:x", "extension": [inner]}
    return {"resourceType": "Organization", "name": "x", "extension": [inner]}


def depth_of(value) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def post(client, url, body, content_type=FHIR_JSON):
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.post(f"/fhir/{url}", data=data, content_type=content_type)


def try_max_body(client):
    most = SMALL["max_body"]
    start, end = b'{"resourceType":"Organization","name":"', b'"}'
    assert 201 == post(client, "Organization", padded(start, end, most)).status_code
    assert (413, "too-long") == code_of(post(client, "Organization", padded(start, end, most + 1)))
    start, end = b'<Organization xmlns="http://hl7.org/fhir"><name value="', b'"/></Organization>'
    assert 201 == post(client, "Organization", padded(start, end, most), XML).status_code
    assert (413, "too-long") == code_of(post(client, "Organization", padded(start, end, most + 1), XML))


def try_max_content(client):
    most = SMALL["max_content"]
    assert 201 == post(client, "Binary", b"a" * most, "text/plain").status_code
    assert (413, "too-long") == code_of(post(client, "Binary", b"a" * (most + 1), "text/plain"))


def try_max_depth(client):
    most = SMALL["max_depth"]
    at = nested(most)
    assert depth_of(at) in (most - 1, most)
    assert 201 == post(client, "Organization", at).status_code
    assert (400, "structure") == code_of(post(client, "Organization", nested(most + 2)))
    assert (400, "structure") == code_of(post(client, "Organization", b'{"a":' * 100_00 + b"1"))
    deep = "<extension url='u'>" * (most + 1) + "</extension>" * (most + 1)
    body = f"<Organization xmlns='http://hl7.org/fhir'>{deep}</Organization>".encode()
    assert (400, "structure") == code_of(post(client, "Organization", body, XML))


def try_max_entries(client):
    entry = {"request": {"method": "GET", "url": "Organization/none"}}
    for kind in ("batch", "transaction"):
        past = {"resourceType": "Bundle", "type": kind, "entry": [entry] * (SMALL["max_entries"] + 1)}
        assert (413, "too-costly") == code_of(post(client, "", past))
    at = {"resourceType": "Bundle", "type": "batch", "entry": [entry] * SMALL["max_entries"]}
    assert SMALL["max_entries"] == len(post(client, "", at).json["entry"])


def try_max_url(client):
    most, start = SMALL["max_url"], "name="
    room = most - len("Organization") - len(start)
    assert 200 == client.get(f"/fhir/Organization?{start}{'a' * room}").status_code
    assert (414, "too-long") == code_of(client.get(f"/fhir/Organization?{start}{'a' * (room + 1)}"))
    assert (414, "too-long") == code_of(client.get(f"/fhir/Organization/{'a' * most}"))


def try_max_query(client):
    most = SMALL["max_query"]
    form = "application/x-www-form-urlencoded"
    assert 200 == post(client, "Organization/_search", b"name=" + b"a" * (most - 5), form).status_code
    assert (413, "too-long") == code_of(post(client, "Organization/_search", b"name=" + b"a" * (most - 4), form))


def try_max_values(client):
    most = SMALL["max_values"]
    for code in ("name", "identifier", "_id", "partof", "_lastUpdated"):
        value = "2026" if code == "_lastUpdated" else "x"
        assert 200 == client.get(f"/fhir/Organization?{code}={','.join([value] * most)}").status_code, code
        past = client.get(f"/fhir/Organization?{code}={','.join([value] * (most + 1))}")
        assert (400, "too-costly") == code_of(past), code
    several = "&".join(["name=" + ",".join(["x"] * most)] * 2)
    assert 200 == client.get(f"/fhir/Organization?{several}").status_code
    assert (400, "too-costly") == code_of(client.get(f"/fhir/Organization?{several}&name=x"))


def try_chain_depth(client):
    for at, past in (("partof.partof.name=x", "partof.partof.partof.name=x"), ("_has:Organization:partof:_has:Organization:partof:name=x", "_has:Organization:partof:_has:Organization:partof:_has:Organization:partof:name=x")):  # fmt: skip
        assert 200 == client.get(f"/fhir/Organization?{at}").status_code
        assert (400, "too-costly") == code_of(client.get(f"/fhir/Organization?{past}"))


def try_max_linked(client):
    for number in range(1, 5):
        made = post(client, "Organization", {"resourceType": "Organization", "name": "parent"})
        assert 201 == made.status_code
        answered = client.get("/fhir/Organization?partof.name=parent")
        assert (200, None) == (answered.status_code, None) if number < 4 else (400, "too-costly") == code_of(answered)


def try_max_count(client):
    for _ in range(SMALL["max_count"] + 2):
        assert 201 == post(client, "Basic", {"resourceType": "Basic", "code": {"text": "x"}}).status_code
    for asked, given in ((SMALL["max_count"], 9), (SMALL["max_count"] + 1, 9), (10**9, 9)):
        answered = client.get(f"/fhir/Basic?_count={asked}").json
        assert given == len(answered["entry"])
        assert {"self", "next"} == {each["relation"] for each in answered["link"]}
        assert given == len(client.get(f"/fhir/Basic/_history?_count={asked}").json["entry"])


def try_max_included(client):
    made = post(client, "Location", {"resourceType": "Location", "name": "whole"}).headers["Location"]
    whole = "Location/" + made.split("/Location/")[1].split("/")[0]
    for number in range(1, SMALL["max_included"] + 2):
        part = {"resourceType": "Location", "partOf": {"reference": whole}}
        assert 201 == post(client, "Location", part).status_code
        answered = client.get(f"/fhir/Location?_id={whole.partition('/')[2]}&_revinclude=Location:partof").json
        modes = [each["search"]["mode"] for each in answered["entry"]]
        past = number > SMALL["max_included"]
        assert min(number, SMALL["max_included"]) == modes.count("include")
        told = [each["resource"]["issue"] for each in answered["entry"] if each["search"]["mode"] == "outcome"]
        assert ([["too-costly"]] if past else []) == [[issue["code"] for issue in issues] for issues in told]


LIMITED = {row.name for row in fields(Settings) if row.metadata["past"]}


def test_each_limit_is_tried():
    assert LIMITED - APART == {name.removeprefix("try_") for name in globals() if name.startswith("try_")}


@pytest.mark.parametrize("limit", sorted(LIMITED - APART))
def test_at_a_limit_it_works_and_past_it_the_answer_says_so(client, limit):
    globals()[f"try_{limit}"](client)


def test_a_next_page_whose_address_would_be_refused_is_not_promised(client):
    """A form may say more than an address holds; its next link would be answered 414."""
    form = {"name:not-here": "x"}
    for _ in range(3):
        post(client, "Location", {"resourceType": "Location", "name": "many"})
    form = {"name": ",".join(["many", "x" * SMALL["max_url"]]), "_count": "1"}
    assert (400, "too-costly") == code_of(client.post("/fhir/Location/_search", data=form))
    assert 3 == client.post("/fhir/Location/_search", data={**form, "_count": "9"}).json["total"]


@pytest.fixture(scope="module")
def hurried(mongo_uri, mongo_client):
    """A server whose database may take one millisecond over a query, with much to look through.

    It is told so when it has begun: a sandbox writes its people under the same bound.
    """
    with application(mongo_uri, mongo_client, open=True, max_time_ms=9_000) as app:
        shelf = app.extensions["house"].shelf
        assert 9_000 == shelf.max_time_ms
        rows = [
            {
                "_id": f"Location/slow-{number}", "type": "Location", "version": 1, "updated": number, "method": "PUT",
                "facts": {}, "own": [], "dates": {}, "first": {}, "last": {},
                "index": [f"Location.name^{'x' * 400}{number}", "Location.name!", "Location._tag!", f"Location._tag=|{number}"],
                "body": json.dumps({"resourceType": "Location", "id": f"slow-{number}"}),
            }
            for number in range(30_000)
        ]  # fmt: skip
        shelf.resources.insert_many(rows)
        shelf.max_time_ms = 1
        yield app.test_client()


SLOW = "Location?name:contains=nowhere"


@pytest.mark.parametrize(
    "url",
    [SLOW, f"{SLOW}&_total=none", f"{SLOW}&_summary=count", "Location/_history?_count=1000", "Location/$meta", "$meta"],
)
def test_a_query_that_takes_too_long_is_told_so_and_never_a_500(hurried, url):
    assert (400, "too-costly") == code_of(hurried.get(f"/fhir/{url}"))


def test_a_condition_that_takes_too_long_writes_nothing(hurried):
    body = json.dumps({"resourceType": "Location", "name": "new"})
    for method, url, headers in (
        ("POST", "Location", {"If-None-Exist": SLOW.partition("?")[2]}),
        ("PUT", SLOW, {}),
        ("DELETE", SLOW, {}),
    ):
        answered = hurried.open(f"/fhir/{url}", method=method, data=body, content_type=FHIR_JSON, headers=headers)
        assert (400, "too-costly") == code_of(answered), method
    shelf = hurried.application.extensions["house"].shelf
    assert 0 == shelf.resources.count_documents({"index": "Location.name=new"}, maxTimeMS=60_000)


def test_an_entry_of_a_batch_that_takes_too_long_fails_alone(hurried):
    entries = [{"request": {"method": "GET", "url": url}} for url in (SLOW, "Nonsense/x")]
    answered = post(hurried, "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert 200 == answered.status_code
    slow, other = (each["response"] for each in answered.json["entry"])
    assert ("400 Bad Request", "too-costly") == (slow["status"], slow["outcome"]["issue"][0]["code"])
    assert other["status"].startswith("404")
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert (400, "too-costly") == code_of(post(hurried, "", whole))


def test_a_search_that_takes_too_long_is_on_record(mongo_client, hurried):
    shelf = hurried.application.extensions["house"].shelf
    before = shelf.ledger.count_documents({}, maxTimeMS=60_000)
    assert 400 == hurried.get(f"/fhir/{SLOW}").status_code
    assert shelf.ledger.count_documents({}, maxTimeMS=60_000) > before


def heavy(megabytes: int, **more):
    """A Basic of so many megabytes, in texts of one each, the most that a string may have."""
    texts = [{"url": "urn:x", "valueString": "a" * 1_000_000} for _ in range(megabytes)]
    return {"resourceType": "Basic", **more, "extension": texts, "code": {"text": "x"}}


def test_a_resource_that_mongodb_cannot_keep_is_413(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True, max_body=40_000_000) as app:
        client = app.test_client()
        made = post(client, "Basic", heavy(15))
        assert 201 == made.status_code
        assert (413, "too-long") == code_of(post(client, "Basic", heavy(17)))
        entry = {"resource": heavy(17), "request": {"method": "POST", "url": "Basic"}}
        assert (413, "too-long") == code_of(
            post(client, "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        )
        batch = post(client, "", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})
        assert (200, "413 Request Entity Too Large") == (
            batch.status_code,
            batch.json["entry"][0]["response"]["status"],
        )
        url = f"/fhir/Basic/{made.json['id']}"
        body = json.dumps(heavy(17, id=made.json["id"]))
        assert (413, "too-long") == code_of(client.put(url, data=body, content_type=FHIR_JSON))
        assert 'W/"1"' == client.get(url).headers["ETag"]
        assert 1 == client.get("/fhir/Basic?_summary=count").json["total"]


def test_the_default_of_each_limit_is_the_one_that_is_published():
    chosen = Settings.read({})
    assert {
        "max_body": 16_000_000, "max_content": 50_000_000, "max_depth": 64, "max_entries": 1_000, "max_url": 8_000,
        "max_query": 64_000, "max_values": 500, "chain_depth": 5, "max_linked": 5_000, "max_count": 1_000, "max_included": 1_000,
        "max_time_ms": 5_000,
    } == {row.name: getattr(chosen, row.name) for row in fields(Settings) if row.metadata["past"]}  # fmt: skip
