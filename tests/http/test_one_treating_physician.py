"""One médecin traitant DMP at a time: designated by the holder, handed on by himself, ended in one transaction.

DMP-50 to DMP-54, DMP-110 (docs/adr/0031, 0032).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.family import letter_of
from tests.kit.treating import NOW, designate, designation, patient_of, said
from tests.kit.world import practitioner

HOLDER, DOCTOR, RADIOLOGIST, OPERATOR = people.holder(), people.doctor(), people.radiologist(), people.operator()
BERNARD, DIALLO = "Practitioner/bernard", "Practitioner/diallo"
CATEGORY = "Consent?patient=lea&category=medecin-traitant"


def standing(world):
    """Whom the active designations name."""
    found = world.ask(OPERATOR, "GET", f"{CATEGORY}&status=active").json.get("entry", [])
    return [each["resource"]["provision"]["actor"][0]["reference"]["reference"] for each in found]


def first(world):
    """The designation by which the record was opened."""
    return world.ask(HOLDER, "GET", f"{CATEGORY}&_sort=date").json["entry"][0]["resource"]


def named_by_the_patient(world):
    return said(world.ask(HOLDER, "GET", "Patient/lea").json)


def test_a_new_designation_ends_the_old_one_at_once(world):
    """DMP-54: in the same transaction, on record, and from the next request on."""
    old = first(world)["id"]
    assert 200 == world.ask(DOCTOR, "GET", "Patient/lea").status

    new = designate(world, DIALLO)

    assert [DIALLO] == standing(world)
    assert [DIALLO] == named_by_the_patient(world)
    assert 404 == world.ask(DOCTOR, "GET", "Patient/lea").status
    assert [DIALLO] == said(patient_of(world.ask(RADIOLOGIST, "GET", "Patient/lea")))
    versions = world.ask(HOLDER, "GET", f"Consent/{old}/_history").json["entry"]
    assert ["inactive", "active"] == [each["resource"]["status"] for each in versions]
    assert versions[0]["resource"]["meta"]["lastUpdated"] == world.ask(HOLDER, "GET", new).json["meta"]["lastUpdated"]
    traces = world.ask(HOLDER, "GET", f"AuditEvent?patient=lea&entity=Consent/{old}&action=U")
    assert 1 == traces.json["total"]


def test_who_is_designated_again_is_designated(world):
    """An old Consent that is made active again ends the one there is."""
    old = first(world)
    designate(world, DIALLO)
    again = world.ask(HOLDER, "GET", f"Consent/{old['id']}").json

    assert 200 == world.ask(HOLDER, "PUT", f"Consent/{old['id']}", {**again, "status": "active"}).status

    assert [BERNARD] == standing(world)
    assert [BERNARD] == named_by_the_patient(world)


@pytest.mark.parametrize("ended", ["inactive", "entered-in-error", "deleted"])
def test_without_a_designation_there_is_none(world, ended):
    """DMP-125: his right ends with it."""
    old = first(world)
    address = f"Consent/{old['id']}"
    if ended == "deleted":
        assert 204 == world.ask(HOLDER, "DELETE", address).status
    else:
        assert 200 == world.ask(HOLDER, "PUT", address, {**old, "status": ended}).status

    assert [] == standing(world)
    assert "generalPractitioner" not in world.ask(HOLDER, "GET", "Patient/lea").json
    assert ["Patient/lea"] == world.ask(HOLDER, "GET", "Patient?general-practitioner:missing=true").ids
    assert 404 == world.ask(DOCTOR, "GET", "Patient/lea").status


def transaction(*entries):
    rows = [{"resource": body, "request": {"method": method, "url": url}} for method, url, body in entries]
    return {"resourceType": "Bundle", "type": "transaction", "entry": rows}


def test_two_at_once_are_refused_and_nothing_is_changed(world):
    """DMP-54."""
    both = transaction(("POST", "Consent", designation(DIALLO)), ("POST", "Consent", designation("Practitioner/x")))

    answered = world.ask(HOLDER, "POST", "", both)

    assert 422 == answered.status, answered.json
    assert [BERNARD] == standing(world)
    assert [BERNARD] == named_by_the_patient(world)


@pytest.mark.parametrize("order", [0, 1], ids=["new, then old", "old, then new"])
def test_who_ends_the_old_one_himself_may(world, order):
    """IHE PCF: a new Consent, and the old one inactive, in one transaction."""
    old = first(world)
    entries = [
        ("POST", "Consent", designation(DIALLO)),
        ("PUT", f"Consent/{old['id']}", {**old, "status": "inactive"}),
    ]

    answered = world.ask(HOLDER, "POST", "", transaction(*(entries if order == 0 else reversed(entries))))

    assert 200 == answered.status, answered.json
    assert [DIALLO] == standing(world)
    assert [DIALLO] == named_by_the_patient(world)


def test_a_patient_written_in_the_same_transaction_says_what_was_decided_in_it(world):
    known = world.ask(HOLDER, "GET", "Patient/lea").json
    moved = {**known, "address": [{"city": "Lyon"}]}

    answered = world.ask(
        HOLDER,
        "POST",
        "",
        transaction(("POST", "Consent", designation(DIALLO)), ("PUT", "Patient/lea", moved)),
    )

    assert 200 == answered.status, answered.json
    assert [DIALLO] == named_by_the_patient(world)
    assert ["Patient/lea"] == world.ask(HOLDER, "GET", f"Patient?general-practitioner={DIALLO}").ids
    assert [] == world.ask(HOLDER, "GET", f"Patient?general-practitioner={BERNARD}").ids


def test_of_designations_that_race_one_is_left(world):
    """DMP-54: whichever comes last."""
    start = Barrier(4)

    def one(number):
        start.wait()
        return world.ask(HOLDER, "POST", "Consent", designation(f"Practitioner/{('bernard', 'diallo')[number % 2]}"))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(4)))

    assert [201] * 4 == [each.status for each in answers]
    assert 1 == len(standing(world))
    assert standing(world) == named_by_the_patient(world)


# --- handing on


def test_he_hands_on_his_standing_to_a_doctor_already_authorised(world):
    """DMP-54: one Consent, said by the holder; he loses what he gave."""
    world.put(letter_of("lea", "l1", "MASQUE_PS"))
    assert 404 == world.ask(RADIOLOGIST, "GET", "DocumentReference/l1").status

    consent = designate(world, DIALLO, DOCTOR)

    assert [DIALLO] == standing(world)
    assert [DIALLO] == named_by_the_patient(world)
    assert 200 == world.ask(RADIOLOGIST, "GET", "DocumentReference/l1").status
    assert [404, 404] == [world.ask(DOCTOR, "GET", each).status for each in ("DocumentReference/l1", "Patient/lea")]
    assert [{"reference": "Patient/lea"}] == world.ask(HOLDER, "GET", consent).json["performer"]
    assert [agent(BERNARD)] == collected(world, consent)


def agent(who):
    return {"who": {"reference": who}, "onBehalfOf": {"reference": "Patient/lea"}}


def collected(world, consent):
    """Who collected the holder's word, as the Provenance of a Consent tells it."""
    found = world.ask(HOLDER, "GET", f"Provenance?target={consent}").json.get("entry", [])
    agents = [each for one in found for each in one["resource"]["agent"]]
    return [{name: each[name] for name in ("who", "onBehalfOf")} for each in agents]


