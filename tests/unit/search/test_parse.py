"""Query strings: what is asked, what is ignored, which records are named."""

import pytest

from fhir_server.foundation.predicate import EVERYTHING, Has, Linked, Not, both, either
from fhir_server.foundation.problem import Problem
from fhir_server.search.parse import criteria, parse
from fhir_server.search.query import NEWEST_FIRST, Include, PatientIdentifier

BASE = "https://server.example/fhir/"


def read(type_, *pairs, lenient=False, maximum=200):
    return parse(type_, list(pairs), lenient=lenient, base=BASE, maximum=maximum)


def test_nothing_asked_is_everything_newest_first():
    query = read("Patient")
    assert (EVERYTHING, NEWEST_FIRST, 20, "accurate", None, ()) == (
        query.where,
        query.order,
        query.count,
        query.total,
        query.summary,
        query.asked,
    )


def test_repetition_is_and_and_a_comma_is_or():
    female, male = Has("token", "Patient.gender=female"), Has("token", "Patient.gender=male")
    active = Has("token", "Patient.active=true")
    assert both(either(female, male), active) == read("Patient", ("gender", "female,male"), ("active", "true")).where


def test_missing_asks_for_the_presence_token():
    there = Has("token", "Patient.birthdate!")
    assert there == read("Patient", ("birthdate:missing", "false")).where
    assert Not(there) == read("Patient", ("birthdate:missing", "true")).where


@pytest.mark.parametrize(("name", "text"), [("_count", "0"), ("_summary", "count")])
def test_a_count_alone_asks_for_no_entry(name, text):
    query = read("Patient", (name, text))
    assert ("count", 0) == (query.summary, query.count)


def test_the_self_link_states_the_count_that_was_used():
    assert (("_count", "50"), ("gender", "male")) == read(
        "Patient", ("_count", "9999"), ("gender", "male"), maximum=50
    ).asked


def test_the_page_token_is_kept_sealed_and_out_of_the_self_link():
    query = read("Patient", ("_page", "sealed"), ("_format", "json"))
    assert ("sealed", (("_format", "json"),)) == (query.cursor, query.asked)


def test_lenient_handling_reports_what_it_ignored():
    query = read("Patient", ("birthdat", "1990"), ("gender", "male"), lenient=True)
    (issue,) = query.ignored
    assert (("gender", "male"),) == query.asked
    assert "warning" == issue.severity
    assert "`birthdat`" in issue.text
    assert "did you mean `birthdate`" in issue.text


def test_an_unknown_name_without_a_near_one_is_refused_all_the_same():
    with pytest.raises(Problem) as refusal:
        read("Patient", ("zzzzzz", "1"))
    assert "did you mean" not in str(refusal.value)


def test_lenient_handling_ignores_an_unknown_chain_but_no_known_one():
    assert EVERYTHING == read("Patient", ("wat.name", "x"), lenient=True).where
    with pytest.raises(Problem, match="did you mean `name`"):
        read("Patient", ("organization.nam", "x"), lenient=True)


def test_includes_are_read_once_each():
    pairs = [("_include", "DocumentReference:author"), ("_include", "DocumentReference:author")]
    query = read("DocumentReference", *pairs, ("_revinclude", "Provenance:target"))
    assert (
        Include("DocumentReference", "author"),
        Include("Provenance", "target", reverse=True),
    ) == query.includes


@pytest.mark.parametrize(
    ("type_", "pairs", "patients"),
    [
        ("DocumentReference", [("patient", "lea")], ("lea",)),
        ("DocumentReference", [("patient", "Patient/lea")], ("lea",)),
        ("DocumentReference", [("patient", "https://server.example/fhir/Patient/lea")], ("lea",)),
        ("DocumentReference", [("subject", "Patient/lea,Patient/noe")], ("lea", "noe")),
        ("DocumentReference", [("subject:Patient", "lea")], ("lea",)),
        ("DocumentReference", [("subject", "lea")], ("lea",)),
        ("DocumentReference", [("patient", "lea"), ("subject", "Patient/lea")], ("lea",)),
        ("DocumentReference", [("patient", "lea"), ("patient", "noe")], ("lea", "noe")),
        ("Coverage", [("beneficiary", "Patient/lea")], ("lea",)),
        ("Patient", [("_id", "lea,noe")], ("lea", "noe")),
        # not every match belongs to one of them
        ("DocumentReference", [("subject", "Patient/lea,Group/g")], ()),
        ("DocumentReference", [("subject:Group", "g")], ()),
        ("DocumentReference", [("subject:identifier", "s|v")], ()),
        ("DocumentReference", [("patient:missing", "false")], ()),
        ("DocumentReference", [("author", "Patient/lea")], ()),
        ("DocumentReference", [("_id", "lea")], ()),
    ],
)
def test_the_records_a_query_is_confined_to_are_known(type_, pairs, patients):
    assert patients == read(type_, *pairs).patients


