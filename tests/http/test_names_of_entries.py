"""How entries of a transaction name each other, and what names nothing of it (https://hl7.org/fhir/R4/bundle.html#references)."""

from __future__ import annotations

import base64
import json

import pytest

from tests.http.test_bundles import URN, bundle, count, entry, observed, posted
from tests.kit import people
from tests.kit.world import patient

OPERATOR = people.operator()
SYSTEM = "http://hosp.example"
ELSEWHERE = "http://ext.example/fhir"


def person(id_, **more):
    return {**patient(id_), "identifier": [{"system": SYSTEM, "value": id_}], **more}


def inner(kind="document"):
    first, second = URN.format(8), URN.format(9)
    named = {"identifier": {"system": "urn:ietf:rfc:3986", "value": first}, "timestamp": "2026-01-01T00:00:00Z"}
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "t"},
        "subject": {"reference": second},
        "date": "2026-01-01",
        "author": [{"reference": second}],
        "title": "T",
    }
    entries = [
        {"fullUrl": first, "resource": composition},
        {"fullUrl": second, "resource": {"resourceType": "Patient"}},
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **(named if kind == "document" else {})}


@pytest.mark.parametrize("kind", ["document", "collection"])
@pytest.mark.parametrize("within", ["transaction", "batch"])
def test_a_bundle_that_is_stored_by_a_transaction_was_taken_for_a_part_of_it(world, kind, within):
    """Rows 59 and 60: what a document refers to is in the document."""
    sent = inner(kind)
    # the same name means another thing outside of it
    outside = entry("POST", "Observation", observed(), URN.format(9))
    got = posted(world, bundle(within, entry("POST", "Bundle", sent, URN.format(1)), outside))

    assert ["201", "201"] == [each["response"]["status"][:3] for each in got.json["entry"]], got.json
    assert sent["entry"] == got.json["entry"][0]["resource"]["entry"]


def test_conditions_in_a_bundle_that_is_stored_are_its_own(world):
    """Row 61: a transaction that is kept is not carried out."""
    world.put(person("p2"))
    kept = bundle("transaction", entry("POST", "Observation", observed(subject={"reference": "Patient?identifier=p2"})))
    assert kept["entry"] == world.ask(OPERATOR, "POST", "Bundle", kept).json["entry"]
    got = posted(world, bundle("transaction", entry("POST", "Bundle", kept)))
    assert kept["entry"] == got.json["entry"][0]["resource"]["entry"]


@pytest.mark.parametrize(
    "found",
    [
        entry("POST", "Patient", person("p1"), f"{ELSEWHERE}/Patient/777", ifNoneExist=f"identifier={SYSTEM}|p1"),
        entry("PUT", f"Patient?identifier={SYSTEM}|p1", person("p1"), f"{ELSEWHERE}/Patient/777"),
    ],
    ids=["create", "update"],
)
@pytest.mark.parametrize("text", ["Patient/777", f"{ELSEWHERE}/Patient/777", "Patient/777/_history/3"])
@pytest.mark.parametrize("beside", [f"{ELSEWHERE}/Observation/1", URN.format(1), None])
def test_what_a_condition_found_is_named_by_a_relative_reference_too(world, found, text, beside):
    """Row 60: it was stored as it stood, and led to nobody or to another."""
    world.put(person("p1"))
    world.put(person("777"))
    sent = bundle("transaction", found, entry("POST", "Observation", observed(subject={"reference": text}), beside))
    got = posted(world, sent)
    assert {"reference": "Patient/p1"} == got.json["entry"][1]["resource"]["subject"], got.json


