"""Rounds that go by the years: a young adult's record passes on (DMP-142), advance directives are remembered (DMP-109)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fhir_server.definitions.library import profile_json
from fhir_server.resources.consent_patterns import consent
from tests.kit import people
from tests.kit.clinical import directives
from tests.kit.rounds import go
from tests.kit.world import patient

ROLES = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
YOUNG, ANNE = "noe@example.org", "anne@example.org"
INS = "108112A12345678"


@pytest.fixture
def minor(empty):
    """Noé, born on 29 November 2008, whom Anne represents."""
    empty.put(noe())
    empty.put(guardian("anne", ANNE))
    empty.put({**noe(), "active": True})
    return empty


def noe(birth="2008-11-29", **more):
    telecom = [{"system": "email", "value": YOUNG}]
    return patient("noe", birthDate=birth, **{"telecom": telecom, **more})


def guardian(name, mail, **more):
    return {
        "resourceType": "RelatedPerson",
        "id": name,
        "active": True,
        "patient": {"reference": "Patient/noe"},
        "relationship": [{"coding": [{"system": ROLES, "code": "GUARD"}]}],
        "telecom": [{"system": "email", "value": mail}],
        **more,
    }


def at(world, text):
    world.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def subjects(world, to):
    return [each["subject"] for each in world.house.outbox.recent(to)]


def measure():
    """The Consent that cites a protection measure (mapping 3.8)."""
    made = consent("ps-autorisation", "Patient/noe", "2026-11-20T10:00:00Z", actor="RelatedPerson/anne")
    kind = {"system": profile_json("dmp/consent-types.json")["url"], "code": "representant-legal"}
    return {
        **made,
        "id": "mesure",
        "category": [made["category"][0], {"coding": [kind]}],
        "sourceAttachment": {"title": "Jugement de tutelle"},
    }


def test_the_day_before_nothing_passes_on_the_day_itself_all_does_dmp_142(minor):
    revoked = []

    def revoke(reference):
        revoked.append(reference)
        return 1

    at(minor, "2026-11-28T23:59:59")
    assert 0 == go(minor, "majority", revoke=revoke).done["majority"]
    assert 200 == minor.ask(people.representative("noe"), "GET", "Patient/noe").status

    at(minor, "2026-11-29T00:00:00")
    assert 403 == minor.ask(people.representative("noe"), "GET", "AuditEvent?patient=noe").status
    assert 1 == go(minor, "majority", revoke=revoke).done["majority"]
    assert 0 == go(minor, "majority", revoke=revoke).done["majority"]
    assert ["RelatedPerson/anne"] == revoked
    assert ["Votre dossier médical partagé est désormais à vous seul"] == subjects(minor, YOUNG)
    assert [] == subjects(minor, ANNE)


@pytest.mark.parametrize(
    ("birth", "before", "on"),
    [
        ("2008-02-29", "2026-02-28T23:59:59", "2026-03-01T00:00:00"),
        ("2008-12-31", "2026-12-30T23:59:59", "2026-12-31T00:00:00"),
        ("2009-01-01", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
    ],
)
def test_the_edges_of_a_birthday(minor, birth, before, on):
    minor.put({**noe(birth), "active": True})
    at(minor, before)
    assert 0 == go(minor, "majority").done["majority"]
    at(minor, on)
    assert 1 == go(minor, "majority").done["majority"]


def test_what_a_protection_measure_keeps_is_kept_dmp_142(minor):
    minor.put(measure())
    at(minor, "2026-12-01T10:00:00")
    assert 0 == go(minor, "majority").done["majority"]
    assert 200 == minor.ask(people.representative("noe"), "GET", "Patient/noe").status


def test_an_address_of_the_representative_is_not_the_young_adults(minor):
    minor.put({**noe(telecom=[{"system": "email", "value": ANNE}]), "active": True})
    at(minor, "2026-12-01T10:00:00")
    assert 1 == go(minor, "majority").done["majority"]
    assert [] == subjects(minor, ANNE)


def test_a_jump_over_many_years_and_back_misses_nobody(minor):
    at(minor, "2025-01-01T10:00:00")
    go(minor)
    minor.put({**noe("2012-05-01"), "active": True})
    at(minor, "2035-01-01T10:00:00")
    assert 1 == go(minor, "majority").done["majority"]
    at(minor, "2026-01-01T10:00:00")
    assert 0 == go(minor, "majority").done["majority"]
    minor.put(
        patient("lou", birthDate="2008-06-01", active=True, identifier=[{"system": "urn:oid:1.2.3", "value": "lou"}])
    )
    minor.put(guardian("paul", "paul@example.org", patient={"reference": "Patient/lou"}))
    at(minor, "2026-07-01T10:00:00")
    assert 1 == go(minor, "majority").done["majority"]


# --- advance directives ---


def wishes(world):
    """Advance directives that Léa deposits herself."""
    made = world.ask(people.holder(), "POST", "DocumentReference", directives())
    assert made.status == 201, made.json
    return f"DocumentReference/{made.json['id']}"


def test_each_year_their_author_is_reminded_once_dmp_109(world):
    at(world, "2028-02-29T10:00:00")
    wishes(world)
    told = []
    for moment in ("2029-02-28T09:59:59", "2029-02-28T10:00:00", "2029-12-31T10:00:00", "2030-02-28T10:00:00"):
        at(world, moment)
        told.append(go(world, "directives").done["directives"])
    assert [0, 1, 0, 1] == told
    assert 2 == subjects(world, "lea@example.org").count("Vos directives anticipées")


def test_what_was_withdrawn_is_not_remembered(world):
    document = wishes(world)
    withdrawn = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    assert 200 == world.ask(people.holder(), "PATCH", document, withdrawn).status
    world.pass_time(days=400)
    assert 0 == go(world, "directives").done["directives"]
