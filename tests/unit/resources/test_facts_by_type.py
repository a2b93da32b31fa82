"""What the type of a resource says of its facts: a query asks nothing that is settled by that (store/simplify.py)."""

import pytest

from fhir_server.definitions.compartments import owner_parameters
from fhir_server.definitions.library import load, profile_json
from fhir_server.definitions.search_parameters import parameters
from fhir_server.resources.facts import facts_of, never_of_class

WORDS = profile_json("dmp/access-matrix.json")["resourceTypes"]


def test_what_is_of_a_type_has_none_of_the_classes_that_it_is_said_never_to_have():
    documents = [
        {"resourceType": "DocumentReference", "id": "a", "type": {"coding": [{"system": row["system"], "code": code}]}}
        for code, row in profile_json("dmp/document-types.json")["types"].items()
    ]
    for resource in [*documents, *({"resourceType": type_, "id": "a"} for type_ in WORDS)]:
        found = facts_of(resource, submitter=frozenset()).get("class", [])
        assert never_of_class(resource["resourceType"]).isdisjoint(found)
    assert {"operator", "consent", "binary"} < never_of_class("DocumentReference") == never_of_class("Observation")
    for type_ in ("Consent", "Basic", "AuditEvent", "Provenance", "ImmunizationEvaluation"):
        assert not never_of_class(type_)


@pytest.mark.parametrize("type_", [each for each in load().types if owner_parameters(each)])
def test_the_patient_of_a_resource_is_the_first_of_its_patients(type_):
    for code in owner_parameters(type_):
        name = parameters(type_)[code].expression.removeprefix(f"{type_}.").partition(".")[0]
        named = [{"reference": f"Patient/{each}"} for each in ("p", "q")]
        for value in (named[0], named):
            found = facts_of({"resourceType": type_, "id": "a", name: value}, submitter=frozenset())
            assert found.get("patients", [None])[0] == found.get("patient")
