"""Paths: what a search parameter finds, and the type of each value."""

from decimal import Decimal

import pytest
from r4_populated import populated

from fhir_server.definitions.expressions import target_type
from fhir_server.definitions.library import load
from fhir_server.definitions.paths import WITHOUT_PATH, Found, composite, extractor, finder, needs, visitor
from fhir_server.definitions.search_parameters import parameters

# What no resource made from the definitions holds: extensions are not elements.
BY_EXTENSION = {
    ("Device", "din"),
    ("DiagnosticReport", "assessed-condition"),
    ("Observation", "amino-acid-change"),
    ("Observation", "dna-variant"),
    ("Observation", "gene-amino-acid-change"),
    ("Observation", "gene-dnavariant"),
    ("Observation", "gene-identifier"),
    ("Patient", "mothersMaidenName"),
    ("QuestionnaireResponse", "item-subject"),
    *(
        (type_, code)
        for type_ in ("CodeSystem", "ValueSet")
        for code in ("author", "effective", "end", "keyword", "workflow")
    ),
}


def test_every_published_parameter_compiles_or_has_a_reason_not_to():
    compiled, without = 0, set()
    for type_ in load().types:
        for code, each in parameters(type_).items():
            extractor(type_, code)
            compiled += 1
            if each.components:
                composite(type_, code)
            if not each.expression:
                without.add(code)
    assert 3175 == compiled
    assert without == WITHOUT_PATH.keys()


def test_every_parameter_finds_something_in_some_resource():
    unreached = set()
    for type_ in load().types:
        missing = {code for code, each in parameters(type_).items() if each.expression}
        for variant in range(40):
            missing -= finder(type_)(populated(type_, variant)).keys()
            if not missing:
                break
        unreached |= {(type_, code) for code in missing}
    assert unreached == BY_EXTENSION


def test_a_finder_finds_what_the_extractors_find():
    for type_ in load().types:
        for variant in (0, 1):
            resource = populated(type_, variant)
            expected = {code: found for code in parameters(type_) if (found := extractor(type_, code)(resource))}
            assert _sorted(expected) == _sorted(finder(type_)(resource)), type_


def _sorted(found):
    return {code: sorted(values, key=repr) for code, values in found.items()}


def test_a_code_comes_with_the_element_that_names_its_binding():
    assert [Found("female", "code", "Patient.gender")] == extractor("Patient", "gender")({"gender": "female"})


def test_a_choice_is_found_in_whichever_type_it_has():
    find = extractor("Observation", "value-date")
    period = {"start": "2024-01-01"}
    assert [Found("2024", "dateTime", "Observation.value[x]")] == find({"valueDateTime": "2024"})
    assert [Found(period, "Period", "Observation.value[x]")] == find({"valuePeriod": period})
    assert [] == find({"valueQuantity": {"value": Decimal("1.0")}})


def test_a_patient_is_found_among_the_subjects_only_when_it_is_one():
    find = extractor("DocumentReference", "patient")
    patient = {"reference": "Patient/1"}
    assert [Found(patient, "Reference", "DocumentReference.subject")] == find({"subject": patient})
    assert [] == find({"subject": {"reference": "Group/1"}})
    contained = {"contained": [{"resourceType": "Patient", "id": "a"}], "subject": {"reference": "#a"}}
    assert [{"reference": "#a"}] == [each.value for each in find(contained)]


@pytest.mark.parametrize(
    ("resource", "dead"),
    [
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2024"}, True),
    ],
)
def test_deceased_is_always_known(resource, dead):
    assert [Found(dead, "boolean", "Patient.deceased[x]")] == extractor("Patient", "deceased")(resource)
    assert [Found(dead, "boolean", "Patient.deceased[x]")] == finder("Patient")(resource)["deceased"]


def test_the_first_entry_of_a_bundle_is_found_with_its_own_type():
    bundle = {
        "entry": [{"resource": {"resourceType": "Composition", "id": "c"}}, {"resource": {"resourceType": "Patient"}}]
    }
    (found,) = extractor("Bundle", "composition")(bundle)
    assert ("Composition", "Bundle.entry.resource") == (found.kind, found.element)
    assert {"resourceType": "Composition", "id": "c"} == found.value
    assert "Resource" == extractor("Bundle", "composition")({"entry": [{"resource": {}}]})[0].kind


def test_a_parameter_on_an_extension_finds_the_value_of_the_extension():
    extension = {
        "url": "http://hl7.org/fhir/StructureDefinition/observation-geneticsGene",
        "valueCodeableConcept": {"text": "g"},
    }
    find = extractor("Observation", "gene-identifier")
    assert [Found({"text": "g"}, "CodeableConcept", "Extension.value[x]")] == find({"extension": [extension]})
    assert [] == find({"extension": [{**extension, "url": "urn:other"}]})


def test_the_subject_of_an_answer_is_found_by_the_extension_of_its_item():
    answered = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject", "valueBoolean": True}
        ],
        "answer": [{"valueReference": {"reference": "Patient/1"}}, {"valueString": "x"}],
    }
    find = extractor("QuestionnaireResponse", "item-subject")
    assert [{"reference": "Patient/1"}] == [
        each.value for each in find({"item": [answered, {"answer": answered["answer"]}]})
    ]


