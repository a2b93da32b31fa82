"""Every row of what a REST server must do has a test that cites it, or stands among the choices of `docs/deviations.md`."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from rest_rows import CHOICES, LAST, LEVELS, document  # noqa: E402 - tools/ is no package

# `Row 9`, `Rows 44 to 46 and 48`; R4 and R5 are releases of FHIR, their rows are cited in words; `SMART-R7` is another's
_IN_WORDS = re.compile(r"\bRows? (\d+(?:(?:, | and | to )\d+)*)")
_BY_LETTER = re.compile(r"(?<![\w-])R(\d{1,3})\b")
_RELEASES = frozenset({2, 3, 4, 5, 6})


def rows_in(text: str) -> set[int]:
    """The rows that a docstring cites."""
    found = {int(each) for each in _BY_LETTER.findall(text)} - _RELEASES
    for said in _IN_WORDS.findall(text):
        numbers = [int(each) for each in re.findall(r"\d+", said)]
        found.update(numbers)
        for first, last in re.findall(r"(\d+) to (\d+)", said):
            found.update(range(int(first), int(last) + 1))
    return {each for each in found if 1 <= each <= LAST}


@cache
def cited() -> dict[int, list[str]]:
    """The tests, by the row that their docstring or that of a file of one subject cites."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for row in rows_in(ast.get_docstring(node) or ""):
                    found.setdefault(row, []).append(f"{path.name}::{node.name}")
    return found


def test_citations_are_read_as_they_are_written():
    assert {44, 45, 46, 48} == rows_in("Rows 44 to 46 and 48: all of them.")
    assert {1, 2, 94} == rows_in("Rows 1, 2 and R94; FHIR R4; SMART-R7")


def test_every_row_is_cited_by_a_test():
    assert [] == sorted(row for row, level in LEVELS.items() if row not in cited() and level != "p")


def test_a_row_of_policy_is_cited_or_its_choice_is_told():
    told = {row for row, *_ in CHOICES}
    assert [] == sorted(row for row, level in LEVELS.items() if level == "p" and row not in cited() and row not in told)


def test_every_choice_has_a_reason_and_stands_once():
    rows = [(row, left) for row, left, _, _ in CHOICES]
    assert sorted(rows) == sorted(set(rows))
    assert [row for row, _ in rows] == sorted(row for row, _ in rows)
    assert all(chosen and why for _, _, chosen, why in CHOICES)
    assert document().count("\n|") == len(CHOICES) + 2
