"""A write that may be tried and not be left as it would be: refused, on record in whose record it was tried, and why."""

from __future__ import annotations

from tests.kit import people
from tests.kit.world import label, submission

NORMAL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
LETTER = {
    "resourceType": "DocumentReference",
    "status": "current",
    "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
    "subject": {"reference": "Patient/lea"},
    "author": [{"reference": "Practitioner/bernard"}],
    "securityLabel": [{"coding": [NORMAL]}],
    "content": [{"attachment": {"contentType": "text/plain", "title": "lettre"}}],
}


def refused_by(world, who, method, url, body):
    """The answer, and what the ledger kept of it: the record and the reasons."""
    answered = world.ask(who, method, url, body)
    last = world.house.shelf.ledger.find_one(sort=[("chain.seal", -1), ("chain.seq", -1)])
    entry = world.house.shelf.ledger.find({"entry.id": last["entry"]["id"]})
    return answered, [(each["facts"].get("patient"), each["entry"]["refused"]) for each in entry]


def test_a_deposit_in_another_s_name_is_on_record_as_refused_in_that_record(world):
    """Decisions 20: the reasons of a refusal stay in the entry, for the holder and the operator."""
    answered, kept = refused_by(world, people.radiologist(), "POST", "DocumentReference", LETTER)

    assert (403, [("lea", ["write.none"])]) == (answered.status, kept)


def test_the_holder_reads_in_the_access_history_who_tried_to_deposit_in_another_s_name(world):
    world.ask(people.radiologist(), "POST", "DocumentReference", LETTER)
    told = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&agent=Practitioner/diallo&outcome=8").json

    assert 1 == told["total"]
    assert "C" == told["entry"][0]["resource"]["action"]


def test_a_patch_that_may_not_be_left_so_is_on_record_as_refused(world):
    written = world.ask(people.doctor(), "POST", "DocumentReference", LETTER)
    at = "/".join(written.headers["Location"].split("/")[-4:-2])
    hidden = [{"op": "add", "path": "/securityLabel/-", "value": label("INVISIBLE_PATIENT")}]
    answered, kept = refused_by(world, people.radiologist(), "PATCH", at, hidden)

    assert (403, [("lea", ["write.refused"])]) == (answered.status, kept)


def test_a_submission_in_another_s_name_is_on_record_as_refused_in_that_record(world):
    """ITI-65."""
    before = world.house.shelf.resources.count_documents({})
    answered, kept = refused_by(world, people.radiologist(), "POST", "", submission())

    assert (403, [("lea", ["write.none"])]) == (answered.status, kept)
    assert before == world.house.shelf.resources.count_documents({})


def test_a_batch_says_of_each_entry_alone_that_it_was_refused(world):
    entries = [
        {"resource": {**LETTER, "author": [{"reference": f"Practitioner/{name}"}]}, "request": {"method": "POST", "url": "DocumentReference"}}
        for name in ("bernard", "diallo", "bernard")
    ]  # fmt: skip
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answered, kept = refused_by(world, people.radiologist(), "POST", "", batch)

    assert ["403", "201", "403"] == [each["response"]["status"][:3] for each in answered.json["entry"]]
    assert [["write.none"], ["write.none"]] == [reasons for patient, reasons in kept if patient and reasons]
