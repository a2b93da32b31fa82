"""Bad input over HTTP: always the right 4xx with an OperationOutcome, never a 500, and nothing stored."""

from __future__ import annotations

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.definitions.library import load
from tests.kit.application import FHIR_JSON, application, deposit
from tests.security.wire import altered, json_values, near_bundles, resources

PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MAX_BODY = 300_000


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True, max_body=MAX_BODY, max_entries=20) as made:
        yield made


@pytest.fixture(scope="module")
def wire(app):
    return Wire(app)


class Wire:
    """Sends what may be bad, and judges what comes."""

    def __init__(self, app):
        self.client = app.test_client()
        self.shelf = app.extensions["house"].shelf

    def stored(self):
        """Everything that is kept, but for the ledger: ids and versions."""
        kept = {each["_id"]: each["version"] for each in self.shelf.resources.find({}, {"version": 1})}
        blobs = self.shelf.database["blobs"].count_documents({})
        return kept, self.shelf.history.estimated_document_count(), blobs

    def send(self, method, path, data=None, content_type=FHIR_JSON, **how):
        if data is not None:
            how |= {"data": data if isinstance(data, bytes) else json.dumps(data), "content_type": content_type}
        return self.client.open(path, method=method, **how)

    def refused(self, statuses, method, path, data=None, content_type=FHIR_JSON, *, stores=False, **how):
        """The answer, which must be a refusal with one of these statuses that changed nothing."""
        before = None if stores else self.stored()
        answered = self.send(method, path, data, content_type, **how)
        wanted = {statuses} if isinstance(statuses, int) else set(statuses)
        assert answered.status_code in wanted, (answered.status_code, answered.text[:300])
        if method != "HEAD":
            is_outcome(answered)
        if before is not None:
            assert before == self.stored()
        return answered

    def never_500(self, method, path, data=None, content_type=FHIR_JSON, **how):
        """The answer: anything but a 5xx; a refusal is an OperationOutcome."""
        answered = self.send(method, path, data, content_type, **how)
        assert answered.status_code < 500, answered.text
        if answered.status_code >= 400 and method != "HEAD":
            is_outcome(answered)
        return answered


def is_outcome(answered):
    assert answered.content_type.startswith(FHIR_JSON), answered.content_type
    told = json.loads(answered.data)
    assert "OperationOutcome" == told["resourceType"]
    assert told["issue"]
    for issue in told["issue"]:
        assert {"severity", "code", "diagnostics"} <= set(issue)
        assert issue["severity"] in ("fatal", "error", "warning", "information")
        assert "Traceback" not in issue["diagnostics"]


# --- bodies that are no JSON, or not the JSON we read

GOOD = json.dumps({"resourceType": "Organization", "name": "x"})
BODIES = {
    "nothing": b"",
    "blank": b"  \n ",
    "a word": b"organization",
    "cut off": GOOD[:-3].encode(),
    "two documents": GOOD.encode() * 2,
    "rubbish after it": GOOD.encode() + b"x",
    "single quotes": GOOD.replace('"', "'").encode(),
    "a comment": b"/* */" + GOOD.encode(),
    "a trailing comma": b'{"resourceType": "Organization", "name": "x",}',
    "XML": b'<Organization xmlns="http://hl7.org/fhir"><name value="x"/></Organization>',
    "an array at the root": f"[{GOOD}]".encode(),
    "a string at the root": b'"Organization"',
    "a number at the root": b"7",
    "null": b"null",
    "true": b"true",
    "duplicate keys": b'{"resourceType": "Organization", "name": "x", "name": "y"}',
    "duplicate resourceType": b'{"resourceType": "Organization", "name": "x", "resourceType": "Patient"}',
    "duplicate keys by an escape": b'{"resourceType": "Organization", "name": "x", "n\\u0061me": "y"}',
    "NaN": b'{"resourceType": "Organization", "name": NaN}',
    "Infinity": b'{"resourceType": "Organization", "name": -Infinity}',
    "a huge number": b'{"resourceType": "Observation", "valueInteger": 1' + b"0" * 5000 + b"}",
    "a huge exponent": b'{"resourceType": "Observation", "valueQuantity": {"value": 1e999999999}}',
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-32": GOOD.encode("utf-32"),
    "Latin-1": '{"resourceType": "Organization", "name": "hôpital"}'.encode("latin-1"),
    "overlong UTF-8": b'{"resourceType": "Organization", "name": "\xc0\xaf"}',
    "an encoded surrogate": b'{"resourceType": "Organization", "name": "\xed\xa0\x80"}',
    "a lone surrogate": b'{"resourceType": "Organization", "name": "\\ud800"}',
    "a lone low surrogate": b'{"resourceType": "Organization", "name": "\\udc00x"}',
    "surrogates the wrong way round": b'{"resourceType": "Organization", "name": "\\udc00\\ud800"}',
    "a lone surrogate as a key": b'{"resourceType": "Organization", "\\ud800": "x"}',
    "an escaped NUL": b'{"resourceType": "Organization", "name": "a\\u0000b"}',
    "an escaped NUL in a key": b'{"resourceType": "Organization", "a\\u0000": "b"}',
    "a raw NUL": b'{"resourceType": "Organization", "name": "a\x00b"}',
    "a raw control character": b'{"resourceType": "Organization", "name": "a\x01b"}',
    "NUL bytes": b"\x00" * 100,
    "10,000 arrays": b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 levels within": b'{"resourceType": "Organization", "extension": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 levels never closed": b'{"resourceType":' + b"[" * 10_000,
    "65 levels": b'{"a":' * 65 + b"1" + b"}" * 65,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/fhir"),
        ("POST", "/fhir/Organization"),
        ("PUT", "/fhir/Organization/x"),
        ("POST", "/fhir/Patient/x/$open-record"),
    ],
)
def test_a_body_that_is_not_strict_json_is_400(wire, method, path, body):
    wire.refused(400, method, path, body)