@pytest.mark.parametrize(
    ("by", "more"),
    [
        (DOCTOR, {"actor": "Practitioner/noel"}),
        (DOCTOR, {"performer": BERNARD}),
        (RADIOLOGIST, {}),
        (people.professional("noel", "10000000004"), {"actor": "Practitioner/noel"}),
    ],
    ids=["to one not authorised", "without the holder's word", "by who is not it", "by a stranger"],
)
def test_it_is_not_handed_on_otherwise(world, by, more):
    """DMP-54."""
    wanted = {"actor": DIALLO, **more}
    world.put(practitioner("noel", "10000000004", "Noël"))
    consent = consent_patterns.consent("medecin-traitant", "Patient/lea", NOW, **wanted)

    assert 403 == world.ask(by, "POST", "Consent", consent).status
    assert [BERNARD] == standing(world)


def test_it_is_not_handed_on_to_who_is_blocked(world):
    """DMP-54, DMP-112: a doctor whom the holder blocks is none who is authorised."""
    block = consent_patterns.consent("ps-blocage", "Patient/lea", NOW, actor=DIALLO)
    assert 201 == world.ask(HOLDER, "POST", "Consent", block).status

    assert 403 == world.ask(DOCTOR, "POST", "Consent", designation(DIALLO)).status


