"""Bundles and patches that do not fit, over HTTP: the right 4xx with an OperationOutcome, never a 500, nothing stored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.definitions.library import load
from tests.kit.application import application, deposit
from tests.security.wire import MANY, MAX_BODY, PATCH, Wire, altered, json_values, near_bundles, resources


@pytest.fixture(scope="module")
def wire(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True, max_body=MAX_BODY, max_entries=20) as app:
        yield Wire(app)


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
    "a file": [{"request": {"method": "GET", "url": "file:" + "///etc/passwd"}}],
    "a path from the root": [{"request": {"method": "GET", "url": "/auth/jwks"}}],
    "no resource": [{"request": {"method": "POST", "url": "Organization"}}],
    "a resource that is a list": [{"request": {"method": "POST", "url": "Organization"}, "resource": []}],
    "a condition that is a number": [{"request": {"method": "GET", "url": "Patient/1", "ifNoneMatch": 7}}],
    "too many": [POSTED] * 21,
}


@pytest.mark.parametrize("entries", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_entry_that_cannot_be_read_is_4xx_and_of_a_batch_alone(wire, kind, entries):
    """R58, R65: a transaction fails as a whole; in a batch the entry beside it is carried out."""
    if not isinstance(entries, list):
        wire.refused({400}, "POST", "/fhir", {"resourceType": "Bundle", "type": kind, "entry": entries})
        return
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [POSTED, *entries]}
    if kind == "transaction" or len(entries) > 20:
        wire.refused({400, 413, 422}, "POST", "/fhir", bundle)
        return
    answered = wire.never_500("POST", "/fhir", bundle)
    good, *bad = (each["response"] for each in answered.json["entry"])
    assert (200, "201 Created", len(entries)) == (answered.status_code, good["status"], len(bad))
    for each in bad:
        assert each["status"].startswith("4"), each
        assert each["outcome"]["issue"][0]["diagnostics"]


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
    "a condition nobody knows": [{
        **POSTED, "request": {"method": "POST", "url": "Organization", "ifNoneExist": "nonsense=x"},
    }],
    "a condition of bytes": [{**POSTED, "request": {"method": "POST", "url": "Organization", "ifNoneExist": "name=%ff"}}],
    "an update of whatever there is": [{"request": {"method": "PUT", "url": "Organization"}, "resource": ORGANIZATION}],
    "a deletion of whatever there is": [{"request": {"method": "DELETE", "url": "Organization?"}}],
    "a deletion of several": [{"request": {"method": "DELETE", "url": "Organization?name:missing=false"}}],
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
