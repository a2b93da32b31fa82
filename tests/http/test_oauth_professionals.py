"""Professionals: launches, modes of access, refusals (mapping of DMP-46, DMP-47, DMP-115 to DMP-118)."""

import json
from datetime import timedelta

import pytest

from fhir_server.foundation.principal import Kind, Purpose
from fhir_server.foundation.problem import problem
from tests.kit.smart import INS, PATIENT_SCOPE, USER_SCOPE, World, payload_of, professional


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    yield made
    made.smart.close()


def error_of(response):
    assert "no-store" in response.headers["Cache-Control"] and "no-cache" in response.headers["Pragma"]
    return response.status_code, response.json["error"]


def test_an_app_launched_by_the_software_gets_its_context_once(world):
    """SMART-A12 SMART-A13 SMART-T5 SMART-T7 SMART-T8."""
    world.an_app()
    world.an_app(client_id="other")
    made = world.smart.launches.create("app", world.a_doctor(), "p1", encounter="e1", intent="prescribe")
    scope = "launch launch/encounter openid fhirUser user/Patient.rs patient/*.rs"
    assert "invalid_request" == world.browser().authorize(client_id="other", launch=made, scope=scope).back["error"]
    person = world.browser().authorize(launch=made, scope=scope).sign_in_as_professional()
    assert "Pourquoi accédez-vous au dossier ?" == person.title
    back = person.submit().submit(answer="allow").back
    told = world.exchange(back["code"]).json
    assert ("p1", "e1", "prescribe", True) == (
        told["patient"],
        told["encounter"],
        told["intent"],
        told["need_patient_banner"],
    )
    assert set(scope.split()) == set(told["scope"].split())
    assert "invalid_request" == world.browser().authorize(launch=made, scope=scope).back["error"]


def test_a_launch_is_for_the_person_it_was_made_for(world):
    world.an_app()
    world.a_holder()
    made = world.smart.launches.create("app", world.a_doctor(), "p1")
    person = world.browser().authorize(launch=made, scope="launch patient/*.rs").sign_in()
    assert "access_denied" == person.back["error"]


def test_a_launch_is_good_for_five_minutes(world):
    world.an_app()
    made = world.smart.launches.create("app", world.a_doctor(), "p1")
    world.clock.ahead = timedelta(minutes=5, seconds=1)
    assert "invalid_request" == world.browser().authorize(launch=made, scope="launch patient/*.rs").back["error"]


def test_a_professional_signs_in_through_the_provider_and_names_the_patient(world):
    world.an_app()
    person = world.browser().authorize(scope=PATIENT_SCOPE).sign_in_as_professional().submit()
    assert "Quel patient ?" == person.title
    assert (
        "Aucun dossier que vous puissiez ouvrir ne porte ce matricule."
        in person.submit(ins="1 55 06 99 999 999 34").page
    )
    person.submit(ins="2 55 06 99 999 999 34")
    assert "Dans un seul dossier" in person.page
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    asker = world.principal(told["access_token"])
    assert (
        Kind.PROFESSIONAL,
        "ps:899700000001",
        "Practitioner/diallo",
        "Awa Diallo",
        "10",
        Purpose.TREATMENT,
        "p1",
    ) == (
        asker.kind,
        asker.subject,
        asker.reference,
        asker.name,
        asker.profession,
        asker.purpose,
        asker.patient,
    )
    assert {"SM26"} == asker.specialties and "SA01" == asker.sector
    assert {"org:1750000001", "Organization/chu", "org:1EJ", "Organization/ej"} == asker.organizations
    assert {"ps:899700000001", "Practitioner/diallo"} == asker.identities


def test_user_scopes_need_no_patient(world):
    world.an_app()
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional().submit()
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    assert "patient" not in told and world.principal(told["access_token"]).patient is None


