"""Holes that were found by what may be written and whom a token serves: each test fails while one is open."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from authlib.oauth2.rfc6749 import AccessDeniedError

from fhir_server.foundation.principal import Kind
from fhir_server.interactions.directory import StoredDirectory
from fhir_server.interactions.pipeline import compile_criteria
from fhir_server.interactions.tokens import refuser
from fhir_server.resources import consent_patterns
from fhir_server.smart.approval import Approver
from tests.kit import people
from tests.kit.family import letter_of
from tests.kit.world import label, opening, submission
from tests.security import test_holes
from tests.security.test_holes import break_glass, deposit, identity, observation, said

world = test_holes.world
NOW = "2026-11-23T10:00:00Z"
STRANGER = people.professional("inconnu", "10000000005")
DESK = replace(people.hospital(), kind=Kind.RECEPTION, subject="accueil", client="accueil")
GUARD = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}]}
REPRESENTATIVE = people.representative("zoe")


def consent(kind, actor=None, patient="lea", *, permit=None, security=None):
    made = consent_patterns.consent(kind, f"Patient/{patient}", NOW, actor=actor, permit=permit)
    return {**made, "meta": {**made["meta"], "security": label(security)["coding"]}} if security else made


def posted(world, who, resource):
    return world.ask(who, "POST", resource["resourceType"], resource)


def guardian(patient, mail):
    return {
        "resourceType": "RelatedPerson",
        "id": "anne",
        "active": True,
        "patient": {"reference": f"Patient/{patient}"},
        "relationship": [GUARD],
        "telecom": [{"system": "email", "value": mail}],
    }


def letter(patient, **more):
    made = {**letter_of(patient, "x", None), "author": [{"reference": "Practitioner/bernard"}], **more}
    return {name: value for name, value in made.items() if name != "id"}


def zoe(world):
    """A minor of fourteen, her record open, represented by Anne."""
    child = identity("zoe", "zoe", birthDate="2012-05-05")
    world.put(child)
    world.put(guardian("zoe", "anne@example.org"))
    world.put({**child, "active": True})


def test_a_stranger_authorised_himself_by_a_consent_that_the_holder_neither_saw_nor_could_end(world):
    """DMP-31, DMP-44, DMP-80: a label in `meta.security` that only documents may carry, and only for a time (DMP-133)."""
    deposit(world, submission())
    made = posted(world, STRANGER, consent("ps-autorisation", "Practitioner/inconnu", security="INVISIBLE_PATIENT"))

    assert (422, ["Consent.meta.security"]) == (made.status, made.json["issue"][0]["expression"])
    # nor may who could record it, unhidden, for another
    hidden, plain = (
        consent("ps-autorisation", "Practitioner/inconnu", security=each) for each in ("INVISIBLE_PATIENT", None)
    )
    assert [422, 201] == [posted(world, people.doctor(), each).status for each in (hidden, plain)]


@pytest.mark.parametrize(
    ("who", "kind", "actor"),
    [
        pytest.param(STRANGER, "ps-autorisation", "Practitioner/inconnu", id="a stranger himself"),
        pytest.param(people.hospital(), "etablissement", "Organization/chu", id="a feeding system its hospital"),
        pytest.param(people.hospital(), "ps-autorisation", "Practitioner/inconnu", id="a feeding system anybody"),
        pytest.param(DESK, "ps-autorisation", "Practitioner/inconnu", id="a desk anybody, in an open record"),
    ],
)
def test_who_may_not_read_wrote_the_holders_word_that_lets_them(world, who, kind, actor):
    """DMP-41: validated with the carte Vitale; DMP-110: consent is obtained; DMP-152: a system feeds, it never opens."""
    deposit(world, submission())
    reader = replace(STRANGER, organizations=people.hospital().organizations)
    assert 403 == world.ask(reader, "GET", "DocumentReference?patient=lea").status

    assert 403 == posted(world, who, consent(kind, actor)).status
    assert 403 == world.ask(reader, "GET", "DocumentReference?patient=lea").status


@pytest.mark.parametrize("who", [STRANGER, people.hospital()], ids=["stranger", "feeding system"])
@pytest.mark.parametrize("kind", ["urgence-bris-de-glace", "urgence-samu", "alimentation"])
def test_who_has_no_standing_closed_a_record_to_emergencies_and_to_feeding(world, who, kind):
    """DMP-73, DMP-115: an express opposition of the person; K11."""
    assert 403 == posted(world, who, consent(kind, permit=False)).status
    assert 200 == world.ask(break_glass("lea"), "GET", "DocumentReference?patient=lea").status
    assert 201 == posted(world, people.hospital(), observation("lea")).status


def test_an_authorisation_planted_before_the_opening_opened_the_record(world):
    """DMP-22, DMP-26: it is at the opening that the person chooses who may access."""
    world.put(identity("carl", "carl"))
    posted(world, STRANGER, consent("ps-autorisation", "Practitioner/inconnu", "carl"))
    assert 200 == world.ask(people.holder("carl"), "POST", "Patient/carl/$open-record", opening()).status

    assert 403 == world.ask(STRANGER, "GET", "DocumentReference?patient=carl").status


def test_a_guardian_whom_a_stranger_invented_for_an_adult_got_the_notices_of_the_record(world):
    """DMP-25, DMP-81, DMP-91: notices go to the holder, and to who represents him; an adult is represented by nobody."""
    world.put(identity("carl", "carl"))
    planted = {name: value for name, value in guardian("carl", "stranger@example.org").items() if name != "id"}
    posted(world, STRANGER, planted)
    given = opening(email="carl@example.org", treatingPhysician="Practitioner/bernard")
    assert 200 == world.ask(people.holder("carl"), "POST", "Patient/carl/$open-record", given).status
    assert 201 == posted(world, people.doctor(), letter("carl")).status

    assert 1 == len([each for each in world.house.outbox.recent("carl@example.org") if "déposé" in each["subject"]])
    assert [] == [each["subject"] for each in world.house.outbox.recent("stranger@example.org")]


def test_a_parent_was_told_of_deposits_in_the_record_of_a_child_come_of_age(world):
    """DMP-142: at eighteen representative access ends."""
    zoe(world)
    world.pass_time(days=5 * 365)
    assert 404 == world.ask(REPRESENTATIVE, "GET", "Patient/zoe").status
    assert 201 == posted(world, people.doctor(), letter("zoe")).status

    assert [] == [each["subject"] for each in world.house.outbox.recent("anne@example.org")]


def test_a_representative_hid_the_record_from_its_holder_for_good(world):
    """DMP-05, DMP-25: of the Patient the patient's side changes how to reach him; `meta.security` is none of that."""
    zoe(world)
    shown = world.ask(REPRESENTATIVE, "GET", "Patient/zoe").json
    shown["meta"]["security"] = label("INVISIBLE_PATIENT")["coding"]
    world.ask(REPRESENTATIVE, "PUT", "Patient/zoe", shown)

    assert 200 == world.ask(people.holder("zoe"), "GET", "Patient/zoe").status


