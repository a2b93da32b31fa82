"""The main job through the pipeline, on a real database: deposit, consult, decide, look back."""

from __future__ import annotations

import pytest

from fhir_server.foundation.principal import Purpose
from tests.kit import people
from tests.kit.world import World, label, opening, patient, practitioner, submission


@pytest.fixture
def world(database):
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
    yield made
    made.close()


def open_record(world, **answers):
    answered = world.ask(
        people.holder(),
        "POST",
        "Patient/lea/$open-record",
        opening(treatingPhysician="Practitioner/bernard", **answers),
    )
    assert answered.status == 200, answered.json
    return answered


def deposit(world, **more):
    answered = world.ask(people.hospital(), "POST", "", submission(**more))
    assert answered.status == 200, answered.json
    return [each["response"]["location"].split("/fhir/")[1].split("/_history")[0] for each in answered.json["entry"]]


def test_before_the_record_is_open_nothing_is_deposited(world):
    answered = world.ask(people.hospital(), "POST", "", submission())

    assert 403 == answered.status
    assert "not open" in answered.json["issue"][0]["diagnostics"]
    assert 0 == world.house.shelf.resources.count_documents({"type": "DocumentReference"})


def test_the_holder_opens_the_record_in_one_transaction(world):
    assert open_record(world).json["active"] is True
    consents = world.ask(people.holder(), "GET", "Consent?patient=lea")

    assert 5 == consents.json["total"]


def test_the_hospital_deposits_and_the_treating_physician_reads(world):
    open_record(world)
    list_, document, binary = deposit(world)

    found = world.ask(people.doctor(), "GET", "DocumentReference?patient=lea")
    assert [document] == found.ids
    assert 200 == world.ask(people.doctor(), "GET", document).status
    assert b"%PDF-1.4 lettre" == world.ask(people.doctor(), "GET", binary, native=True).body
    assert 200 == world.ask(people.doctor(), "GET", list_).status


def test_a_radiologist_without_authorisation_learns_nothing(world):
    open_record(world)
    _, document, _ = deposit(world)
    random = "DocumentReference/00000000-0000-7000-8000-ffffffffffff"

    assert 403 == world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea").status
    assert (
        world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea").json
        == world.ask(people.radiologist(), "GET", "DocumentReference?patient=nobody").json
    )
    hidden, absent = world.ask(people.radiologist(), "GET", document), world.ask(people.radiologist(), "GET", random)
    assert (404, hidden.json) == (absent.status, absent.json)
    found = world.ask(
        people.radiologist(), "GET", "DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.1"
    )
    assert (200, 0, None) == (found.status, found.json["total"], found.json.get("entry"))


def test_masking_hides_from_her_and_not_from_the_treating_physician(world):
    open_record(world, authorized=["Practitioner/diallo"])
    list_, document, binary = deposit(world)
    assert 200 == world.ask(people.radiologist(), "GET", document).status

    patch = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    assert 200 == world.ask(people.holder(), "PATCH", document, patch).status

    for path in (document, binary, list_):
        assert 404 == world.ask(people.radiologist(), "GET", path).status
        assert 200 == world.ask(people.doctor(), "GET", path).status
    found = world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea&_include=DocumentReference:subject")
    assert (200, 0, None) == (found.status, found.json["total"], found.json.get("entry"))
    assert 0 == world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea&_summary=count").json["total"]


def test_break_glass_needs_no_authorisation_and_the_holder_is_told(world):
    open_record(world)
    _, document, _ = deposit(world)
    emergency = people.professional(
        "urgent", "10000000003", purpose=Purpose.BREAK_GLASS, reason="inconscient", patient="lea"
    )

    assert 200 == world.ask(emergency, "GET", document).status
    subjects = [each["subject"] for each in world.house.outbox.recent("lea@example.org")]
    assert 4 == len(subjects), subjects


def test_the_holder_and_the_treating_physician_read_the_access_history(world):
    open_record(world)
    _, document, _ = deposit(world)
    world.ask(people.doctor(), "GET", document)

    for who in (people.holder(), people.doctor()):
        found = world.ask(who, "GET", "AuditEvent?patient=lea&_sort=-date")
        assert found.json["total"] >= 3
    assert 403 == world.ask(people.radiologist(), "GET", "AuditEvent?patient=lea").status


def test_the_same_submission_again_answers_with_the_first_locations(world):
    open_record(world)
    first = deposit(world)

    assert first == deposit(world)
    assert 409 == world.ask(people.hospital(), "POST", "", submission(content=b"other")).status
    assert 1 == world.house.shelf.resources.count_documents({"type": "DocumentReference"})
