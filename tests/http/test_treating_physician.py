"""Médecin traitant DMP over the whole pipeline: what a Patient says of it, to whom, and what anybody else writes there.

DMP-50 to DMP-54, DMP-101, DMP-125 (docs/adr/0032).
"""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.treating import CALLER, by, designate, designation, patient_of, resources, said, told
from tests.kit.world import opening, patient, practitioner

HOLDER, DOCTOR, RADIOLOGIST, OPERATOR = people.holder(), people.doctor(), people.radiologist(), people.operator()
BERNARD = "Practitioner/bernard"
ALIKE = {"resourceType": "Patient", "name": [{"family": "Martin"}], "birthDate": "1979-03-12"}
PARAMETERS = {
    "resourceType": "Parameters",
    "parameter": [{"name": "resource", "resource": ALIKE}],
}
BATCH = {
    "resourceType": "Bundle",
    "type": "batch",
    "entry": [{"request": {"method": "GET", "url": "Patient/lea"}}],
}
WAYS = {
    "read": ("GET", "Patient/lea", None),
    "vread": ("GET", "Patient/lea/_history/{version}", None),
    "history": ("GET", "Patient/lea/_history", None),
    "history of the type": ("GET", "Patient/_history", None),
    "history of everything": ("GET", "_history?_count=100", None),
    "search": ("GET", "Patient?_id=lea", None),
    "elements": ("GET", "Patient?_id=lea&_elements=generalPractitioner", None),
    "elements of a read": ("GET", "Patient/lea?_elements=generalPractitioner", None),
    "data": ("GET", "Patient/lea?_summary=data", None),
    "include": ("GET", "Consent?patient=lea&_include=Consent:patient", None),
    "compartment": ("GET", "Practitioner/bernard/Patient", None),
    "everything": ("GET", "Patient/lea/$everything", None),
    "several types": ("GET", "?_type=Patient,Practitioner&_count=50", None),
    "chain": ("GET", "Patient?general-practitioner.name=bernard", None),
    "match": ("POST", "Patient/$match", PARAMETERS),
    "batch": ("POST", "", BATCH),
}


def asked(world, who, way):
    method, url, body = WAYS[way]
    version = world.ask(HOLDER, "GET", "Patient/lea").headers["ETag"].split('"')[1]
    return world.ask(who, method, url.format(version=version), body)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", [HOLDER, DOCTOR], ids=["holder", "médecin traitant"])
def test_a_patient_says_who_it_is_on_every_way_out(world, who, way):
    """DMP-50."""
    found = [each for each in resources(asked(world, who, way)) if each["resourceType"] == "Patient"]

    assert found
    assert [BERNARD] == said(found[0]), found[0]


@pytest.mark.parametrize("way", WAYS)
def test_nobody_else_is_told_on_any_of_them(world, way):
    """DMP-51: who may not read the Consent does not learn it from the Patient."""
    answered = asked(world, RADIOLOGIST, way)

    patients = [each for each in resources(answered) if each["resourceType"] == "Patient"]
    assert all("generalPractitioner" not in each and [] == told(each) for each in patients), patients


@pytest.mark.parametrize("way", ["read", "search", "include", "everything", "match", "batch"])
def test_he_alone_is_told_that_he_is_it(world, way):
    """DMP-50, DMP-101: the extension is about who asks."""
    assert [True] == told(patient_of(asked(world, DOCTOR, way)))
    assert [] == told(patient_of(asked(world, HOLDER, way)))
    assert [] == [each for each in resources(asked(world, RADIOLOGIST, way)) if told(each)]


def test_the_existence_check_tells_each_caller_his_own_standing(world):
    """DMP-101: médecin traitant, authorised, neither; and nothing of who it is but to himself."""
    check = f"Patient?identifier={people.INS_SYSTEM}|{people.INS}"
    stranger = people.professional("inconnu", "10000000005")
    answers = {who.subject: patient_of(world.ask(who, "GET", check)) for who in (DOCTOR, RADIOLOGIST, stranger)}
    codes = {
        name: [each.get("valueBoolean", each.get("valueCode")) for each in found["extension"][-2:]]
        for name, found in answers.items()
    }

    assert {"bernard": [True, "active"], "diallo": [False, "active"], "inconnu": [False, "none"]} == codes
    assert [[BERNARD], [], []] == [said(found) for found in answers.values()]


FORGED = {
    "generalPractitioner": [{"reference": "Practitioner/diallo"}],
    "extension": [{"url": CALLER, "valueBoolean": True}],
}