def test_breaking_the_glass_needs_a_reason_and_opens_one_record_for_fifteen_minutes(world):
    """DMP-117."""
    world.an_app()
    person = world.browser().authorize(scope=f"{USER_SCOPE} offline_access").sign_in_as_professional()
    assert "centre 15" not in person.page
    person.submit(purpose="BTG", reason="  ")
    assert "Indiquez le motif" in person.page
    person.submit(purpose="BTG", reason="inconscient aux urgences")
    assert "Quel patient ?" == person.title
    person.submit(ins=INS)
    assert "quinze minutes au plus" in person.page
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    assert told["expires_in"] <= 900 and "refresh_token" not in told and "p1" == told["patient"]
    asker = world.principal(told["access_token"])
    assert (Purpose.BREAK_GLASS, "inconscient aux urgences", "p1") == (asker.purpose, asker.reason, asker.patient)
    claims = json.loads(payload_of(told["access_token"]))
    assert "inconscient" not in json.dumps(claims)
    assert claims["jti"].partition(".")[0] == claims["extensions"]["fr_dmp"]["reason_handle"]
    assert "bris_de_glace" == claims["extensions"]["fr_dmp"]["mode"]
    assert "BTG" == claims["extensions"]["ihe_iua"]["purpose_of_use"][0]["code"]


def test_centre_15_is_offered_to_those_alone_who_have_the_right(world):
    # DMP-118
    world.an_app()
    world.psc.claims = professional(Acces_Regulation_Medicale="VRAI")
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional()
    assert "centre 15" in person.page
    person.submit(purpose="ETREAT").submit(ins=INS)
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    assert Purpose.EMERGENCY_DISPATCH is world.principal(told["access_token"]).purpose
    world.psc.claims = professional()
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional().submit(purpose="ETREAT")
    assert "access_denied" == person.back["error"]


def test_a_purpose_that_the_app_asks_for_is_chosen_beforehand(world):
    world.an_app()
    asked = "http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG"
    person = world.browser().authorize(scope=USER_SCOPE, purpose_of_use=asked).sign_in_as_professional()
    assert 'value="BTG" checked' in person.page


def test_the_reason_given_to_the_provider_is_proposed(world):
    world.an_app()
    world.psc.claims = professional(Mode_Acces_Raison="coma")
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional()
    assert 'value="coma"' in person.page


def test_a_forbidden_party_gets_no_token_and_the_ledger_hears_why(world):
    # DMP-46, DMP-47
    world.an_app()
    world.psc.claims = professional(SubjectRole=["331^1.2.250.1.213.1.6.1.999"])
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional()
    assert "access_denied" == person.back["error"]
    assert [(Kind.UNKNOWN, "app", "8", "party.unknown")] == [
        (asker.kind, asker.client, outcome, reason) for asker, outcome, reason in world.told
    ]


def test_a_refused_patient_and_an_unknown_one_are_answered_alike(world):
    world.an_app()
    world.refused["ps:899700000001", "p1"] = "directive.blocked"
    answers = [
        world.smart.issue_for(world.a_doctor(), "app", "patient/*.rs launch/patient", patient=patient)
        for patient in ("p1", "unheard-of")
    ]
    assert (400, "access_denied") == (answers[0].status, answers[0].body["error"])
    assert answers[0] == answers[1]
    assert ["directive.blocked", "record.unknown"] == [reason for _, _, reason in world.told]


def test_a_refusal_that_comes_between_the_approval_and_the_code_stops_the_token(world):
    world.an_app()
    account = world.a_holder()
    code = world.browser().code()
    world.refused[account.key] = "record.closed"
    assert (400, "invalid_grant") == error_of(world.exchange(code))
    assert ("8", "record.closed") == world.told[-1][1:]


def test_what_the_ledger_cannot_record_is_not_answered(world):
    def unable(*_):
        raise problem(503, "transient", "the ledger cannot be written")

    world.an_app()
    world.a_holder()
    code = world.browser().code()
    world.smart.issuer._issued = unable
    response = world.exchange(code)
    assert (503, "temporarily_unavailable") == error_of(response) and "access_token" not in response.json