@pytest.mark.parametrize("name", ["patient.identifier", "subject.identifier", "subject:Patient.identifier"])
def test_a_patient_may_be_named_by_identifier(name):
    query = read("DocumentReference", (name, "urn:oid:1|27\\|9"))
    assert PatientIdentifier(name.split(".")[0].split(":")[0], "urn:oid:1", "27|9") == query.patient_identifier
    assert EVERYTHING == query.where
    assert ((name, "urn:oid:1|27\\|9"),) == query.asked


@pytest.mark.parametrize(
    ("type_", "name", "text", "said"),
    [
        ("Practitioner", "patient.identifier", "a|b", "no search parameter"),
        ("DocumentReference", "patient.identifier", "", "has no value"),
        ("Patient", "_sort:x", "_id", "takes no modifier"),
        ("Patient", "organization:wat", "x", "takes no modifier"),
    ],
)
def test_what_cannot_be_answered_is_refused(type_, name, text, said):
    with pytest.raises(Problem, match=said) as refusal:
        read(type_, (name, text))
    assert 400 == refusal.value.status


@pytest.mark.parametrize("text", ["27", "|27", "urn:oid:1|", "urn:oid:1|27,urn:oid:1|28"])
def test_what_names_no_one_patient_is_a_chain_like_any_other(text):
    query = read("DocumentReference", ("patient.identifier", text))
    assert (None, True, ()) == (query.patient_identifier, query.chained, query.patients)


def test_one_patient_is_named_by_identifier_and_a_second_one_is_a_chain():
    query = read("DocumentReference", ("patient.identifier", "a|b"), ("subject:Patient.identifier", "a|c"))
    other = Linked(
        "DocumentReference.subject", "Patient", Has("token", "Patient.identifier=a|c"), of="DocumentReference"
    )
    assert (PatientIdentifier("patient", "a", "b"), other) == (query.patient_identifier, query.where)


def test_a_search_asks_for_so_many_values_and_no_more():
    with pytest.raises(Problem) as refusal:
        read("Patient", ("identifier", ",".join(["x"] * 600)), ("identifier", ",".join(["x"] * 600)))
    assert "too-costly" == refusal.value.issues[0].code


def test_criteria_are_a_predicate_alone():
    assert Has("token", "Observation.category=vital-signs") == criteria("Observation", [("category", "vital-signs")])


@pytest.mark.parametrize(
    ("name", "text"), [("_count", "1"), ("_include", "Observation:subject"), ("_format", "json"), ("_sort", "date")]
)
def test_criteria_shape_no_answer(name, text):
    with pytest.raises(Problem, match="no criterion"):
        criteria("Observation", [(name, text)])


def test_criteria_name_no_patient_by_identifier():
    with pytest.raises(Problem, match="not supported here"):
        criteria("Observation", [("patient.identifier", "a|b")])


def test_criteria_are_never_lenient():
    with pytest.raises(Problem):
        criteria("Observation", [("wat", "x")])


def test_an_id_that_could_be_of_any_type_counts_for_each_of_them():
    with pytest.raises(Problem, match="at most"):
        read("List", ("item", ",".join(f"d{n}" for n in range(10))))
    named = [f"DocumentReference/d{n}" for n in range(100)]
    assert 100 == len(read("List", ("item", ",".join(named))).where.of)


def test_a_refusal_repeats_no_more_than_the_beginning_of_a_long_name():
    with pytest.raises(Problem) as refusal:
        read("Patient", ("x" * 100_000, "1"))
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("name", ["subject:Patient.name", "_has:Provenance:target:recorded"])
def test_criteria_lead_to_no_other_resource(name):
    with pytest.raises(Problem, match="a chain is not supported here"):
        criteria("Observation", [(name, "2020")])
