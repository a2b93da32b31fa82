"""A search by a number reads what has such a number in the record, by an index; without a record, by another."""

from __future__ import annotations

import pytest

from fhir_server.foundation.predicate import EVERYTHING, Has, both
from fhir_server.foundation.problem import Problem
from fhir_server.search.parse import parse
from fhir_server.store.documents import envelope
from fhir_server.store.shelf import Shelf
from fhir_server.store.visible import VisibleStore

RECORDS, EACH = 25, 24
UCUM = "http://unitsofmeasure.org"


def observation(record, number):
    made = {
        "resourceType": "Observation",
        "id": f"o{record}-{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": f"10{number % 4}-1"}]},
        "subject": {"reference": f"Patient/p{record}"},
    }
    match number % 4:
        case 0:
            return {**made, "valueString": "trace"}
        case 1:
            return {**made, "valueQuantity": {"value": number, "unit": "mg", "system": UCUM, "code": "mg"}}
        case 2:
            return {**made, "valueQuantity": {"value": record, "unit": "cm", "system": UCUM, "code": "cm"}}
    return {**made, "valueBoolean": True}


@pytest.fixture(scope="module")
def shelf(mongo_client):
    database = mongo_client["numbers"]
    made = Shelf(database)
    made.prepare()
    made.resources.insert_many(
        envelope(observation(record, number), version=1, updated=record * 100 + number, submitter=(), neighbours={})
        for record in range(RECORDS)
        for number in range(EACH)
    )
    yield made
    mongo_client.drop_database("numbers")


def planned(shelf, text, residual):
    pairs = [tuple(each.split("=", 1)) for each in text.split("&")]
    query = parse("Observation", pairs, lenient=False, base="")
    plan = VisibleStore(shelf, residual).explain("Observation", query.where, query.order, 20)
    return stages(plan["queryPlanner"]["winningPlan"]), plan["executionStats"]


def stages(plan):
    inner = [plan[name] for name in ("inputStage", "queryPlan") if name in plan] + plan.get("inputStages", [])
    return [(plan.get("stage"), plan.get("indexName")), *(stage for each in inner for stage in stages(each))]


IN_A_RECORD = {
    f"value-quantity=5|{UCUM}|mg": 1,
    f"value-quantity=gt0.008|{UCUM}|g": 4,
    f"value-quantity=ne5|{UCUM}|mg": 5,
    "value-quantity=gt100": 0,
    "value-quantity=9||mg": 1,
    f"value-quantity=lt6|{UCUM}|mg,ge17|{UCUM}|mg": 4,
    f"value-quantity=ge5|{UCUM}|mg&value-quantity=lt10|{UCUM}|mg": 2,
    f"code-value-quantity=101-1$9|{UCUM}|mg": 1,
    f"code-value-quantity=102-1$9|{UCUM}|mg": 0,
    "code-value-string=http://loinc.org|100-1$tra": 6,
}


@pytest.mark.parametrize("text", IN_A_RECORD)
def test_within_a_record_no_more_is_read_than_has_such_a_value_in_it(shelf, text):
    record = both(Has("patients", "p3"), Has("patient", "p3"))
    found, statistics = planned(shelf, text, record)

    assert {name for name, _ in found}.isdisjoint({"COLLSCAN"}), found
    assert statistics["nReturned"] == IN_A_RECORD[text]
    assert statistics["totalDocsExamined"] <= EACH // 2


@pytest.mark.parametrize("text", [f"value-quantity=0.07|{UCUM}|m", f"value-quantity=eb20|{UCUM}|mm"])
def test_where_no_record_is_named_an_index_over_numbers_serves(shelf, text):
    found, statistics = planned(shelf, text, EVERYTHING)

    assert {name for name, _ in found}.isdisjoint({"COLLSCAN"}), found
    assert statistics["nReturned"] > 0
    assert statistics["totalDocsExamined"] <= 2 * statistics["nReturned"]


def test_what_has_no_number_is_not_in_the_index_of_numbers(shelf):
    held = shelf.resources.count_documents({"numbers": {"$exists": True}})
    indexed = len(
        list(shelf.resources.find({}, {"_id": 1}).hint([("numbers.key", 1), ("numbers.lo", 1), ("numbers.hi", 1)]))
    )

    assert held == indexed == RECORDS * EACH // 2


def test_where_no_record_is_named_a_composite_goes_by_the_code(shelf):
    found, statistics = planned(shelf, f"code-value-quantity=102-1$7|{UCUM}|cm", EVERYTHING)

    assert {name for name, _ in found}.isdisjoint({"COLLSCAN"}), found
    assert statistics["nReturned"] == EACH // 4
    assert statistics["totalDocsExamined"] <= RECORDS * EACH // 4


def test_a_resource_with_more_values_than_a_document_can_hold_is_refused():
    component = {**observation(1, 1), "code": {"coding": [{"code": "1"}]}}
    with pytest.raises(Problem) as refusal:
        envelope({**component, "component": [component] * 9000}, version=1, updated=1, submitter=(), neighbours={})
    assert 413 == refusal.value.status
