"""Searches within a compartment (row 86): https://hl7.org/fhir/R4/http.html#vsearch."""

from __future__ import annotations

import base64

import pytest

from tests.kit import people
from tests.kit.world import BASE, patient

OPERATOR = people.operator()


def observed(id_, subject="lea", **more):
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{subject}"},
        **more,
    }


def of(id_, type_, **more):
    return {"resourceType": type_, "id": id_, "subject": {"reference": "Patient/lea"}, **more}


def lived(world):
    """An encounter with an observation and a condition, an observation beside it, and another record."""
    at = {"reference": "Encounter/e1"}
    coded = {"coding": [{"system": "http://loinc.org", "code": "x"}]}
    world.put(of("e1", "Encounter", status="finished", **{"class": {"code": "AMB"}}))
    world.put(observed("a", encounter=at))
    world.put(of("c", "Condition", code=coded, encounter=at))
    world.put(observed("b", performer=[{"reference": "Practitioner/bernard"}]))
    world.put(patient("zoe", identifier=[{"system": "urn:x", "value": "zoe"}]))
    world.put(observed("z", "zoe"))


def found(world, url, who=OPERATOR):
    got = world.ask(who, "GET", url)
    assert 200 == got.status, got.json
    assert got.json["link"][0]["url"].startswith(f"{BASE}/{url.partition('?')[0]}")
    return sorted(got.ids)


def test_a_type_is_searched_within_the_compartment_of_a_patient(world):
    """R86."""
    lived(world)

    assert ["Observation/a", "Observation/b"] == found(world, "Patient/lea/Observation")
    assert ["Observation/a"] == found(world, "Patient/lea/Observation?encounter=Encounter/e1")
    assert [] == found(world, "Patient/lea/Observation?code=x")
    assert ["Observation/z"] == found(world, "Patient/zoe/Observation")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("Encounter/e1/Observation", ["Observation/a"]),
        ("Encounter/e1/Condition", ["Condition/c"]),
        ("Encounter/e1/Encounter", ["Encounter/e1"]),
        ("Practitioner/bernard/Observation", ["Observation/b"]),
        ("Device/d/Observation", []),
        ("RelatedPerson/r/Observation", []),
        ("Patient/lea/Patient", ["Patient/lea"]),
    ],
)
def test_all_five_compartments_of_r4(world, url, expected):
    """R86."""
    lived(world)

    assert expected == found(world, url)


def test_it_is_posted_as_any_search(world):
    lived(world)
    got = world.ask(OPERATOR, "POST", "Patient/lea/Observation/_search?_count=1&_sort=_id")

    assert (200, ["Observation/a"], 2) == (got.status, got.ids, got.json["total"])


def test_its_pages_stay_within_it(world):
    lived(world)
    first = world.ask(OPERATOR, "GET", "Patient/lea/Observation?_count=1&_sort=_id")
    url = first.json["link"][1]["url"].removeprefix(f"{BASE}/")
    second = world.ask(OPERATOR, "GET", url)

    assert ["Observation/a", "Observation/b"] == [*first.ids, *second.ids]
    assert url.startswith("Patient/lea/Observation?")
    assert 400 == world.ask(OPERATOR, "GET", url.replace("Patient/lea/", "Patient/zoe/")).status
    assert 400 == world.ask(OPERATOR, "GET", url.replace("Patient/lea/", "")).status


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("Patient/lea/Practitioner", "no Practitioner is in the compartment of a Patient"),
        ("Encounter/e1/AuditEvent", "no AuditEvent is in the compartment of a Encounter"),
        ("Observation/a/Condition", "a Observation has no compartment"),
        ("Foo/a/Condition", "`Foo` is not a resource type"),
        ("Patient/lea/Foo", "no such resource"),
        ("Patient/l_a/Observation", ""),
    ],
)
def test_a_foreign_type_or_compartment_is_not_found(world, url, said):
    """R86."""
    got = world.ask(OPERATOR, "GET", url)

    assert (404, True) == (got.status, said in got.json["issue"][0]["diagnostics"]), got.json


def test_it_is_only_read(world):
    got = world.ask(OPERATOR, "DELETE", "Patient/lea/Observation")

    assert (405, "GET, HEAD") == (got.status, got.headers["Allow"])


def test_a_shut_record_and_a_patient_that_does_not_exist_answer_alike(world):
    """Decisions 17: a compartment names a patient."""
    lived(world)
    stranger = people.professional("inconnu", "10000000005")
    answers = [
        world.ask(stranger, "GET", f"Patient/{each}/{type_}")
        for each in ("lea", "nobody")
        for type_ in ("Observation", "Patient", "Schedule", "AuditEvent")
    ]

    assert {403} == {each.status for each in answers}
    assert 1 == len({str(each.json) for each in answers})


def test_what_names_her_in_the_record_of_another_is_not_in_hers(world):
    """Being a performer makes nothing part of one's record (decisions 13); asked by its own parameter it is found."""
    lived(world)
    world.put(observed("y", "zoe", performer=[{"reference": "Patient/lea"}]))

    for who in (people.holder(), OPERATOR):
        assert ["Observation/a", "Observation/b"] == found(world, "Patient/lea/Observation", who)
    assert ["Observation/y"] == found(world, "Observation?performer=Patient/lea")


def test_the_trace_says_in_whose_compartment(world):
    """Decisions 20."""
    lived(world)
    doctor = people.doctor()
    found(world, "Patient/lea/Observation?code=8867-4", doctor)
    found(world, "Encounter/e1/Observation?code=8867-4", doctor)
    found(world, "Practitioner/bernard/Observation?code=8867-4", doctor)
    traces = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=search-type&_sort=_id").json["entry"]

    assert [
        "Observation?_compartment=Patient/lea&code=8867-4",
        "Observation?code=8867-4",
        "Observation?_compartment=Practitioner/bernard&code=8867-4",
    ] == [
        base64.b64decode(each["query"]).decode()
        for trace in traces
        for each in trace["resource"]["entity"]
        if "query" in each
    ]


def test_a_small_token_searches_its_types_within_a_compartment(world):
    lived(world)
    small = people.doctor(scopes=("user/Observation.s",))

    assert ["Observation/a", "Observation/b"] == found(world, "Patient/lea/Observation", small)
    got = world.ask(small, "GET", "Patient/lea/Condition")
    assert (403, True) == (got.status, "insufficient_scope" in got.headers["WWW-Authenticate"])


def test_an_entry_of_a_batch_searches_within_a_compartment(world):
    lived(world)
    entry = {"request": {"method": "GET", "url": "Patient/lea/Observation?_summary=count"}}
    got = world.ask(people.doctor(), "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})

    assert 2 == got.json["entry"][0]["resource"]["total"]


def test_an_ins_within_a_compartment_is_no_existence_check(world):
    """DMP-101: the check is a search by INS and nothing else."""
    lived(world)
    got = world.ask(people.hospital(), "GET", f"RelatedPerson/r/Patient?identifier={people.INS_SYSTEM}|{people.INS}")

    assert (200, 0) == (got.status, got.json["total"])