def test_a_label_in_the_meta_of_a_document_could_be_lifted_by_nobody(world):
    """DMP-133, DMP-134: hidden from the holder for a time; a patch reaches `securityLabel` alone."""
    hidden = submission()
    hidden["entry"][1]["resource"]["meta"]["security"] = label("INVISIBLE_PATIENT")["coding"]
    made = world.ask(people.hospital(), "POST", "", hidden)

    assert (422, ["Bundle.entry[1].resource.meta.security"]) == (made.status, made.json["issue"][0]["expression"])


def test_a_mask_in_a_system_nobody_reads_was_taken_for_one(world):
    """DMP-62: a label that the rules would not understand is refused, not passed over."""
    _, document, _ = deposit(world, submission())
    wrong = {"coding": [{"system": "https://mos.esante.gouv.fr/NOS/TRE_A07", "code": "MASQUE_PS"}]}
    made = world.ask(people.holder(), "PATCH", document, [{"op": "add", "path": "/securityLabel/-", "value": wrong}])

    assert (422, ["DocumentReference.securityLabel[1]"]) == (made.status, made.json["issue"][0]["expression"])


def test_a_feeding_system_lifted_the_mask_that_the_holder_had_set(world):
    """DMP-62, DMP-152; who may act at the holder's request is said (DMP-53), and no system is among them."""
    _, document, _ = deposit(world, submission())
    mask = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == world.ask(people.holder(), "PATCH", document, mask).status

    assert 403 == world.ask(people.hospital(), "PATCH", document, [{"op": "remove", "path": "/securityLabel/1"}]).status
    assert 404 == world.ask(people.radiologist(), "GET", document).status


def test_a_mask_was_lifted_by_another_than_who_set_it(world):
    """ADR 12: the holder's is lifted by the holder or the médecin traitant, the author's own by the author as well."""
    mask, unmask = (
        [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}],
        [{"op": "remove", "path": "/securityLabel/1"}],
    )
    made = posted(
        world,
        people.radiologist(),
        letter("lea", author=[{"reference": "Practitioner/diallo"}], securityLabel=[label("N")]),
    )
    name = f"DocumentReference/{made.json['id']}"

    def tried(*askers):
        return [world.ask(who, "PATCH", name, patch).status for who, patch in askers]

    holder, author, treating = people.holder(), people.radiologist(), people.doctor()
    assert [200, 403] == tried((holder, mask), (author, unmask))
    assert [200, 200, 403] == tried((treating, unmask), (holder, mask), (author, unmask))
    assert [200, 200, 200] == tried((holder, unmask), (author, mask), (author, unmask))


