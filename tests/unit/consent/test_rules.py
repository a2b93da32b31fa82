"""The table of rules: small, cited, worded, documented; and none of them idle."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhir_server.consent import decision, life, rules, writing
from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import FOREIGN, Directives, kinds
from fhir_server.consent.explain import LANGUAGES, explain, sentence, words
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.consent.rules import READING, RULES, rules_table
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.predicate import EVERYTHING
from fhir_server.foundation.principal import Kind, Principal

ROOT = Path(__file__).parents[3]
PACKAGE = Path(decision.__file__).parents[1]
CODE = r'"([a-z]+\.[a-z]+(?:-[a-z]+)*)"'
SAID = re.compile(rf"(?:refuse_here\(|Deny\(\(|refused=\()[^)]*?{CODE}|(?:refused or|or) \({CODE}")
"""How a reason that is no rule's is said where requests are answered."""


def reasons() -> set[str]:
    """Every code in the rooms of the rules: they name nothing else so."""
    return {each for path in PACKAGE.glob("consent/*.py") for each in re.findall(CODE, path.read_text("utf-8"))}


def reasons_of_others() -> set[str]:
    found = (pair for path in PACKAGE.glob("interactions/**/*.py") for pair in SAID.findall(path.read_text("utf-8")))
    return {each for pair in found for each in pair if each}


def actors() -> set[str]:
    room = (PACKAGE / "interactions" / "actors.py").read_text("utf-8")
    return {*re.findall(CODE, room), "actor.asked", "actor.treating-physician"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_is_fifteen_lines_at_most_after_its_docstring(rule):
    body = inspect.getsource(rule).partition('"""')[2].partition('"""')[2].strip().splitlines()
    assert len(body) <= 15


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_opens_with_its_french_term_and_cites_the_requirements(rule):
    assert re.match(r"[A-ZÀ-Ý][^:]+(:|,) .*\n\n    .*\b(DMP-\d+|K\d+)", rule.__doc__)


def test_no_rule_stands_twice():
    assert len(RULES) == len(set(RULES))


def test_the_documentation_prints_the_table():
    assert rules_table() in (ROOT / "docs" / "consent.md").read_text("utf-8")


def test_the_documentation_says_how_rules_combine():
    text = " ".join((ROOT / "docs" / "consent.md").read_text("utf-8").split())
    for each in (
        "A Forbid that applies wins.",
        "The residual is any grant and no withhold, and an exception to a withhold is written in the same rule.",
        "No Grant is a denial.",
    ):
        assert each in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_sentence(language):
    assert {"party.blocked", "write.hand-on", "explain.not-told"} <= reasons()
    assert {"operator.only", "resource.not-visible", "transaction.failed"} <= reasons_of_others()
    assert set() == (reasons() | reasons_of_others()) - set(words(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_of_a_reason_and_reads_as_one(language):
    assert set() == set(words(language)) - reasons() - reasons_of_others() - actors()
    told = {code: text for code, text in words(language).items() if not code.startswith("actor.")}
    assert [] == [code for code, text in told.items() if not re.fullmatch(r"[A-ZÀ-Ý][^.]+\.", text)]


def test_no_two_reasons_read_alike():
    for language in LANGUAGES:
        assert len(set(words(language).values())) == len(words(language))


def test_the_languages_say_the_same_things():
    assert set(words("fr")) == set(words("en"))
    assert [] == [code for code, text in words("fr").items() if text == words("en")[code]]


def test_the_documentation_lists_every_reason():
    page = (ROOT / "docs" / "reference" / "reasons.md").read_text("utf-8")
    assert [] == [
        code for code in words("fr") if f"| `{code}` | {words('fr')[code]} | {words('en')[code]} |" not in page
    ]


def test_a_sentence_is_french_unless_another_language_is_asked_and_known():
    assert sentence("record.closed") == "Le DMP est fermé."
    assert sentence("record.closed", "en") == "The record is closed."
    assert sentence("record.closed", "xx") == "Le DMP est fermé."
    assert sentence("no.such-reason") == "no.such-reason"


def test_a_decision_is_explained_by_what_refuses_it_or_grants_it_and_what_is_withheld():
    assert explain(Deny(("record.closed",))) == ("Le DMP est fermé.",)
    permit = Permit(EVERYTHING, reasons=("party.holder", "party.holder"), withheld=("label.hidden-from-holder",))
    assert len(explain(permit)) == 2
    assert explain(Deny(("record.closed",)), "en") == ("The record is closed.",)


def test_a_rule_that_raises_refuses(monkeypatch):
    def broken(_case):
        raise ZeroDivisionError

    monkeypatch.setattr(decision, "READING", (*READING, broken))
    holder = Principal(kind=Kind.HOLDER, subject="lea", client="x", reference="Patient/lea")
    asked = AccessRequest(
        principal=holder, verb="read", type="Patient", patient="lea", now=datetime.now(UTC), standing="open"
    )
    assert Deny(("rule.failed",)) == decide(asked, Directives(()), Matrix.load())


def test_without_a_rule_nothing_is_granted(monkeypatch):
    monkeypatch.setattr(decision, "READING", ())
    monkeypatch.setattr(decision, "RULES", ())
    operator = Principal(kind=Kind.OPERATOR, subject="o", client="x")
    now = datetime.now(UTC)
    reading = AccessRequest(principal=operator, verb="read", type="Patient", patient="lea", now=now, standing="open")
    writing_ = AccessRequest(principal=operator, verb="create", type="Patient", patient="lea", now=now, standing="open")
    assert Deny(("grant.none",)) == decide(reading, Directives(()), Matrix.load())
    assert Deny(("write.none",)) == decide(writing_, Directives(()), Matrix.load())


def test_reading_rules_come_first_and_writing_rules_give_no_grant():
    assert RULES[: len(READING)] == READING
    assert rules.RULES[len(READING) :] == (*life.LIFE, *writing.WRITING)


def test_the_words_of_the_rules_are_types_of_the_code_system():
    rules_, types = profile_json("dmp/rules.json"), kinds()
    assert set(rules_["consents"].values()) | {each["type"] for each in rules_["emergency"].values()} == types
    assert set(rules_["holder"]["consents"]) - {FOREIGN} == types
    assert {*rules_["representative"]["consents"], *rules_["collected"]} - {FOREIGN} < types
    assert rules_["consentDocument"] == {"system": "http://loinc.org", "code": "59284-0"}
