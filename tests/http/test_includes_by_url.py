"""Includes by canonical URL: what an answer was made by comes along with it, and back (rows R104 and R105).

https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_server.interactions.house import Limits
from tests.kit import people
from tests.kit.clinical import MASKED

OPERATOR = people.operator()
URL = "http://example.org/q"


def questionnaire(id_, version=None, url=URL, **more):
    said = {"version": version} if version else {}
    return {"resourceType": "Questionnaire", "id": id_, "url": url, "status": "active", **said, **more}


def response(id_, canonical, **more):
    made = {"resourceType": "QuestionnaireResponse", "id": id_, "status": "completed", "questionnaire": canonical}
    return {**made, "subject": {"reference": "Patient/lea"}, **more}


@pytest.fixture
def told(world):
    """Three versions of a questionnaire, the second the newest, and answers to each, to none and to another."""
    for id_, version in (("q1", "1"), ("q10", "10"), ("q2", "2")):
        world.put(questionnaire(id_, version))
        world.pass_time(seconds=1)
    world.put(questionnaire("other", "1", f"{URL}/other"))
    for id_, canonical in (("r1", f"{URL}|1"), ("r2", f"{URL}|2#part"), ("r0", URL), ("r9", f"{URL}|9")):
        world.put(response(id_, canonical))
    world.put(response("rx", f"{URL}/other"))
    return world


def brought(world, url, who=OPERATOR):
    answered = world.ask(who, "GET", url)
    assert 200 == answered.status, answered.json
    entries = answered.json.get("entry", [])
    return [each["resource"].get("id", "told") for each in entries if each["search"]["mode"] != "match"]


@pytest.mark.parametrize(
    ("id_", "expected"), [("r1", ["q1"]), ("r2", ["q2"]), ("r0", ["q2"]), ("r9", []), ("rx", ["other"])]
)
@pytest.mark.parametrize(
    "asked",
    [
        "QuestionnaireResponse:questionnaire",
        "QuestionnaireResponse:questionnaire:Questionnaire",
        "QuestionnaireResponse:*:Questionnaire",
    ],
)
def test_what_is_named_by_its_url_comes_along_in_its_version_or_the_newest(told, id_, expected, asked):
    """R104."""
    assert expected == brought(told, f"QuestionnaireResponse?_id={id_}&_include={asked}")


def test_several_come_in_one_question_and_after_what_was_brought(told, monkeypatch):
    """R104: one query, however many are named; and a round of `:iterate` later."""
    asked = []
    collection = type(told.house.shelf.resources)
    real = collection.find
    monkeypatch.setattr(collection, "find", lambda self, *more, **also: asked.append(more) or real(self, *more, **also))
    found = brought(told, "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire")
    several, asked[:] = len(asked), []
    brought(told, "QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire")

    assert (["other", "q1", "q2"], several, True) == (sorted(found), len(asked), several > 0)
    code = {"text": "x"}
    from_ = {"derivedFrom": [{"reference": "QuestionnaireResponse/r0"}], "subject": {"reference": "Patient/lea"}}
    told.put({"resourceType": "Observation", "id": "o", "status": "final", "code": code, **from_})
    on = "_include=Observation:derived-from&_include:iterate=QuestionnaireResponse:questionnaire"
    assert ["r0", "q2"] == brought(told, f"Observation?_id=o&{on}")


@pytest.mark.parametrize(
    ("id_", "expected"), [("q1", ["r0", "r1"]), ("q2", ["r0"]), ("q10", ["r0"]), ("other", ["rx"])]
)
@pytest.mark.parametrize("asked", ["QuestionnaireResponse:questionnaire", "QuestionnaireResponse:*", "*"])
def test_what_names_it_by_its_url_comes_along(told, id_, expected, asked):
    """R105: what names another version does not."""
    told.put(response("r2", f"{URL}|2"))
    found = brought(told, f"Questionnaire?_id={id_}&_revinclude={asked}")
    expected = sorted([*expected, *(["r2"] if id_ == "q2" else [])])

    assert expected == sorted(each for each in found if each.startswith("r"))


def test_what_may_not_be_seen_is_neither_named_nor_brought(told):
    """R105; decisions 16: the newest is the newest that is seen, and a masked answer comes along with nothing."""
    told.put(response("r1", f"{URL}|1", meta=MASKED))
    forward = "QuestionnaireResponse?patient=lea&_include=QuestionnaireResponse:questionnaire"
    seen = brought(told, forward, people.radiologist(scopes=("user/QuestionnaireResponse.rs", "user/Questionnaire.rs")))
    assert ["other", "q2"] == sorted(seen)
    assert [] == brought(told, forward, people.radiologist(scopes=("user/QuestionnaireResponse.rs",)))
    one = ("user/QuestionnaireResponse.rs", "user/Questionnaire.rs?version=1")
    assert ["other", "q1"] == sorted(brought(told, forward, people.radiologist(scopes=one)))
    for who in (people.doctor(), people.radiologist()):
        back = brought(told, "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire", who)
        assert "r1" not in back


def test_past_the_bound_the_answer_says_that_something_was_left_out(told):
    """R104."""
    told.house = replace(told.house, limits=Limits(included=1))
    found = brought(told, "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire")

    assert (2, "told") == (len(found), found[-1])