def forgeries(known):
    """Every way to write a Patient that says what nobody decided."""
    value = {"name": "value", "valueReference": {"reference": "Practitioner/diallo"}}
    part = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "generalPractitioner"},
        value,
    ]
    forged = {**known, **FORGED, "extension": [*known.get("extension", []), *FORGED["extension"]]}
    entry = {"resource": forged, "request": {"method": "PUT", "url": "Patient/lea"}}
    patch = [{"op": "add", "path": "/generalPractitioner", "value": FORGED["generalPractitioner"]}]
    return {
        "update": ("PUT", "Patient/lea", forged),
        "patch": ("PATCH", "Patient/lea", patch),
        "fhirpath": (
            "PATCH",
            "Patient/lea",
            {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]},
        ),
        "condition": ("PUT", "Patient?_id=lea", forged),
        "transaction": ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}),
    }


@pytest.mark.parametrize("way", ["update", "patch", "fhirpath", "condition", "transaction"])
@pytest.mark.parametrize("who", [HOLDER, OPERATOR], ids=["holder", "operator"])
def test_what_anybody_writes_of_it_is_neither_believed_nor_kept(world, who, way):
    """DMP-54: the write does nothing else, so it makes no version."""
    known = world.ask(HOLDER, "GET", "Patient/lea")
    method, url, body = forgeries(known.json)[way]

    answered = world.ask(who, method, url, body)

    assert 200 == answered.status, answered.json
    assert [[BERNARD]] == [said(each) for each in resources(answered) if each["resourceType"] == "Patient"]
    after = world.ask(HOLDER, "GET", "Patient/lea")
    assert (known.json, known.headers["ETag"]) == (after.json, after.headers["ETag"])
    stored = world.house.shelf.resources.find_one({"_id": "Patient/lea"})
    assert "generalPractitioner" not in stored["body"]
    assert [] == [each for each in stored["index"] if "general-practitioner" in each]
    for found in ("general-practitioner=Practitioner/diallo", "general-practitioner.name=diallo"):
        assert [] == world.ask(OPERATOR, "GET", f"Patient?{found}").ids


def test_a_patient_who_is_made_with_one_has_none(world):
    """DMP-54."""
    ins = {"use": "official", "system": people.INS_SYSTEM, "value": "255069999999934"}
    made = world.ask(OPERATOR, "POST", "Patient", {**patient("x"), "identifier": [ins], **FORGED})

    assert 201 == made.status, made.json
    assert "generalPractitioner" not in made.json
    assert [] == told(made.json)
    assert ["Patient/lea"] == world.ask(OPERATOR, "GET", "Patient?general-practitioner:missing=false").ids


def test_a_contained_patient_who_claims_one_is_not_found_by_it(world):
    one = {"resourceType": "Patient", "id": "p", "generalPractitioner": FORGED["generalPractitioner"]}
    world.put(
        {
            "resourceType": "RelatedPerson",
            "id": "paul",
            "contained": [one],
            "patient": {"reference": "Patient/lea"},
            "extension": [{"url": "http://exemple.fr/avec", "valueReference": {"reference": "#p"}}],
        }
    )

    for kind in ("container", "contained"):
        where = f"_contained=true&_containedType={kind}"
        assert ["RelatedPerson/paul"] == found_in(world, f"Patient?{where}&_id=p")
        assert [] == found_in(world, f"Patient?{where}&general-practitioner=Practitioner/diallo")


def found_in(world, url):
    answered = world.ask(OPERATOR, "GET", url)
    assert 200 == answered.status, answered.json
    return [each["fullUrl"].partition("/fhir/")[2].partition("#")[0] for each in answered.json.get("entry", [])]


SEARCHES = (
    "Patient?general-practitioner=Practitioner/bernard",
    "Patient?general-practitioner=bernard",
    "Patient?general-practitioner:Practitioner=bernard",
    "Patient?general-practitioner=Practitioner/nobody,Practitioner/bernard",
    "Patient?general-practitioner.name=bernard",
    "Patient?general-practitioner:Practitioner.identifier=https://rpps.esante.gouv.fr|10000000001",
    "Patient?general-practitioner:missing=false",
    "Patient?_filter=general-practitioner eq Practitioner/bernard",
    "Patient?_filter=general-practitioner.name co bern",
    "Practitioner/bernard/Patient?family=martin",
    "Patient?general-practitioner=Practitioner/bernard&_sort=general-practitioner,-family",
    "Patient?_has:Consent:patient:status=active&general-practitioner=Practitioner/bernard",
)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_patient_is_found_by_him_by_who_may_know_it(world, search):
    """DMP-50, DMP-51: the parameter goes by the Consent, and so do chains through it."""
    for who in (HOLDER, DOCTOR, OPERATOR):
        assert ["Patient/lea"] == world.ask(who, "GET", search).ids, who.subject
    answered = world.ask(RADIOLOGIST, "GET", search)
    assert (200, []) == (answered.status, answered.ids)


def test_who_may_not_know_it_finds_that_there_is_none(world):
    missing = "Patient?general-practitioner:missing=true"

    assert ["Patient/lea"] == world.ask(RADIOLOGIST, "GET", missing).ids
    assert [[], [], []] == [world.ask(who, "GET", missing).ids for who in (HOLDER, DOCTOR, OPERATOR)]


