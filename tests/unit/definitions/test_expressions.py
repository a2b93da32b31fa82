"""Expressions: the subset of FHIRPath, what it finds and what it refuses."""

import pytest

from fhir_server.definitions.expressions import PathError, target_type
from fhir_server.definitions.paths import compiled

NAMED = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"family": "Martin", "given": ["Léa", None, "Anne"]}, {"given": ["Zoé"]}],
    "birthDate": "2001-02-03",
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}, {"value": "3"}],
    "deceasedDateTime": "2024-01-01",
    "extension": [
        {"url": "u:a", "valueString": "x"},
        {"url": "u:b", "valueInteger": 4},
        {"url": "u:a", "valueCode": "y"},
    ],
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("Patient.name.given", [("Léa", "string"), ("Anne", "string"), ("Zoé", "string")]),
        ("name.family", [("Martin", "string")]),
        ("Resource.id", [("p", "id")]),
        ("DomainResource.id", [("p", "id")]),
        ("Patient.name[1].given", [("Zoé", "string")]),
        ("Patient.name[7].given", []),
        ("Patient.name.family | Patient.birthDate", [("Martin", "string"), ("2001-02-03", "date")]),
        ("(Patient.name.family | Patient.birthDate)", [("Martin", "string"), ("2001-02-03", "date")]),
        ("Patient.telecom.where(system='email').value", [("2", "string")]),
        ("Patient.deceased", [("2024-01-01", "dateTime")]),
        ("Patient.deceased as dateTime", [("2024-01-01", "dateTime")]),
        ("(Patient.deceased as DateTime)", [("2024-01-01", "dateTime")]),
        ("Patient.deceased.ofType(dateTime)", [("2024-01-01", "dateTime")]),
        ("Patient.deceased.as(boolean)", []),
        ("Patient.extension('u:a')", [("x", "string"), ("y", "code")]),
        ("Patient.extension('u:b').value", [("4", "integer")]),
        ("Patient.extension('u:c')", []),
        ("Patient.where(hasExtension('u:b')).name.family", [("Martin", "string")]),
        ("Patient.where(hasExtension('u:z')).name.family", []),
        ("%resource.name.family", [("Martin", "string")]),
    ],
)
def test_the_subset_finds_values_with_their_types(expression, found):
    assert sorted(found) == sorted((str(each.value), each.kind) for each in compiled(expression, "Patient")(NAMED))


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "Patient.",
        "Patient.nothing",
        "Patient.name.nothing",
        "Observation.status",
        "nothing",
        "Patient.name.given.first()",
        "Patient.name.where(use = )",
        "Patient.name.where(family > 'A')",
        "Patient.name.where(nothing='A')",
        "Patient.deceased.as(Quantity)",
        "Patient.deceased as Nothing",
        "Patient.name[x]",
        "Patient.name | ",
        "(Patient.name",
        "Patient.name)",
        "Patient.name given",
        "Patient.extension(u)",
        "Patient.name.given & 'a'",
        "Patient.deceased[0]",
        "Patient.link.other.where(resolve() = Patient)",
        "Patient.name.where(resolve() is Patient)",
        "Patient.link.other.where(resolve() is Nothing)",
        "%context.name",
        "1",
    ],
)
def test_what_is_outside_the_subset_is_refused_while_compiling(expression):
    with pytest.raises(PathError):
        compiled(expression, "Patient")


@pytest.mark.parametrize(
    "strange",
    [
        {"name": "Martin"},
        {"name": [["Martin"]]},
        {"name": 3},
        {"name": None},
        {"name": [{"given": {"a": 1}}]},
        {"telecom": ["x", {"system": ["email"]}]},
        {"extension": {"url": 3}},
        {"extension": ["x"]},
    ],
)
@pytest.mark.parametrize(
    "expression",
    [
        "Patient.name.family",
        "Patient.telecom.where(system='email').value",
        "Patient.extension('u:a')",
        "Patient.where(hasExtension('u:a')).id",
    ],
)
def test_a_walk_over_another_shape_finds_nothing(strange, expression):
    assert [] == compiled(expression, "Patient")(strange)


CONTAINED = {"resourceType": "List", "contained": [{"resourceType": "Group", "id": "g"}, "x", {"id": "none"}]}


@pytest.mark.parametrize(
    ("reference", "type_"),
    [
        ({"reference": "Patient/1"}, "Patient"),
        ({"reference": "Patient/1/_history/2"}, "Patient"),
        ({"reference": "https://example.org/fhir/Patient/1"}, "Patient"),
        ({"reference": "https://example.org/Group/fhir/Patient/1/_history/2"}, "Patient"),
        ({"reference": "Patient/1", "type": "Group"}, "Patient"),
        ({"reference": "#g"}, "Group"),
        ({"reference": "#g", "type": "Patient"}, "Group"),
        ({"reference": "#"}, "List"),
        ({"reference": "#none"}, None),
        ({"reference": "#nothing"}, None),
        ({"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}, None),
        ({"reference": "urn:uuid:00000000-0000-4000-8000-000000000000", "type": "Patient"}, "Patient"),
        ({"type": "http://hl7.org/fhir/StructureDefinition/Patient"}, "Patient"),
        ({"identifier": {"value": "1"}}, None),
        ({"reference": "Patient/"}, None),
        ({"reference": "patient/1"}, None),
        ({"reference": 3}, None),
        ({}, None),
    ],
)
def test_the_type_a_reference_names_is_known_without_asking_for_it(reference, type_):
    assert type_ == target_type(reference, CONTAINED)


def test_a_reference_that_does_not_say_counts_only_where_one_type_is_possible():
    logical = {"identifier": {"system": "urn:oid:1", "value": "1"}}
    one = compiled("Encounter.basedOn.where(resolve() is ServiceRequest)", "Encounter")
    many = compiled("Encounter.subject.where(resolve() is Patient)", "Encounter")
    assert [logical] == [each.value for each in one({"basedOn": [logical]})]
    assert [] == many({"subject": logical})
    assert [] == one({"basedOn": [{"reference": "Patient/1"}]})