@pytest.mark.parametrize("body", [body for name, body in BODIES.items() if name != "an array at the root"])
def test_a_patch_that_is_not_strict_json_is_400(wire, body):
    wire.refused(400, "PATCH", "/fhir/DocumentReference/x", body, PATCH)


def test_where_the_text_fails_is_told_by_line_and_column(wire):
    told = wire.refused(400, "POST", "/fhir/Organization", b'{\n  "resourceType": "Organization",\n  oops\n}').json
    assert "line 3, column 3" in told["issue"][0]["diagnostics"]


def test_a_body_beyond_the_limit_is_413_and_one_just_within_is_read(wire):
    wire.refused(413, "POST", "/fhir/Organization", b" " * (MAX_BODY + 1))
    wire.refused(413, "POST", "/fhir", b'{"resourceType":"Bundle","x":"' + b"a" * MAX_BODY + b'"}')
    wire.refused(413, "POST", "/fhir/Organization/_search", b"a" * (MAX_BODY + 1), FORM)
    wire.refused(400, "POST", "/fhir/Organization", b" " * MAX_BODY)


@given(data=st.binary(max_size=200))
@MANY
def test_any_bytes_are_400(wire, data):
    for method, path in (("POST", "/fhir"), ("POST", "/fhir/Patient"), ("PUT", "/fhir/Patient/x")):
        wire.refused(400, method, path, data, stores=True)


@given(position=st.floats(0, 1), how=st.sampled_from(("cut", "drop", "flip", "double")), at=st.integers(0, 7))
@MANY
def test_a_good_submission_that_was_damaged_is_never_500(wire, position, how, at):
    good = json.dumps(deposit()).encode()
    i = int(position * (len(good) - 1))
    bad = {
        "cut": good[:i],
        "drop": good[:i] + good[i + 1 :],
        "flip": good[:i] + bytes([good[i] ^ (1 << at)]) + good[i + 1 :],
        "double": good[:i] + good[i : i + 1] + good[i:],
    }[how]
    wire.never_500("POST", "/fhir", bad)


# --- JSON that is no such resource

NO_RESOURCES = {
    "no resourceType": ({"name": "x"}, {400}),
    "an unknown resourceType": ({"resourceType": "Organisation"}, {400}),
    "another type than the address": ({"resourceType": "Patient"}, {400}),
    "a number for a resourceType": ({"resourceType": 7}, {400}),
    "null for a resourceType": ({"resourceType": None}, {400}),
    "an object for a resourceType": ({"resourceType": {}}, {400}),
    "a list for a resourceType": ({"resourceType": ["Organization"]}, {400}),
    "an empty object": ({}, {400}),
    "null for an element": ({"resourceType": "Organization", "name": None}, {422}),
    "a number for a string": ({"resourceType": "Organization", "name": 7}, {422}),
    "an object for a string": ({"resourceType": "Organization", "name": {"a": 1}}, {422}),
    "a list for a string": ({"resourceType": "Organization", "name": ["x"]}, {422}),
    "an empty string": ({"resourceType": "Organization", "name": ""}, {422}),
    "an empty list": ({"resourceType": "Organization", "name": "x", "alias": []}, {422}),
    "an empty object for an element": ({"resourceType": "Organization", "name": "x", "text": {}}, {422}),
    "an unknown element": ({"resourceType": "Organization", "name": "x", "nom": "y"}, {422}),
    "an object for a list": ({"resourceType": "Organization", "name": "x", "telecom": {"system": "phone"}}, {422}),
    "lists in lists": ({"resourceType": "Organization", "name": "x", "alias": [["y"]]}, {422}),
    "meta that is no object": ({"resourceType": "Organization", "name": "x", "meta": "y"}, {422}),
    "a profile that is no list": ({"resourceType": "Organization", "name": "x", "meta": {"profile": 7}}, {422}),
    "an extension that is none": ({"resourceType": "Organization", "name": "x", "extension": [7]}, {422}),
    "contained that is none": ({"resourceType": "Organization", "name": "x", "contained": [7]}, {422}),
    "contained without a type": ({"resourceType": "Organization", "name": "x", "contained": [{"id": "a"}]}, {422}),
    "contained of an unknown type": (
        {"resourceType": "Organization", "name": "x", "contained": [{"resourceType": "Nonsense", "id": "a"}]},
        {422},
    ),
    "a reference that is none": ({"resourceType": "Organization", "name": "x", "partOf": {"reference": 7}}, {422}),
    "a bad date": ({"resourceType": "Patient", "birthDate": "2020-13-45"}, {400, 422}),
    "a script": (
        {"resourceType": "Organization", "name": "x", "text": {"status": "generated", "div": "<script>"}},
        {422},
    ),
}


