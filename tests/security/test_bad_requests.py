"""Addresses, methods, queries and headers that are none: answered or refused with a 4xx, never a 500, nothing stored."""

from __future__ import annotations

import gzip
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions.library import load
from tests.kit.application import FHIR_JSON, application
from tests.security.wire import FORM, GOOD, MANY, MAX_BODY, PATCH, Wire


@pytest.fixture(scope="module")
def wire(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True, max_body=MAX_BODY, max_entries=20) as app:
        yield Wire(app)


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
        "/fhir/Patient/1/_historyx", "/fhir/_search", "/fhir/Patient/_history/1", "/fhir/%00",
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
        ("PUT", "/fhir", {}), ("DELETE", "/fhir", None), ("PATCH", "/fhir", []),
        ("PUT", "/fhir/Patient", {"resourceType": "Patient"}), ("DELETE", "/fhir/Patient", None),
        ("PATCH", "/fhir/Patient", []), ("POST", "/fhir/Patient/1", {"resourceType": "Patient"}),
        ("POST", "/fhir/Patient/1/_history", {}), ("PUT", "/fhir/Patient/1/_history/1", {}),
        ("DELETE", "/fhir/Patient/1/_history/1", None), ("DELETE", "/fhir/metadata", None), ("PUT", "/fhir/metadata", {}),
        ("GET", "/fhir/Patient/1/$open-record", None), ("PATCH", "/fhir/Binary/1", []),
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
    "a chain to nothing": "organization.bogus=x",
    "a chain upon a chain to nothing": "organization.partof.bogus=x",
    "_has by what is no reference": "_has:Observation:code:code=x",
    "_filter with no such operator": "_filter=name zz x",
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
    "a bad format": "_format=ttl",
    "an operator of the database": "name[$ne]=x",
    "a long value": "name=" + "a" * 70_000,
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
    "Accept": ["x", "text/html", "text/turtle", "application/fhir+json;q=0", ";;;", "*", "é", "a" * 5000,
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


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "nonsense", "gzip, identity"])
def test_a_body_in_a_coding_that_is_not_read_is_415(wire, coding):
    """RFC 7231, 3.1.2.2: "An origin server MAY respond with a status code of 415"; as it is, it would be read as JSON."""
    for body in (gzip.compress(GOOD.encode()), GOOD.encode()):
        wire.refused(415, "POST", "/fhir/Organization", body, headers={"Content-Encoding": coding})
    assert (
        201
        == wire.send("POST", "/fhir/Organization", GOOD.encode(), headers={"Content-Encoding": "identity"}).status_code
    )


@pytest.mark.parametrize("value", ["x", '"', 'W/"', '"1" "2"', "W/1"])
def test_an_if_match_that_is_no_entity_tag_is_400_and_another_version_412(wire, value):
    body = {"resourceType": "Organization", "id": "matched", "name": "x"}
    assert wire.send("PUT", "/fhir/Organization/matched", body).status_code in (200, 201)
    wire.refused(400, "PUT", "/fhir/Organization/matched", body, headers={"If-Match": value})
    wire.refused(412, "PUT", "/fhir/Organization/matched", body, headers={"If-Match": 'W/"77"'})
    wire.refused(412, "DELETE", "/fhir/Organization/matched", headers={"If-Match": 'W/"77"'})


@pytest.mark.parametrize("kind", ["text/html", "text/turtle", "application/xml-dtd", "application/fhir+xml; fhirVersion=3.0", "text/xml; charset=utf-16", "", "x", "application/json; charset=utf-16", "application/fhir+json; fhirVersion=3.0", "multipart/form-data", ";;;", "application/json-patch+json", FORM])  # fmt: skip
def test_a_content_type_we_do_not_read_is_415(wire, kind):
    body = GOOD.encode()
    wire.refused(415, "POST", "/fhir/Organization", body, kind)
    wire.refused(415, "POST", "/fhir", body, kind)
    wire.refused(415, "PUT", "/fhir/Organization/x", body, kind)
    if kind != PATCH:
        wire.refused(415, "PATCH", "/fhir/DocumentReference/x", b"[]", kind)


@pytest.mark.parametrize(
    "accept", ["text/html", "text/turtle", "application/fhir+json;q=0", "application/fhir+xml;q=0", "x"]
)
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
