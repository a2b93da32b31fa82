"""Includes: what leads where."""

import pytest

from fhir_server.foundation.predicate import NOTHING, Has, both, either, one_of
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
        ("DocumentReference:*", Include("DocumentReference", "*")),
        ("DocumentReference:*:Organization", Include("DocumentReference", "*", "Organization")),
        ("*", Include("*", "*")),
    ],
)
def test_an_include_names_a_type_a_parameter_and_perhaps_a_target(text, expected):
    assert expected == read("_include", None, text, ("DocumentReference",))


def test_an_include_that_goes_on_begins_with_any_type():
    assert Include("Patient", "organization", iterate=True) == read(
        "_include", "iterate", "Patient:organization", "DocumentReference"
    )
    assert Include("Provenance", "target", reverse=True, iterate=True) == read(
        "_revinclude", "iterate", "Provenance:target", "DocumentReference"
    )


def test_all_that_is_referred_to_is_of_any_parameter_and_perhaps_one_type():
    everything = ["Patient/lea", "Practitioner/dr1", "Organization/chu", "Practitioner/dr2"]
    base = "https://here.example/fhir"
    assert sorted(everything) == sorted(targets(DOCUMENT, Include("*", "*"), base))
    assert sorted(everything) == sorted(targets(DOCUMENT, Include("DocumentReference", "*"), base))
    assert ["Patient/lea"] == targets(DOCUMENT, Include("DocumentReference", "*", "Patient"), base)


def test_a_reverse_include_by_any_parameter_asks_those_that_may_lead_there():
    clause = reverse_clause(Include("DiagnosticReport", "*", reverse=True), ["Observation/o"])
    named = [f"DiagnosticReport.{code}=Observation/o" for code in ("assessed-condition", "result")]
    assert both(Has("resource", "DiagnosticReport"), one_of("token", named)) == clause
    assert NOTHING == reverse_clause(Include("DiagnosticReport", "*", "Patient", reverse=True), ["Observation/o"])


def test_a_reverse_include_leads_to_the_type_searched():
    expected = Include("Provenance", "target", "DocumentReference", reverse=True)
    assert expected == read("_revinclude", None, "Provenance:target:DocumentReference", ("DocumentReference",))


@pytest.mark.parametrize(
    ("name", "modifier", "text", "said"),
    [
        ("_include", "recurse", "DocumentReference:author", "only `:iterate`"),
        ("_include", "", "DocumentReference:author", "only `:iterate`"),
        ("_revinclude", "iterate", "*", "needs a type"),
        ("_revinclude", None, "Organization:*", "does not lead to DocumentReference"),
        ("_include", None, "Patient:*", "the type searched"),
        ("_include", None, "*:author", "is none"),
        ("_include", "iterate", "Patient:wat", "no reference parameter"),
        ("_include", None, "DocumentReference:*:Wat", "does not refer to `Wat`"),
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
        read(name, modifier, text, ("DocumentReference",))


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