@pytest.mark.parametrize(("body", "statuses"), NO_RESOURCES.values(), ids=NO_RESOURCES)
def test_json_that_is_no_such_resource_is_refused_and_the_element_named(wire, body, statuses):
    told = wire.refused(statuses, "POST", "/fhir/Organization", body)
    if told.status_code == 422:
        assert any(each.get("expression") for each in told.json["issue"])


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Organization", "name": "x"},
        {"resourceType": "Organization", "id": "other", "name": "x"},
        {"resourceType": "Organization", "id": None, "name": "x"},
        {"resourceType": "Organization", "id": 7, "name": "x"},
        {"resourceType": "Organization", "id": ["here"], "name": "x"},
        {"resourceType": "Organization", "id": "", "name": "x"},
    ],
    ids=["no id", "another id", "null", "a number", "a list", "empty"],
)
def test_an_update_whose_body_has_another_id_than_its_address_is_400(wire, body):
    wire.refused(400, "PUT", "/fhir/Organization/here", body)


WEIRD_IDS = [
    "a" * 65,
    "a_b",
    "a b",
    "a%20b",
    "a%2Fb",
    "a%252Fb",
    "%C3%A9",
    "%F0%9F%92%89",
    "%E2%80%AE",
    "a%00b",
    "a%0D%0AX-Evil:1",
    "..%2F..%2Fetc",
    "a;b",
    "a,b",
    "a'b",
    'a"b',
    "$ne",
    "%24where",
    "{x}",
    "a:b",
    "~",
    "*",
    "%ff%fe",
]


@pytest.mark.parametrize("id_", WEIRD_IDS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_id_that_is_no_id_is_404_or_400(wire, method, id_):
    body = {
        "PUT": {"resourceType": "DocumentReference", "id": id_},
        "PATCH": [{"op": "test", "path": "/status", "value": "x"}],
    }
    wire.refused(
        {400, 404},
        method,
        f"/fhir/DocumentReference/{id_}",
        body.get(method),
        PATCH if method == "PATCH" else FHIR_JSON,
    )


@pytest.mark.parametrize("id_", ["..", ".", "-", "a" * 64, "0", "1.2.3"])
def test_an_id_that_only_looks_odd_is_an_id_like_any_other(wire, id_):
    wire.refused({404}, "GET", f"/fhir/Organization/{quote(id_)}/_history/1")


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Nonsense", "/fhir/patient", "/fhir/PATIENT/1", "/fhir/Parameters", "/fhir/Patient/1/2/3/4",
        "/fhir/Patient/1/_history/0", "/fhir/Patient/1/_history/-1", "/fhir/Patient/1/_history/x",
        "/fhir/Patient/1/_history/99999999999999999999", "/fhir/Patient/1/$nothing", "/fhir/$nothing",
        "/fhir/Patient/1/_historyx", "/fhir/_history", "/fhir/_search", "/fhir/Patient/_history", "/fhir/%00",
        "/fhir/Patient%00", "/fhir/Patient/..%2f..%2fConsent", "/fhir/metadata/x", "/fhir/.well-known/x", "/nothing",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_4xx(wire, path):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        body = {"resourceType": "Patient", "id": "1"} if method in ("POST", "PUT") else None
        wire.refused({400, 404, 405, 415}, method, path, body)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/fhir", {}), ("DELETE", "/fhir", None), ("PATCH", "/fhir", []), ("GET", "/fhir", None),
        ("PUT", "/fhir/Patient", {"resourceType": "Patient"}), ("DELETE", "/fhir/Patient", None),
        ("PATCH", "/fhir/Patient", []), ("POST", "/fhir/Patient/1", {"resourceType": "Patient"}),
        ("POST", "/fhir/Patient/1/_history", {}), ("PUT", "/fhir/Patient/1/_history/1", {}),
        ("DELETE", "/fhir/Patient/1/_history/1", None), ("DELETE", "/fhir/metadata", None), ("PUT", "/fhir/metadata", {}),
        ("GET", "/fhir/Patient/1/$open-record", None), ("PATCH", "/fhir/Organization/1", []),
        ("POST", "/fhir/AuditEvent", {"resourceType": "AuditEvent"}), ("DELETE", "/fhir/AuditEvent/1", None),
        ("PUT", "/fhir/AuditEvent/1", {"resourceType": "AuditEvent", "id": "1"}),
    ],
)  # fmt: skip
def test_a_method_that_an_address_does_not_take_is_405_or_404_and_says_which_it_takes(wire, method, path, body):
    answered = wire.refused({404, 405}, method, path, body, PATCH if method == "PATCH" else FHIR_JSON)
    if answered.status_code == 405:
        assert answered.headers["Allow"]
        assert method not in answered.headers["Allow"].split(", ")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "LINK", "Q" * 100])