def test_a_feeding_system_lifted_what_a_professional_hid_from_the_parents_of_a_minor(world):
    """DMP-92, DMP-142: it was the minor's word to a professional."""
    _, document, _ = deposit(world, submission())
    secret = [{"op": "add", "path": "/securityLabel/-", "value": label("INVISIBLE_REPRESENTANTS_LEGAUX")}]
    assert 200 == world.ask(people.doctor(), "PATCH", document, secret).status

    assert 403 == world.ask(people.hospital(), "PATCH", document, [{"op": "remove", "path": "/securityLabel/1"}]).status


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(letter("lea", authenticator={"reference": "Practitioner/inconnu"}), id="a letter"),
        pytest.param(
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": {"text": "morphine"},
                "subject": {"reference": "Patient/lea"},
                "requester": {"reference": "Practitioner/bernard"},
            },
            id="a prescription",
        ),
        pytest.param(
            {
                "resourceType": "Provenance",
                "target": [{"reference": "Patient/lea"}],
                "recorded": NOW,
                "agent": [{"who": {"reference": "Practitioner/bernard"}}],
            },
            id="a provenance",
        ),
    ],
)
def test_a_stranger_wrote_in_the_name_of_the_family_doctor(world, forged):
    """DMP-60, DMP-111: a professional deposits what he wrote (`feeding`); DMP-123 gives its author rights over it."""
    assert 403 == posted(world, STRANGER, forged).status


def test_one_wider_scope_told_an_app_for_one_patient_whose_other_records_the_doctor_opens(world):
    """Decisions 17: as for a token that has nothing but `patient/` scopes, for what those alone speak of."""
    app = people.doctor(patient="lea", scopes=("patient/*.rs", "user/Practitioner.r"))

    other, nobody = (world.ask(app, "GET", f"Observation?patient={who}") for who in ("bob", "nobody"))

    assert (nobody.status, nobody.json) == (other.status, other.json)


def test_a_launch_told_which_patient_ids_exist(world):
    """Decisions 17: a launch that names a patient whose record stays shut is refused as for one there is not."""
    app = SimpleNamespace(
        id="ehr", kind=SimpleNamespace(grants=("authorization_code",)), record=SimpleNamespace(scope="patient/*.rs")
    )
    directory = StoredDirectory(world.house.shelf)
    approver = Approver(
        directory, refuser(world.house), lambda *_: True, lambda *_: None, compile_criteria, "http://127.0.0.1:8080"
    )

    def approved(patient):
        try:
            return bool(approver.approve(STRANGER, app, "patient/*.rs", patient=patient))
        except AccessDeniedError:
            return False

    assert approved("nobody") == approved("lea")


def test_a_blocked_doctor_was_told_that_a_number_is_known(world):
    """Decisions 17, DMP-112: the existence check finds nothing for him, and a conditional reference did."""
    assert 201 == posted(world, people.holder(), consent("ps-blocage", "Practitioner/diallo")).status
    url = f"Patient?identifier={people.INS_SYSTEM}|"
    who = people.radiologist()
    assert {0} == {world.ask(who, "GET", url + ins).json["total"] for ins in (people.INS, "188888888888888")}

    told = [
        said(posted(world, who, observation("x", subject={"reference": url + ins})))
        for ins in (people.INS, "188888888888888")
    ]
    assert told[0] == told[1]


def test_a_stranger_was_told_whether_a_number_that_is_no_ins_is_known(world):
    """DMP-101: the existence check is by INS, and nothing else."""
    world.put(identity("dan", "1234", "urn:oid:1.2.3.4"))
    told = {
        said(
            posted(
                world, STRANGER, observation("x", subject={"reference": f"Patient?identifier=urn:oid:1.2.3.4|{ipp}"})
            )
        )
        for ipp in ("1234", "9999")
    }
    assert 1 == len(told)


def test_an_opposition_planted_before_the_opening_overruled_what_the_holder_answered(world):
    """K2, DMP-73, DMP-115: the opening asks, and it is the person's own answer that counts."""
    world.put(identity("carl", "carl"))
    posted(world, STRANGER, consent("urgence-bris-de-glace", patient="carl", permit=False))
    assert 200 == world.ask(people.holder("carl"), "POST", "Patient/carl/$open-record", opening(breakGlass=True)).status

    assert 200 == world.ask(break_glass("carl"), "GET", "DocumentReference?patient=carl").status


def test_a_family_doctor_blocked_the_parent_of_a_minor(world):
    """DMP-53: he blocks another professional, at the patient's request; DMP-142: the parents see until eighteen."""
    zoe(world)
    said_by = {"performer": [{"reference": "RelatedPerson/anne"}]}
    chosen = {**consent("medecin-traitant", "Practitioner/bernard", "zoe"), **said_by}
    assert 201 == posted(world, REPRESENTATIVE, chosen).status

    assert 422 == posted(world, people.doctor(), consent("ps-blocage", "RelatedPerson/anne", "zoe")).status
    assert 200 == world.ask(REPRESENTATIVE, "GET", "Patient/zoe").status


def test_somebody_who_took_part_in_a_stay_deleted_it(world):
    """DMP-135: only the author deletes; taking part is not writing (`resources/authors.py`)."""
    stay = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "Patient/lea"},
        "participant": [{"individual": {"reference": "Practitioner/diallo"}}],
    }
    name = f"Encounter/{posted(world, people.hospital(), stay).json['id']}"

    assert 403 == world.ask(people.radiologist(), "DELETE", name).status
