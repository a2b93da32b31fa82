"""Holes that were found by attack, each named for what the attacker saw, and closed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from pymongo.errors import OperationFailure

from fhir_server.foundation.principal import Purpose
from fhir_server.resources import consent_patterns
from fhir_server.store.changes import Unit
from tests.kit import people
from tests.kit.world import World, label, opening, patient, practitioner, submission

OTHER_INS = "155121234567881"
CLOSING = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-fermeture"


@pytest.fixture
def world(database):
    """The records of Léa and Bob, open; Dr Bernard treats both, Dr Diallo may consult Léa's."""
    made = World(database)
    made.put(
        {
            "resourceType": "Organization",
            "id": "chu",
            "name": "CHU",
            "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750712184"}],
        }
    )
    made.put(practitioner("bernard", "10000000001", "Bernard"))
    made.put(practitioner("diallo", "10000000002", "Diallo"))
    made.put(patient())
    made.put(identity("bob", OTHER_INS, people.INS_SYSTEM))
    for who, more in (("lea", {"authorized": ["Practitioner/diallo"]}), ("bob", {})):
        given = opening(treatingPhysician="Practitioner/bernard", **more)
        answered = made.ask(people.holder(who), "POST", f"Patient/{who}/$open-record", given)
        assert answered.status == 200, answered.json
    yield made
    made.close()


def identity(id_, value, system="urn:x", **more):
    return {**patient(id_, **more), "identifier": [{"use": "official", "system": system, "value": value}]}


def deposit(world, bundle):
    answered = world.ask(people.hospital(), "POST", "", bundle)
    assert answered.status == 200, answered.json
    return [each["response"]["location"].split("/fhir/")[1].split("/_history")[0] for each in answered.json["entry"]]


def observation(who, **more):
    subject = {"reference": f"Patient/{who}"}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject, **more}


def said(answered):
    return answered.status, answered.json["issue"][0]["diagnostics"]


def break_glass(who):
    return people.professional("urgent", "10000000003", purpose=Purpose.BREAK_GLASS, reason="inconscient", patient=who)


def traces(world, who, reader=None):
    url = f"AuditEvent?patient={who}&_count=200"
    return json.dumps(world.ask(reader or people.holder(who), "GET", url).json.get("entry", []))


def test_the_content_of_a_document_that_its_author_deleted_was_still_read(world):
    """DMP-135."""
    list_, document, binary = deposit(world, submission())
    assert 204 == world.ask(people.hospital(), "DELETE", document).status

    for who in (people.radiologist(), people.doctor(), people.holder()):
        assert 410 == world.ask(who, "GET", document).status
        assert 404 == world.ask(who, "GET", binary, native=True).status
        assert 404 == world.ask(who, "GET", list_).status


@pytest.mark.parametrize(
    "query",
    [
        "DocumentReference?patient=lea,bob&description=vih",
        f"Patient?identifier={people.INS_SYSTEM}|{people.INS},{people.INS_SYSTEM}|{OTHER_INS}",
        "Patient?_id=lea,bob",
    ],
)
def test_a_holder_read_in_the_own_traces_whom_else_a_search_was_about(world, query):
    assert 200 == world.ask(people.doctor(), "GET", query).status

    found = json.loads(traces(world, "lea"))
    queries = [
        base64.b64decode(entity["query"]).decode()
        for each in found
        for entity in each["resource"].get("entity", ())
        if "query" in entity
    ]
    assert queries
    assert [] == [each for each in queries if "bob" in each or OTHER_INS in each]


def test_the_trace_of_a_search_told_a_holder_that_a_refused_access_was_granted(world):
    """DMP-80: of several records asked about, the one that stayed shut says so."""
    assert 200 == world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea,bob").status

    found = json.loads(traces(world, "bob"))
    assert ["8"] == [each["resource"]["outcome"] for each in found if "Practitioner/diallo" in json.dumps(each)]
    found = json.loads(traces(world, "lea"))
    assert ["0"] == [each["resource"]["outcome"] for each in found if "Dr diallo" in json.dumps(each)]


def test_an_emergency_token_for_one_patient_told_who_else_exists_and_opposes_nothing(world):
    """DMP-71."""
    answers = {said(world.ask(break_glass("lea"), "GET", f"Observation?patient={who}")) for who in ("bob", "nobody")}

    assert {(403, "not allowed")} == answers


def test_a_launch_for_one_patient_told_whose_other_records_the_professional_opens(world):
    app = people.doctor(patient="lea", scopes=("patient/*.rs",))

    answers = {said(world.ask(app, "GET", f"Observation?patient={who}")) for who in ("bob", "nobody")}

    assert {(403, "not allowed")} == answers


