"""Chains: what a name leads through, and how much of it one search may ask; rows R94 and R105."""

import pytest

from fhir_server.foundation.predicate import Any_, Has, Linked, matches
from fhir_server.foundation.problem import Problem
from fhir_server.search.chain import Link, ends, read
from fhir_server.search.parse import criterion, parse
from fhir_server.store.mongo import to_mongo

BASE = "https://server.example/fhir"


def asked(type_, *pairs, **more):
    return parse(type_, list(pairs), lenient=False, base=BASE, **more)


@pytest.mark.parametrize(
    ("type_", "name", "expected"),
    [
        ("Patient", "name:exact", None),
        ("Patient", "wat.name", None),
        ("Observation", "subject:Patient.name", Link("Observation", "Observation.subject", ("Patient",), "name")),
        (
            "Observation",
            "patient.organization.name:exact",
            Link("Observation", "Observation.patient", ("Patient",), "organization.name:exact"),
        ),
        (
            "Patient",
            "_has:Observation:patient:code:not",
            Link("Patient", "Observation.patient", ("Observation",), "code:not", back=True),
        ),
    ],
)
def test_a_name_is_read_link_by_link(type_, name, expected):
    assert expected == read(type_, name)


def test_a_link_that_names_no_type_leads_to_those_that_have_what_is_asked_next():
    link = read("DocumentReference", "author.given")
    assert link is not None
    assert {"Patient", "Practitioner"} == set(link.types)


def test_a_chain_ends_at_each_parameter_it_may_mean():
    assert {("Patient", "given"), ("Practitioner", "given")} == set(ends("DocumentReference", "author.given"))
    assert (("DiagnosticReport", "code"),) == ends(
        "Patient", "_has:Observation:patient:_has:DiagnosticReport:result:code"
    )
    assert (("Patient", "name"),) == ends("Patient", "name")


def test_a_link_holds_what_is_asked_of_the_other_and_the_records_that_names():
    query = asked("Encounter", ("_has:Observation:encounter:patient", "lea"))
    expected = Linked(
        "Observation.encounter",
        "Observation",
        Has("token", "Observation.patient=Patient/lea"),
        back=True,
        of="Encounter",
        records=("lea",),
    )
    assert (expected, True, ()) == (query.where, query.chained, query.patients)


def test_a_link_that_may_mean_several_types_holds_of_either_and_is_certain_of_none():
    where = asked("DocumentReference", ("author.given", "anne")).where
    assert isinstance(where, Any_)
    assert [False, False] == [each.certain for each in where.of]


def test_no_interpreter_answers_for_a_link_that_nobody_followed():
    link = Linked("Observation.patient", "Patient", Has("token", "Patient.name!"))
    for interpreter in (lambda: matches(link, {"_id": "Observation/x"}), lambda: to_mongo(link)):
        with pytest.raises(LookupError, match="nobody followed"):
            interpreter()


def test_one_parameter_can_be_read_by_itself():
    where, records = criterion("Observation", "patient", "lea", BASE)
    assert (Has("token", "Observation.patient=Patient/lea"), ("lea",)) == (where, records)


@pytest.mark.parametrize(
    ("type_", "pairs"),
    [
        ("Observation", [(".".join(["has-member:Observation"] * 6) + ".code", "x")]),
        ("Patient", [("_has:Observation:patient:" + "_has:Observation:has-member:" * 5 + "code", "x")]),
        ("Observation", [("patient." + "_has:Observation:patient:patient." * 3 + "name", "x")]),
        ("Observation", [("patient.name", "x")] * 21),
        ("DocumentReference", [("author.given", "x")] * 11),
    ],
)
def test_more_links_than_a_search_may_follow_are_refused_as_too_costly(type_, pairs):
    with pytest.raises(Problem) as refusal:
        asked(type_, *pairs)
    assert (400, "too-costly") == (refusal.value.status, refusal.value.issues[0].code)


def test_how_many_links_a_chain_has_is_a_limit_that_can_be_set():
    asked("Observation", ("patient.organization.name", "x"), links=2)
    with pytest.raises(Problem, match="at most 1 link"):
        asked("Observation", ("patient.organization.name", "x"), links=1)


def test_values_at_the_end_of_chains_are_counted_with_all_others():
    with pytest.raises(Problem) as refusal:
        asked("Observation", ("patient.name", ",".join(["x"] * 600)), ("code", ",".join(["x"] * 600)))
    assert "too-costly" == refusal.value.issues[0].code
