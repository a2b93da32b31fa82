"""Flips: each word, switch and duration of `rules.json` turned over alone changes a decision, or what is named beside it.

A leaf that changes nothing is dead law: it would promise what the server does not do.
"""

from __future__ import annotations

from functools import cache

import decision_cases as cases
import generated_cases
import generated_edges
import pytest
from test_decisions import allowed

from fhir_server.consent.decision import Deny
from fhir_server.foundation.predicate import matches
from tests.kit import changed_law

LEAVES = [*changed_law.leaves()]
# what these are of is read when a Consent is, so the worlds are built anew under them
OF_CONSENTS = ("consents", "guardian")
# a word that counts only under a switch is turned over under it
UNDER = {("cardReading", "title"): (("cardReading", "declared"), True)}
ELSEWHERE = {
    "title": "what the file is called",
    "consentTypes": "unit/test_law_elsewhere.py",
    "consentDocument": "unit/test_law_elsewhere.py",
    "announcement": "unit/test_law_elsewhere.py",
    "directives": "unit/test_law_elsewhere.py",
    "oneActive": "unit/test_law_elsewhere.py",
    "life.endedByClosing": "http/test_law_of_a_life_over_http.py",
    "life.collectedBy": "http/test_law_of_a_life_over_http.py",
    "life.oppositionDays": "unit/test_law_elsewhere.py",
    "switches.wrong_category": "unit/test_law_elsewhere.py",
    "switches.ins_control_key": "unit/test_law_elsewhere.py",
    "access": "http/test_law_elsewhere_over_http.py and unit/test_law_elsewhere.py",
    "creation": "http/test_law_elsewhere_over_http.py and unit/test_law_elsewhere.py",
}
"""What no decision reads, and where it is turned over instead."""


def named(path) -> str:
    return ".".join(map(str, path))


@cache
def worlds():
    return [
        (cases.world(case), case["asks"])
        for case in [*generated_cases.every(), *generated_edges.every(), *cases.load()]
    ]


def outcome(built, ask, matrix=None):
    """What comes of an ask: why, with what duties, what is seen of the world, whether a write is allowed."""
    decision = cases.decided(built, ask, matrix)
    if isinstance(decision, Deny):
        return decision
    seen = frozenset(name for name, each in built.envelopes.items() if matches(decision.residual, each))
    write = allowed(built, ask, decision) if ask.get("verb") in cases.WRITES else None
    # a Bundle belongs to nobody's record until a document points to it, so nothing of it can be asked further
    of_bundle = decision.after if ask.get("type") == "Bundle" else None
    return decision.reasons, decision.obligations, decision.withheld, seen, write, of_bundle


@cache
def as_shipped():
    return [outcome(built, ask) for built, asks in worlds() for ask in asks]


def under(table):
    with changed_law.under(table) as matrix:
        return [outcome(built, ask, matrix) for built, asks in worlds() for ask in asks]


def changes(table, before, anew: bool) -> str | None:
    """The title of a case that ends otherwise under another table than before, or None."""
    index = 0
    with changed_law.under(table) as matrix:
        for built, asks in worlds():
            there = cases.world(built.case) if anew else built
            for ask in asks:
                if outcome(there, ask, matrix) != before[index]:
                    return str(built.case["title"])
                index += 1
    return None


DECIDING = [
    (path, value) for path, value in LEAVES if not any(f"{named(path)}.".startswith(f"{each}.") for each in ELSEWHERE)
]


@pytest.mark.parametrize(("path", "value"), DECIDING, ids=[named(path) for path, _ in DECIDING])
def test_a_leaf_turned_over_changes_a_decision(path, value):
    table, before = changed_law.SHIPPED, as_shipped()
    if path in UNDER:
        table = changed_law.changed(*UNDER[path])
        before = under(table)
    for other in changed_law.others(value):
        turned = changed_law.changed(path, other, table)
        assert changes(turned, before, anew=path[0] in OF_CONSENTS), f"{value} or {other}: the same is decided"


def test_the_same_law_changes_nothing():
    assert changes(changed_law.SHIPPED, as_shipped(), anew=True) is None


def test_what_is_read_elsewhere_is_there():
    known = {named(path[:length]) for path, _ in LEAVES for length in range(1, len(path) + 1)}
    assert [] == sorted(ELSEWHERE.keys() - known)