def test_another_holder_was_told_which_records_are_closed_or_not_open(world):
    world.put(identity("shut", "c", extension=[{"url": CLOSING, "extension": [{"url": "motif", "valueString": "x"}]}]))
    world.put(identity("never", "n"))

    every = ("bob", "shut", "never", "nobody")
    answers = {said(world.ask(people.holder(), "POST", "Observation", observation(who))) for who in every}

    assert {(403, "not allowed")} == answers


@pytest.mark.parametrize(
    "who", [people.holder(), people.professional("accueil", "10000000009", "331")], ids=["holder", "forbidden party"]
)
def test_a_conditional_reference_told_anybody_which_ins_is_known(world, who):
    answers = {
        said(
            world.ask(
                who,
                "POST",
                "Observation",
                observation("x", subject={"reference": f"Patient?identifier={people.INS_SYSTEM}|{ins}"}),
            )
        )
        for ins in (OTHER_INS, "188888888888888")
    }

    assert {(403, "not allowed")} == answers


def test_a_submission_sent_again_was_answered_to_a_token_without_the_scope(world):
    deposit(world, submission())

    answered = world.ask(people.hospital(scopes=("system/Patient.s",)), "POST", "", submission())

    assert 403 == answered.status


def test_who_may_not_deposit_learnt_which_unique_ids_are_taken(world):
    deposit(world, submission())
    taken = world.ask(people.holder("bob"), "POST", "", submission())
    free = world.ask(people.holder("bob"), "POST", "", submission(unique="urn:oid:1.2.250.1.999.77"))

    assert (403, free.json) == (taken.status, taken.json)


def test_a_token_without_the_scope_of_consents_authorised_somebody_by_an_opening(world):
    world.put(identity("carl", "carl"))
    app = people.holder("carl", scopes=("patient/Patient.ru",))

    answered = world.ask(app, "POST", "Patient/carl/$open-record", opening(authorized=["Practitioner/diallo"]))

    assert 403 == answered.status
    assert 0 == world.house.shelf.resources.count_documents({"type": "Consent", "facts.patient": "carl"})


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_two_resources_that_name_each_other_named_the_hidden_one(world, order):
    def entry(number):
        other = f"urn:uuid:00000000-0000-4000-8000-0000000000a{3 - number}"
        more = {"meta": {"security": label("MASQUE_PS")["coding"]}} if number == 2 else {}
        return {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-0000000000a{number}",
            "resource": observation("lea", hasMember=[{"reference": other}], **more),
            "request": {"method": "POST", "url": "Observation"},
        }

    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry(each) for each in order]}
    places = dict(zip(order, deposit(world, bundle), strict=True))

    assert 404 == world.ask(people.radiologist(), "GET", places[2]).status
    assert "hasMember" not in world.ask(people.radiologist(), "GET", places[1]).json
    assert [] == world.ask(people.radiologist(), "GET", f"Observation?patient=lea&has-member={places[2]}").ids


def test_a_manifest_whose_every_document_is_masked_was_still_read(world):
    _, document, _ = deposit(world, submission(securityLabel=[label("MASQUE_PS")]))
    manifest = {
        "resourceType": "DocumentManifest",
        "status": "current",
        "subject": {"reference": "Patient/lea"},
        "description": "dépistage",
        "content": [{"reference": document}],
    }
    place = f"DocumentManifest/{world.ask(people.hospital(), 'POST', 'DocumentManifest', manifest).json['id']}"

    assert 404 == world.ask(people.radiologist(), "GET", place).status
    assert [] == world.ask(people.radiologist(), "GET", "DocumentManifest?patient=lea").ids
    assert 200 == world.ask(people.doctor(), "GET", place).status


def test_the_holder_saw_traces_of_a_provenance_about_what_is_not_yet_announced(world):
    bundle = submission(securityLabel=[label("INVISIBLE_PATIENT")])
    _, document, _ = deposit(world, bundle)
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": document}, {"reference": "Patient/lea"}],
        "recorded": "2026-11-23T10:00:00Z",
        "agent": [{"who": {"reference": "Organization/chu"}}],
    }
    entry = {"resource": provenance, "request": {"method": "POST", "url": "Provenance"}}
    (place,) = deposit(world, {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})

    assert 404 == world.ask(people.holder(), "GET", place).status
    assert place not in traces(world, "lea")
    assert place in traces(world, "lea", people.operator())