def test_a_parameter_without_a_path_finds_nothing():
    for code in ("_content", "_filter", "_query", "_text"):
        assert [] == extractor("Patient", code)(populated("Patient", 0))


@pytest.mark.parametrize(("said", "expected"), [({"multipleBirthBoolean": True}, [True]), ({"multipleBirthBoolean": False}, [False]), ({"multipleBirthInteger": 1}, [True]), ({}, [])])  # fmt: skip
def test_an_order_among_several_says_that_there_were_several(said, expected):
    assert expected == [each.value for each in extractor("Patient", "birthOrderBoolean")(said)]


BLOOD_PRESSURE = {
    "code": {"text": "panel"},
    "component": [
        {"code": {"text": "systolic"}, "valueQuantity": {"value": Decimal("120.0")}},
        {"code": {"text": "diastolic"}, "valueQuantity": {"value": Decimal("80.0")}},
        {"code": {"text": "remark"}, "valueString": "standing"},
    ],
}


def test_a_composite_keeps_together_what_belongs_together():
    find = composite("Observation", "component-code-value-quantity")
    assert [("systolic", 120), ("diastolic", 80)] == [
        (code[0].value["text"], value[0].value["value"]) for code, value in find(BLOOD_PRESSURE)
    ]
    assert [] == composite("Observation", "code-value-quantity")(BLOOD_PRESSURE)
    combined = composite("Observation", "combo-code-value-quantity")({**BLOOD_PRESSURE, "valueQuantity": {"value": 1}})
    assert ["panel", "systolic", "diastolic"] == [code[0].value["text"] for code, _ in combined]


def test_a_composite_knows_the_types_of_its_components():
    ((code, value),) = composite("Observation", "code-value-date")(
        {"code": {"text": "a"}, "valuePeriod": {"start": "2024"}}
    )
    assert [Found({"text": "a"}, "CodeableConcept", "Observation.code")] == code
    assert [Found({"start": "2024"}, "Period", "Observation.value[x]")] == value


def test_a_component_may_stand_on_the_resource_itself():
    sequence = {
        "referenceSeq": {"chromosome": {"text": "7"}},
        "variant": [{"start": 1, "end": 2}, {"start": 3, "end": 4}],
    }
    found = composite("MolecularSequence", "chromosome-variant-coordinate")(sequence)
    assert [("7", 1, 2), ("7", 3, 4)] == [(a[0].value["text"], b[0].value, c[0].value) for a, b, c in found]


def test_every_composite_finds_its_components_in_some_resource():
    for type_ in load().types:
        for code, each in parameters(type_).items():
            if each.components:
                found = [one for variant in range(12) for one in composite(type_, code)(populated(type_, variant))]
                assert found, (type_, code)
                assert {len(each.components)} == {len(one) for one in found}, (type_, code)


def test_a_composite_finds_nothing_in_a_resource_that_lacks_what_it_needs():
    for type_ in load().types:
        for code, each in parameters(type_).items():
            for name in populated(type_, 0) if each.components else ():
                for variant in range(4):
                    lacking = {key: value for key, value in populated(type_, variant).items() if key != name}
                    held = any(all(not one.isdisjoint(lacking) for one in several) for several in needs(type_, code))
                    assert held or not composite(type_, code)(lacking), (type_, code, name)


def test_a_walk_goes_each_way_once_for_all_that_it_is_asked_for():
    seen = []

    def make(ends):
        return lambda values, into: into.append((tuple(code for code, _, _ in ends), values))

    walk, rest = visitor("Observation", ["code", "combo-code", "component-code", "code-value-date", "nothing"], make)
    walk(BLOOD_PRESSURE, seen)

    assert ["code-value-date", "nothing"] == rest
    panel, *components = [each["code"] for each in (BLOOD_PRESSURE, *BLOOD_PRESSURE["component"])]
    assert [(("code", "combo-code"), [panel]), (("combo-code", "component-code"), components)] == seen


@pytest.mark.parametrize("ask", [extractor, composite])
@pytest.mark.parametrize(("type_", "code"), [("Patient", "nothing"), ("Nothing", "_id"), ("Resource", "_id")])
def test_a_parameter_that_is_not_there_is_refused(ask, type_, code):
    with pytest.raises(KeyError, match="has no search parameter"):
        ask(type_, code)


def test_what_is_no_composite_is_refused_as_one():
    with pytest.raises(KeyError, match="is not composite"):
        composite("Patient", "name")


def test_a_finder_is_refused_for_what_is_no_resource_type():
    with pytest.raises(KeyError, match="is no resource type"):
        finder("HumanName")


def test_every_reference_that_a_parameter_finds_is_to_one_of_its_targets():
    strays = set()
    for type_ in load().types:
        for variant in range(12):
            resource = populated(type_, variant)
            for code, found in finder(type_)(resource).items():
                targets = parameters(type_)[code].targets
                named = {target_type(each.value, resource) for each in found if each.kind == "Reference"}
                if targets and parameters(type_)[code].type == "reference" and not named <= set(targets):
                    strays.add((type_, code))
    assert set() == strays
