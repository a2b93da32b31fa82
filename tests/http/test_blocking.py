"""Authorise, withdraw, block over the whole pipeline: whom the holder finds in the directory, and by which key he is kept
out.

DMP-40 to DMP-44, DMP-110 to DMP-112, K10.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_server.consent.settings import settings
from fhir_server.foundation.principal import Purpose
from fhir_server.interactions.directory import StoredDirectory
from fhir_server.resources import consent_patterns
from fhir_server.smart.directory import recognised
from tests.kit import people
from tests.kit.family import letter_of
from tests.kit.treating import NOW, by
from tests.kit.world import practitioner

HOLDER, DOCTOR, RADIOLOGIST = (
    people.holder(scopes=("patient/*.rs", "patient/Consent.cruds")),
    people.doctor(),
    people.radiologist(),
)
SPECIALTY = "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
RPPS = "https://rpps.esante.gouv.fr"
IDNPS = "urn:oid:1.2.250.1.71.4.2.1"


def role(id_, who, place, specialty):
    return {
        "resourceType": "PractitionerRole",
        "id": id_,
        "practitioner": {"reference": f"Practitioner/{who}"},
        "organization": {"reference": f"Organization/{place}"},
        "location": [{"reference": f"Location/{place}"}],
        "specialty": [{"coding": [{"system": SPECIALTY, "code": specialty}]}],
    }


@pytest.fixture
def town(world):
    """Two doctors called Diallo in two towns, of two specialties; a letter in the record."""
    for place, city in (("cabinet", "Grenoble"), ("clinique", "Lyon")):
        address = {"city": city}
        world.put({"resourceType": "Organization", "id": place, "name": place, "address": [address]})
        world.put({"resourceType": "Location", "id": place, "name": place, "address": address})
    world.put({**practitioner("diallo2", "10000000008", "Diallo"), "name": [{"family": "Diallo", "given": ["Omar"]}]})
    world.put(role("r1", "diallo", "cabinet", "SM44"))
    world.put(role("r2", "diallo2", "clinique", "SM44"))
    world.put(role("r3", "bernard", "cabinet", "SM26"))
    world.put(letter_of("lea", "l1", None))
    return world


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("Practitioner?name=diallo", ["Practitioner/diallo", "Practitioner/diallo2"]),
        ("PractitionerRole?practitioner.name=diallo", ["PractitionerRole/r1", "PractitionerRole/r2"]),
        (f"PractitionerRole?specialty={SPECIALTY}|SM44", ["PractitionerRole/r1", "PractitionerRole/r2"]),
        ("PractitionerRole?specialty=SM26", ["PractitionerRole/r3"]),
        ("PractitionerRole?location.address-city=Grenoble", ["PractitionerRole/r1", "PractitionerRole/r3"]),
        ("PractitionerRole?organization.address-city=lyon", ["PractitionerRole/r2"]),
        (
            "PractitionerRole?practitioner.name=diallo&specialty=SM44&location.address-city=gren",
            ["PractitionerRole/r1"],
        ),
        (
            "PractitionerRole?practitioner.name=diallo&specialty=SM44&organization.address-city=gren",
            ["PractitionerRole/r1"],
        ),
        ("PractitionerRole?practitioner.name=diallo&specialty=SM26", []),
    ],
)
def test_the_holder_finds_whom_he_means_by_name_specialty_and_town(town, search, found):
    """DMP-43."""
    answered = town.ask(HOLDER, "GET", search)

    assert (200, found) == (answered.status, sorted(answered.ids)), answered.json


def test_who_was_found_is_shown_with_his_name_and_his_place(town):
    url = (
        "PractitionerRole?practitioner.name=diallo&location.address-city=gren"
        "&_include=PractitionerRole:practitioner&_include=PractitionerRole:organization"
    )
    came = [each["resource"]["id"] for each in town.ask(HOLDER, "GET", url).json["entry"]]

    assert ["r1", "cabinet", "diallo"] == came


def blocking(actor):
    consent = consent_patterns.consent("ps-blocage", "Patient/lea", NOW, actor="Practitioner/x")
    consent["provision"]["actor"] = [{**by("x")[0], "reference": actor}]
    return consent


def asks(world, who):
    return [world.ask(who, "GET", url).status for url in ("DocumentReference?patient=lea", "DocumentReference/l1")]


def there(world, who):
    """The same person, signed in at the practice."""
    return recognised(replace(who, organization="Organization/cabinet"), StoredDirectory(world.house.shelf))


KEYS = {
    "reference": {"reference": "Practitioner/diallo"},
    "RPPS": {"identifier": {"system": RPPS, "value": "10000000002"}},
    "8+RPPS": {"identifier": {"system": IDNPS, "value": "810000000002"}},
    "role": {"reference": "PractitionerRole/r1"},
    "organisation": {"reference": "Organization/cabinet"},
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("purpose", [Purpose.TREATMENT, Purpose.BREAK_GLASS, Purpose.EMERGENCY_DISPATCH])
def test_a_block_wins_in_every_mode_and_by_every_key(town, key, purpose):
    """DMP-43, DMP-112, K10: from the next request on, with the token there was."""
    reason = "inconscient" if purpose.emergency else None
    who = there(town, people.radiologist(purpose=purpose, reason=reason, patient="lea", regulation=True))
    assert [200, 200] == asks(town, who)

    made = town.ask(HOLDER, "POST", "Consent", blocking(KEYS[key]))

    assert 201 == made.status, made.json
    assert [403, 404] == asks(town, who)


def test_a_block_that_is_lifted_gives_back_what_was_authorised(town):
    """DMP-44."""
    made = town.ask(HOLDER, "POST", "Consent", blocking(KEYS["RPPS"])).json
    assert [403, 404] == asks(town, RADIOLOGIST)

    assert 200 == town.ask(HOLDER, "PUT", f"Consent/{made['id']}", {**made, "status": "inactive"}).status

    assert [200, 200] == asks(town, RADIOLOGIST)


def test_an_authorisation_is_given_and_withdrawn_from_one_request_to_the_next(town):
    """DMP-40, DMP-44."""
    who = people.professional("diallo2", "10000000008")
    assert [403, 404] == asks(town, who)
    consent = consent_patterns.consent("ps-autorisation", "Patient/lea", NOW, actor="Practitioner/diallo2")

    made = town.ask(HOLDER, "POST", "Consent", consent).json
    assert [200, 200] == asks(town, who)

    assert 204 == town.ask(HOLDER, "DELETE", f"Consent/{made['id']}").status
    assert [403, 404] == asks(town, who)


def test_a_colleague_authorises_on_the_holders_word(town):
    """DMP-110: who may consult, for another; not for himself, and not who may not consult."""
    omar = people.professional("diallo2", "10000000008")
    consent = consent_patterns.consent("ps-autorisation", "Patient/lea", NOW, actor="Practitioner/diallo2")
    assert 403 == town.ask(omar, "POST", "Consent", consent).status
    assert [403, 404] == asks(town, omar)

    assert 201 == town.ask(RADIOLOGIST, "POST", "Consent", consent).status

    assert [200, 200] == asks(town, omar)


@pytest.mark.parametrize("declared", [True, False])
def test_a_reading_of_the_carte_vitale_authorises_its_reader_where_such_a_word_is_taken(town, monkeypatch, declared):
    """DMP-41: the switch `cardReading.declared`, which the law's file leaves off (docs/adr/0012)."""
    reading = {**settings().card_reading, "declared": declared}
    changed = replace(settings(), card_reading=reading)
    monkeypatch.setattr("fhir_server.consent.decision.settings", lambda: changed)
    omar = people.professional("diallo2", "10000000008")
    consent = consent_patterns.consent("ps-autorisation", "Patient/lea", NOW, actor="Practitioner/diallo2")
    consent["sourceAttachment"]["title"] = reading["title"]

    answered = town.ask(omar, "POST", "Consent", consent)

    assert (201 if declared else 403) == answered.status, answered.json
    assert ([200, 200] if declared else [403, 404]) == asks(town, omar)
    other = {**consent, "provision": {**consent["provision"], "actor": by("Practitioner/bernard")}}
    assert 403 == town.ask(people.professional("noel", "10000000004"), "POST", "Consent", other).status