def test_a_method_nobody_knows_is_4xx(wire, method):
    for path in ("/fhir", "/fhir/Patient", "/fhir/Patient/1", "/fhir/metadata"):
        wire.refused({400, 404, 405}, method, path)


@pytest.mark.parametrize("path", ["/fhir/Patient/paul-martin", "/fhir/Patient", "/fhir/Patient/nobody", "/fhir/Nonsense", "/fhir/Patient?x=1"])  # fmt: skip
def test_head_answers_as_get_without_a_body(wire, path):
    got, head = wire.send("GET", path), wire.send("HEAD", path)
    assert got.status_code == head.status_code
    assert b"" == head.data
    assert got.content_type == head.content_type


# --- query strings

BAD_QUERIES = {
    "an unknown parameter": "nonsense=1",
    "invalid percent": "name=%",
    "invalid percent, two": "name=%zz",
    "a half": "name=%4",
    "not UTF-8": "name=%ff%fe",
    "overlong UTF-8": "name=%c0%af",
    "an encoded surrogate": "name=%ed%a0%80",
    "NUL": "name=a%00b",
    "NUL in a name": "na%00me=a",
    "control characters": "name=a%01b",
    "no value": "name=",
    "no value, no sign": "name",
    "no name": "=x",
    "an unknown modifier": "name:nonsense=x",
    "two modifiers": "name:exact:contains=x",
    "a modifier of another kind": "birthdate:exact=2000",
    "a bad date": "birthdate=2000-13",
    "a bad date, letters": "birthdate=yesterday",
    "a bad prefix": "birthdate=zz2000",
    "a year zero": "birthdate=0000",
    "a far year": "birthdate=99999",
    "a chain": "organization.name=x",
    "a chain upon a chain": "organization.partof.name=x",
    "_has": "_has:Observation:patient:code=x",
    "_filter": "_filter=name eq x",
    "_sort by nothing": "_sort=nonsense",
    "_count of words": "_count=many",
    "_count below zero": "_count=-1",
    "_count beyond": "_count=99999999999999999999",
    "_count of another script": "_count=%D9%A3",
    "_count twice": "_count=1&_count=2",
    "_total of nothing": "_total=maybe",
    "_summary of nothing": "_summary=maybe",
    "_include of nothing": "_include=Patient:nonsense",
    "_include of another type": "_include=Nonsense:x",
    "_include of a string": "_include=Patient:name",
    "_include without a type": "_include=organization",
    "_revinclude of nothing": "_revinclude=Nonsense:patient",
    ":missing maybe": "name:missing=maybe",
    "a bad id": "_id=a b",
    "a bad page": "_page=rubbish",
    "an empty page": "_page=",
    "a page of other bytes": "_page=%F0%9F%92%89",
    "a reference to a type that is none": "organization:Nonsense=1",
    "a token in the query": "access_token=x",
    "a bad format": "_format=xml",
    "an operator of the database": "name[$ne]=x",
    "a long value": "name=" + "a" * 20_000,
    "thousands of parameters": "&".join(f"name=a{i}" for i in range(3000)),
    "thousands of values": "_id=" + ",".join(f"a{i}" for i in range(3000)),
    "nothing but signs": "&&&===&&&",
}


