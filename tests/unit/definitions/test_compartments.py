"""Compartments: as published, and the narrower rule of who owns a resource."""

import pytest

from fhir_server.definitions.compartments import compartment_parameters, names, owner_parameters, patient_parameters
from fhir_server.definitions.library import load
from fhir_server.definitions.search_parameters import parameters


def test_r4_defines_five_compartments():
    assert ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson") == names()


def test_the_patient_compartment_is_as_published():
    assert ("patient", "recorder", "asserter") == patient_parameters("AllergyIntolerance")
    assert ("subject", "author") == patient_parameters("DocumentReference")
    assert ("link",) == patient_parameters("Patient")
    assert () == patient_parameters("Organization")
    assert ("encounter",) == compartment_parameters("Encounter", "Observation")
    assert () == compartment_parameters("Encounter", "Encounter")
    assert () == compartment_parameters("Nothing", "Observation")


def test_every_parameter_of_a_compartment_exists():
    for compartment in names():
        for type_ in load().types:
            for code in compartment_parameters(compartment, type_):
                assert code in parameters(type_), (compartment, type_, code)


@pytest.mark.parametrize(
    ("type_", "owners"),
    [
        ("DocumentReference", ("patient", "subject")),
        ("Consent", ("patient",)),
        ("Coverage", ("patient", "beneficiary")),
        ("Appointment", ("patient",)),
        ("Device", ("patient",)),
        ("AuditEvent", ("patient",)),
        ("Provenance", ("patient",)),
        ("Patient", ()),
        ("Organization", ()),
        ("Group", ()),
        ("Nothing", ()),
    ],
)
def test_the_owner_is_the_subject_patient_or_beneficiary_and_nobody_else(type_, owners):
    assert owners == owner_parameters(type_)


def test_three_types_of_the_compartment_have_no_parameter_that_names_an_owner():
    """A Patient is its own holder; a Group has members and a Schedule actors, and neither is anybody's."""
    assert ["Group", "Patient", "Schedule"] == [
        type_ for type_ in load().types if patient_parameters(type_) and not owner_parameters(type_)
    ]
