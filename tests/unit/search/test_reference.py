"""Reference parameters: one name for what is local, however it was written."""

import pytest

from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import NOTHING, Has, either
from fhir_server.foundation.problem import Problem
from fhir_server.search import reference
from fhir_server.search.query import Asked
from fhir_server.search.supported import supported

BASE = "https://server.example/fhir"


def asked(code, modifier=None, type_="Observation"):
    return Asked(type_, supported(type_)[code], modifier, BASE)


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("Patient/1", "Patient/1"),
        ("Patient/1/_history/3", "Patient/1"),
        ("Patient/1#x", "Patient/1"),
        (f"{BASE}/Patient/1", "Patient/1"),
        (f"{BASE}/Patient/1/_history/3", "Patient/1"),
        (f"{BASE}x/Patient/1", None),
        ("https://other.example/fhir/Patient/1", None),
        ("#x", None),
        ("urn:uuid:00000000-0000-0000-0000-000000000000", None),
        ("Patient?identifier=1", None),
        ("patient/1", None),
        ("", None),
    ],
)
def test_what_is_local_has_one_name(text, here):
    assert here == reference.local(text, BASE)


@pytest.mark.parametrize(
    ("value", "kind", "here", "forms"),
    [
        ({"reference": "Patient/1/_history/2"}, "Reference", "Patient/1", ["=Patient/1"]),
        ({"reference": "#x"}, "Reference", "", []),
        ({"display": "x"}, "Reference", "", []),
        ({"reference": "https://o.example/Patient/1"}, "Reference", "Patient/1", ["=https://o.example/Patient/1"]),
        (f"{BASE}/Task/1|2", "canonical", "Task/1", [f"={BASE}/Task/1|2", f"={BASE}/Task/1"]),
        (f"{BASE}/Questionnaire/q", "canonical", "", [f"={BASE}/Questionnaire/q"]),
        ("https://o.example/q|2", "canonical", "", ["=https://o.example/q|2", "=https://o.example/q"]),
        (
            {"identifier": {"system": "s", "value": "v"}},
            "Reference",
            "",
            [":identifier=v", ":identifier=s|v", ":identifier=s|"],
        ),
        ({"resourceType": "Composition", "id": "c"}, "Composition", "Composition/c", ["=Composition/c"]),
        ({"reference": 5}, "Reference", "", []),
        (5, "Reference", "", []),
    ],
)
def test_a_reference_leaves_its_name_and_its_identifier(value, kind, here, forms):
    assert (here, forms) == reference.index(value, kind, BASE)


def test_an_id_alone_names_every_type_it_may_have():
    targets = supported("Observation")["subject"].targets
    expected = either(*(Has("token", f"Observation.subject={each}/1") for each in targets))
    assert expected == reference.clause(asked("subject"), "1")
    assert expected != NOTHING


def test_an_id_alone_is_of_every_type_where_any_could_be_meant():
    """R92: all of them, and nothing that is no type."""
    found = reference.clause(asked("assessed-condition", type_="DiagnosticReport"), "1")
    assert {f"DiagnosticReport.assessed-condition={type_}/1" for type_ in load().endpoints} == {
        each.value for each in found.of
    }
    with pytest.raises(Problem, match="`Wat` is no type"):
        reference.clause(asked("assessed-condition", type_="DiagnosticReport"), "Wat/1")


def test_a_type_as_modifier_narrows_an_id():
    assert Has("token", "Observation.subject=Group/1") == reference.clause(asked("subject", "Group"), "1")


@pytest.mark.parametrize(
    ("modifier", "text"),
    [
        (None, "Practitioner/1"),
        (None, "Patient/1/_history/1"),
        (None, "a b"),
        (None, ""),
        ("Group", "Patient/1"),
        ("Group", "https://o.example/Group/1"),
    ],
)
def test_what_it_cannot_name_is_refused(modifier, text):
    with pytest.raises(Problem) as refusal:
        reference.clause(asked("subject", modifier), text)
    assert 400 == refusal.value.status


def test_an_identifier_is_a_token_of_the_reference():
    assert Has("token", "Observation.subject:identifier=s|v") == reference.clause(asked("subject", "identifier"), "s|v")
