"""Includes: what leads where."""

import pytest

from fhir_server.foundation.predicate import NOTHING, Has, either
from fhir_server.foundation.problem import Problem
from fhir_server.search.include import read, reverse_clause, targets
from fhir_server.search.query import Include

DOCUMENT = {
    "resourceType": "DocumentReference",
    "subject": {"reference": "Patient/lea"},
    "author": [
        {"reference": "Practitioner/dr1/_history/4"},
        {"reference": "Organization/chu"},
        {"reference": "#inside"},
        {"reference": "https://elsewhere.example/Practitioner/x"},
        {"reference": "https://here.example/fhir/Practitioner/dr2"},
        {"reference": "Practitioner/dr1"},
    ],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DocumentReference:author", Include("DocumentReference", "author")),
        ("DocumentReference:author:Organization", Include("DocumentReference", "author", "Organization")),
    ],
)
def test_an_include_names_a_type_a_parameter_and_perhaps_a_target(text, expected):
    assert expected == read("_include", None, text, "DocumentReference")


def test_a_reverse_include_leads_to_the_type_searched():
    expected = Include("Provenance", "target", "DocumentReference", reverse=True)
    assert expected == read("_revinclude", None, "Provenance:target:DocumentReference", "DocumentReference")


@pytest.mark.parametrize(
    ("name", "modifier", "text", "said"),
    [
        ("_include", "iterate", "DocumentReference:author", "not supported"),
        ("_include", None, "*", r"`\*`"),
        ("_include", None, "DocumentReference:*", r"`\*`"),
        ("_include", None, "DocumentReference", "takes `Type:parameter`"),
        ("_include", None, ":author", "takes `Type:parameter`"),
        ("_include", None, "DocumentRefrence:author", "did you mean `DocumentReference`"),
        ("_include", None, "Patient:organization", "the type searched"),
        ("_include", None, "DocumentReference:auther", "did you mean `author`"),
        ("_include", None, "DocumentReference:type", "no reference parameter"),
        ("_include", None, "DocumentReference:author:Medication", "does not refer to `Medication`"),
        ("_revinclude", None, "Encounter:patient", "does not lead to DocumentReference"),
        ("_revinclude", None, "Provenance:target:Patient", "does not lead to DocumentReference"),
    ],
)
def test_what_leads_nowhere_is_refused(name, modifier, text, said):
    with pytest.raises(Problem, match=said):
        read(name, modifier, text, "DocumentReference")


def test_targets_are_local_and_distinct():
    assert ["Practitioner/dr1", "Organization/chu", "Practitioner/dr2"] == targets(
        DOCUMENT, Include("DocumentReference", "author"), "https://here.example/fhir"
    )


def test_a_target_type_leaves_out_the_others():
    assert ["Organization/chu"] == targets(DOCUMENT, Include("DocumentReference", "author", "Organization"))


def test_a_resource_of_another_type_leads_nowhere():
    assert [] == targets({"resourceType": "Patient"}, Include("DocumentReference", "author"))


def test_a_reverse_include_is_a_clause_on_the_ids():
    include = Include("Provenance", "target", reverse=True)
    name = "Provenance.target=DocumentReference"
    clause = reverse_clause(include, ["DocumentReference/a", "DocumentReference/b"])
    assert Has("resource", "Provenance") in clause.of
    assert either(Has("token", f"{name}/a"), Has("token", f"{name}/b")) in clause.of


def test_nothing_refers_to_no_match():
    assert NOTHING == reverse_clause(Include("Provenance", "target", reverse=True), [])