@pytest.mark.parametrize("search", ["Practitioner?_has:Patient:general-practitioner:family=martin", "Practitioner?_has:Patient:general-practitioner:_id=lea"])  # fmt: skip
def test_a_doctor_is_found_by_whose_he_is(world, search):
    for who in (HOLDER, DOCTOR, OPERATOR):
        assert [BERNARD] == world.ask(who, "GET", search).ids, who.subject
    assert [] == world.ask(RADIOLOGIST, "GET", search).ids


def test_he_comes_along_to_who_may_know_it(world):
    url = "Patient?_id=lea&_include=Patient:general-practitioner"
    came = {
        who.subject: [each["id"] for each in resources(world.ask(who, "GET", url))] for who in (HOLDER, RADIOLOGIST)
    }

    assert {HOLDER.subject: ["lea", "bernard"], RADIOLOGIST.subject: ["lea"]} == came


def test_his_patients_come_along_with_him(world):
    """To an operator: a search of the directory is of no record, brings nothing of one to anybody else, and says so."""
    url = "Practitioner?_id=bernard&_revinclude=Patient:general-practitioner"
    came = [
        [each.get("id", each["resourceType"]) for each in resources(world.ask(who, "GET", url))]
        for who in (OPERATOR, HOLDER, RADIOLOGIST)
    ]

    alone = ["bernard", "OperationOutcome"]
    assert [["bernard", "lea"], alone, alone] == came


def test_a_designation_makes_no_version_of_the_patient(world):
    """What changed for some would tell everybody that it did (decisions 16)."""
    before = world.ask(RADIOLOGIST, "GET", "Patient/lea")

    designate(world, "Practitioner/diallo")
    designate(world, BERNARD)

    after = world.ask(RADIOLOGIST, "GET", "Patient/lea")
    assert (before.body, before.headers) == (after.body, after.headers)


def test_who_has_the_version_is_told_all_the_same(world):
    """A Patient is read whole whatever version the asker has: who it is may have changed meanwhile."""
    known = world.ask(HOLDER, "GET", "Patient/lea").headers["ETag"]
    designate(world, "Practitioner/diallo")

    again = world.ask(HOLDER, "GET", "Patient/lea", if_none_match=known)

    assert (200, ["Practitioner/diallo"]) == (again.status, said(again.json))


def test_an_earlier_version_says_who_it_was_when_it_was_superseded(world):
    """To whom may know of it still; his successor may not (DMP-53)."""
    version = world.ask(HOLDER, "GET", "Patient/lea").headers["ETag"].split('"')[1]
    known = world.ask(HOLDER, "GET", "Patient/lea").json
    moved = {**known, "address": [{"city": "Lyon"}]}
    assert 200 == world.ask(HOLDER, "PUT", "Patient/lea", moved).status
    designate(world, "Practitioner/diallo")

    old = f"Patient/lea/_history/{version}"
    assert [[BERNARD], ["Practitioner/diallo"]] == [
        said(world.ask(HOLDER, "GET", each).json) for each in (old, "Patient/lea")
    ]
    assert [[], ["Practitioner/diallo"]] == [
        said(world.ask(RADIOLOGIST, "GET", each).json) for each in (old, "Patient/lea")
    ]


def test_who_opens_a_record_is_answered_with_whom_he_designated(empty):
    """DMP-26."""
    for each in (patient(), practitioner("bernard", "10000000001", "Bernard")):
        empty.put(each)

    opened = empty.ask(HOLDER, "POST", "Patient/lea/$open-record", opening(treatingPhysician=BERNARD))

    assert [BERNARD] == said(opened.json)
    assert [BERNARD] == said(empty.ask(HOLDER, "GET", "Patient/lea").json)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"actor": by("Organization/chu")}, "Consent.provision.actor.reference"),
        ({"actor": by("CareTeam/equipe")}, "Consent.provision.actor.reference"),
        ({"actor": [*by(BERNARD), *by("Practitioner/diallo")]}, "Consent.provision.actor"),
        ({"actor": []}, "Consent.provision.actor"),
        ({"period": {"end": "2027-01-01"}}, "Consent.provision.period.end"),
        ({"period": {"start": "2027-01-01"}}, "Consent.provision.period.start"),
    ],
    ids=["a place", "a team", "two", "nobody", "until a day", "from a day on"],
)
def test_a_designation_names_one_person_from_now_on(world, more, where):
    """DMP-50, DMP-125."""
    made = designation(BERNARD)
    made["provision"] = {name: each for name, each in {**made["provision"], **more}.items() if each != []}

    answered = world.ask(HOLDER, "POST", "Consent", made)

    assert 422 == answered.status, answered.json
    assert [[where]] == [each["expression"] for each in answered.json["issue"] if each["severity"] == "error"]
