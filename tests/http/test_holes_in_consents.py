"""Consents that said more than their writer could, fewer than they seemed to, or two things at once: refused, or read as said."""

from __future__ import annotations

import pytest

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.steps import closed, reopened
from tests.kit.world import practitioner

NOW = "2026-11-23T09:00:00Z"
HOLDER, DOCTOR, RADIOLOGIST = people.holder(), people.doctor(), people.radiologist()
NOEL = people.professional("noel", "10000000009")
RPPS = "urn:oid:1.2.250.1.71.4.2.1"
ROLES = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
INTERMEDIATE = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentIntermediate"
DATA = "Observation?patient=lea"


@pytest.fixture
def record(world):
    """Léa's record with two Observations; a doctor and a nurse whom it does not name; who once represented her."""
    world.put(practitioner("noel", "10000000009", "Noël"))
    world.put(practitioner("infirmiere", "10000000010", "Petit", profession="60"))
    for each in ("o1", "o2"):
        world.put(observation(each, "2026-01-10"))
    world.put(
        {
            "resourceType": "RelatedPerson",
            "id": "paul",
            "active": True,
            "patient": {"reference": "Patient/lea"},
            "relationship": [{"coding": [{"system": ROLES, "code": "GUARD"}]}],
        }
    )
    return world


def said(category, actor=None, **more):
    return consent_patterns.consent(category, "Patient/lea", NOW, actor=actor, **more)


def more_said(category, actor, **provision):
    """A Consent with more in its provision than the basic pattern has."""
    made = said(category, actor)
    made["meta"]["profile"] = [INTERMEDIATE]
    return {**made, "provision": {**made["provision"], **provision}}


def record_it(world, who, consent):
    return world.ask(who, "POST", "Consent", consent)


def sees(world, who):
    return world.ask(who, "GET", DATA).ids


def foreign(**provision):
    made = said("ps-blocage", "Practitioner/diallo")
    del made["meta"]
    return {**made, "category": made["category"][:1], "provision": provision}


def actor(reference):
    return [{**_role(), "reference": reference}]


def _role():
    (named,) = said("ps-autorisation", "Practitioner/x")["provision"]["actor"]
    return {name: value for name, value in named.items() if name != "reference"}


def test_a_doctor_let_in_for_one_observation_does_not_let_herself_in_for_the_rest(record):
    """DMP-44, DMP-110."""
    part = [{"meaning": "instance", "reference": {"reference": "Observation/o2"}}]
    limited = more_said("ps-autorisation", "Practitioner/noel", data=part)
    answered = record_it(record, HOLDER, limited)
    assert 201 == answered.status, answered.json

    for whom in ("Practitioner/noel", "Practitioner/infirmiere"):
        assert 403 == record_it(record, NOEL, said("ps-autorisation", whom)).status
    assert 403 == record_it(record, NOEL, said("etablissement", "Organization/chu")).status

    assert ["Observation/o2"] == sees(record, NOEL)


def test_who_collects_a_word_shuts_nobody_out_by_what_is_nested_in_it(record):
    """DMP-53: that is the médecin traitant's, and the holder's."""
    nested = [{"type": "deny", "actor": actor({"reference": "Practitioner/bernard"})}]
    wanted = more_said("ps-autorisation", "Practitioner/noel", provision=nested)

    assert 403 == record_it(record, RADIOLOGIST, wanted).status

    assert sees(record, DOCTOR)
    assert 201 == record_it(record, HOLDER, wanted).status


def test_the_word_of_somebody_else_is_not_the_holders(record):
    """DMP-142: of who never represented her, or does no more."""
    for category in ("ps-autorisation", "medecin-traitant", "ps-blocage"):
        wanted = said(category, "Practitioner/diallo", performer="RelatedPerson/paul")
        assert 403 == record_it(record, DOCTOR, wanted).status


def test_a_reopening_gives_nobody_back_what_a_refusal_spared_him(record):
    """DMP-105."""
    spared = {"type": "permit", "actor": actor({"reference": "Practitioner/noel"})}
    denied = {"type": "deny", "actor": actor({"reference": "Practitioner/infirmiere"})}
    assert 201 == record_it(record, HOLDER, foreign(type="deny", provision=[spared, denied])).status
    assert sees(record, NOEL)

    closed(record)
    answered = reopened(record)
    assert 200 == answered.status, answered.json

    assert [] == sees(record, NOEL)
    kept = record.ask(people.operator(), "GET", "Consent?patient=lea&status=active&_count=50").json["entry"]
    refusals = [each["resource"]["provision"] for each in kept if each["resource"]["provision"]["type"] == "deny"]
    assert [{"type": "deny", "provision": [denied]}] == [each for each in refusals if "provision" in each]


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "Practitioner/nobody"},
        {"identifier": {"value": "810000000002"}},
        {"identifier": {"system": "urn:x", "value": "810000000002"}},
        {"identifier": {"system": RPPS, "value": "10000000002"}},
        {"reference": "RelatedPerson/paul"},
    ],
    ids=["an address nobody has", "no system", "another system", "a digit too few", "a representative"],
)
@pytest.mark.parametrize("category", ["ps-blocage", "alimentation"])
def test_a_refusal_that_would_refuse_nobody_is_not_taken_for_one(record, reference, category):
    """DMP-43, DMP-91, DMP-112."""
    wanted = said(category, "Practitioner/diallo", permit=False)
    wanted["provision"]["actor"] = actor(reference)

    answered = record_it(record, HOLDER, wanted)

    assert 422 == answered.status
    assert "Consent.provision.actor" in answered.json["issue"][0]["expression"][0]


def test_a_refusal_whose_actor_left_the_directory_is_still_ended(record):
    made = record_it(record, HOLDER, said("ps-blocage", "Practitioner/noel")).json
    record.ask(people.operator(), "DELETE", "Practitioner/noel")

    ended = record.ask(HOLDER, "PUT", f"Consent/{made['id']}", {**made, "status": "inactive"})

    assert 200 == ended.status, ended.json


@pytest.mark.parametrize("category", ["medecin-traitant", "ps-autorisation"])
def test_an_agreement_that_shows_one_and_lets_in_another_is_refused(record, category):
    """DMP-50."""
    wanted = said(category, "Practitioner/bernard")
    both = {"reference": "Practitioner/bernard", "identifier": {"system": RPPS, "value": "810000000002"}}
    wanted["provision"]["actor"] = actor(both)
    assert 422 == record_it(record, HOLDER, wanted).status

    both["identifier"]["value"] = "810000000001"
    wanted["provision"]["actor"] = actor(both)
    assert 201 == record_it(record, HOLDER, wanted).status


@pytest.mark.parametrize("who", [HOLDER, DOCTOR], ids=["by the holder", "handed on"])
@pytest.mark.parametrize("by", ["reference", "identifier"])
def test_the_treating_physician_is_a_doctor(record, who, by):
    """DMP-50, DMP-54: to another doctor."""
    assert 201 == record_it(record, HOLDER, said("ps-autorisation", "Practitioner/infirmiere")).status
    names = {"reference": {"reference": "Practitioner/infirmiere"},
             "identifier": {"identifier": {"system": RPPS, "value": "810000000010"}}}  # fmt: skip
    wanted = said("medecin-traitant", "Practitioner/x")
    wanted["provision"]["actor"] = actor(names[by])

    assert 422 == record_it(record, who, wanted).status

    told = record.ask(HOLDER, "GET", "Patient/lea").json["generalPractitioner"]
    assert ["Practitioner/bernard"] == [each["reference"] for each in told]
