"""Bodies that are no JSON, or no such resource, over HTTP: the right 4xx with an OperationOutcome, never a 500, nothing stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.application import application, deposit
from tests.security.wire import FORM, GOOD, MANY, MAX_BODY, PATCH, Wire


@pytest.fixture(scope="module")
def wire(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True, max_body=MAX_BODY, max_entries=20) as app:
        yield Wire(app)


# --- bodies that are no JSON, or not the JSON we read

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
