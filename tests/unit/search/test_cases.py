"""The search cases of tests/conformance/search, run in memory: index and clause must agree without any database."""

import json
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from fhir_server.foundation.predicate import matches
from fhir_server.foundation.problem import Problem
from fhir_server.search.index import index_of
from fhir_server.search.parse import parse
from fhir_server.search.query import in_order
from tests.kit.links import followed

BASE = "https://server.example/fhir"
CASES = Path(__file__).parents[2] / "conformance" / "search"


def envelope(resource, updated=1_700_000_000_000_000):
    indexed = index_of(resource, BASE)
    return {
        "_id": f"{resource['resourceType']}/{resource['id']}",
        "type": resource["resourceType"],
        "version": 1,
        "updated": updated,
        "facts": {},
        "index": indexed.tokens,
        "dates": indexed.dates,
        "numbers": indexed.numbers,
        "together": indexed.together,
    }


def with_base(value):
    return json.loads(json.dumps(value).replace("{base}", BASE))


def all_cases():
    for path in sorted(CASES.glob("*.json")):
        content = with_base(json.loads(path.read_text("utf-8")))
        for case in content["cases"]:
            yield pytest.param(content["resources"], case, id=f"{path.stem}: {case['title']}")


def answer(resources, case):
    type_, _, text = case["search"].partition("?")
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    query = parse(type_, pairs, lenient=case.get("lenient", False), base=BASE)
    if query.patient_identifier is not None:
        asked = query.patient_identifier
        wanted = {"system": asked.system, "value": asked.value}
        query = query.for_patient(
            each["id"]
            for each in resources
            if each["resourceType"] == "Patient" and wanted in each.get("identifier", ())
        )
    envelopes = [envelope(each) for each in resources]
    where = followed(query.where, envelopes)
    found = [each for each in envelopes if each["type"] == type_ and matches(where, each)]
    return [each["_id"].partition("/")[2] for each in in_order(query.order, found)]


@pytest.mark.parametrize(("resources", "case"), list(all_cases()))
def test_a_case_has_the_answer_it_states(resources, case):
    if "refused" in case:
        with pytest.raises(Problem) as refusal:
            answer(resources, case)
        assert 400 == refusal.value.status
        assert case["refused"] in str(refusal.value)
        return
    found = answer(resources, case)
    if case.get("ordered"):
        assert case["expected"] == found
    else:
        assert sorted(case["expected"]) == sorted(found)


def test_every_type_of_parameter_has_its_cases():
    assert {"string", "token", "reference", "date", "uri", "number", "quantity", "composite"} <= {
        path.stem for path in CASES.glob("*.json")
    }