@pytest.mark.parametrize("query", BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_a_bad_query_is_4xx_on_the_address_and_in_a_form(wire, query):
    wire.refused({400, 406, 414}, "GET", "/fhir/Patient", query_string=query)
    wire.refused({400, 406, 413}, "POST", "/fhir/Patient/_search", query.encode(), FORM)


def test_a_form_that_is_not_utf_8_is_400_and_one_of_another_type_415(wire):
    wire.refused(400, "POST", "/fhir/Patient/_search", b"name=\xff\xfe", FORM)
    wire.refused(415, "POST", "/fhir/Patient/_search", b"name=x", "text/plain")
    wire.refused(415, "POST", "/fhir/Patient/_search", {"name": "x"}, FHIR_JSON)
    wire.refused(415, "POST", "/fhir/Patient/_search", b"name=x", "multipart/form-data; boundary=x")


@pytest.mark.parametrize("query", ["_count=x", "_before=x", "_count=0", "_count=-1", "_since=2000", "nonsense=1", "_count=%D9%A3", "_count=%C2%B2"])  # fmt: skip
def test_a_bad_query_on_a_history_is_400(wire, query):
    wire.refused(400, "GET", "/fhir/Patient/paul-martin/_history", query_string=query)


NAMES = st.sampled_from(
    ["_id", "_lastUpdated", "_profile", "_security", "_tag", "_sort", "_count", "_total", "_summary", "_include",
     "_revinclude", "_page", "_format", "_elements", "_has:Observation:patient:code", "name", "name:exact",
     "name:contains", "name:missing", "birthdate", "identifier", "identifier:not", "organization", "organization:Organization",
     "organization:identifier", "general-practitioner", "active", "address-country", "gender", "telecom", "_pretty"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="\\|,$:/.-+%0123456789TZgelnsb&= \x00", max_size=16),
    st.sampled_from(["ge2000-01-01T00:00:00.000+14:00", "eq9999-12-31", "Patient/x", "http://x/Patient/1", "urn:uuid:x", "|", "a|", "|a", "\\", "a\\,b", "ap2000", "9999-12-31T23:59:60Z", "0001", "-0001"]),
)  # fmt: skip


@given(asked=st.lists(st.tuples(st.one_of(NAMES, st.text(max_size=8)), VALUES), max_size=4))
@MANY
def test_any_query_is_answered_or_refused_and_never_500(wire, asked):
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in asked)
    wire.never_500("GET", "/fhir/Patient", query_string=query)
    wire.never_500("POST", "/fhir/Patient/_search", query.encode(), FORM)


@given(type_=st.sampled_from(load().endpoints), data=st.data())
@MANY
def test_any_value_of_any_parameter_of_any_type_is_never_500(wire, type_, data):
    from fhir_server.search.supported import supported

    code = data.draw(st.sampled_from(sorted(supported(type_))))
    value = data.draw(VALUES)
    wire.never_500("GET", f"/fhir/{type_}", query_string=f"{code}={quote(value, safe='')}")