def test_a_relative_reference_means_the_entry_of_its_own_server(world):
    """R4 bundle.html#references: two servers may each have a Patient/1."""
    servers = ("http://a.example/fhir", "http://b.example/fhir")
    people_ = [entry("POST", "Patient", person(f"n{at}"), f"{each}/Patient/1") for at, each in enumerate(servers)]
    made = [
        entry("POST", "Observation", observed(subject={"reference": "Patient/1"}), f"{each}/Observation/1")
        for each in servers
    ]
    got = posted(world, bundle("transaction", *people_, *made)).json["entry"]
    ids = [f"Patient/{each['resource']['id']}" for each in got[:2]]
    assert ids == [each["resource"]["subject"]["reference"] for each in got[2:]]


def json_patch(*operations):
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def fhirpath_patch(path, name, **value):
    parts = [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": path}]
    parts += [{"name": "name", "valueString": name}, {"name": "value", **value}]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def patches(text):
    return {
        "an element": json_patch({"op": "add", "path": "/derivedFrom", "value": [{"reference": text}]}),
        "pieces": json_patch(
            {"op": "add", "path": "/derivedFrom", "value": [{}]},
            {"op": "add", "path": "/derivedFrom/0/reference", "value": text},
        ),
        "fhirpath": fhirpath_patch("Observation", "derivedFrom", valueReference={"reference": text}),
    }


@pytest.mark.parametrize("way", list(patches("")))
def test_a_patch_names_another_entry_of_its_transaction(world, way):
    """Rows 59 and 60: the name was stored as it stood."""
    world.put(observed(id="o"))
    other = entry("POST", "Observation", observed(), URN.format(1))
    got = posted(world, bundle("transaction", other, entry("PATCH", "Observation/o", patches(URN.format(1))[way])))
    born, changed = (each["resource"] for each in got.json["entry"])
    assert [{"reference": f"Observation/{born['id']}"}] == changed["derivedFrom"]


@pytest.mark.parametrize("way", list(patches("")))
def test_a_patch_that_names_no_entry_is_refused(world, way):
    """Row 59."""
    world.put(observed(id="o"))
    before = count(world)
    got = posted(world, bundle("transaction", entry("PATCH", "Observation/o", patches(URN.format(1))[way])))
    assert (400, before) == (got.status, count(world)), got.json
    assert "no entry of this transaction" in got.json["issue"][0]["diagnostics"]
    assert got.json["issue"][0]["expression"][0].startswith("Bundle.entry[0].resource")


def test_a_name_that_stood_before_stays_when_something_else_is_patched(world):
    """A single write may leave a urn; a patch of another element is no place to refuse it."""
    world.put(observed(id="o", derivedFrom=[{"reference": URN.format(7)}]))
    status = json_patch({"op": "replace", "path": "/status", "value": "amended"})
    got = posted(world, bundle("transaction", entry("PATCH", "Observation/o", status)))
    assert (200, [{"reference": URN.format(7)}]) == (got.status, got.json["entry"][0]["resource"]["derivedFrom"])


@pytest.mark.parametrize("way", list(patches("")))
def test_a_patch_in_a_batch_names_no_other_entry(world, way):
    """Row 57: entries of a batch do not refer to each other."""
    world.put(observed(id="o"))
    other = entry("POST", "Observation", observed(), URN.format(1))
    got = posted(world, bundle("batch", other, entry("PATCH", "Observation/o", patches(URN.format(1))[way])))
    assert ["201", "400"] == [each["response"]["status"][:3] for each in got.json["entry"]]


@pytest.mark.parametrize("way", list(patches("")))
def test_a_condition_in_a_patch_means_what_the_transaction_brings(world, way):
    """Rows 56 and 61."""
    world.put(observed(id="o"))
    made = entry("POST", "Observation", observed(identifier=[{"system": SYSTEM, "value": "n"}]))
    patch = patches(f"Observation?identifier={SYSTEM}|n")[way]
    got = posted(world, bundle("transaction", made, entry("PATCH", "Observation/o", patch)))
    born, changed = (each["resource"] for each in got.json["entry"])
    assert [{"reference": f"Observation/{born['id']}"}] == changed["derivedFrom"]
