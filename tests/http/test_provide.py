"""Provide Document Bundle [ITI-65]: what is refused, each alone and by its name; the drafts that others wrote."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from fhir_server.foundation.principal import Kind
from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.world import label, patient, submission

DRAFTS = Path(__file__).parents[1] / "examples" / "pdsm4dmp"


def part(bundle, type_):
    return next(each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == type_)


def stored(world):
    return {
        name: world.house.shelf.resources.count_documents({"type": name})
        for name in ("DocumentReference", "List", "Binary")
    }


def wrong_hash(world, bundle):
    part(bundle, "DocumentReference")["content"][0]["attachment"]["hash"] = "A" * 27 + "="


def wrong_size(world, bundle):
    part(bundle, "DocumentReference")["content"][0]["attachment"]["size"] = 1


def two_patients(world, bundle):
    world.put({**patient("paul"), "identifier": [{"system": "urn:x", "value": "paul"}], "active": True})
    part(bundle, "List")["subject"] = {"reference": "Patient/paul"}


def anothers_source(world, bundle):
    """The document says within whose it is, and it is not the one it is deposited for."""
    part(bundle, "DocumentReference")["contained"][0]["identifier"][0]["value"] = "181096912300276"


def unknown_ins(world, bundle):
    for type_ in ("DocumentReference", "List"):
        part(bundle, type_)["subject"] = {"reference": f"Patient?identifier={people.INS_SYSTEM}|1"}


def unqualified(world, bundle):
    source = part(bundle, "DocumentReference")["contained"][0]
    source["extension"] = json.loads(json.dumps(patient()["extension"]).replace("QUAL", "PROV"))


def closed(world, bundle):
    extension = {
        "url": "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-fermeture",
        "valueDateTime": "2026-11-23",
    }
    known = patient()
    world.put({**known, "active": False, "extension": [*known["extension"], extension]})


def opposed(world, bundle):
    no = consent_patterns.consent("alimentation", "Patient/lea", "2026-11-23T10:00:00Z", permit=False)
    assert world.ask(people.holder(), "POST", "Consent", no).status == 201


def wrong_status(world, bundle):
    part(bundle, "DocumentReference")["status"] = "entered-in-error"


def unheard_of_status(world, bundle):
    part(bundle, "DocumentReference")["status"] = "final"


def wrong_label(world, bundle):
    part(bundle, "DocumentReference")["securityLabel"] = [label("MASQUE")]


REFUSALS = [
    (wrong_hash, 422, "hash"),
    (wrong_size, 422, "size"),
    (two_patients, 422, "two patients"),
    (anothers_source, 422, "two patients"),
    (unknown_ins, 404, "unknown INS"),
    (unqualified, 422, "unqualified identity"),
    (closed, 403, "closed"),
    (opposed, 403, "opposes"),
    (wrong_status, 422, "status"),
    (unheard_of_status, 422, "status"),
    (wrong_label, 422, "JDV_J58"),
]


@pytest.mark.parametrize(("spoil", "status", "named"), REFUSALS, ids=[each[0].__name__ for each in REFUSALS])
def test_each_fault_alone_is_refused_by_its_name_and_stores_nothing(world, spoil, status, named):
    """DMP-60, DMP-101, DMP-104, DMP-131; row 114."""
    bundle = submission()
    spoil(world, bundle)
    before = stored(world)
    answered = world.ask(people.hospital(), "POST", "", bundle)

    assert status == answered.status, answered.json
    assert named in json.dumps(answered.json, ensure_ascii=False)
    assert before == stored(world)
    assert 0 == world.house.shelf.carried.count_documents({"envelopes.facts.about": {"$regex": "^DocumentReference/"}})


def test_who_may_not_deposit_learns_nothing_of_an_address(world):
    """Decisions 17: a record that stays shut and one there is not are refused alike, whatever INS is tried."""
    answers = []
    unsure = json.loads(json.dumps(patient("unsure", identifier=[], active=True)).replace("QUAL", "PROV"))
    world.put({name: value for name, value in unsure.items() if value != []})
    for where in ("Patient/lea", "Patient/unsure", "Patient/nobody"):
        bundle = submission(ins="181096912300276")
        for type_ in ("DocumentReference", "List"):
            part(bundle, type_)["subject"] = {"reference": where}
        answers.append(world.ask(people.holder("paul"), "POST", "", bundle))

    assert [403, 403, 403] == [each.status for each in answers]
    assert answers[0].json == answers[1].json == answers[2].json


def test_a_known_unique_id_with_other_content_is_one_fixed_409(world):
    assert 200 == world.ask(people.hospital(), "POST", "", submission()).status
    other = world.ask(people.hospital(), "POST", "", submission(content=b"%PDF-1.4 autre"))

    assert (409, "an identifier of this resource is already in use") == (
        other.status,
        other.json["issue"][0]["diagnostics"],
    )


def draft(name):
    """One of the ANS drafts as it stands, but for the patient."""
    text = (DRAFTS / name).read_text("utf-8")
    bundle = json.loads(text)
    who = {"reference": f"Patient?identifier={people.INS_SYSTEM}|{people.INS}"}
    for each in bundle["entry"]:
        if "subject" in each["resource"]:
            each["resource"]["subject"] = who
        for contained in each["resource"].get("contained", ()):
            if contained["resourceType"] == "Patient":
                contained["identifier"] = [{"system": people.INS_SYSTEM, "value": people.INS}]
    return bundle


def test_the_draft_submission_of_the_ans_is_deposited_and_read(world):
    bundle = draft("Bundle-example-td2-iti65-lot-soumission.json")
    answered = world.ask(people.hospital(), "POST", "", bundle)
    assert 200 == answered.status, answered.json

    found = world.ask(people.doctor(), "GET", "DocumentReference?patient=lea").json
    url = found["entry"][0]["resource"]["content"][0]["attachment"]["url"]
    native = world.ask(people.doctor(), "GET", url, native=True)
    assert (1, base64.b64decode(part(bundle, "Binary")["data"])) == (found["total"], native.body)
    assert "attachment" == native.headers["Content-Disposition"]


def test_the_draft_replacement_of_the_ans_supersedes_what_it_replaces(world):
    """TD2.1."""
    bundle = draft("Bundle-example-td2-1-remplacement.json")
    old = part(bundle, "DocumentReference")["relatesTo"][0]["target"]["reference"]
    text = json.dumps(bundle)
    first = world.ask(people.hospital(), "POST", "", submission())
    replaced = first.json["entry"][1]["response"]["location"].split("/fhir/")[1].split("/_h")[0]
    answered = world.ask(people.hospital(), "POST", "", json.loads(text.replace(old, replaced)))

    assert 200 == answered.status, answered.json
    assert "superseded" == world.ask(people.doctor(), "GET", replaced).json["status"]
    new = world.ask(people.doctor(), "GET", f"DocumentReference?patient=lea&relatesto={replaced}")
    assert (1, "current") == (new.json["total"], new.json["entry"][0]["resource"]["status"])


def test_an_element_that_may_not_change_is_405(world):
    """DMP-131, DMP-145; row 49."""
    world.ask(people.hospital(), "POST", "", submission())
    where = world.ask(people.hospital(), "GET", "DocumentReference?patient=lea").ids[0]
    for path in ("/description", "/subject", "/content/0/attachment/hash", "/id", "/meta/versionId"):
        patch = [{"op": "replace", "path": path, "value": "x"}]
        assert 405 == world.ask(people.hospital(), "PATCH", where, patch).status, path
    assert 412 == world.ask(people.hospital(), "PATCH", where, [], if_match='W/"9"').status
    failed = [{"op": "test", "path": "/status", "value": "superseded"}]
    assert 422 == world.ask(people.hospital(), "PATCH", where, failed).status
    assert (
        200
        == world.ask(
            people.hospital(), "PATCH", where, [{"op": "replace", "path": "/status", "value": "superseded"}]
        ).status
    )
    assert 'W/"2"' == world.ask(people.operator(), "GET", where).headers["ETag"]


@pytest.mark.parametrize("who", [people.hospital(), people.doctor()], ids=["chu", "doctor"])
def test_a_provenance_is_deposited_with_the_document_it_tells_of(world, who):
    """DMP-60, DMP-131: what belongs to no record by itself belongs to that of its document."""
    bundle = submission()
    bundle["entry"] = [each for each in bundle["entry"] if each["resource"]["resourceType"] != "List"]
    if who.kind is Kind.PROFESSIONAL:
        part(bundle, "DocumentReference")["author"] = [{"reference": who.reference}]
    traced = {
        "resourceType": "Provenance",
        "target": [{"reference": bundle["entry"][0]["fullUrl"]}],
        "recorded": "2026-11-22T10:00:00+01:00",
        "agent": [{"who": {"reference": who.reference}}],
    }
    bundle["entry"].append({"resource": traced, "request": {"method": "POST", "url": "Provenance"}})

    told = world.ask(who, "POST", "", bundle)

    assert 200 == told.status, told.json
    document, _, place = (
        each["response"]["location"].split("/fhir/")[1].partition("/_history")[0] for each in told.json["entry"]
    )
    assert 200 == world.ask(people.holder(), "GET", place).status
    assert [place] == world.ask(people.holder(), "GET", f"Provenance?target={document}").ids
    assert 404 == world.ask(people.holder("paul"), "GET", place).status


def test_a_provenance_of_what_is_no_part_of_its_submission_is_refused_alike_whether_that_is_there(world):
    """decisions 17: a target is nobody's to try out."""
    world.ask(people.hospital(), "POST", "", submission())
    hidden = world.ask(people.hospital(), "GET", "DocumentReference?patient=lea").ids[0]
    answered = []
    for target in (hidden, "DocumentReference/nobody"):
        traced = {
            "resourceType": "Provenance",
            "target": [{"reference": target}],
            "recorded": "2026-11-22T10:00:00+01:00",
            "agent": [{"who": {"reference": "Practitioner/diallo"}}],
        }
        entry = {"resource": traced, "request": {"method": "POST", "url": "Provenance"}}
        told = world.ask(people.radiologist(), "POST", "", {**submission("urn:oid:1.2.250.1.999.2"), "entry": [entry]})
        answered.append((told.status, told.json))
    assert answered[0] == answered[1]
    assert 403 == answered[0][0]


@pytest.mark.parametrize("spoil", [wrong_hash, wrong_size])
def test_a_content_sent_in_lines_is_held_against_its_hash_and_size_as_well(world, spoil):
    """Row 114: base64 may be broken into lines (https://hl7.org/fhir/R4/datatypes.html#base64Binary)."""
    bundle = submission(content=b"%PDF-1.4 " + b"lettre " * 20)
    text = part(bundle, "Binary")["data"]
    part(bundle, "Binary")["data"] = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    told = json.loads(json.dumps(bundle))
    spoil(world, bundle)

    assert 422 == world.ask(people.hospital(), "POST", "", bundle).status
    assert 200 == world.ask(people.hospital(), "POST", "", told).status
