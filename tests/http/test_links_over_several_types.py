"""What a search of several types brings along, and the links it follows; rows R85, R94, R104, R105."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_server.interactions.house import Limits
from tests.http.test_includes import OPERATOR, brought, observation, told
from tests.kit import people

told = told

BOTH = "?_type=Observation,DocumentReference"


def test_chains_are_followed_for_each_of_the_types(told):
    """R94: by what all of them have; the link is asked once."""
    told.put({**observation("x"), "subject": {"reference": "Patient/zoe"}})

    found = told.ask(OPERATOR, "GET", f"{BOTH}&patient.family=Martin&_sort=_id").ids
    assert ["DocumentReference/l1", "DocumentReference/l2"] == [each for each in found if "Document" in each]
    assert ["Observation/o1", "Observation/o2", "Observation/o3"] == [each for each in found if "Observation" in each]
    assert [] == told.ask(OPERATOR, "GET", f"{BOTH}&subject:Patient.family=nobody").ids
    assert [] == told.ask(OPERATOR, "GET", f"{BOTH}&subject:Patient._has:Observation:patient:code=unheard-of").ids


def test_what_refers_to_each_of_the_types_is_asked_back(told):
    """R94."""
    assert ["DocumentReference/l1"] == told.ask(OPERATOR, "GET", f"{BOTH}&_has:Provenance:target:recorded=ge2000").ids
    assert ["Observation/o1", "Observation/o2"] == told.ask(
        OPERATOR, "GET", "?_type=Observation,QuestionnaireResponse&_has:Observation:has-member:status=final&_sort=_id"
    ).ids


def test_a_patient_is_named_by_an_identifier(told):
    """R85: as ITI-67 names one; the record is the only one asked."""
    ins = told.ask(OPERATOR, "GET", "Patient/lea").json["identifier"][0]
    asked = f"{BOTH}&patient.identifier={ins['system']}|"

    assert 5 == len(told.ask(people.doctor(), "GET", f"{asked}{ins['value']}").ids)
    assert told.ask(people.doctor(), "GET", f"{asked}000000000000000").status in (200, 403)


@pytest.mark.parametrize(
    ("asked", "included"),
    [
        ("_include=Observation:has-member&_include=DocumentReference:relatesto", []),
        ("_include=Observation:performer", ["Organization/pole", "Practitioner/bernard"]),
        ("_include=*", ["Organization/pole", "Patient/lea", "Practitioner/bernard"]),
        ("_revinclude=Provenance:target", ["Provenance/w1"]),
        (
            "_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
            ["Organization/chu", "Organization/pole", "Patient/lea"],
        ),
    ],
)
def test_what_comes_along_is_followed_from_all_of_the_types(told, asked, included):
    """R104, R105: once, and what is a match itself comes as one."""
    matches, came, said = brought(told, f"{BOTH}&patient=lea&{asked}")

    assert 5 == len(matches)
    assert (included, []) == ([each for each in came if each in included], said)
    if "*" not in asked:
        assert included == came


def test_a_page_brings_along_what_belongs_to_it_alone(told):
    """R104: the other page has the others, and the link says what was asked."""
    answered = told.ask(people.doctor(), "GET", f"{BOTH}&patient=lea&_sort=_id&_count=2&_revinclude=Provenance:target")

    modes = [(each["search"]["mode"], each["resource"]["id"]) for each in answered.json["entry"]]
    assert [("match", "l1"), ("match", "l2"), ("include", "w1")] == modes
    assert "_revinclude=Provenance:target" in answered.json["link"][0]["url"]
    following = next(each["url"] for each in answered.json["link"] if each["relation"] == "next")
    rest = told.ask(people.doctor(), "GET", following.partition("/fhir/")[2]).json["entry"]
    assert ["o1", "o2"] == [each["resource"]["id"] for each in rest]


def test_more_than_may_come_is_said_for_all_of_the_types_together(told):
    """R104: the bound is one for the answer."""
    told.house = replace(told.house, limits=Limits(included=2))

    _, came, said = brought(told, f"{BOTH}&patient=lea&_include=Observation:performer&_revinclude=Provenance:target")

    assert (2, ["too-costly"]) == (len(came), said)


def test_elements_are_asked_of_each_type_that_has_them(told):
    """R107: and by `Type.element` of one; what neither has is refused."""
    url = f"{BOTH}&patient=lea&_elements=status,DocumentReference.description,valueQuantity"
    answered = told.ask(people.doctor(), "GET", url)

    kept = {each["resource"]["resourceType"]: set(each["resource"]) for each in answered.json["entry"]}
    assert kept["Observation"] == {"resourceType", "id", "meta", "status", "code"}
    assert {"status", "content", "description"} <= kept["DocumentReference"]
    assert "subject" not in kept["DocumentReference"]
    assert all("tag" in each["resource"]["meta"] for each in answered.json["entry"])


def test_what_is_not_of_the_asker_comes_along_with_nothing(told):
    """R105, DMP-43: an organisation comes, of a record that stays shut nothing."""
    stranger = people.professional("inconnu", "10000000005")

    assert 403 == told.ask(stranger, "GET", f"{BOTH}&patient=lea&_include=*").status
    assert [] == told.ask(stranger, "GET", f"{BOTH}&_include=*&_revinclude=*").ids


def test_a_link_needs_the_scope_of_what_it_leads_through(told):
    """R94."""
    narrow = replace(people.doctor(), scopes=frozenset({"user/Observation.rs", "user/DocumentReference.rs"}))

    assert 403 == told.ask(narrow, "GET", f"{BOTH}&patient=lea&patient.family=Martin").status
