"""Chains and `_has` through canonical URLs: answers by their questionnaire, and questionnaires by their answers (R94).

https://hl7.org/fhir/R4/references.html#canonical. A reference without a version is one to any version.
"""

from __future__ import annotations

import pytest

from tests.http.test_includes_by_url import OPERATOR, URL, questionnaire, response, told
from tests.kit import people
from tests.kit.clinical import MASKED

told = told


def found(world, url, who=OPERATOR):
    answered = world.ask(who, "GET", url)
    assert 200 == answered.status, answered.json
    return sorted(each.partition("/")[2] for each in answered.ids)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("questionnaire.version=1", ["r0", "r1", "rx"]),
        ("questionnaire.version=2", ["r0", "r2"]),
        ("questionnaire:Questionnaire.version=10", ["r0"]),
        (f"questionnaire.url={URL}", ["r0", "r1", "r2"]),
        (f"questionnaire.url={URL}/other", ["rx"]),
        ("questionnaire._id=q1", ["r0", "r1"]),
        ("questionnaire.status=draft", []),
        ("questionnaire.version=9", []),
    ],
)
def test_answers_are_found_by_what_their_questionnaire_is(told, chain, expected):
    assert expected == found(told, f"QuestionnaireResponse?{chain}")


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("status=completed", ["other", "q1", "q10", "q2"]),
        ("_id=r1", ["q1"]),
        ("_id=r2", ["q2"]),
        ("_id=r0", ["q1", "q10", "q2"]),
        ("_id=r9", []),
        ("_id=rx", ["other"]),
        ("status=stopped", []),
    ],
)
def test_questionnaires_are_found_by_what_answers_them(told, criterion, expected):
    assert expected == found(told, f"Questionnaire?_has:QuestionnaireResponse:questionnaire:{criterion}")


def test_what_has_no_version_and_what_has_no_url_are_no_matter(told):
    told.put(questionnaire("bare", url="urn:uuid:5f6b1f6e-0000-4000-8000-000000000001"))
    told.put({"resourceType": "Questionnaire", "id": "nowhere", "status": "active"})
    told.put(response("rb", "urn:uuid:5f6b1f6e-0000-4000-8000-000000000001"))
    told.put(response("rv", "urn:uuid:5f6b1f6e-0000-4000-8000-000000000001|3"))

    assert ["rb"] == found(told, "QuestionnaireResponse?questionnaire._id=bare")
    assert [] == found(told, "QuestionnaireResponse?questionnaire._id=nowhere")
    assert ["bare"] == found(told, "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=rb")


def test_it_goes_on_from_there(told):
    """Two links, the first by address."""
    told.put(
        {
            "resourceType": "Observation",
            "id": "o",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/lea"},
            "derivedFrom": [{"reference": "QuestionnaireResponse/r2"}],
        }
    )
    chain = "derived-from:QuestionnaireResponse.questionnaire.version"

    assert ["o"] == found(told, f"Observation?{chain}=2")
    assert [] == found(told, f"Observation?{chain}=10")


def test_a_questionnaire_was_found_by_an_answer_that_is_hidden(told):
    """Decisions 16: what is masked leads nowhere."""
    told.put(response("secret", f"{URL}|10", meta=MASKED))
    asked = "Questionnaire?_has:QuestionnaireResponse:questionnaire:patient=lea&version=10"

    assert ["q10"] == found(told, asked, people.doctor())
    told.put(response("r0", f"{URL}/other"))
    assert [] == found(told, asked, people.radiologist())