@given(raw=st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").decode("latin-1")))
@MANY
def test_any_bytes_as_a_query_are_never_500(wire, raw):
    wire.never_500("GET", "/fhir/Patient", environ_overrides={"QUERY_STRING": raw})


@given(path=st.text(alphabet=string.printable + "éà\u202e\u0000", max_size=30))
@MANY
def test_any_path_is_never_500(wire, path):
    for method in ("GET", "POST", "PUT", "DELETE"):
        body = {"resourceType": "Patient"} if method in ("POST", "PUT") else None
        wire.never_500(method, f"/fhir/{quote(path)}", body)


# --- headers

HEADERS = {
    "If-Match": ["x", '"', 'W/"', "*", '"1" "2"', "W/1", '""', '"999999999999999999999"', "é", "a" * 5000],
    "If-None-Match": ["x", '"', "*", '"1" "2"', "é", "a" * 5000],
    "If-Modified-Since": [
        "x", "yesterday", "Mon, 99 Foo 2020 99:99:99 GMT", "Mon, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 99999 23:59:59 GMT",
        "Mon, 01 Jan 2024 00:00:00 +9999", "Mon, 01 Jan 0001 00:00:00 +1400", "0", "-1", "é", "Fri, 31 Dec 9999 23:59:59 -1400",
    ],
    "If-None-Exist": ["x", "identifier=", "é"],
    "Accept": ["x", "text/html", "application/fhir+xml", "application/fhir+json;q=0", ";;;", "*", "é", "a" * 5000,
               "application/fhir+json; fhirVersion=3.0"],
    "Accept-Charset": ["utf-16"],
    "Accept-Encoding": ["nonsense", "é"],
    "Prefer": ["x", "return=nonsense", "return=", "handling=maybe", "return=minimal,return=nonsense", "=;=,", "é", "a" * 5000],
    "X-Request-Id": ["a b", "a" * 500, "é", "<script>"],
    "X-Forwarded-For": ["nonsense", "1.2.3.4, 5.6.7.8", "é"],
    "Range": ["bytes=0-1", "x"],
    "Cookie": ["a=b", "é", "=;="],
    "Origin": ["null", "x", "http://evil.example"],
    "Content-Encoding": ["gzip", "nonsense"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HEADERS.items() for value in values])
def test_a_header_of_garbage_is_answered_or_refused_and_never_500(wire, name, value):
    headers = {name: value}
    for method, path, body, kind in (
        ("GET", "/fhir/Patient/paul-martin", None, FHIR_JSON),
        ("GET", "/fhir/Patient/nobody", None, FHIR_JSON),
        ("GET", "/fhir/Patient?name=x", None, FHIR_JSON),
        ("GET", "/fhir/Patient/paul-martin/_history/1", None, FHIR_JSON),
        ("GET", "/fhir/metadata", None, FHIR_JSON),
        ("PUT", "/fhir/Organization/chu-x", {"resourceType": "Organization", "id": "chu-x", "nom": 1}, FHIR_JSON),
        ("PATCH", "/fhir/DocumentReference/nobody", [{"op": "test", "path": "/status", "value": "current"}], PATCH),
        ("DELETE", "/fhir/Organization/nobody", None, FHIR_JSON),
    ):
        wire.never_500(method, path, body, kind, headers=headers)


@pytest.mark.parametrize("value", ["x", '"', 'W/"', '"1" "2"', "W/1"])
def test_an_if_match_that_is_no_entity_tag_is_400_and_another_version_412(wire, value):
    body = {"resourceType": "Organization", "id": "cabinet-tilleuls", "name": "x"}
    wire.refused(400, "PUT", "/fhir/Organization/cabinet-tilleuls", body, headers={"If-Match": value})
    wire.refused(412, "PUT", "/fhir/Organization/cabinet-tilleuls", body, headers={"If-Match": 'W/"77"'})
    wire.refused(412, "DELETE", "/fhir/Organization/cabinet-tilleuls", headers={"If-Match": 'W/"77"'})


@pytest.mark.parametrize("kind", ["text/html", "application/fhir+xml", "application/xml", "", "x", "application/json; charset=utf-16", "application/fhir+json; fhirVersion=3.0", "multipart/form-data", ";;;", "application/json-patch+json", FORM])  # fmt: skip
def test_a_content_type_we_do_not_read_is_415(wire, kind):
    body = GOOD.encode()
    wire.refused(415, "POST", "/fhir/Organization", body, kind)
    wire.refused(415, "POST", "/fhir", body, kind)
    wire.refused(415, "PUT", "/fhir/Organization/x", body, kind)
    if kind != PATCH:
        wire.refused(415, "PATCH", "/fhir/DocumentReference/x", b"[]", kind)


@pytest.mark.parametrize("accept", ["text/html", "application/fhir+xml", "application/fhir+json;q=0", "x"])
def test_an_accept_we_cannot_satisfy_is_406(wire, accept):
    wire.refused(406, "GET", "/fhir/Patient/paul-martin", headers={"Accept": accept})
    wire.refused(406, "GET", "/fhir/metadata", headers={"Accept": accept})
    wire.refused(406, "POST", "/fhir/Organization", GOOD.encode(), headers={"Accept": accept})


@given(
    headers=st.dictionaries(
        st.sampled_from(sorted(HEADERS)),
        st.text(alphabet=string.printable.replace("\n", "").replace("\r", "") + "é", max_size=20),
        max_size=3,
    )
)
@MANY
def test_any_headers_are_never_500(wire, headers):
    wire.never_500("GET", "/fhir/Patient/paul-martin", headers=headers)
    wire.never_500(
        "PUT", "/fhir/Organization/x", {"resourceType": "Organization", "id": "x", "nom": 1}, headers=headers
    )


# --- bundles

ORGANIZATION = {"resourceType": "Organization", "name": "x"}
POSTED = {"request": {"method": "POST", "url": "Organization"}, "resource": ORGANIZATION}
BAD_ENTRIES = {
    "entry that is no list": {},
    "entry that is a word": "x",
    "entry that is null": None,
    "entries that are numbers": [1],
    "entries that are lists": [[]],
    "entries that are null": [None],
    "an empty entry": [{}],
    "no request": [{"resource": ORGANIZATION}],
    "a request that is a list": [{"request": []}],
    "no method": [{"request": {"url": "Organization"}}],
    "a method nobody knows": [{"request": {"method": "TRACE", "url": "Organization"}}],
    "a method that is a number": [{"request": {"method": 7, "url": "Organization"}}],
    "a method that is a list": [{"request": {"method": ["GET"], "url": "Organization"}}],
    "a method that is an object": [{"request": {"method": {"a": 1}, "url": "Organization"}}],
    "no url": [{"request": {"method": "GET"}}],
    "an empty url": [{"request": {"method": "GET", "url": ""}}],
    "a url that is a number": [{"request": {"method": "GET", "url": 7}}],
    "a query alone": [{"request": {"method": "GET", "url": "?name=x"}}],
    "another server's url": [{"request": {"method": "GET", "url": "https://other.example/fhir/Patient/1"}}],
    "a bad absolute url": [{"request": {"method": "GET", "url": "http://[x/Patient"}}],
    "a file": [{"request": {"method": "GET", "url": "file:///etc/passwd"}}],
    "a path from the root": [{"request": {"method": "GET", "url": "/auth/jwks"}}],
    "no resource": [{"request": {"method": "POST", "url": "Organization"}}],
    "a resource that is a list": [{"request": {"method": "POST", "url": "Organization"}, "resource": []}],
    "a condition that is a number": [{"request": {"method": "GET", "url": "Patient/1", "ifNoneMatch": 7}}],
    "too many": [POSTED] * 21,
}


@pytest.mark.parametrize("entries", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_a_bundle_that_cannot_be_read_is_4xx_as_a_whole(wire, kind, entries):
    good = entries if entries is None or not isinstance(entries, list) else [POSTED, *entries]
    wire.refused({400, 413, 422}, "POST", "/fhir", {"resourceType": "Bundle", "type": kind, "entry": good})


@pytest.mark.parametrize("kind", ["searchset", "collection", "document", "message", "history", "batch-response", "nonsense", None, 7, [], {}])  # fmt: skip
def test_a_bundle_of_another_type_is_400(wire, kind):
    wire.refused(400, "POST", "/fhir", {"resourceType": "Bundle", "type": kind, "entry": [POSTED]})


BAD_OF_TRANSACTIONS = {
    "an unknown type": [{"request": {"method": "GET", "url": "Nonsense/1"}}],
    "a bundle in a bundle": [{
        "request": {"method": "POST", "url": "Bundle"},
        "resource": {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "POST"}}]},
    }],
    "a resource of another type": [{"request": {"method": "POST", "url": "Patient"}, "resource": ORGANIZATION}],
    "a resource without a type": [{"request": {"method": "POST", "url": "Organization"}, "resource": {}}],
    "a bad resource": [{"request": {"method": "POST", "url": "Organization"}, "resource": {**ORGANIZATION, "name": 7}}],
    "two of one fullUrl": [{"fullUrl": "urn:uuid:a", **POSTED}, {"fullUrl": "urn:uuid:a", **POSTED}],
    "a fullUrl that is a list": [{"fullUrl": ["x"], **POSTED}, {"fullUrl": ["x"], **POSTED}],
    "a reference that dangles": [{
        "request": {"method": "POST", "url": "Organization"},
        "resource": {**ORGANIZATION, "partOf": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000009"}},
    }],
    "a conditional reference to nobody": [{
        "request": {"method": "POST", "url": "Organization"},
        "resource": {**ORGANIZATION, "partOf": {"reference": "Organization?name=x"}},
    }],
    "a conditional create": [{**POSTED, "request": {"method": "POST", "url": "Organization", "ifNoneExist": "name=x"}}],
    "a search that is bad": [{"request": {"method": "GET", "url": "Patient?nonsense=1"}}],
    "a url of bytes": [{"request": {"method": "GET", "url": "Patient?name=%ff%00"}}],
    "one twice": [
        {"request": {"method": "DELETE", "url": "Organization/cabinet-tilleuls"}},
        {"request": {"method": "DELETE", "url": "Organization/cabinet-tilleuls"}},
    ],
    "metadata": [{"request": {"method": "POST", "url": "metadata"}, "resource": ORGANIZATION}],
    "a patch of nothing": [{
        "request": {"method": "PATCH", "url": "DocumentReference/nobody"}, "resource": {"resourceType": "Parameters"},
    }],
    "a patch whose parameters are no list": [{
        "request": {"method": "PATCH", "url": "DocumentReference/nobody"},
        "resource": {"resourceType": "Parameters", "parameter": 7},
    }],
    "a patch whose parameters are words": [{
        "request": {"method": "PATCH", "url": "DocumentReference/nobody"},
        "resource": {"resourceType": "Parameters", "parameter": ["operation"]},
    }],
    "a patch whose parts are words": [{
        "request": {"method": "PATCH", "url": "DocumentReference/nobody"},
        "resource": {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": ["x"]}]},
    }],
}  # fmt: skip


@pytest.mark.parametrize("entries", BAD_OF_TRANSACTIONS.values(), ids=BAD_OF_TRANSACTIONS)
def test_a_transaction_with_one_bad_entry_stores_nothing(wire, entries):
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [POSTED, *entries]}
    wire.refused({400, 404, 405, 409, 412, 415, 422}, "POST", "/fhir", body)


