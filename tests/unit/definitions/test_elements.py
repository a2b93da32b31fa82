"""Elements: what may stand where, as R4 says."""

import re

import pytest

from fhir_server.definitions.elements import TypeRef, children, element, primitive, properties
from fhir_server.definitions.library import load, table


def test_an_element_has_its_cardinality_flags_and_binding():
    gender = element("Patient.gender")
    assert (0, 1, False) == (gender.min, gender.max, gender.repeats)
    assert ("required", "http://hl7.org/fhir/ValueSet/administrative-gender") == (
        gender.binding.strength,
        gender.binding.value_set,
    )
    assert {"male", "female", "other", "unknown"} == gender.binding.codes()
    assert (True, False) == (gender.summary, gender.modifier)
    assert (True, True) == (element("Patient.active").summary, element("Patient.active").modifier)
    assert (0, None, True) == (
        element("Patient.name").min,
        element("Patient.name").max,
        element("Patient.name").repeats,
    )
    assert 1 == element("Observation.status").min


def test_a_binding_may_have_a_value_set_that_no_code_leaves():
    language = element("Patient.language").binding
    assert ("preferred", "http://hl7.org/fhir/ValueSet/all-languages") == (language.strength, language.maximum)
    assert element("Attachment.contentType").binding.codes() is None


def test_a_choice_has_one_json_property_for_each_type():
    value = element("Observation.value[x]")
    assert value is element("Observation.value")
    assert value.is_choice
    assert value.properties["valueQuantity"] == TypeRef("Quantity")
    assert "valueDateTime" in value.properties
    assert "value" not in value.properties
    assert properties("Observation")["valueQuantity"] == (value, TypeRef("Quantity"))
    assert 50 == len(element("Extension.value").properties)


def test_references_say_what_they_may_name_and_open_ones_say_nothing():
    assert ("Patient", "Group", "Device", "Location") == element("Observation.subject").targets
    assert ("Patient", "Practitioner", "Group", "Device") == element("DocumentReference.subject").targets
    assert () == element("Provenance.target").targets
    assert () == element("DocumentReference.description").targets


def test_backbone_elements_have_places_of_their_own():
    contact = element("Patient.contact")
    assert "Patient.contact" == contact.place(contact.types[0])
    assert {"id", "extension", "modifierExtension", "relationship", "name"} < set(children("Patient.contact"))
    repeat = element("Timing.repeat")
    assert "Timing.repeat" == repeat.place(repeat.types[0])
    assert "HumanName" == element("Patient.name").place(TypeRef("HumanName"))


def test_a_content_reference_has_the_children_of_what_it_names():
    reference_range = element("Observation.component.referenceRange")
    assert "Observation.referenceRange" == reference_range.content_reference
    assert "Observation.referenceRange" == reference_range.place(reference_range.types[0])
    assert children("Observation.component.referenceRange") == children("Observation.referenceRange")
    assert element("Observation.component.referenceRange.low").path == "Observation.referenceRange.low"
    assert children("Questionnaire.item.item.item") == children("Questionnaire.item")


def test_every_content_reference_leads_somewhere():
    followed = 0
    for name in table("elements"):
        for row in table("elements")[name]["elements"]:
            if "content" in row:
                followed += 1
                assert children(row["path"]), row["path"]
    assert 55 == followed


def test_a_profiled_quantity_has_no_comparator():
    low = element("Range.low")
    assert TypeRef("Quantity", (), "SimpleQuantity") == low.types[0]
    assert "SimpleQuantity" == low.place(low.types[0])
    assert 0 == element("SimpleQuantity.comparator").max
    assert 1 == element("Quantity.comparator").max
    assert "sqty-1" in [each.key for each in element("SimpleQuantity").invariants]


def test_invariants_stand_on_elements_and_on_the_root_of_their_type():
    assert "pat-1" in [each.key for each in element("Patient.contact").invariants]
    assert "ref-1" in [each.key for each in element("Reference").invariants]
    dom6 = next(each for each in element("Patient").invariants if each.key == "dom-6")
    assert ("warning", True) == (dom6.severity, dom6.best_practice)
    ext1 = next(each for each in element("Extension").invariants if each.key == "ext-1")
    assert ("error", "extension.exists() != value.exists()", False) == (
        ext1.severity,
        ext1.expression,
        ext1.best_practice,
    )


def test_invariants_are_told_apart_by_key_within_a_type():
    keys = {key for name in table("elements") for key in table("elements")[name]["invariants"]}
    assert {"sqty-1", "mqty-1"} < keys
    assert 237 + 2 == len(keys)  # those of the types, and those two of the profiles


def test_the_id_of_a_resource_is_an_id_and_that_of_an_element_is_a_string():
    assert ["id"] == [each.code for each in element("Patient.id").types]
    assert ["string"] == [each.code for each in element("HumanName.id").types]
    assert ["uri"] == [each.code for each in element("Extension.url").types]


@pytest.mark.parametrize(
    "path", ["", ".", "Nobody", "Patient.nothing", "Patient.name.given", "Patient.gender.x", "Patient..name"]
)
def test_a_path_that_is_not_there_is_none(path):
    assert element(path) is None
    assert {} == children(path)
    assert {} == properties(path)


def test_every_element_has_a_type_that_exists_and_a_json_property_of_its_own():
    counted = 0
    for name in table("elements"):
        places = [name]
        while places:
            place = places.pop()
            seen = [property_ for each in children(place).values() for property_ in each.properties]
            assert len(seen) == len(set(seen)), place
            for each in children(place).values():
                counted += 1
                assert each.types, each.path
                for ref in each.types:
                    assert ref.code in load().definitions, each.path
                    assert set(ref.targets) <= set(load().types), each.path
                    assert primitive(ref.code) or ref.code == "Resource" or children(each.place(ref)), each.path
                if not each.content_reference and each.place(each.types[0]) == each.path:
                    places.append(each.path)
    assert counted > 7000


@pytest.mark.parametrize(
    ("name", "json", "good", "bad"),
    [
        ("date", "string", "2024-02", "2024-2"),
        ("instant", "string", "2024-02-29T10:00:00Z", "2024-02-29"),
        ("code", "string", "a b", "a  b"),
        ("id", "string", "a-1.B", "a_1"),
        ("oid", "string", "urn:oid:1.2.250", "1.2.250"),
        ("positiveInt", "number", "1", "0"),
        ("unsignedInt", "number", "0", "-1"),
        ("decimal", "number", "-1.50e2", "01"),
        ("boolean", "boolean", "true", "True"),
    ],
)
def test_a_primitive_has_its_json_form_and_regular_expression(name, json, good, bad):
    found = primitive(name)
    assert json == found.json
    assert re.fullmatch(found.regex, good)
    assert not re.fullmatch(found.regex, bad)


def test_20_types_are_primitive_and_no_other_is():
    assert 20 == sum(primitive(name) is not None for name in load().definitions)
    assert 1048576 == primitive("string").max_length
    assert "uri" == primitive("canonical").base
    assert primitive("HumanName") is None
    assert primitive("nothing") is None
