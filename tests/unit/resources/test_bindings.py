"""A coded value stays within what its element requires, in each of the shapes a code has."""

import pytest

from fhir_server.definitions.elements import Binding
from fhir_server.resources.bindings import bare_codes_of, binding_checks

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
SYSTEM = "http://hl7.org/fhir/administrative-gender"
MIME = "http://hl7.org/fhir/ValueSet/mimetypes"
LANGUAGES = "http://hl7.org/fhir/ValueSet/all-languages"
MALE = {"system": SYSTEM, "code": "male"}
OTHER = {"system": SYSTEM, "code": "x"}


def within(type_, value, value_set=GENDER):
    checks = binding_checks(Binding("required", value_set), type_)
    assert 1 == len(checks)
    return checks[0][1](value)


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("code", "male", True),
        ("code", "Male", False),
        ("Coding", MALE, True),
        ("Coding", {"code": "male"}, False),
        ("Coding", OTHER, False),
        ("Coding", {"display": "male"}, True),
        ("Coding", {"system": [], "code": {}}, False),
        ("CodeableConcept", {"coding": [OTHER, MALE]}, True),
        ("CodeableConcept", {"coding": [OTHER]}, False),
        ("CodeableConcept", {"coding": "x"}, False),
        ("CodeableConcept", {"text": "male"}, False),
        ("Quantity", {"value": 1, **MALE}, True),
        ("Quantity", {"value": 1, **OTHER}, False),
        ("Quantity", {"value": 1}, True),
    ],
)
def test_a_required_value_set_is_not_left(type_, value, expected):
    assert expected == within(type_, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("application/pdf", True),
        ("text/html; charset=utf-8", True),
        ('multipart/related; boundary="a b"', True),
        ("application/fhir+json", True),
        ("json", True),
        ("pdf", False),
        ("a/b/c", False),
        ("text/", False),
        ("text/html;charset", False),
        ('text/html; a="b;c"', True),
        ("text/html; charset=日", False),
        ("text/html; charset=é", False),
        ('text/html; charset="日"', False),
        ("text/html;\u2003a=b", False),
    ],
)
def test_a_media_type_has_the_form_of_one(value, expected):
    assert expected == within("code", value, MIME)


@pytest.mark.parametrize(
    ("value", "expected"), [("fr", True), ("fr-FR", True), ("zh-Hans-CN", True), ("fr_FR", False), ("f", False)]
)
def test_a_language_is_a_tag(value, expected):
    assert expected == within("code", value, LANGUAGES)


def test_a_language_in_a_concept_has_the_same_form():
    assert within("CodeableConcept", {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr"}]}, LANGUAGES)
    assert not within("CodeableConcept", {"coding": [{"code": "fr_FR"}]}, LANGUAGES)


@pytest.mark.parametrize("strength", ["extensible", "preferred", "example"])
def test_a_weaker_binding_refuses_nothing(strength):
    assert () == binding_checks(Binding(strength, GENDER), "code")


def test_a_maximum_is_not_left_however_weak_the_binding():
    ((url, check),) = binding_checks(Binding("preferred", GENDER, LANGUAGES), "code")

    assert LANGUAGES == url
    assert not check("fr_FR")


def test_what_nobody_can_enumerate_is_let_through():
    assert () == binding_checks(Binding("required", "http://x.example/unknown"), "code")
    assert () == binding_checks(Binding("required", "http://x.example/unknown"), "Coding")
    assert () == binding_checks(None, "code")


def test_codes_that_nothing_else_narrows_are_known_at_once():
    assert "male" in bare_codes_of(Binding("required", GENDER))
    assert bare_codes_of(Binding("required", GENDER, LANGUAGES)) is None
    assert bare_codes_of(Binding("preferred", GENDER)) is None
    assert bare_codes_of(None) is None