@pytest.mark.parametrize("entries", BAD_OF_TRANSACTIONS.values(), ids=BAD_OF_TRANSACTIONS)
def test_a_batch_with_bad_entries_tells_of_each_and_is_never_500(wire, entries):
    answered = wire.never_500("POST", "/fhir", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    if answered.status_code == 200:
        for each in answered.json["entry"]:
            assert each["response"]["status"][0] in "24", each


@given(bundle=near_bundles())
@MANY
def test_any_bundle_is_never_500(wire, bundle):
    answered = wire.never_500("POST", "/fhir", bundle)
    if answered.status_code == 200 and answered.json["type"] == "batch-response":
        assert not [each for each in answered.json.get("entry", []) if each["response"]["status"].startswith("5")]


@given(body=json_values())
@MANY
def test_any_json_is_never_500(wire, body):
    wire.never_500("POST", "/fhir", body)
    wire.never_500("POST", "/fhir/Patient", body)
    wire.never_500("PATCH", "/fhir/DocumentReference/nobody", body, PATCH)
    if isinstance(body, dict):
        wire.never_500("POST", "/fhir/Consent", {**body, "resourceType": "Consent"})


def test_the_submission_that_is_altered_below_is_good(wire):
    assert 200 == wire.send("POST", "/fhir", deposit()).status_code


@pytest.mark.parametrize("value", ["x", 7, None, [], ["x"], {}, {"value": {}}, {"system": 7, "value": []}])
@pytest.mark.parametrize(
    "element", ["masterIdentifier", "subject", "date", "context", "contained", "securityLabel", "author", "meta"]
)
def test_a_submission_with_an_element_of_another_kind_is_4xx(wire, element, value):
    body = deposit(**{element: value})
    wire.refused({400, 422}, "POST", "/fhir", body)


@given(data=st.data())
@settings(MANY, max_examples=400)
def test_a_good_resource_with_one_node_changed_is_never_500(wire, data):
    resource = data.draw(altered(data.draw(st.sampled_from(resources()))))
    type_ = resource.get("resourceType")
    path = f"/fhir/{type_}" if isinstance(type_, str) and type_ in load().endpoints and type_ != "Bundle" else "/fhir"
    wire.never_500("POST", path, resource)


@pytest.mark.parametrize("given", [7, "x", {}, None, [7], [[]], [{}], [{"name": 7}], [{"name": ["feeding"]}], [{"name": "feeding"}], [{"name": "feeding", "valueBoolean": "yes"}], [{"name": "authorized", "valueReference": []}], [{"name": "authorized", "valueReference": {"reference": "/"}}]])  # fmt: skip
def test_answers_that_cannot_be_read_open_no_record(wire, given):
    body = {"resourceType": "Parameters", "parameter": given}
    wire.refused({400, 422}, "POST", "/fhir/Patient/lea-martin/$open-record", body)


PATCHES = {
    "an object": {},
    "a word": "x",
    "numbers": [1],
    "an empty operation": [{}],
    "no path": [{"op": "replace", "value": "x"}],
    "no value": [{"op": "replace", "path": "/status"}],
    "an op nobody knows": [{"op": "nonsense", "path": "/status", "value": "x"}],
    "a path that is a number": [{"op": "replace", "path": 7, "value": "x"}],
    "a path that is a list": [{"op": "replace", "path": ["status"], "value": "x"}],
    "a path without a slash": [{"op": "replace", "path": "status", "value": "x"}],
    "the root": [{"op": "replace", "path": "", "value": {}}],
    "a bad escape": [{"op": "replace", "path": "/status~2", "value": "x"}],
    "the subject": [{"op": "replace", "path": "/subject/reference", "value": "Patient/other"}],
    "the id": [{"op": "replace", "path": "/id", "value": "other"}],
    "meta": [{"op": "add", "path": "/meta/versionId", "value": "7"}],
    "a move out": [{"op": "move", "from": "/subject", "path": "/status"}],
    "a copy in": [{"op": "copy", "from": "/description", "path": "/status"}],
    "a from that is a number": [{"op": "move", "from": 7, "path": "/status"}],
    "a test that fails": [{"op": "test", "path": "/status", "value": "superseded"}],
    "a status nobody knows": [{"op": "replace", "path": "/status", "value": "nonsense"}],
    "a status that is a list": [{"op": "replace", "path": "/status", "value": []}],
    "no status": [{"op": "remove", "path": "/status"}],
    "a label that is a word": [{"op": "add", "path": "/securityLabel", "value": "x"}],
    "a label far away": [{"op": "add", "path": "/securityLabel/99", "value": {"text": "x"}}],
    "a label below a label": [{"op": "add", "path": "/securityLabel/0/coding/0/code", "value": {"a": 1}}],
    "an index that is none": [{"op": "add", "path": "/securityLabel/x", "value": {"text": "x"}}],
    "an index below zero": [{"op": "remove", "path": "/securityLabel/-1"}],
    "a bad alias": [{"op": "replace", "path": "/extension[url:", "value": True}],
    "an extension that is none": [{"op": "add", "path": "/extension", "value": 7}],
    "an extension of words": [{"op": "add", "path": "/extension", "value": ["x"]}],
}


@pytest.fixture(scope="module")
def document(wire):
    made = wire.send("GET", "/fhir/DocumentReference?patient=paul-martin&_count=1").json["entry"][0]["resource"]
    return f"/fhir/DocumentReference/{made['id']}"


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_a_patch_that_does_not_fit_is_4xx(wire, document, patch):
    wire.refused({400, 405, 422}, "PATCH", document, patch, PATCH)


@given(
    operations=st.lists(
        st.fixed_dictionaries(
            {
                "op": st.one_of(st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), json_values(3)),
                "path": st.one_of(
                    st.sampled_from(["/status", "/securityLabel", "/securityLabel/0", "/securityLabel/-", "/extension", "/extension/0/valueBoolean", "/extension[url:'x']/valueBoolean", "/securityLabel/0/coding", ""]),
                    json_values(3),
                )
            },
            optional={"value": json_values(5), "from": st.one_of(st.sampled_from(["/status", "/securityLabel/0"]), json_values(3))},
        ),
        max_size=3,
    )
)  # fmt: skip
@MANY
def test_any_patch_is_never_500(wire, document, operations):
    wire.never_500("PATCH", document, operations, PATCH)
