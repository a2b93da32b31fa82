"""Code lists: what a value set holds, and where that cannot be known."""

import pytest

from fhir_server.definitions.code_lists import bare_codes, below, codes, concepts, display, is_case_sensitive, system_of
from fhir_server.definitions.library import table

GENDER = "http://hl7.org/fhir/administrative-gender"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


@pytest.mark.parametrize("value_set", [GENDERS, f"{GENDERS}|4.0.1"])
def test_a_value_set_is_known_with_and_without_its_version(value_set):
    assert {(GENDER, code) for code in ("male", "female", "other", "unknown")} == codes(value_set)
    assert {"male", "female", "other", "unknown"} == bare_codes(value_set)
    assert GENDER == system_of(value_set, "male")
    assert system_of(value_set, "nobody") is None


@pytest.mark.parametrize(
    "value_set",
    [
        "http://hl7.org/fhir/ValueSet/mimetypes",
        "http://hl7.org/fhir/ValueSet/currencies",
        "http://hl7.org/fhir/ValueSet/ucum-units",
        "http://hl7.org/fhir/ValueSet/condition-code",
        "http://hl7.org/fhir/ValueSet/observation-codes",
        "https://example.org/nothing",
        "",
    ],
)
def test_what_cannot_be_enumerated_is_none_and_not_empty(value_set):
    assert codes(value_set) is None
    assert bare_codes(value_set) is None
    assert system_of(value_set, "male") is None


def test_all_required_bindings_but_four_can_be_checked():
    required = {
        row["binding"]["valueSet"]
        for name in table("elements")
        for row in table("elements")[name]["elements"]
        if row.get("binding", {}).get("strength") == "required"
    }
    assert 224 == len(required)
    assert {
        "http://hl7.org/fhir/ValueSet/mimetypes",
        "http://hl7.org/fhir/ValueSet/currencies",
        "http://hl7.org/fhir/ValueSet/ucum-units",
        "http://loinc.org/vs/LL379-9",
    } == {each for each in required if codes(each) is None}
    assert all(codes(each) for each in required if codes(each) is not None)


def test_a_filter_takes_a_code_and_what_is_below_it():
    purposes = bare_codes("http://terminology.hl7.org/ValueSet/v3-PurposeOfUse")
    assert {"PurposeOfUse", "TREAT", "BTG", "ETREAT", "PATRQT", "HPAYMT"} < purposes
    assert "ADMREV" not in purposes  # an ActReason that is no purpose of use


def test_an_excluded_code_is_left_out():
    abstract = bare_codes("http://hl7.org/fhir/ValueSet/example-extensional")
    assert abstract is None  # LOINC is not ours to list
    assert "Any" in bare_codes("http://hl7.org/fhir/ValueSet/all-types")


def test_codes_have_displays_where_the_system_is_held():
    assert "Male" == display(GENDER, "male")
    assert "break the glass" == display(REASONS, "BTG")
    assert display(GENDER, "nobody") is None
    assert display("http://loinc.org", "1-8") is None
    assert {} == concepts("http://snomed.info/sct")


def test_below_follows_the_hierarchy_all_the_way():
    assert {"FAMRQT", "PATRQT", "PWATRNY", "SUPNWK"} == below(REASONS, "PATRQT")
    assert {"BTG"} == below(REASONS, "BTG")
    assert {"BTG", "ETREAT", "TREAT"} < below(REASONS, "PurposeOfUse")
    assert below(REASONS, "nothing") is None
    assert below("https://example.org/nothing", "BTG") is None


def test_a_code_may_stand_under_several():
    several = [
        each for each in concepts("http://terminology.hl7.org/CodeSystem/v3-RoleCode").values() if len(each.parents) > 1
    ]
    assert several
    for each in several:
        for parent in each.parents:
            assert each.code in below("http://terminology.hl7.org/CodeSystem/v3-RoleCode", parent)


def test_only_systems_that_may_be_given_on_are_held():
    assert all(
        system.startswith(
            ("http://hl7.org/fhir", "http://terminology.hl7.org/", "http://cds-hooks.hl7.org/", "urn:iso-astm:")
        )
        for system in table("code_systems")
    )


def test_an_unknown_system_is_taken_at_its_most_exact():
    assert is_case_sensitive("https://example.org/nothing")
    assert is_case_sensitive(GENDER)