def test_a_professional_lifted_a_label_that_kept_the_document_from_another(world):
    psychiatry = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
    _, document, _ = deposit(world, submission(securityLabel=[label("N"), {"coding": [psychiatry]}]))

    patch = [{"op": "remove", "path": "/securityLabel/1"}]
    assert 403 == world.ask(people.radiologist(), "PATCH", document, patch).status
    assert 200 == world.ask(people.hospital(), "PATCH", document, patch).status


def test_a_scope_that_excludes_a_type_of_document_deleted_one(world):
    _, document, _ = deposit(world, submission())
    without = "type:not=http://loinc.org|11490-0"
    scopes = ("system/DocumentReference.rs", f"system/DocumentReference.ud?{without}")

    assert 403 == world.ask(people.hospital(scopes=scopes), "DELETE", document).status
    scopes = ("system/DocumentReference.rs", "system/DocumentReference.d?type=http://loinc.org|11490-0")
    assert 204 == world.ask(people.hospital(scopes=scopes), "DELETE", document).status


def test_what_a_batch_read_before_a_write_that_was_tried_twice_was_in_no_ledger(world, monkeypatch):
    _, document, _ = deposit(world, submission())
    carry, tries = Unit.carry, []

    def once_in_vain(unit, key, envelopes):
        carry(unit, key, envelopes)
        tries.append(key)
        if len(tries) == 1:
            conflict = OperationFailure("write conflict", 112)
            conflict._add_error_label("TransientTransactionError")
            raise conflict

    monkeypatch.setattr(Unit, "carry", once_in_vain)
    entries = [
        {"request": {"method": "GET", "url": document}},
        {
            "resource": observation("lea"),
            "request": {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=urn:x|nobody"},
        },
    ]
    answered = world.ask(people.doctor(), "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})

    assert ["200 OK", "201 Created"] == [each["response"]["status"] for each in answered.json["entry"]]
    assert 2 == len(tries)
    assert 1 == world.house.shelf.ledger.count_documents(
        {"entry.disclosed": document, "facts.author": "Practitioner/bernard"}
    )


def test_an_emergency_whose_notice_failed_once_was_never_told(world, monkeypatch):
    """DMP-72."""
    _, document, _ = deposit(world, submission())
    who = break_glass("lea")
    with monkeypatch.context() as broken:
        broken.setattr(type(world.house.outbox), "add", _unreachable)
        with pytest.raises(OperationFailure):
            world.ask(who, "GET", document)

    assert 200 == world.ask(who, "GET", document).status
    subjects = [each["subject"] for each in world.house.outbox.recent("lea@example.org")]
    assert 1 == sum("urgence" in each for each in subjects), subjects


def _unreachable(*_, **__):
    raise OperationFailure("down")


def test_a_number_that_was_taken_from_a_professional_still_opened_the_record(world):
    world.put(practitioner("diallo", "10000000077", "Diallo"))
    stranger = replace(people.radiologist(), reference=None, identities=frozenset({"ps:810000000002"}))

    assert 403 == world.ask(stranger, "GET", "DocumentReference?patient=lea").status


def test_a_professional_who_takes_part_in_nothing_still_cannot_speak_for_the_holder(world):
    for kind in ("medecin-traitant", "ps-blocage"):
        consent = consent_patterns.consent(kind, "Patient/lea", "2026-11-23T10:00:00Z", actor="Practitioner/diallo")
        assert 403 == world.ask(people.radiologist(), "POST", "Consent", consent).status


def test_a_professional_opened_a_record_that_nobody_consented_to(world):
    """DMP-20, DMP-22."""
    made = {name: value for name, value in patient(active=True).items() if name not in ("id", "identifier")}
    answered = world.ask(people.professional("inconnu", "10000000005"), "POST", "Patient", made)

    record = world.house.records.record(answered.json["id"]) if answered.status == 201 else None
    assert record is None or record.standing != "open"


def test_a_list_named_to_one_holder_what_belongs_to_two(world):
    shared = {
        "resourceType": "Appointment",
        "id": "both",
        "status": "proposed",
        "participant": [{"actor": {"reference": f"Patient/{who}"}, "status": "accepted"} for who in ("lea", "bob")],
    }
    world.put(shared)
    item = [{"item": {"reference": "Appointment/both"}}]
    subject = {"reference": "Patient/lea"}
    world.put(
        {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "subject": subject, "entry": item}
    )

    assert 404 == world.ask(people.holder(), "GET", "Appointment/both").status
    assert b"Appointment/both" not in world.ask(people.holder(), "GET", "List/l").body
