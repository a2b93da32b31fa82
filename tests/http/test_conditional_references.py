"""Conditional references: https://hl7.org/fhir/R4/http.html#trules; rows are those of rest.md's part D."""

from __future__ import annotations

import base64

import pytest

from tests.http.test_bundles import bundle, count, entry, observed, posted
from tests.kit import people
from tests.kit.clinical import MASKED
from tests.kit.world import BASE, patient

OPERATOR = people.operator()
STAY = {
    "resourceType": "Encounter",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    "subject": {"reference": "Patient/lea"},
}


def person(id_, system="http://hosp.example", **more):
    return {**patient(id_), "identifier": [{"system": system, "value": id_}], **more}


def referring(text, element="subject"):
    return observed(**{element: {"reference": text}})


def sent(world, resource, way, who=OPERATOR):
    if way == "transaction":
        got = posted(world, bundle("transaction", entry("POST", "Observation", resource)), who)
        return got.status, got.json["entry"][0]["resource"] if got.status == 200 else got.json
    got = (
        world.ask(who, "POST", "Observation", resource)
        if way == "POST"
        else world.ask(who, "PUT", "Observation/put", {**resource, "id": "put"})
    )
    return got.status, got.json


@pytest.mark.parametrize("way", ["transaction", "POST", "PUT"])
@pytest.mark.parametrize("spelt", ["{}", BASE + "/{}"])
def test_a_condition_on_an_identifier_whose_system_is_a_url_was_stored_as_it_stood(world, way, spelt):
    """Row 61."""
    world.put(person("p2"))
    status, made = sent(world, referring(spelt.format("Patient?identifier=http://hosp.example|p2")), way)
    assert (status < 300, {"reference": "Patient/p2"}) == (True, made.get("subject"))

    before = count(world)
    status, made = sent(world, referring(spelt.format("Patient?identifier=http://hosp.example|nobody")), way)
    assert (404, before) == (status, count(world))
    twice = [{"system": "http://hosp.example", "value": "p2"}]
    world.put(person("p3", identifier=twice))
    status, made = sent(world, referring(spelt.format("Patient?identifier=http://hosp.example|p2")), way)
    assert (412, before) == (status, count(world))


def test_a_condition_with_a_url_means_what_the_transaction_itself_brings(world):
    """Row 56."""
    got = posted(
        world,
        bundle(
            "transaction",
            entry("POST", "Observation", referring("Patient?identifier=http://hosp.example|new")),
            entry("POST", "Patient", person("new")),
        ),
    )
    made, born = (each["resource"] for each in got.json["entry"])
    assert f"Patient/{born['id']}" == made["subject"]["reference"]


@pytest.mark.parametrize(
    "query",
    [
        "identifier=urn:oid:1.2.3%7Cp2",
        "identifier=urn%3Aoid%3A1.2.3%7Cp2",
        "identifier=p2",
        "identifier=urn:oid:1.2.3|p2&gender=female",
        "_id=p2",
        "family=Dupont&birthdate=1979-03-12",
    ],
)
def test_a_condition_is_read_as_the_search_reads_it(world, query):
    """Row 61: "Patient?identifier=12345" is the specification's own example."""
    world.put(person("p2", "urn:oid:1.2.3", name=[{"family": "Dupont"}]))
    status, made = sent(world, referring(f"Patient?{query}"), "transaction")
    assert (200, {"reference": "Patient/p2"}) == (status, made.get("subject"))


def test_what_lies_in_a_record_is_found_by_whoever_sees_it(world):
    """Row 61: as by the search that the condition is."""
    stays = [{"system": "http://hosp.example", "value": "s1"}]
    world.put({**STAY, "id": "stay", "identifier": stays})
    asked = referring("Encounter?identifier=http://hosp.example|s1", "encounter")
    for who in (OPERATOR, people.doctor()):
        status, made = sent(world, asked, "transaction", who)
        assert (200, {"reference": "Encounter/stay"}) == (status, made.get("encounter")), made

    world.put({**STAY, "id": "other", "identifier": stays})
    assert 412 == sent(world, asked, "transaction")[0]


def test_what_is_hidden_is_not_found_nor_told_from_what_is_absent(world):
    """Row 61, decisions 17: the same answer, in as many steps, whether or not it is there."""
    system = "http://hosp.example"
    world.put(observed(id="h", identifier=[{"system": system, "value": "h"}], meta=MASKED))

    def told(value, who):
        made = observed(derivedFrom=[{"reference": f"Observation?identifier={system}|{value}"}])
        return sent(world, made, "POST", who)

    assert 201 == told("h", people.doctor())[0]
    assert 404 == told("h", people.radiologist())[0]
    assert told("none", people.radiologist()) == told("h", people.radiologist())


def test_a_doctor_names_a_patient_by_the_number_of_the_ward_if_he_sees_the_record(world):
    """Row 61; to a stranger a number that is no INS is nobody's (DMP-101)."""
    world.put(
        {**patient("lea", active=True), "identifier": [*patient()["identifier"], {"system": "urn:x", "value": "7"}]}
    )
    asked = referring("Patient?identifier=urn:x|7")
    status, made = sent(world, asked, "POST", people.doctor())
    assert (201, {"reference": "Patient/lea"}) == (status, made.get("subject")), made

    status, made = sent(world, asked, "POST", people.professional("inconnu", "10000000008"))
    assert 404 == status
    assert "the condition on Patient finds nothing that you may see" == made["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"Patient?identifier={people.INS_SYSTEM}|188888888888888", "unknown INS: no patient has this identifier"),
        ("Patient?identifier=urn:x|1", "the condition on Patient finds nothing that you may see"),
        ("Patient?name=nobody", "the condition on Patient finds nothing that you may see"),
    ],
)
def test_who_finds_nobody_is_told_what_was_looked_for(world, text, told):
    """A local number is no INS."""
    status, made = sent(world, referring(text), "transaction")
    assert (404, told) == (status, made["issue"][0]["diagnostics"])
    assert ["Bundle.entry[0].resource.subject.reference"] == made["issue"][0]["expression"]


@pytest.mark.parametrize(
    "text",
    ["Patient?", "Nothing?a=b", "Patient?nonsense=1", "Patient?_count=1", "Patient?identifier=%zz", "Patient/1?a=b"],
)
def test_a_condition_that_cannot_be_read_is_refused(world, text):
    """Row 61."""
    before = count(world)
    assert (400, before) == (sent(world, referring(text), "transaction")[0], count(world))


def test_a_condition_is_on_record_as_the_search_it_is(world):
    """DMP-80: who asks in a record whether something is there leaves a trace in it."""
    world.put({**STAY, "id": "stay", "identifier": [{"system": "urn:x", "value": "s1"}]})
    assert 201 == sent(world, referring("Encounter?identifier=urn:x|s1", "encounter"), "POST", people.doctor())[0]

    told = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&_count=200").json["entry"]
    asked = [
        base64.b64decode(each["query"]).decode()
        for trace in told
        if trace["resource"]["subtype"][0]["code"] == "search-type" and trace["resource"]["outcome"] == "0"
        for each in trace["resource"]["entity"]
        if "query" in each
    ]
    assert ["Encounter?"] == asked
