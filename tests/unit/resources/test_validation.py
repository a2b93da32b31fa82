"""What validation accepts and refuses beyond the planted errors: twins, contained resources, choices, the edges."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.resources import kind_of
from fhir_server.resources.facts import facts_of, mentions_of
from fhir_server.resources.json_text import read, write
from fhir_server.resources.references import drop, find, rewrite
from fhir_server.resources.validation import MOST, check, is_good

from .walking import examples, resource_of

EXTENSION = {"extension": [{"url": "http://x.example/a", "valueCode": "b"}]}


def patient(**more):
    return {"resourceType": "Patient", **more}


def errors(resource):
    return [issue.expression for issue in check(resource) if issue.severity == "error"]


GOOD = [
    ("nothing but its type", patient()),
    ("an extension instead of a value", patient(_birthDate=EXTENSION)),
    ("an extension beside a value", patient(birthDate="2024", _birthDate=EXTENSION)),
    ("an id beside a value", patient(birthDate="2024", _birthDate={"id": "a"})),
    ("nulls that the twin fills", patient(name=[{"given": ["a", None], "_given": [None, EXTENSION]}])),
    ("nulls on both sides", patient(name=[{"given": [None, "b"], "_given": [EXTENSION, None]}])),
    ("a twin alone", patient(name=[{"_given": [EXTENSION]}])),
    ("a choice by its twin", patient(_deceasedBoolean=EXTENSION)),
    ("a choice with its twin", patient(deceasedBoolean=True, _deceasedBoolean=EXTENSION)),
    ("a required element by its twin", {"resourceType": "Flag", "_status": EXTENSION, "code": {"text": "a"}, "subject": {"display": "x"}}),
    ("a reference by identifier", patient(managingOrganization={"identifier": {"value": "a"}})),
    ("a reference by display", patient(managingOrganization={"display": "a"})),
    ("a reference with its type", patient(managingOrganization={"reference": "Organization/1", "type": "Organization"})),
    ("a conditional reference", patient(managingOrganization={"reference": "Organization?identifier=a|b"})),
    ("a versioned reference", patient(managingOrganization={"reference": "Organization/1/_history/2"})),
    ("a foreign reference", patient(managingOrganization={"reference": "https://x.example/Organization/1"})),
    ("a reference that tells no type", patient(managingOrganization={"reference": "urn:uuid:x"})),
    ("a coding that no set requires", patient(maritalStatus={"coding": [{"code": "x"}]})),
    (
        "a contained resource that refers to its container",
        patient(contained=[{"resourceType": "Observation", "id": "a", "status": "final", "code": {"text": "a"}, "subject": {"reference": "#"}}]),
    ),
    (
        "a contained resource that another contained one names",
        patient(
            contained=[
                {"resourceType": "Organization", "id": "a", "name": "a", "partOf": {"reference": "#b"}},
                {"resourceType": "Organization", "id": "b", "name": "b"},
            ],
            managingOrganization={"reference": "#a"},
        ),
    ),
    ("a modifier extension", {"resourceType": "Observation", "status": "final", "code": {"text": "a"}, "modifierExtension": [{"url": "http://x.example/a", "valueCode": "b"}]}),
    ("Parameters with a resource", {"resourceType": "Parameters", "parameter": [{"name": "a", "resource": {"resourceType": "Patient"}}]}),
]  # fmt: skip
BAD = [
    ("null", patient(birthDate=None), "Patient.birthDate"),
    ("null in a list of objects", patient(name=[None]), "Patient.name[0]"),
    ("a twin without an extension where there is no value", patient(_birthDate={"id": "a"}), "Patient.birthDate"),
    ("an empty twin", patient(birthDate="2024", _birthDate={}), "Patient.birthDate"),
    ("a twin that is no object", patient(birthDate="2024", _birthDate="x"), "Patient.birthDate"),
    ("a twin with an unknown element", patient(birthDate="2024", _birthDate={"value": "x"}), "Patient.birthDate.value"),
    ("a twin that is no array", patient(name=[{"given": ["a"], "_given": EXTENSION}]), "Patient.name[0].given"),
    ("a twin of nulls", patient(name=[{"_given": [None]}]), "Patient.name[0].given"),
    ("nulls on both sides at once", patient(name=[{"given": [None], "_given": [None]}]), "Patient.name[0].given[0]"),
    ("a twin with an error inside", patient(birthDate="2024", _birthDate={"extension": [{"url": "u"}]}), "Patient.birthDate.extension[0]"),
    ("a choice with the twin of another type", patient(deceasedBoolean=True, _deceasedDateTime=EXTENSION), "Patient.deceased"),
    ("a reference whose type says otherwise", patient(managingOrganization={"reference": "Organization/1", "type": "Patient"}), "Patient.managingOrganization.type"),
    ("a type alone that may not be", patient(managingOrganization={"display": "a", "type": "Patient"}), "Patient.managingOrganization.type"),
    ("a foreign reference to a type that may not be", patient(managingOrganization={"reference": "https://x.example/Patient/1"}), "Patient.managingOrganization.reference"),
    ("a contained resource of a type that may not be", patient(contained=[{"resourceType": "Patient", "id": "a"}], managingOrganization={"reference": "#a"}), "Patient.managingOrganization.reference"),
    ("a contained resource without an id", patient(contained=[{"resourceType": "Patient"}]), "Patient.contained[0].id"),
    ("two contained resources of one id", patient(contained=[{"resourceType": "Organization", "id": "a", "name": "x"}] * 2, managingOrganization={"reference": "#a"}), "Patient.contained[1].id"),
    ("a contained resource with a version", patient(contained=[{"resourceType": "Organization", "id": "a", "name": "x", "meta": {"versionId": "1"}}], managingOrganization={"reference": "#a"}), "Patient.contained[0].meta.versionId"),
    ("a contained resource with a label", patient(contained=[{"resourceType": "Organization", "id": "a", "name": "x", "meta": {"security": [{"code": "R"}]}}], managingOrganization={"reference": "#a"}), "Patient.contained[0].meta.security"),
    ("a contained resource of no type", patient(contained=[{"id": "a"}]), "Patient.contained[0]"),
    ("an unknown resource in Parameters", {"resourceType": "Parameters", "parameter": [{"name": "a", "resource": {"resourceType": "Foo"}}]}, "Parameters.parameter[0].resource.resourceType"),
    ("an object that is an id alone", patient(maritalStatus={"id": "a"}), "Patient.maritalStatus"),
    ("comments of the past", patient(fhir_comments=["x"]), "Patient.fhir_comments"),
    ("a concept outside what is required", {"resourceType": "AllergyIntolerance", "patient": {"display": "x"}, "clinicalStatus": {"coding": [{"code": "active"}]}}, "AllergyIntolerance.clinicalStatus"),
    ("a concept of text where a code is required", {"resourceType": "AllergyIntolerance", "patient": {"display": "x"}, "clinicalStatus": {"text": "active"}}, "AllergyIntolerance.clinicalStatus"),
]  # fmt: skip


@pytest.mark.parametrize("resource", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
def test_what_r4_allows_passes(resource):
    assert [] == errors(resource)


@pytest.mark.parametrize(("resource", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_r4_forbids_is_found(resource, expected):
    assert expected in errors(resource)


@pytest.mark.parametrize(
    "resource", [None, [], "Patient", {}, {"resourceType": None}, {"resourceType": "Foo"}, {"resourceType": []}]
)
def test_what_is_no_resource_is_refused(resource):
    (issue,) = check(resource)

    assert ("error", "structure") == (issue.severity, issue.code)


def test_another_type_than_expected_is_refused():
    assert ["invalid"] == [issue.code for issue in check(patient(), "Observation")]
    assert [] == check(patient(), "Patient")


def test_an_unknown_element_comes_with_the_nearest_known_one():
    (issue,) = check(patient(birthdate="2024"))

    assert "did you mean `birthDate`" in issue.text


def test_a_value_is_never_repeated():
    secret = "Durand-Secret"

    issues = check(
        patient(gender=secret, birthDate=secret, name=secret, active=secret, maritalStatus={"coding": secret})
    )

    assert 5 == len(issues)
    assert not any(secret in issue.text for issue in issues)


def test_good_practice_is_told_only_when_asked_for():
    assert [] == check(patient())
    (issue,) = check(patient(), advice=True)
    assert "warning" == issue.severity
    assert issue.text.startswith("dom-6")


def test_a_warning_does_not_spoil_a_resource():
    issues = check({"resourceType": "Library", "name": "a b", "status": "draft", "type": {"text": "x"}})

    assert ["warning"] == [issue.severity for issue in issues]
    assert is_good(issues)


def test_a_thousand_errors_are_told_as_a_hundred():
    issues = check(patient(**{f"a{at}": 1 for at in range(1000)}))

    assert MOST + 1 == len(issues)
    assert "900 more" in issues[-1].text


def test_checking_changes_nothing():
    for path in examples("r4"):
        resource = resource_of(path)
        before = copy.deepcopy(resource)
        check(resource)
        assert before == resource


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["reference", "id", "url", "coding", "code", "system", "value", "extension"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_that_parses_breaks_what_reads_resources(data):
    resource = read(write(resource_of(data.draw(st.sampled_from(examples("r4") + examples("pdsm4dmp"))))))
    spots = list(objects(resource))
    spot = data.draw(st.sampled_from(spots))
    spot[data.draw(st.sampled_from([*spot, "_status", "extension", "contained"]))] = data.draw(JSON)

    check(resource, advice=True)
    type_ = resource.get("resourceType")
    if isinstance(type_, str) and type_[:1].isupper():
        kind_of(type_).check(resource)
        kind_of(type_).derive(resource)
        facts_of(resource, submitter=())
        mentions_of(resource)
        drop(resource, {"Patient/1"})
        assert list(find(resource)) == list(find(rewrite(resource, {})))


def objects(node):
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node:
        if isinstance(each, (dict, list)):
            yield from objects(each)
