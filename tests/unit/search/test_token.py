"""Token parameters: each form a value can be asked by is one token."""

import pytest

from fhir_server.foundation.predicate import Has
from fhir_server.foundation.problem import Problem
from fhir_server.search import token
from fhir_server.search.query import Asked
from fhir_server.search.supported import supported


def asked(type_, code):
    return Asked(type_, supported(type_)[code])


@pytest.mark.parametrize(
    ("value", "kind", "forms"),
    [
        ("final", "code", ["=final", "=|final"]),
        (True, "boolean", ["=true", "=|true"]),
        (False, "boolean", ["=false", "=|false"]),
        ({"system": "s", "code": "c"}, "Coding", ["=c", "=s|c", "=s|"]),
        ({"code": "c"}, "Coding", ["=c", "=|c"]),
        ({"display": "d"}, "Coding", []),
        ({"coding": [{"code": "a"}, {"system": "s"}]}, "CodeableConcept", ["=a", "=|a", "=s|"]),
        ({"text": "t"}, "CodeableConcept", []),
        ({"system": "s", "value": "v"}, "Identifier", ["=v", "=s|v", "=s|"]),
        ({"system": "phone", "use": "home", "value": "1"}, "ContactPoint", ["=1", "=phone|1", "=home|1"]),
        ({"value": "1"}, "ContactPoint", ["=1", "=|1"]),
        ({"system": "phone"}, "ContactPoint", []),
        ({"value": 1}, "Quantity", []),
        (3, "integer", []),
    ],
)
def test_a_value_leaves_a_token_for_each_form(value, kind, forms):
    assert forms == token.index(value, kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "Patient.identifier=a"),
        ("s|a", "Patient.identifier=s|a"),
        ("|a", "Patient.identifier=|a"),
        ("s|", "Patient.identifier=s|"),
        ("s|a\\|b", "Patient.identifier=s|a|b"),
    ],
)
def test_the_four_forms_ask_for_one_token_each(text, expected):
    assert Has("token", expected) == token.clause(asked("Patient", "identifier"), text)


@pytest.mark.parametrize("text", ["", "|", "a|b|c"])
def test_any_other_form_is_refused(text):
    with pytest.raises(Problem, match=r"`system\|code`"):
        token.clause(asked("Patient", "identifier"), text)


def test_the_implicit_system_of_a_code_goes_unwritten():
    system = "http://hl7.org/fhir/document-reference-status"
    clause = token.clause(asked("DocumentReference", "status"), f"{system}|current")
    assert Has("token", "DocumentReference.status=current") == clause


def test_a_code_that_the_system_has_not_is_not_found_by_it():
    system = "http://hl7.org/fhir/document-reference-status"
    clause = token.clause(asked("DocumentReference", "status"), f"{system}|wrong")
    assert Has("token", f"DocumentReference.status={system}|wrong") == clause


def test_a_code_without_an_enumerable_value_set_has_no_implicit_system():
    clause = token.clause(asked("DocumentReference", "contenttype"), "urn:ietf:bcp:13|text/plain")
    assert Has("token", "DocumentReference.contenttype=urn:ietf:bcp:13|text/plain") == clause


def test_where_the_expression_computes_its_value_nothing_is_implied():
    assert Has("token", "Patient.deceased=x|true") == token.clause(asked("Patient", "deceased"), "x|true")
