"""The index: what a resource leaves to be asked of, and what goes with a reference that is taken away."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_server.definitions.library import load
from fhir_server.resources.references import drop
from fhir_server.search.index import Indexed, index_of, may_come_by_reference

EXAMPLES = Path(__file__).parents[2] / "examples"


def examples():
    for path in sorted(EXAMPLES.rglob("*.json")):
        content = json.loads(path.read_text("utf-8"), parse_float=Decimal)
        if isinstance(content, dict) and load().is_type(content.get("resourceType", "")):
            yield pytest.param(content, id=path.stem)
            for entry in content.get("entry", ()) if content["resourceType"] == "Bundle" else ():
                if "resource" in entry:
                    yield pytest.param(entry["resource"], id=f"{path.stem}-{entry['resource']['resourceType']}")


REPLACEMENT = {
    "resourceType": "DocumentReference",
    "id": "new",
    "status": "current",
    "subject": {"reference": "Patient/lea"},
    "relatesTo": [
        {"code": "replaces", "target": {"reference": "DocumentReference/a"}},
        {"code": "replaces", "target": {"reference": "DocumentReference/b/_history/2"}},
        {"code": "signs", "target": {"reference": "DocumentReference/b"}},
    ],
    "date": "2026-11-23T10:00:00Z",
}


def test_tokens_are_named_by_type_and_parameter():
    tokens = index_of(REPLACEMENT).tokens
    assert {
        "DocumentReference.status=current",
        "DocumentReference.patient=Patient/lea",
        "DocumentReference.date!",
    } <= set(tokens)
    assert len(set(tokens)) == len(tokens)


def test_dates_are_intervals_by_parameter():
    assert {"date": [{"lo": 1795428000000000, "hi": 1795428000999999}]} == index_of(REPLACEMENT).dates


def test_what_the_envelope_answers_itself_is_not_indexed():
    tokens = index_of({**REPLACEMENT, "meta": {"lastUpdated": "2026-11-23T10:00:00Z"}}).tokens
    assert not [each for each in tokens if "._id" in each or "_lastUpdated" in each]


def test_a_token_of_two_references_stands_under_both():
    by_reference = index_of(REPLACEMENT).by_reference
    assert {"DocumentReference.relatesto=DocumentReference/a"} == {
        each for each in by_reference["DocumentReference/a"] if "relatesto=" in each
    }
    assert "DocumentReference.relatesto!" in by_reference["DocumentReference/a"]
    assert "DocumentReference.relatesto!" in by_reference["DocumentReference/b"]


def test_a_code_beside_a_required_reference_goes_with_it():
    by_reference = index_of(REPLACEMENT).by_reference
    assert "DocumentReference.relation=signs" not in by_reference["DocumentReference/a"]
    assert "DocumentReference.relation=signs" in by_reference["DocumentReference/b"]
    assert "DocumentReference.relation=replaces" in by_reference["DocumentReference/a"]


def test_what_a_visible_reference_accounts_for_stays():
    own, through = index_of(REPLACEMENT).apart(["DocumentReference/a"])
    assert "DocumentReference.relatesto!" in own
    assert {
        "DocumentReference/a": [
            "DocumentReference.relationship=DocumentReference/a$replaces",
            r"DocumentReference.relationship=DocumentReference/a$\|replaces",
            "DocumentReference.relatesto=DocumentReference/a",
        ]
    } == through


def test_nothing_goes_apart_when_nothing_is_mentioned():
    indexed = index_of(REPLACEMENT)
    assert (indexed.tokens, {}) == indexed.apart([])
    assert (indexed.tokens, {}) == indexed.apart(["DocumentReference/elsewhere"])


def test_a_value_that_is_no_reference_keeps_the_presence():
    resource = {
        "resourceType": "List",
        "entry": [{"item": {"reference": "DocumentReference/a"}}, {"item": {"display": "sur papier"}}],
    }
    assert Indexed(
        ["List.item!", "List.item=DocumentReference/a"],
        {},
        {"DocumentReference/a": ["List.item=DocumentReference/a"]},
    ) == index_of(resource)


def test_a_canonical_goes_with_what_it_names_if_that_is_mentioned():
    """`references.drop` takes it away with that; what belongs to no record is never a mention, and stays."""
    indexed = index_of({"resourceType": "MeasureReport", "measure": "Measure/x"})
    said = ["MeasureReport.measure!", "MeasureReport.measure=Measure/x"]
    assert (said, {}) == indexed.apart([])
    assert ([], {"Measure/x": said}) == indexed.apart(["Measure/x"])


def test_a_uri_goes_with_the_resource_that_it_reads_as():
    plan = {"resourceType": "CarePlan", "instantiatesUri": ["Observation/o", "http://example.org/plan"]}
    both = index_of(plan)
    assert ["CarePlan.instantiates-uri!", "CarePlan.instantiates-uri=http://example.org/plan"] == both.apart(
        ["Observation/o"]
    )[0]
    assert may_come_by_reference("CarePlan", "instantiates-uri", "Observation/o")
    assert may_come_by_reference("CarePlan", "instantiates-uri")
    assert not may_come_by_reference("CarePlan", "instantiates-uri", "http://example.org/plan")


def test_a_timing_without_limits_is_there_and_has_no_interval():
    indexed = index_of({"resourceType": "ServiceRequest", "occurrenceTiming": {"repeat": {"frequency": 1}}})
    assert ["ServiceRequest.occurrence!"] == indexed.tokens
    assert {} == indexed.dates


def test_an_absolute_reference_to_this_server_is_local():
    base = "https://server.example/fhir"
    resource = {"resourceType": "List", "subject": {"reference": f"{base}/Patient/lea"}}
    assert "List.subject=Patient/lea" in index_of(resource, base).tokens
    assert "List.subject=Patient/lea" not in index_of(resource).tokens


def test_parameters_that_can_come_by_a_reference_are_known():
    assert may_come_by_reference("DocumentReference", "relatesto")
    assert may_come_by_reference("DocumentReference", "relation")
    assert may_come_by_reference("DocumentReference", "relationship")
    assert not may_come_by_reference("Observation", "code-value-quantity")
    assert not may_come_by_reference("DocumentReference", "type")
    assert not may_come_by_reference("DocumentReference", "unknown")


@pytest.mark.parametrize("resource", list(examples()))
def test_a_resource_without_its_mentions_has_the_index_of_one_that_never_had_them(resource):
    """No trace: what is left of the index is that of the resource as it is shown."""
    indexed = index_of(resource)
    mentioned = list(indexed.by_reference)
    own, through = indexed.apart(mentioned)
    for hidden in [*([each] for each in mentioned), mentioned]:
        left = {*own, *(token for name, tokens in through.items() if name not in hidden for token in tokens)}
        shown = index_of(drop(resource, hidden))
        assert set(shown.tokens) == left
        assert (shown.numbers, shown.together, shown.dates) == (indexed.numbers, indexed.together, indexed.dates)
