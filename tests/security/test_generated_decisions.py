"""Generated decisions: each word, edge and age has its case, and the rules decide as the tables say."""

from __future__ import annotations

import decision_cases as cases
import generated_cases
import generated_edges
import pytest
from test_decisions import check

EVERY = [*generated_cases.every(), *generated_edges.every()]


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case["title"])
def test_a_generated_case_is_decided_as_the_table_says(case):
    built = cases.world(case)
    for ask in case["asks"]:
        check(built, ask)


def test_no_title_stands_twice():
    titles = [case["title"] for case in [*EVERY, *cases.load()]]
    assert sorted(set(titles)) == sorted(titles)


def test_every_case_at_once():
    """All of them, written and generated, in one test: what `make mutants` asks of each mutant first."""
    for case in [*EVERY, *cases.load()]:
        built = cases.world(case)
        for ask in case["asks"]:
            check(built, ask)
