"""Every row of what a SMART server must do has a test over HTTP that cites it."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from smart_rows import CHOICES, ROWS, document  # noqa: E402 - tools/ is no package

_CITED = re.compile(r"\bSMART-([DATROCK]\d{1,2})\b")
# a function that is right answers nobody: a row is about what is sent and answered
_OVER_HTTP = ("http", "security", "conformance", "interop")


@cache
def cited() -> dict[str, list[str]]:
    """The tests over HTTP, by the row that their docstring cites."""
    found: dict[str, list[str]] = {}
    for folder in _OVER_HTTP:
        for path in sorted((ROOT / "tests" / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    for row in _CITED.findall(ast.get_docstring(node) or ""):
                        found.setdefault(row, []).append(f"{path.name}::{node.name}")
    return found


def test_there_are_as_many_rows_as_the_seven_sections_have():
    assert (98, "D1", "K16") == (len(ROWS), ROWS[0], ROWS[-1])


def test_every_row_is_cited_by_a_test_over_http():
    assert [] == [row for row in ROWS if row not in cited()]


def test_no_test_cites_a_row_that_does_not_exist():
    assert set() == cited().keys() - set(ROWS)


def test_every_choice_has_a_reason_and_stands_in_the_order_of_the_rows():
    rows = [row for row, *_ in CHOICES]
    assert sorted(rows, key=ROWS.index) == rows and len(set(rows)) == len(rows)
    assert all(left and chosen and why for _, left, chosen, why in CHOICES)
    assert document().count("\n|") == len(CHOICES) + 2