# --- his other rights


def test_he_reads_who_looked_and_what_is_masked_and_nobody_else_does(world):
    """DMP-51, DMP-52."""
    world.put(letter_of("lea", "l1", "MASQUE_PS"))
    world.ask(HOLDER, "GET", "DocumentReference/l1")
    for who in (RADIOLOGIST, DOCTOR):
        world.ask(who, "GET", "Patient/lea")

    def agents(who):
        found = world.ask(who, "GET", "AuditEvent?patient=lea&_count=100").json["entry"]
        told = [
            agent["who"].get("reference") for each in found for agent in each["resource"]["agent"] if "who" in agent
        ]
        return {each for each in told if each and each.partition("/")[0] in ("Practitioner", "Patient")}

    assert {BERNARD, DIALLO, "Patient/lea"} <= agents(DOCTOR)
    assert {DIALLO} == agents(RADIOLOGIST)
    assert [200, 404] == [world.ask(who, "GET", "DocumentReference/l1").status for who in (DOCTOR, RADIOLOGIST)]


def test_he_blocks_another_at_the_holders_request(world):
    """DMP-53: the performer is the holder, the Provenance names him, and the next request is refused."""
    assert 200 == world.ask(RADIOLOGIST, "GET", "Patient/lea").status
    block = consent_patterns.consent("ps-blocage", "Patient/lea", NOW, actor=DIALLO)

    made = world.ask(DOCTOR, "POST", "Consent", block)

    assert 201 == made.status, made.json
    assert 404 == world.ask(RADIOLOGIST, "GET", "Patient/lea").status
    assert [agent(BERNARD)] == collected(world, f"Consent/{made.json['id']}")


def test_a_colleague_who_collects_is_named_by_the_provenance(world):
    """DMP-110."""
    consent = consent_patterns.consent("ps-autorisation", "Patient/lea", NOW, actor="Practitioner/noel")
    answered = world.ask(RADIOLOGIST, "POST", "", transaction(("POST", "Consent", consent)))

    assert 200 == answered.status, answered.json
    location = answered.json["entry"][0]["response"]["location"]
    assert [agent(DIALLO)] == collected(world, location.partition("/fhir/")[2].partition("/_history")[0])


def test_what_the_holder_says_himself_has_no_collector(world):
    assert [] == collected(world, designate(world, DIALLO))


def test_the_provenance_is_for_who_may_read_its_consent(world):
    """DMP-51, DMP-53: another's block and who wrote it down are not a colleague's to read."""
    world.put(practitioner("noel", "10000000004", "Noël"))
    block = consent_patterns.consent("ps-blocage", "Patient/lea", NOW, actor="Practitioner/noel")
    made = world.ask(DOCTOR, "POST", "Consent", block).json["id"]

    found = {
        who.subject: len(world.ask(who, "GET", f"Provenance?target=Consent/{made}").ids)
        for who in (HOLDER, DOCTOR, RADIOLOGIST)
    }
    assert {HOLDER.subject: 1, "bernard": 1, "diallo": 0} == found
    assert made.encode() not in json.dumps(world.ask(RADIOLOGIST, "GET", "Patient/lea/$everything").json).encode()


def test_who_is_designated_sees_no_trace_of_the_one_before(world):
    """DMP-51, DMP-53: an ended Consent is not the médecin traitant's to read, and so its traces are not (decisions 16)."""
    before = f"Consent/{first(world)['id']}"
    world.ask(HOLDER, "GET", before)
    new = designate(world, DIALLO)
    found = world.ask(people.radiologist(), "GET", "AuditEvent?patient=lea&_count=100").json["entry"]
    named = {
        each["what"].get("reference", "").partition("/_history/")[0]
        for event in found
        for each in event["resource"]["entity"]
        if "what" in each
    }
    assert (True, False) == (new in named, before in named)
    told = world.ask(HOLDER, "GET", f"AuditEvent?patient=lea&entity={before}&_count=100").json
    assert told["total"] >= 2
