"""Records: what decides over a record is remembered until the store says it changed, and never longer."""

from __future__ import annotations

import pytest

from fhir_server.consent import directives as room
from fhir_server.consent.directives import Records, expand, state_of
from fhir_server.consent.provision import ALWAYS
from fhir_server.foundation.moment import interval
from fhir_server.resources.closing import CLOSING

GUARD = {
    "coding": [
        {"system": "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass", "code": "GUARD"}
    ]
}


class Freshness:
    def __init__(self):
        self.callbacks = {}

    def on(self, kind, callback):
        self.callbacks[kind] = callback


class Shelf:
    """Counts what is asked of it; `found` is what directives_of gives, `bodies` the directory."""

    def __init__(self, found, bodies=None):
        self.found, self.bodies, self.asked = found, bodies or {}, 0
        self.meanwhile = lambda: None


@pytest.fixture(autouse=True)
def _a_store(monkeypatch):
    def directives_of(shelf, _patient):
        shelf.asked += 1
        shelf.meanwhile()
        return shelf.found

    monkeypatch.setattr(room.unguarded, "directives_of", directives_of)
    monkeypatch.setattr(
        room.unguarded, "bodies", lambda shelf, ids: {each: shelf.bodies[each] for each in ids if each in shelf.bodies}
    )


def a_record(**patient):
    holder = {"resourceType": "Patient", "id": "lea", "active": True, "birthDate": "2012-01-01", **patient}
    return {"patient": [holder], "consents": [], "related": [], "groups": []}


def test_a_record_is_read_once_and_read_again_when_it_changed():
    freshness, shelf = Freshness(), Shelf(a_record())
    records = Records(shelf, freshness)
    assert records.record("lea") is records.record("lea")
    assert shelf.asked == 1
    freshness.callbacks["record"]("hugo")
    records.record("lea")
    assert shelf.asked == 1
    freshness.callbacks["record"]("lea")
    records.record("lea")
    assert shelf.asked == 2
    freshness.callbacks["record"]("")
    records.record("lea")
    assert shelf.asked == 3


def test_what_was_read_while_the_record_changed_is_not_remembered():
    freshness, shelf = Freshness(), Shelf(a_record())
    records = Records(shelf, freshness)
    shelf.meanwhile = lambda: freshness.callbacks["record"]("lea")
    records.record("lea")
    shelf.meanwhile = lambda: None
    records.record("lea")
    assert shelf.asked == 2


def test_what_was_read_while_the_record_changed_once_more_is_not_remembered():
    freshness, shelf = Freshness(), Shelf(a_record())
    records = Records(shelf, freshness)
    freshness.callbacks["record"]("lea")
    shelf.meanwhile = lambda: freshness.callbacks["record"]("lea")
    records.record("lea")
    shelf.meanwhile = lambda: None
    records.record("lea")
    assert shelf.asked == 2


def test_an_unknown_record_is_none_and_is_not_remembered():
    shelf = Shelf({"patient": [], "consents": [], "related": [], "groups": []})
    records = Records(shelf, Freshness())
    assert records.record("nobody") is None
    assert records.record("nobody") is None
    assert shelf.asked == 2


def test_the_least_recently_used_is_forgotten_first():
    shelf = Shelf(a_record())
    records = Records(shelf, Freshness(), capacity=1)
    records.record("lea")
    shelf.found = a_record(id="hugo")
    records.record("hugo")
    shelf.found = a_record()
    records.record("lea")
    assert shelf.asked == 3


def test_a_consent_of_a_team_is_expanded_through_the_directory():
    team = {
        "resourceType": "CareTeam",
        "id": "t",
        "status": "active",
        "participant": [{"member": {"reference": "Practitioner/x"}}],
    }
    person = {
        "resourceType": "Practitioner",
        "id": "x",
        "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": "10001234567"}],
    }
    consent = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "provision": {"type": "permit", "actor": [{"reference": {"reference": "CareTeam/t"}}]},
    }
    shelf = Shelf({**a_record(), "consents": [consent]}, {"CareTeam/t": team, "Practitioner/x": person})
    records = Records(shelf, Freshness())
    found = records.record("lea").directives.all[0]
    assert set(found.root.members) == {"Practitioner/x", "ps:810001234567"}
    assert set(records.members_of(consent)["CareTeam/t"]) == {"Practitioner/x", "ps:810001234567"}


@pytest.mark.parametrize(
    ("patient", "standing"),
    [
        ({"active": True}, "open"),
        ({"active": False}, "none"),
        ({}, "none"),
        ({"active": False, "extension": [{"url": CLOSING}]}, "closed"),
        ({"active": True, "extension": [{"url": "https://example.org"}]}, "open"),
        ({"active": "true"}, "none"),
    ],
)
def test_a_record_is_open_when_its_patient_says_so(patient, standing):
    assert state_of({"id": "lea", **patient}, (), (), {}).standing == standing


