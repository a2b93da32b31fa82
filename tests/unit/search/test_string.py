"""String parameters: what is folded, and which parts of a value are looked at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.predicate import matches
from fhir_server.foundation.problem import Problem
from fhir_server.search import string
from fhir_server.search.query import Asked
from fhir_server.search.supported import supported

FAMILY = supported("Patient")["family"]


def found(text, value, modifier=None):
    clause = string.clause(Asked("Patient", FAMILY, modifier), text)
    return matches(clause, {"index": [f"Patient.family{form}" for form in string.index(value, "string")]})


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("MARTIN", "martin"),
        ("Éléonore", "eleonore"),
        ("Bœuf", "boeuf"),
        ("CŒUR", "coeur"),
        ("Ætna", "aetna"),
        ("Straße", "strasse"),
        ("L’Haÿ", "l'hay"),
        ("  a \t b ", "a b"),
        ("ﬁn", "fin"),
        ("e\u0301", "e"),
    ],
)
def test_case_accents_ligatures_and_spaces_are_folded(text, folded):
    assert folded == string.normal(text)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="\\"), min_size=1))
def test_a_text_is_found_by_its_own_beginning(text):
    beginning = text[: len(text) // 2 + 1]
    if string.normal(beginning):
        assert found(beginning.replace("|", "\\|").replace(",", "\\,").replace("$", "\\$"), text)


@given(st.text(min_size=1).filter(lambda text: "\\" not in text))
def test_a_text_is_found_by_itself_exactly(text):
    assert found(text, text, "exact")


def test_the_mark_of_a_start_keeps_an_exact_text_from_being_found_by_its_start():
    assert not found("Mar", "Martin", "exact")
    assert not found("artin", "Martin")
    assert found("artin", "Martin", "contains")


@pytest.mark.parametrize("text", [" ", "\u0301"])
def test_nothing_to_look_for_is_refused(text):
    with pytest.raises(Problem, match="needs a text"):
        string.clause(Asked("Patient", FAMILY), text)


@pytest.mark.parametrize(
    ("value", "kind", "texts"),
    [
        ({"family": "Martin", "given": ["Léa", None, "Zoé"], "use": "official"}, "HumanName", ["Martin", "Léa", "Zoé"]),
        ({"city": "Lyon", "line": ["1 rue"]}, "Address", ["Lyon", "1 rue"]),
        ({"text": "fièvre", "coding": [{"display": "x"}]}, "CodeableConcept", ["fièvre"]),
        ({"unknown": "x"}, "Quantity", []),
        (12, "integer", []),
    ],
)
def test_the_parts_of_a_value_are_known_by_its_type(value, kind, texts):
    assert texts == [form[1:] for form in string.index(value, kind) if form.startswith("=")]
