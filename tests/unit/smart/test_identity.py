"""Identity: whom the claims of Pro Santé Connect make."""

import pytest

from fhir_server.foundation.principal import Kind
from fhir_server.smart.directory import recognised
from fhir_server.smart.identity import organization_key, person_of, reason_of
from tests.kit.outside import Directory, professional

ORIGIN = "https://dmp.example"


def test_a_doctor_is_known_by_the_national_identifier_profession_skill_sector_and_place():
    person = person_of(professional(), ORIGIN)
    assert (
        Kind.PROFESSIONAL,
        "ps:899700000001",
        "Awa Diallo",
        "10",
        "SA01",
        "org:1750000001",
        "CHU",
        False,
        ORIGIN,
    ) == (
        person.kind,
        person.subject,
        person.name,
        person.profession,
        person.sector,
        person.organization,
        person.organization_name,
        person.regulation,
        person.issuer,
    )
    assert (frozenset({"SM26"}), frozenset({"ps:899700000001"}), frozenset({"org:1750000001"})) == (
        person.specialties,
        person.identities,
        person.organizations,
    )


def test_the_preferred_username_stands_in_for_the_national_identifier():
    assert "ps:899700000001" == person_of(professional(SubjectNameID=None), ORIGIN).subject


def test_the_practice_is_that_of_the_profession_signed_in_with():
    practices = [
        {"codeProfession": "60", "codeSavoirFaire": "XX"},
        {"codeProfession": "10", "codeSavoirFaire": "SM53"},
    ]
    assert {"SM53"} == person_of(professional(SubjectRefPro={"exercices": practices}), ORIGIN).specialties


def test_the_place_signed_in_at_brings_the_legal_entity_and_other_places_do_not():
    here = {"numeroFinessSite": "750000001", "numeroFinessetablissementJuridique": "750000009"}
    there = {"numeroFinessSite": "130000001", "numeroFinessetablissementJuridique": "130000009"}
    practice = {"codeProfession": "10", "codeSavoirFaire": "SM26", "activities": [here, there]}
    person = person_of(professional(SubjectRefPro={"exercices": [practice]}), ORIGIN)
    assert {"org:1750000001", "org:1750000009"} == person.organizations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("F750000001", "org:1750000001"),
        ("1750000001", "org:1750000001"),
        ("R102671", "org:R102671"),
        ("499700427885006", "org:499700427885006"),
        ("", ""),
    ],
)
def test_organisations_are_written_in_several_ways_and_have_one_key(text, expected):
    assert expected == organization_key(text)


@pytest.mark.parametrize(
    ("changed", "regulation"),
    [({"Acces_Regulation_Medicale": "VRAI"}, True), ({"Acces_Regulation_Medicale": True}, False), ({}, False)],
)
def test_the_right_to_regulate_is_said_in_one_word(changed, regulation):
    # DMP-118
    assert regulation is person_of(professional(**changed), ORIGIN).regulation


def test_a_role_that_is_no_health_profession_is_told_as_it_is():
    # DMP-46: the matrix refuses it by its code
    person = person_of(professional(SubjectRole=["331^1.2.250.1.213.1.6.1.107"]), ORIGIN)
    assert (Kind.PROFESSIONAL, "331") == (person.kind, person.profession)


@pytest.mark.parametrize(
    "changed",
    [
        {"SubjectRole": []},
        {"SubjectRole": None},
        {"SubjectRole": [7]},
        {"SubjectRole": ["10^1.2.3"]},
        {"SubjectNameID": "", "preferred_username": ""},
        {"SubjectNameID": 7, "preferred_username": None},
    ],
)
def test_what_cannot_be_read_makes_nobody(changed):
    assert Kind.UNKNOWN is person_of(professional(**changed), ORIGIN).kind


@pytest.mark.parametrize(
    "reference", [None, [], "x", {"exercices": None}, {"exercices": [None]}, {"exercices": [{"activities": [7]}]}]
)
def test_a_practice_that_cannot_be_read_says_nothing(reference):
    person = person_of(professional(SubjectRefPro=reference), ORIGIN)
    assert (Kind.PROFESSIONAL, frozenset()) == (person.kind, person.specialties)


def test_no_claim_at_all_makes_nobody():
    assert Kind.UNKNOWN is person_of({}, ORIGIN).kind


def test_the_reason_given_to_the_provider():
    assert ("coma", "") == (reason_of({"Mode_Acces_Raison": " coma "}), reason_of({}))


def test_the_directory_adds_the_references_and_what_the_organisation_is_part_of():
    person = recognised(person_of(professional(), ORIGIN), Directory())
    assert "Practitioner/diallo" == person.reference and "Practitioner/diallo" in person.identities
    assert {"Organization/chu", "org:1EJ", "Organization/ej", "org:1750000001"} == person.organizations


def test_whom_the_directory_does_not_know_stays_as_he_is():
    person = person_of(professional(SubjectNameID="899799999999", SubjectOrganizationID=""), ORIGIN)
    assert person == recognised(person, Directory())
