"""Search parameters: what each type can be searched by."""

import pytest

from fhir_server.definitions.library import load, table
from fhir_server.definitions.search_parameters import parameter, parameters, unplaced


def test_all_1400_published_parameters_are_on_a_type_or_have_a_reason_not_to_be():
    placed = {row["url"] for base in table("search_parameters") for row in table("search_parameters")[base].values()}
    assert 1397 == len(placed)
    assert 3 == len(unplaced())
    assert not placed & unplaced().keys()
    assert {"an example of how a search parameter is written"} == set(unplaced().values())


def test_what_names_no_base_is_of_the_type_whose_extension_it_is():
    """R4 says so in XPath alone; the extension says what its value is."""
    assert "ValueSet.extension('http://hl7.org/fhir/StructureDefinition/valueset-author').value.as(ContactDetail)" == (
        parameter("ValueSet", "author").expression
    )
    assert ("date", "string", "token") == tuple(
        parameter("CodeSystem", code).type for code in ("effective", "keyword", "workflow")
    )


def test_a_parameter_for_many_types_says_only_what_concerns_one():
    patient = parameter("Observation", "patient")
    assert "http://hl7.org/fhir/SearchParameter/clinical-patient" == patient.url
    assert "Observation.subject.where(resolve() is Patient)" == patient.expression
    assert "The subject that the observation is about (if patient)" == patient.description
    assert ("reference", ("Patient",), ("Observation",)) == (patient.type, patient.targets, patient.bases)
    assert "AllergyIntolerance.patient" == parameter("AllergyIntolerance", "patient").expression
    assert ("Patient",) == parameter("AllergyIntolerance", "patient").targets


def test_targets_are_those_that_the_element_allows():
    assert {"Patient", "Group", "Device", "Location"} == set(parameter("Observation", "subject").targets)
    assert ("Encounter",) == parameter("Observation", "encounter").targets
    assert ("Encounter", "EpisodeOfCare") == parameter("DocumentReference", "encounter").targets
    assert ("Practitioner",) == parameter("Encounter", "practitioner").targets
    assert 100 < len(parameter("DocumentReference", "related").targets)


# R4 names no targets for these, nor does the element behind them.
WITHOUT_TARGETS = {
    ("DiagnosticReport", "assessed-condition"),
    ("QuestionnaireResponse", "item-subject"),
    ("RequestGroup", "instantiates-canonical"),
}


def test_every_reference_has_targets_that_are_resource_types():
    without = set()
    for type_ in load().types:
        for code, each in parameters(type_).items():
            assert set(each.targets) <= set(load().types), (type_, code)
            if each.type == "reference" and not each.targets:
                without.add((type_, code))
    assert without == WITHOUT_TARGETS


def test_what_all_resources_have_is_inherited():
    assert {
        "_id",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_security",
        "_source",
        "_text",
        "_content",
        "_query",
        "_filter",
    } == {code for code in parameters("Patient") if code.startswith("_")}
    assert "_text" not in parameters("Bundle")
    assert ("Patient", "Resource") == parameter("Patient", "_id").bases


def test_a_composite_has_components_with_the_types_of_the_parameters_they_are_like():
    code, value = parameter("Observation", "code-value-quantity").components
    assert ("code", "token", "code") == (code.code, code.type, code.expression)
    assert ("value-quantity", "quantity", "value.as(Quantity)") == (value.code, value.type, value.expression)


def test_composites_and_only_they_have_components():
    for type_ in load().types:
        for code, each in parameters(type_).items():
            assert (each.type == "composite") == bool(each.components), (type_, code)


def test_every_parameter_has_a_description_that_speaks_of_its_own_type():
    for type_ in load().types:
        for code, each in parameters(type_).items():
            assert each.description, (type_, code)
            assert "Multiple Resources" not in each.description, (type_, code)


@pytest.mark.parametrize("type_", ["Resource", "Nothing", "", "patient", "HumanName"])
def test_what_is_no_resource_type_has_no_parameters(type_):
    assert {} == parameters(type_)
    assert parameter(type_, "_id") is None


def test_an_unknown_code_is_none():
    assert parameter("Patient", "nothing") is None
