"""Openings that are not the holder's own: by a third party with consent, and automatic (DMP-21, DMP-90, DMP-93, DMP-103)."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from tests.http.test_life_of_a_record import at_once
from tests.kit import people
from tests.kit.cast import told_of_the_cast
from tests.kit.steps import (
    CHU,
    DESK,
    PHARMACIST,
    automatically,
    closed,
    closing_of,
    consents,
    destroyed,
    existence,
    guardian,
    identity,
    opened_for,
    outbox,
    reopened,
)
from tests.kit.world import opening

TAKEN = "an identifier of this resource is already in use"
ANNE = {name: value for name, value in guardian().items() if name not in ("id", "patient", "telecom", "active")}
CHILD = "2015-05-01"
THIRD = {"pharmacist": PHARMACIST, "doctor": people.doctor(), "establishment": CHU, "desk": DESK}


def record_of(answer):
    return answer.headers["Location"].split("/Patient/")[1].partition("/")[0]


def resources(world, type_):
    return [json.loads(each["body"]) for each in world.house.shelf.resources.find({"type": type_})]


@pytest.mark.parametrize("who", THIRD.values(), ids=THIRD)
def test_a_third_party_opens_an_adult_s_record_with_consent(empty, who):
    """DMP-21, DMP-22, K5, K11, K14: the performer is the holder, the mode is in the source, who recorded in Provenance."""
    told = opened_for(empty, who, feeding=False)

    assert (201, True) == (told.status, told.json["active"]), told.json
    patient = record_of(told)
    answers = resources(empty, "Consent")
    assert {"dmp-creation", "alimentation", "urgence-bris-de-glace", "urgence-samu"} == set(consents(empty, patient))
    assert {f"Patient/{patient}"} == {each["performer"][0]["reference"] for each in answers}
    mode = {people.doctor().kind: "ps", CHU.kind: "etablissement", DESK.kind: "accueil"}[who.kind]
    assert all(each["sourceAttachment"]["title"].endswith(f"({mode})") for each in answers)
    refused = next(each for each in answers if each["provision"]["type"] == "deny")
    assert "refusé" in b64decode(refused["sourceAttachment"]["data"]).decode()
    assert 1 == len(resources(empty, "Provenance")), "one step, one word of who took it"
    traced = resources(empty, "Provenance")[0]["agent"][0]
    assert (who.reference, f"Patient/{patient}") == (traced["who"]["reference"], traced["onBehalfOf"]["reference"])
    assert ["lea@example.org"] == [each["to"] for each in outbox(empty)]
    assert existence(empty)["active"] is True


@pytest.mark.parametrize("who", THIRD.values(), ids=THIRD)
def test_who_opened_a_record_may_read_nothing_of_it_for_that(empty, who):
    told_of_the_cast(empty)
    patient = record_of(opened_for(empty, who))

    for url in (f"Patient/{patient}", f"DocumentReference?patient={patient}", f"Consent?patient={patient}"):
        told = empty.ask(who, "GET", url)
        assert told.status in (403, 404) or told.json["total"] == 0, url
    found = empty.ask(who, "GET", "Patient?family=Martin")
    assert found.status == 403 or found.json["total"] == 0


def test_an_address_that_is_known_is_told_of_an_opening_with_another(empty):
    """DMP-107: whoever opens a record does not choose alone who hears of it."""
    told_of_the_cast(empty)
    lea = empty.ask(people.operator(), "GET", "Patient/lea").json
    empty.put({**lea, "telecom": [{"system": "sms", "value": "0601020304"}]})
    opened_for(empty, PHARMACIST, email="somebody@example.org")

    assert {"0601020304", "somebody@example.org"} == {each["to"] for each in outbox(empty)}


def test_those_named_at_the_opening_may_consult(empty):
    """DMP-26."""
    told_of_the_cast(empty)
    given = {"treatingPhysician": "Practitioner/bernard", "authorized": ["Practitioner/diallo", "Organization/chu"]}
    assert 201 == opened_for(empty, DESK, **given).status

    assert {"medecin-traitant", "ps-autorisation", "etablissement"} < set(consents(empty))
    assert 200 == empty.ask(people.doctor(), "GET", "Patient/lea").status


def test_an_identity_without_a_record_is_the_one_that_is_opened_and_stays_as_it_is(empty):
    told_of_the_cast(empty)
    told = opened_for(empty, PHARMACIST, patient=identity(name=[{"family": "MARTIN", "given": ["Leá"]}]))

    assert (201, "lea") == (told.status, record_of(told))
    kept = empty.ask(people.operator(), "GET", "Patient/lea").json
    assert ("Martin", ["Léa"]) == (kept["name"][0]["family"], kept["name"][0]["given"])


@pytest.mark.parametrize("who", [people.holder(), people.operator()], ids=["holder", "operator"])
def test_nobody_else_opens_for_somebody_and_learns_of_no_identity(empty, who):
    told_of_the_cast(empty)
    known, unknown = opened_for(empty, who), opened_for(empty, who, patient=other())

    assert (403, 403) == (known.status, unknown.status)
    assert known.json == unknown.json


@pytest.mark.parametrize("state", ["open", "closed", "destined to somebody else"])
def test_an_ins_that_is_known_answers_with_one_body(world, state):
    """docs/adr/0017: global uniqueness is all that is told."""
    given = {}
    if state == "closed":
        closed(world)
    elif state == "destined to somebody else":
        world.put({**world.ask(people.operator(), "GET", "Patient/lea").json, "active": False})
        given = {"patient": identity(birthDate="1980-01-01")}

    before = consents(world)
    for who in THIRD.values():
        told = opened_for(world, who, **given)
        assert (409, [TAKEN]) == (told.status, [each["diagnostics"] for each in told.json["issue"]])
    assert before == consents(world)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"breakGlass": []}, 422),
        ({"feeding": []}, 422),
        ({"email": []}, 422),
        ({"patient": {"resourceType": "Patient", "name": [{"family": "X"}], "birthDate": "1980-01-01"}}, 422),
        ({"patient": identity(birthDate=CHILD)}, 422),
        ({"patient": identity(birthDate="2008")}, 422),
        ({"patient": identity(deceasedBoolean=True)}, 422),
        ({"representative": ANNE}, 422),
    ],
)
def test_what_is_lacking_opens_nothing(empty, more, status):
    assert status == opened_for(empty, PHARMACIST, **more).status
    assert [] == resources(empty, "Patient") + resources(empty, "Consent")


@pytest.mark.parametrize("who", THIRD.values(), ids=THIRD)
def test_a_minor_s_record_is_opened_with_the_representative(empty, who):
    """DMP-90, DMP-93: the RelatedPerson is made in the same transaction, and consents."""
    told = opened_for(empty, who, patient=identity(birthDate=CHILD), representative=ANNE)

    assert 201 == told.status, told.json
    anne = resources(empty, "RelatedPerson")[0]
    assert {f"RelatedPerson/{anne['id']}"} == {
        each["performer"][0]["reference"] for each in resources(empty, "Consent")
    }
    assert "lea@example.org" == anne["telecom"][0]["value"]
    assert "telecom" not in empty.ask(people.operator(), "GET", f"Patient/{record_of(told)}").json
    mother = people.representative(record_of(told), anne["id"])
    assert 200 == empty.ask(mother, "GET", f"Patient/{record_of(told)}").status


def test_a_protected_adult_is_represented_as_a_measure_says(empty):
    told = opened_for(empty, DESK, representative=ANNE, protectionMeasure="Tutelle, jugement du 3 mars 2024")

    assert 201 == told.status, told.json
    assert "representant-legal" in consents(empty, record_of(told))
    cited = [b64decode(each["sourceAttachment"]["data"]).decode() for each in resources(empty, "Consent")]
    assert any("Tutelle, jugement du 3 mars 2024" in each for each in cited)
    anne = resources(empty, "RelatedPerson")[0]["id"]
    assert 200 == empty.ask(people.representative(record_of(told), anne), "GET", f"Patient/{record_of(told)}").status


def test_of_a_minor_and_of_who_is_not_online_the_holder_opens_nothing(empty):
    """DMP-90, K12; the third party does."""
    told_of_the_cast(empty)
    barred = {"url": "https://dmp-on-fhir.example/StructureDefinition/dmp-not-online", "valueBoolean": True}
    lea = empty.ask(people.operator(), "GET", "Patient/lea").json
    for more in ({"birthDate": CHILD}, {"extension": [*lea["extension"], barred]}):
        empty.put({**lea, **more})
        assert 403 == empty.ask(people.holder(), "POST", "Patient/lea/$open-record", opening()).status
    assert 201 == opened_for(empty, PHARMACIST).status


def test_of_two_openings_at_once_one_wins(empty):
    told = at_once(lambda: opened_for(empty, PHARMACIST).status, lambda: opened_for(empty, DESK).status)

    assert [201, 409] == sorted(told)
    assert (1, 4) == (len(resources(empty, "Patient")), len(resources(empty, "Consent")))


def test_of_the_holder_and_a_third_party_at_once_one_opens_the_identity(empty):
    told_of_the_cast(empty)
    own = lambda: empty.ask(people.holder(), "POST", "Patient/lea/$open-record", opening()).status  # noqa: E731

    assert 409 in at_once(own, lambda: opened_for(empty, DESK).status)
    assert 4 == len(resources(empty, "Consent"))


def test_a_ledger_that_fails_leaves_nothing_of_an_opening(empty, failing_carry):
    with failing_carry(empty):
        assert opened_for(empty, PHARMACIST).status >= 500
        assert automatically(empty).status >= 500
    for type_ in ("Patient", "Consent", "Provenance", "Communication"):
        assert [] == resources(empty, type_)
    assert [] == outbox(empty)


def test_a_desk_does_nothing_else(world):
    """DMP-46: it checks whether there is a record, and opens one."""
    assert existence(world, DESK)["active"] is True
    for method, url, body in (
        ("GET", "Patient/lea", None),
        ("GET", "Consent?patient=lea", None),
        ("POST", "Patient", identity()),
        ("PUT", "Patient/lea", {**identity(), "id": "lea"}),
        ("POST", "Patient/lea/$close-record", {"resourceType": "Parameters"}),
        ("GET", "Patient/lea/$copy-record", None),
        ("GET", "Patient/lea/$everything", None),
    ):
        assert world.ask(DESK, method, url, body).status in (403, 404, 422), url
    assert closed(world, DESK).status in (403, 404)
    assert destroyed(world, DESK).status in (403, 404)


# --- automatic opening


def test_the_operator_opens_a_record_without_a_consent_and_with_a_notice(empty):
    """DMP-103, K5."""
    told_of_the_cast(empty)
    lea = empty.ask(people.operator(), "GET", "Patient/lea").json
    empty.put({**lea, "telecom": [{"system": "email", "value": "lea@example.org"}]})

    told = automatically(empty)

    assert (201, True) == (told.status, told.json["active"]), told.json
    assert [] == resources(empty, "Consent")
    assert 1 == len(resources(empty, "Provenance"))
    notice = empty.ask(people.holder(), "GET", "Communication?patient=lea").json["entry"][0]["resource"]
    assert "23/12/2026" in notice["payload"][0]["contentString"]
    assert "Opposition : 2026-12-23" == notice["payload"][1]["contentString"]
    assert ["lea@example.org"] == [each["to"] for each in outbox(empty)]
    assert existence(empty)["active"] is True


def test_who_opposes_has_it_closed_and_it_is_not_opened_automatically_again(empty):
    """DMP-103: the opposition is a Consent that denies."""
    told_of_the_cast(empty)
    automatically(empty)

    told = closed(empty, reason="opposition")

    assert (200, "opposition") == (told.status, closing_of(told.json)["motifFermeture"])
    denied = resources(empty, "Consent")
    assert [("deny", "Patient/lea")] == [
        (each["provision"]["type"], each["performer"][0]["reference"]) for each in denied
    ]
    assert 409 == automatically(empty).status
    assert 200 == reopened(empty).status
    assert ["dmp-creation"] == consents(empty)
    assert existence(empty)["active"] is True


def test_the_representative_opposes_for_a_minor(empty):
    told = automatically(empty, patient=identity(birthDate=CHILD), representative={**ANNE, "telecom": TELECOM})
    patient, anne = record_of(told), resources(empty, "RelatedPerson")[0]["id"]

    assert ["anne@example.org"] == [each["to"] for each in outbox(empty)]
    body = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueCode": "opposition"}]}
    mother = people.representative(patient, anne)
    assert 200 == empty.ask(mother, "POST", f"Patient/{patient}/$close-record", body).status


@pytest.mark.parametrize("who", [PHARMACIST, DESK, CHU, people.holder()], ids=["pharmacist", "desk", "chu", "holder"])
def test_nobody_but_the_operator_opens_automatically(empty, who):
    assert 403 == automatically(empty, who).status
    assert [] == resources(empty, "Patient")


def test_a_record_is_opened_automatically_once(empty):
    assert [201, 409] == [automatically(empty).status, automatically(empty).status]


TELECOM = [{"system": "email", "value": "anne@example.org"}]


def other():
    return identity(identifier=[{"use": "official", "system": people.INS_SYSTEM, "value": "181096912300276"}])
