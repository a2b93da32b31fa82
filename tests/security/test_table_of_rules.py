"""The table of rules by verb and type: asked of it, a request hears what the whole list says, in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args
from zlib import crc32

import decision_cases as cases
import generated_cases
import generated_edges
import pytest

from fhir_server.consent import decision as room
from fhir_server.consent.case import case_of
from fhir_server.consent.decision import decide, verdicts
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.memory import Memory
from fhir_server.consent.request import WRITES, AccessRequest, Verb
from fhir_server.consent.rules import ONLY, READING, RULES, SEEING, deciding, speaking
from fhir_server.consent.settings import settings
from fhir_server.consent.verdict import Grant, Withhold

VERBS = get_args(Verb)
OPERATIONS = (None, "open-record-for", "open-record", "open-automatically", "close-record", "reopen-record")
TYPES = (
    *("AllergyIntolerance", "AuditEvent", "Binary", "Communication", "Consent", "DocumentReference", "List"),
    *("Observation", "Patient", "Practitioner", "Provenance", "RelatedPerson", "Subscription", ""),
)


@pytest.fixture(scope="module")
def asked() -> list[tuple[AccessRequest, cases.RecordState]]:
    """What every case asks, and the same asked by each verb, of one type after another."""
    built = ((cases.world(case), case["asks"]) for case in every())
    return [(one, world.state) for world, asks in built for ask in asks for one in turned(cases.request(world, ask))]


def every() -> list[dict]:
    return [*cases.load(), *generated_cases.every(), *generated_edges.every()]


def turned(request: AccessRequest) -> Iterator[AccessRequest]:
    yield request
    for index, verb in enumerate(VERBS):
        place = crc32(repr((request.principal.subject, request.type, request.verb, request.at)).encode()) + index
        yield replace(request, verb=verb, **({"type": TYPES[place // 3 % len(TYPES)]} if place % 3 else {}))
        yield replace(
            request,
            verb=verb,
            type=TYPES[place // 7 % len(TYPES)],
            operation=OPERATIONS[place % len(OPERATIONS)],
            standing=("none", "open", "closed")[place % 3],
            existence_check=bool(place % 2),
        )
    for performer in (request.principal.reference, "Practitioner/nobody"):
        data = {"resourceType": "Observation", "performer": [{"reference": performer}] if performer else []}
        yield replace(request, verb="create", type="Observation", operation=None, proposed=data)


def heard_of_all(request, directives):
    """What the whole list says, each rule asked in turn."""
    case = case_of(request, directives, Matrix.load(), settings())
    said = ((rule, rule(case)) for rule in (RULES if request.writes else READING))
    return [(rule, verdict) for rule, verdict in said if verdict is not None]


def test_what_is_heard_is_what_the_whole_list_says_in_its_order(asked):
    for request, state in asked:
        assert heard_of_all(request, state.directives) == list(verdicts(request, state.directives, Matrix.load()))


def test_what_is_decided_is_what_the_whole_list_decides(asked, monkeypatch):
    decided = [decide(request, state.directives, Matrix.load()) for request, state in asked]
    monkeypatch.setattr(room, "deciding", lambda rules, verb, type_: rules)
    for (request, state), decision in zip(asked, decided, strict=True):
        assert decide(request, state.directives, Matrix.load()) == decision, request


def test_what_is_remembered_is_what_is_decided_anew(asked):
    memory = Memory(Matrix.load())
    for request, state in asked:
        decided = decide(request, state.directives, Matrix.load())
        assert decided == memory.decide(request, state.directives) == memory.decide(request, state.directives), request


def test_what_says_only_what_may_be_seen_says_nothing_else(asked):
    said = {}
    for request, state in asked:
        for rule, verdict in heard_of_all(request, state.directives):
            said.setdefault(rule, set()).add(type(verdict))
    assert {rule for rule, kinds in said.items() if kinds <= {Grant, Withhold}} == SEEING


def test_each_rule_speaks_of_all_that_the_table_says_it_may(asked):
    """A table that is too wide costs; one that were empty for a rule would hide that rule."""
    spoken = {}
    for request, state in asked:
        for rule, _ in heard_of_all(request, state.directives):
            spoken.setdefault(rule, set()).add((request.verb, request.type))
    assert set(RULES) == spoken.keys()
    for rule, only in ONLY.items():
        assert {verb for verb, _ in spoken[rule]} == only.verbs, rule.__name__
        if only.types is not None:
            assert {type_ for _, type_ in spoken[rule]} == only.types, rule.__name__


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("type_", TYPES)
def test_a_table_keeps_the_order_of_the_list(verb, type_):
    for rules in (RULES, READING, RULES[::-1]):
        for table in (speaking, deciding):
            kept = set(table(rules, verb, type_))
            assert [each for each in rules if each in kept] == list(table(rules, verb, type_))


def test_what_is_asked_of_a_create_is_a_part_of_the_list():
    assert set(deciding(RULES, "create", "Observation")) == set(speaking(RULES, "create", "Observation")) - SEEING
    assert len(deciding(RULES, "create", "Observation")) < len(RULES) / 2
    for verb in WRITES - {"create"}:
        assert deciding(RULES, verb, "Observation") == speaking(RULES, verb, "Observation")
