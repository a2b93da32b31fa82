"""Teams: whom a reference of a Consent stands for, and when (PCF: actors by care team, group, role and organisation)."""

from __future__ import annotations

import pytest
from test_directive import a_consent, actor
from test_records import Freshness, Shelf, _a_store, a_record, a_team  # noqa: F401 - a fixture for all of these

from fhir_server.consent.directives import Records, expand
from fhir_server.consent.provision import ALWAYS
from fhir_server.foundation.moment import Interval, interval

PERSON = {
    "resourceType": "Practitioner",
    "id": "x",
    "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": "10001234567"}],
}
PLACE = {
    "resourceType": "Organization",
    "id": "o",
    "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750000018"}],
}
ROLE = {
    "resourceType": "PractitionerRole",
    "id": "r",
    "practitioner": {"reference": "Practitioner/x"},
    "organization": {"reference": "Organization/o"},
}
FIRST, SECOND = interval("2026-01"), interval("2026-03")


def member(reference: str, period=None):
    return {"member": {"reference": reference}, **({"period": period} if period else {})}


def a_chain(length: int):
    """Teams one within another; in the last, somebody."""
    teams = {f"CareTeam/{n}": a_team(str(n), f"CareTeam/{n + 1}") for n in range(length - 1)}
    return {**teams, f"CareTeam/{length - 1}": a_team(str(length - 1), "Practitioner/x"), "Practitioner/x": PERSON}


@pytest.mark.parametrize(("length", "found"), [(1, True), (2, True), (3, True), (4, True), (5, False)])
def test_teams_are_followed_four_deep_and_no_deeper(length, found):
    """Whom the fifth names is nobody; whom the fourth names is known by the address alone."""
    assert found == ("Practitioner/x" in expand("CareTeam/0", a_chain(length)))
    assert (length < 4) == ("ps:810001234567" in expand("CareTeam/0", a_chain(length)))


def test_whoever_belongs_to_a_team_twice_belongs_to_it_from_the_first_to_the_last():
    team = a_team("a")
    team["participant"] = [
        member("Practitioner/x", {"start": "2026-03", "end": "2026-03"}),
        member("Practitioner/x", {"start": "2026-01", "end": "2026-01"}),
    ]
    assert {"Practitioner/x": Interval(FIRST.lo, SECOND.hi)} == expand("CareTeam/a", {"CareTeam/a": team})


def test_a_person_in_a_role_is_that_for_ever():
    known = {"PractitionerRole/r": ROLE, "Practitioner/x": PERSON, "Organization/o": PLACE}
    assert {
        "PractitionerRole/r": ALWAYS,
        "Practitioner/x@Organization/o": ALWAYS,
        "Practitioner/x@org:1750000018": ALWAYS,
        "ps:810001234567@Organization/o": ALWAYS,
        "ps:810001234567@org:1750000018": ALWAYS,
    } == expand("PractitionerRole/r", known)


def test_a_member_by_role_is_of_the_team_while_the_team_lasts():
    known = {"CareTeam/a": a_team("a", "PractitionerRole/r", period={"end": "2026-01"}), "PractitionerRole/r": ROLE}
    found = expand("CareTeam/a", known)["Practitioner/x@Organization/o"]
    assert FIRST.hi == found.hi


@pytest.mark.parametrize("type_", ["CareTeam", "Group"])
@pytest.mark.parametrize("ended", [{"status": "inactive"}, {"active": False}])
def test_a_group_that_has_ended_has_no_members(type_, ended):
    body = {
        "resourceType": type_,
        "participant": [member("Practitioner/x")],
        "member": [{"entity": {"reference": "Practitioner/x"}}],
        **ended,
    }
    assert {} == expand(f"{type_}/a", {f"{type_}/a": body})


def test_a_member_of_a_group_is_one_while_the_membership_lasts():
    group = {
        "resourceType": "Group",
        "member": [{"entity": {"reference": "Practitioner/x"}, "period": {"start": "2026-01", "end": "2026-01"}}],
    }
    assert {"Practitioner/x": FIRST} == expand("Group/g", {"Group/g": group})


def test_a_member_named_by_a_version_is_the_person_and_one_without_an_address_is_nobody():
    team = a_team("a", "Practitioner/x/_history/3")
    team["participant"] += [{"member": {"display": "une voisine"}}, {}]
    group = {"resourceType": "Group", "member": [{"entity": {"display": "une voisine"}}, {}]}
    assert {"Practitioner/x"} == set(expand("CareTeam/a", {"CareTeam/a": team}))
    assert {} == expand("Group/g", {"Group/g": group})


def test_a_role_that_a_team_names_is_looked_up_with_its_person_and_its_place():
    shelf = Shelf(a_record(), {"CareTeam/t": a_team("t", "PractitionerRole/r"), "PractitionerRole/r": ROLE,
                               "Practitioner/x": PERSON, "Organization/o": PLACE})  # fmt: skip
    found = Records(shelf, Freshness()).members_of(a_consent(actor=actor("CareTeam/t")))
    assert "ps:810001234567@org:1750000018" in found["CareTeam/t"]


def test_what_is_written_at_once_with_a_consent_is_looked_up_with_it():
    shelf = Shelf(a_record(), {"Practitioner/x": PERSON, "Organization/o": PLACE})
    records = Records(shelf, Freshness())
    found = records.members_of(a_consent(actor=actor("PractitionerRole/r")), beside={"PractitionerRole/r": ROLE})
    assert "ps:810001234567@org:1750000018" in found["PractitionerRole/r"]
