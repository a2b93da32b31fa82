"""What an entry of a bundle brings beside a resource: the criteria of a search, a patch; and how it is named."""

from __future__ import annotations

import base64
import json

import pytest

from tests.http.test_bundles import bundle, count, entry, observed, posted
from tests.kit import people

ASKED = {"resourceType": "Parameters", "parameter": [{"name": "status", "valueString": "amended"}]}


def patch_of(operations, *, broken=False):
    text = base64.b64encode(json.dumps(operations).encode()).decode()
    lines = "\n".join(text[at : at + 20] for at in range(0, len(text), 20))
    return {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": lines if broken else text,
    }


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize(
    ("url", "brought"),
    [
        ("Observation/_search", ASKED),
        ("Observation/_search?subject=Patient/lea", ASKED),
        ("Observation/_search?status=amended", None),
    ],
)
def test_the_criteria_of_a_search_that_an_entry_posts_are_not_passed_over(world, kind, url, brought):
    """Row 79: a criterion that is ignored widens the answer; it was answered with all there is."""
    world.put(observed(id="o1"))
    world.put(observed(id="o2", status="amended"))
    got = posted(world, bundle(kind, entry("POST", url, brought)))

    assert 200 == got.status, got.json
    told = got.json["entry"][0]["resource"]
    assert (1, "o2") == (told["total"], told["entry"][0]["resource"]["id"])
    assert any("status=amended" in each["url"] for each in told["link"])


@pytest.mark.parametrize(
    "brought",
    [
        observed(),
        {"resourceType": "Parameters", "parameter": "status"},
        {"resourceType": "Parameters", "parameter": [{"name": "status"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "status", "valueCoding": {"code": "final"}}]},
        {"resourceType": "Parameters", "parameter": [{"name": "status", "resource": observed()}]},
    ],
)
def test_what_is_no_criterion_of_a_posted_search_is_refused_by_its_entry(world, brought):
    """Row 79."""
    got = posted(world, bundle("transaction", entry("POST", "Observation/_search", brought)))
    assert 400 == got.status
    assert got.json["issue"][0]["expression"][0].startswith("Bundle.entry[0].resource")


def test_an_operation_that_needs_to_be_told_nothing_is_posted_with_nothing(world):
    """As it is alone."""
    world.put(observed(id="o1"))
    got = posted(world, bundle("batch", entry("POST", "Observation/o1/$validate")))
    assert "200 OK" == got.json["entry"][0]["response"]["status"], got.json


@pytest.mark.parametrize(
    "spoilt",
    [
        entry("GET", "Observation?status=%zz"),
        entry("PATCH", "Observation/o1", {**patch_of([]), "data": "W3s="}),
    ],
)
def test_an_entry_of_a_transaction_that_cannot_be_read_is_named(world, spoilt):
    """Row 57: which of many it was."""
    before = count(world)
    got = posted(world, bundle("transaction", entry("POST", "Observation", observed()), spoilt))
    assert (400, before) == (got.status, count(world))
    assert got.json["issue"][0]["expression"][0].startswith("Bundle.entry[1]"), got.json


def test_a_patch_whose_base64_is_broken_into_lines_is_a_patch(world):
    """White space in base64 says nothing (https://hl7.org/fhir/R4/datatypes.html#base64Binary)."""
    world.put(observed(id="o1"))
    sent = patch_of([{"op": "replace", "path": "/status", "value": "amended"}], broken=True)
    got = posted(world, bundle("transaction", entry("PATCH", "Observation/o1", sent)))
    assert (200, "amended") == (got.status, got.json["entry"][0]["resource"]["status"]), got.json


def test_an_element_that_names_what_may_not_be_seen_is_told_by_a_path_that_leads_to_it(world):
    """Row 9: issue.expression was `Bundle.entry[0].resource.ofType(Observation.derivedFrom[0].reference)`."""
    sent = entry("POST", "Observation", observed(derivedFrom=[{"reference": "Observation/nobody"}]))
    got = posted(world, bundle("transaction", sent), people.doctor())
    assert (422, ["Bundle.entry[0].resource.derivedFrom[0].reference"]) == (
        got.status,
        got.json["issue"][0]["expression"],
    ), got.json


def test_a_condition_that_its_asker_may_not_make_is_named_where_it_refers_to_what_comes_along(world):
    """Row 57: it names the element, as where the condition leads to nothing new."""
    who = people.doctor(scopes=("user/*.cru",))
    made = entry("POST", "Observation", observed(valueString="new"), "urn:uuid:00000000-0000-4000-8000-000000000001")
    sent = entry("POST", "Observation", observed(derivedFrom=[{"reference": "Observation?subject=Patient/lea"}]))
    got = posted(world, bundle("transaction", made, sent), who)
    assert (403, ["Bundle.entry[1].resource.derivedFrom[0].reference"]) == (
        got.status,
        got.json["issue"][0]["expression"],
    ), got.json
