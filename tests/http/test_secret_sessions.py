"""Minors: two representatives and no third, and the secret session of which they see nothing (DMP-91, DMP-92, DMP-141)."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Purpose
from fhir_server.resources.consent_patterns import consent
from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.world import BASE, FRENCH, label, submission

ROLES = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
ANNE, LEA = people.representative("lea"), people.holder()
SECRET = "INVISIBLE_REPRESENTANTS_LEGAUX"


def guardian(name, **more):
    return {
        "resourceType": "RelatedPerson",
        "id": name,
        "active": True,
        "patient": {"reference": "Patient/lea"},
        "relationship": [{"coding": [{"system": ROLES, "code": "GUARD"}]}],
        "telecom": [{"system": "email", "value": f"{name}@example.org"}],
        **more,
    }


@pytest.fixture
def minor(world):
    """Léa is fourteen, Anne represents her, and Dr Diallo may consult."""
    child = world.ask(people.operator(), "GET", "Patient/lea").json
    world.put({**child, "birthDate": "2012-03-01"})
    world.put(guardian("anne"))
    return world


def in_secret(who):
    return replace(who, secret_session=True, token=f"{who.token}-secret")


def told(world, to):
    return [each["subject"] for each in world.house.outbox.recent(to)]


def written():
    """A submission of which Dr Bernard is the author."""
    return json.loads(json.dumps(submission()).replace("810000000009", "810000000001"))


def paths(answered):
    places = [each["response"]["location"].partition("/_history")[0] for each in answered.json["entry"]]
    return [each.removeprefix(f"{BASE}/") for each in places]


# --- the secret session ---


def test_what_is_read_in_a_secret_session_leaves_no_trace_for_the_representatives_dmp_141(minor):
    minor.put(observation("o1"))
    before = minor.ask(ANNE, "GET", "AuditEvent?patient=lea").json["total"]
    assert 200 == minor.ask(in_secret(people.radiologist()), "GET", "Observation/o1").status
    assert before + 1 == minor.ask(ANNE, "GET", "AuditEvent?patient=lea").json["total"]  # her own question
    hers = minor.ask(LEA, "GET", "AuditEvent?patient=lea&entity=Observation/o1&action=R").json
    assert 1 == hers["total"]
    assert [SECRET] == [each["code"] for each in hers["entry"][0]["resource"]["meta"]["security"]]


def test_no_notice_of_it_goes_to_the_representatives_and_the_next_visit_is_the_first_to_them(minor):
    minor.put(observation("o1"))
    minor.ask(in_secret(people.radiologist()), "GET", "Observation/o1")
    assert [] == told(minor, "anne@example.org")
    assert "Première connexion à votre dossier médical partagé" in told(minor, "lea@example.org")
    minor.ask(people.radiologist(), "GET", "Observation/o1")
    assert ["Première connexion à votre dossier médical partagé"] == told(minor, "anne@example.org")


def test_what_is_deposited_in_a_secret_session_carries_the_label_dmp_92(minor):
    made = minor.ask(in_secret(people.doctor()), "POST", "", written())
    assert made.status == 200, made.json
    for place in paths(made):
        assert (404, 200) == (minor.ask(ANNE, "GET", place).status, minor.ask(LEA, "GET", place).status), place
    _, document, _ = paths(made)
    labels = minor.ask(LEA, "GET", document).json["securityLabel"]
    assert ["N", SECRET] == [coding["code"] for each in labels for coding in each["coding"]]
    assert [] == told(minor, "anne@example.org")


def test_data_deposited_in_a_secret_session_carries_it_too_and_once(minor):
    body = observation("o1", meta={"security": [{"system": FRENCH, "code": SECRET}]})
    body["performer"] = [{"reference": "Practitioner/diallo"}]
    for sent in (
        {k: v for k, v in body.items() if k not in ("id", "meta")},
        {k: v for k, v in body.items() if k != "id"},
    ):
        made = minor.ask(in_secret(people.radiologist()), "POST", "Observation", sent)
        assert made.status == 201, made.json
        assert [SECRET] == [each["code"] for each in made.json["meta"]["security"]]
        assert 404 == minor.ask(ANNE, "GET", f"Observation/{made.json['id']}").status


def test_a_list_or_a_provenance_that_the_representatives_would_see_is_refused(minor):
    minor.put(observation("o1"))
    doctor = in_secret(people.doctor())
    empty = {"resourceType": "List", "status": "current", "mode": "working", "subject": {"reference": "Patient/lea"}}
    about = {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/o1"}],
        "recorded": "2026-11-23T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/bernard"}}],
    }
    naming = {**empty, "entry": [{"item": {"reference": "Observation/o1"}}]}
    for body in (empty, naming, about):
        assert 403 == minor.ask(doctor, "POST", body["resourceType"], body).status, body
    assert 201 == minor.ask(people.doctor(), "POST", "List", empty).status


def test_a_consent_recorded_in_a_secret_session_is_refused_with_its_reason_on_record(minor):
    named = {"actor": "Practitioner/diallo", "performer": "RelatedPerson/anne"}
    made = consent("ps-autorisation", "Patient/lea", "2026-11-23T10:00:00Z", **named)
    assert 201 == minor.ask(people.doctor(), "POST", "Consent", made).status
    refused = minor.ask(in_secret(people.doctor()), "POST", "Consent", made)
    assert 403 == refused.status
    assert "can be hidden from the representatives" in refused.json["issue"][0]["diagnostics"]


# --- whose address the minor's is ---


def reached_at(world, *addresses, who=None):
    """The child is reached there, as the insurance scheme has it unless somebody else says so; nothing was told yet."""
    points = [{"system": "email", "value": each, "rank": number} for number, each in enumerate(addresses, 1)]
    child = world.ask(people.operator(), "GET", "Patient/lea").json
    assert 200 == world.ask(who or people.operator(), "PUT", "Patient/lea", {**child, "telecom": points}).status
    world.house.outbox._outbox.delete_many({})


def all_told(world):
    return sorted((each["to"], each["occasion"]) for each in world.house.outbox._outbox.find({"state": "waiting"}))


def in_an_emergency():
    return in_secret(people.doctor(purpose=Purpose.BREAK_GLASS, reason="inconscient", patient="lea"))


def deposited_in_secret(world):
    made = world.ask(in_secret(people.doctor()), "POST", "", written())
    assert made.status == 200, made.json
    return paths(made)[1]


FAMILY, OWN, MOTHER = "famille@example.org", "lea@own.example", "anne@example.org"


def test_what_is_secret_is_not_told_at_an_address_that_others_gave_for_the_minor_dmp_92(minor):
    reached_at(minor, FAMILY)
    deposited_in_secret(minor)
    assert [] == all_told(minor)


def test_a_secret_emergency_and_a_secret_first_visit_are_not_told_there_dmp_141(minor):
    reached_at(minor, FAMILY)
    assert 200 == minor.ask(in_an_emergency(), "GET", "DocumentReference?patient=lea").status
    assert 200 == minor.ask(in_secret(people.radiologist()), "GET", "DocumentReference?patient=lea").status
    assert [] == all_told(minor)


def test_it_is_told_at_the_address_that_the_minor_set_and_nowhere_else_dmp_92(minor):
    reached_at(minor, FAMILY)
    reached_at(minor, FAMILY, OWN, who=LEA)
    deposited_in_secret(minor)
    assert [(OWN, "deposit")] == all_told(minor)
    assert 200 == minor.ask(in_an_emergency(), "GET", "DocumentReference?patient=lea").status
    assert {OWN} == {to for to, _ in all_told(minor)}


def test_the_address_of_a_representative_is_not_the_minors_even_if_the_minor_set_it(minor):
    reached_at(minor, FAMILY)
    reached_at(minor, "ANNE@example.org", who=LEA)
    deposited_in_secret(minor)
    assert [] == all_told(minor)


def test_what_is_not_secret_is_told_there_and_to_who_represents(minor):
    reached_at(minor, FAMILY)
    assert 200 == minor.ask(people.hospital(), "POST", "", submission()).status
    assert [(MOTHER, "deposit"), (FAMILY, "deposit")] == all_told(minor)


def test_what_becomes_secret_before_it_is_told_is_not_told_there(minor):
    reached_at(minor, FAMILY)
    document = paths(minor.ask(people.hospital(), "POST", "", submission()))[1]
    hide = [{"op": "add", "path": "/securityLabel/-", "value": label(SECRET)}]
    assert 200 == minor.ask(LEA, "PATCH", document, hide).status
    assert [] == all_told(minor)


def test_a_protected_adult_is_told_what_is_secret_at_an_own_address_alone_dmp_142(world):
    world.put(guardian("anne"))
    measure = consent("ps-autorisation", "Patient/lea", "2026-11-20T10:00:00Z", actor="RelatedPerson/anne")
    kind = {"system": profile_json("dmp/consent-types.json")["url"], "code": "representant-legal"}
    cited = {"category": [measure["category"][0], {"coding": [kind]}], "sourceAttachment": {"title": "Jugement"}}
    world.put({**measure, **cited, "id": "mesure"})
    reached_at(world, FAMILY)
    deposited_in_secret(world)
    assert [] == all_told(world)


def test_a_grown_holder_is_told_wherever_the_scheme_reaches_him(world):
    reached_at(world, FAMILY)
    deposited_in_secret(world)
    assert [(FAMILY, "deposit")] == all_told(world)


# --- representatives ---


def test_a_third_representative_is_refused_k8(minor):
    minor.put(guardian("paul"))
    refused = minor.ask(people.operator(), "PUT", "RelatedPerson/third", guardian("third"))
    assert 403 == refused.status
    assert "as many legal representatives as it may have" in refused.json["issue"][0]["diagnostics"]
    minor.put(guardian("paul", active=False))
    minor.put(guardian("third"))
    assert 200 == minor.ask(people.representative("lea", "third"), "GET", "Patient/lea").status
    assert 403 == minor.ask(people.operator(), "PUT", "RelatedPerson/paul", guardian("paul")).status


def test_of_six_at_once_one_becomes_the_second(minor):
    statuses = []

    def write(name):
        statuses.append(minor.ask(people.operator(), "PUT", f"RelatedPerson/{name}", guardian(name)).status)

    threads = [threading.Thread(target=write, args=(f"p{number}",)) for number in range(6)]
    [each.start() for each in threads]
    [each.join() for each in threads]
    assert [201, 403, 403, 403, 403, 403] == sorted(statuses)


def test_representatives_act_for_the_minor_dmp_91(minor):
    """Consents, masks and contacts; not what is hidden from them, where the child is reached, nor who they are."""
    made = consent("ps-autorisation", "Patient/lea", "2026-11-23T10:00:00Z", actor="Practitioner/bernard")
    anne = {**made, "performer": [{"reference": "RelatedPerson/anne"}]}
    assert 201 == minor.ask(ANNE, "POST", "Consent", anne).status
    assert 403 == minor.ask(ANNE, "POST", "Consent", made).status  # in the child's own name

    document = paths(minor.ask(people.hospital(), "POST", "", submission()))[1]
    mask = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == minor.ask(ANNE, "PATCH", document, mask).status
    assert 404 == minor.ask(people.radiologist(), "GET", document).status
    hide = [{"op": "add", "path": "/securityLabel/-", "value": label(SECRET)}]
    assert 403 == minor.ask(ANNE, "PATCH", document, hide).status

    child = minor.ask(ANNE, "GET", "Patient/lea").json
    child["contact"] = [{"name": {"family": "Martin"}}]
    assert 200 == minor.ask(ANNE, "PUT", "Patient/lea", child).status
    assert 403 == minor.ask(ANNE, "PUT", "Patient/lea", {**child, "birthDate": "2011-01-01"}).status
    assert 403 == minor.ask(ANNE, "PUT", "RelatedPerson/anne", guardian("anne", period={"end": "2040-01-01"})).status


def test_a_minor_who_comes_of_age_sees_what_was_hidden_from_the_representatives(minor):
    made = minor.ask(in_secret(people.doctor()), "POST", "", written())
    minor.now = minor.now.replace(year=2030)
    places = paths(made)
    assert [200, 200, 200] == [minor.ask(LEA, "GET", each).status for each in places]
    assert 403 == minor.ask(ANNE, "GET", "DocumentReference?patient=lea&status=current").status