def test_representatives_are_the_active_guardians_and_their_time():
    related = [
        {"id": "a", "relationship": [GUARD], "period": {"end": "2026-01-01"}},
        {"id": "b", "relationship": [GUARD], "active": False},
        {"id": "c", "relationship": [{"coding": [{"system": "https://example.org", "code": "GUARD"}]}]},
        {"id": "d", "relationship": [GUARD], "period": {"start": "demain"}},
        {"id": "e", "relationship": [GUARD]},
    ]
    state = state_of({"id": "lea", "active": True}, (), related, {})
    assert state.representatives == {"RelatedPerson/a", "RelatedPerson/d", "RelatedPerson/e"}
    assert state.directives.terms["RelatedPerson/a"].hi == interval("2026-01-01").hi
    assert state.directives.terms["RelatedPerson/d"].lo > interval("2100").lo
    assert state.directives.terms["RelatedPerson/e"] == ALWAYS


def a_team(id_, *members, **more):
    return {
        "resourceType": "CareTeam",
        "id": id_,
        "status": "active",
        "participant": [{"member": {"reference": each}} for each in members],
        **more,
    }


def test_a_team_within_a_team_is_followed_and_a_ring_of_teams_ends():
    known = {"CareTeam/a": a_team("a", "CareTeam/b"), "CareTeam/b": a_team("b", "CareTeam/a", "Practitioner/x")}
    assert "Practitioner/x" in expand("CareTeam/a", known)


def test_an_organisation_stands_for_its_identifiers_and_an_unknown_reference_for_itself():
    place = {
        "resourceType": "Organization",
        "id": "o",
        "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750000018"}],
    }
    assert set(expand("Organization/o", {"Organization/o": place})) == {"Organization/o", "org:1750000018"}
    assert set(expand("Organization/o", {})) == {"Organization/o"}
    nested = {"CareTeam/a": a_team("a", "Organization/o"), "Organization/o": place}
    assert set(expand("CareTeam/a", nested)) == {"Organization/o", "org:1750000018"}


def test_a_member_belongs_to_a_team_while_both_last():
    team = a_team("a", period={"end": "2026-06-30"})
    team["participant"] = [{"member": {"reference": "Practitioner/x"}, "period": {"start": "2026-01-01"}}]
    span = expand("CareTeam/a", {"CareTeam/a": team})["Practitioner/x"]
    assert (span.lo, span.hi) == (interval("2026-01-01").lo, interval("2026-06-30").hi)


@pytest.mark.parametrize("status", ["inactive", "entered-in-error", "suspended", "proposed"])
def test_a_team_that_is_not_active_has_no_members(status):
    assert expand("CareTeam/a", {"CareTeam/a": a_team("a", "Practitioner/x", status=status)}) == {}


def test_an_inactive_member_or_role_is_nobody():
    group = {
        "resourceType": "Group",
        "id": "g",
        "active": True,
        "member": [
            {"entity": {"reference": "Practitioner/x"}, "inactive": True},
            {"entity": {"reference": "Practitioner/y"}},
        ],
    }
    role = {
        "resourceType": "PractitionerRole",
        "id": "r",
        "active": False,
        "practitioner": {"reference": "Practitioner/x"},
    }
    assert set(expand("Group/g", {"Group/g": group})) == {"Practitioner/y"}
    assert expand("PractitionerRole/r", {"PractitionerRole/r": role}) == {}


def test_a_role_without_a_place_is_its_person_and_with_one_the_person_there():
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/x"}}
    assert set(expand("PractitionerRole/r", {"PractitionerRole/r": role})) == {"PractitionerRole/r", "Practitioner/x"}
    placed = {**role, "organization": {"reference": "Organization/o"}}
    assert set(expand("PractitionerRole/r", {"PractitionerRole/r": placed})) == {
        "PractitionerRole/r",
        "Practitioner/x@Organization/o",
    }
    nobody = {"resourceType": "PractitionerRole", "id": "r"}
    assert set(expand("PractitionerRole/r", {"PractitionerRole/r": nobody})) == {"PractitionerRole/r"}


def test_a_role_and_a_long_chain_of_teams_are_read_from_the_directory():
    role = {
        "resourceType": "PractitionerRole",
        "id": "r",
        "practitioner": {"reference": "Practitioner/x"},
        "organization": {"reference": "Organization/o"},
    }
    place = {"resourceType": "Organization", "id": "o"}
    chain = {f"CareTeam/{index}": a_team(str(index), f"CareTeam/{index + 1}") for index in range(9)}
    consent = {
        "provision": {
            "type": "permit",
            "actor": [{"reference": {"reference": each}} for each in ("PractitionerRole/r", "CareTeam/0")],
        }
    }
    shelf = Shelf(a_record(), {"PractitionerRole/r": role, "Organization/o": place, **chain})
    members = Records(shelf, Freshness()).members_of(consent)
    assert set(members["PractitionerRole/r"]) == {"PractitionerRole/r", "Practitioner/x@Organization/o"}
    assert not any(key.startswith("Practitioner") for key in members["CareTeam/0"])
