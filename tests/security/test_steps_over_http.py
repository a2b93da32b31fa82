"""Steps over HTTP: each ask that is a write of a step in the life of a record, asked as that step (DMP-20 to DMP-22, DMP-103 to DMP-106).

What is allowed is answered 2xx, and the write stands afterwards; what is refused is answered 403 or 404, its reason in
the ledger, or `OTHERWISE`. Written cases and generated ones; those of other asks are in `test_decisions_over_http.py`.
"""

from __future__ import annotations

from datetime import datetime

import decision_cases as cases
import generated_cases
import generated_edges
import pytest
from decision_asks import is_step
from decision_records import Record, Server
from decision_steps import Step
from test_decisions_over_http import NOT_OVER_HTTP as WRITTEN
from test_generated_over_http import NOT_OVER_HTTP as GENERATED

from fhir_server.consent.rules import RULES
from tests.kit.application import application

CASES = {
    case["title"]: case
    for case in [*cases.load(), *generated_cases.every(), *generated_edges.every()]
    if any(is_step(ask) for ask in case["asks"])
}
ADULT = "Un tiers ouvre le DMP d'un adulte, qui consent lui-même et répond aux questions"
MINOR = "D'un mineur, seul le représentant légal consent à l'ouverture"
PROTECTED = "D'un majeur protégé, le représentant consent si la mesure est citée"
TWICE = "Un DMP ouvert ou fermé ne s'ouvre pas une seconde fois par un tiers"
PARTIES = "Chaque étape de la vie du DMP n'appartient qu'à ceux que la loi nomme"
ONLINE = "Un adulte ouvre lui-même son DMP en ligne, et nul autre à sa place"
DEAD = "D'un mort, personne n'ouvre le DMP"
MOTIVES = "Chaque motif de fermeture appartient à qui peut le donner"

NO_ANSWER = "no answer of an opening says so: each question has a yes or a no, each name a Consent that permits"
NO_SPEAKER = "an opening has one who speaks: the holder, or the representative that it brings"
OF_ITSELF = "the step writes it by itself: no parameter makes it another"
NOT_OVER_HTTP: dict[tuple[str, int], str] = {
    **dict.fromkeys(((ADULT, number) for number in (13, 14, 16, 17, 18, 21)), NO_ANSWER),
    (ADULT, 15): NO_SPEAKER,
    (ADULT, 20): "whoever an opening brings is made the legal representative",
    (MINOR, 3): NO_SPEAKER,
    **dict.fromkeys(((PROTECTED, number) for number in (2, 3, 4)), OF_ITSELF),
    ("L'ouverture automatique n'enregistre aucun consentement", 2): OF_ITSELF,
    ("Qui n'a consenti à rien s'oppose, et son opposition est un consentement refusé", 2): OF_ITSELF,
    ("Une réponse donnée à l'ouverture par un tiers: ps-blocage", 0): NO_ANSWER,
    ("Une réponse donnée à l'ouverture par un tiers: foreign", 0): NO_ANSWER,
}
"""Writes that no request can have a step make, and why."""

TAKEN = (409, "opening.refused")
"""An INS that is known has one answer, whatever stands behind it (docs/adr/0017, 0029)."""
NOT_SO = (409, "problem.409")
"""To who may read the record, what it is comes before what may be done with it."""
LACKING = (422, "problem.422")
"""What is not said, or who does not speak, is asked for before anything is decided."""
OTHERWISE: dict[tuple[str, int], tuple[int, str]] = {
    **dict.fromkeys(((TWICE, number) for number in range(3)), TAKEN),
    **dict.fromkeys(((DEAD, number) for number in range(2)), TAKEN),
    ("Une opposition ou une fermeture tient contre l'ouverture automatique", 0): TAKEN,
    ("D'un mort, aucun DMP ne s'ouvre automatiquement", 0): TAKEN,
    **dict.fromkeys(((MINOR, number) for number in (1, 5)), LACKING),
    (PROTECTED, 0): LACKING,
    (MOTIVES, 7): LACKING,
    **dict.fromkeys((("Seul un DMP ouvert se ferme", number) for number in range(2)), NOT_SO),
    **dict.fromkeys((("Un DMP ouvert ne se détruit pas, même demandé", number) for number in range(2)), NOT_SO),
    ("Un DMP ouvert ne se rouvre pas", 0): NOT_SO,
    # an emergency is to one record, which its token names: with it none is opened
    (PARTIES, 4): (403, "record.not-in-context"),
    # an opening by the holder begins by reading him, as anybody would
    **dict.fromkeys(((ONLINE, number) for number in (1, 2)), (404, "record.none")),
}
"""What is refused before the step is decided upon: the status, and the reason that the ledger keeps."""
STEPS = [(title, number) for title, case in CASES.items() for number, ask in enumerate(case["asks"]) if is_step(ask)]


@pytest.fixture(scope="module")
def server(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as app:
        yield Server(app)


@pytest.mark.parametrize("title", CASES)
def test_a_step_is_answered_as_its_case_says(server, title):
    case = CASES[title]
    record, stale = Record(server, case), True
    for number, ask in enumerate(case["asks"]):
        if not is_step(ask) or (title, number) in NOT_OVER_HTTP:
            continue
        if stale:
            record.fresh()
        server.at(datetime.fromisoformat(ask["now"]) if "now" in ask else record.now)
        try:
            stale = taken(Step(record, ask), OTHERWISE.get((title, number)))
        except AssertionError as wrong:
            wrong.add_note(f"ask {number}: {ask}")
            raise


def taken(step, otherwise):
    """Whether the step was taken, as the case says it is."""
    expect, told = step.ask["expect"], step.taken()
    assert expect.keys() <= {"allowed", "refused"}
    if expect.get("allowed"):
        assert told.status in (200, 201), told
        assert step.stands(told)
        return True
    if otherwise:
        assert otherwise == (told.status, *told.refused), told
        return False
    assert told.status in (403, 404), told
    assert [expect["refused"]] == told.refused if "refused" in expect else told.refused, told
    return False


def test_what_no_request_can_ask_is_what_no_answer_makes(server):
    """The table is neither longer nor shorter than what `Step.said` cannot say."""
    unsaid = [
        (title, number)
        for title, number in STEPS
        if Step(Record(server, CASES[title]), CASES[title]["asks"][number]).said() is None
    ]
    assert sorted(NOT_OVER_HTTP) == sorted(unsaid)
    assert [] == [key for key in unsaid if CASES[key[0]]["asks"][key[1]]["expect"].get("allowed")]


def test_the_tables_name_steps_that_there_are():
    assert [] == [key for key in (*NOT_OVER_HTTP, *OTHERWISE) if key not in STEPS]


def test_every_step_that_the_law_names_is_asked():
    """DMP-105: the copy of a record takes no step, it is read (`test_decisions_over_http.py`)."""
    asked = {
        CASES[title]["asks"][number]["operation"] for title, number in STEPS if (title, number) not in NOT_OVER_HTTP
    }
    assert asked == set(generated_cases.LAW["life"]["steps"])


def test_every_rule_has_an_ask_over_http():
    """In one of the three: written, generated, or as a step."""
    every = [*cases.load(), *generated_cases.every(), *generated_edges.every()]
    asked = {
        case["rule"]
        for case in every
        for number, _ in enumerate(case["asks"])
        if case["title"] not in GENERATED and not {(case["title"], number)} & {*WRITTEN, *NOT_OVER_HTTP}
    }
    assert [] == [rule.__name__ for rule in RULES if rule.__name__ not in asked]
