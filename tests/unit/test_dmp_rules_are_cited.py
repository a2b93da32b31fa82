"""Every numbered rule of the DMP on who may do what is cited by a decision case, or by a test over HTTP."""

from __future__ import annotations

import ast
import json
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "security")]

import generated_cases  # noqa: E402 - neither folder is a package
import generated_edges  # noqa: E402
from dmp_rules import NOTHING_TO_DECIDE, RULES_OF_THE_DMP, numbers_in  # noqa: E402

FLOWS = ("http", "security", "conformance")
AWAITED: dict[str, str] = {}
"""Numbers whose behaviour is being built: who reads this should find it empty."""


@cache
def by_cases() -> frozenset[str]:
    found = {number for case in (*generated_cases.every(), *generated_edges.every()) for number in case["cites"]}
    for path in (ROOT / "tests" / "security" / "decisions").glob("*.json"):
        cases = json.loads(path.read_text("utf-8"))
        if isinstance(cases, list):
            found.update(number for case in cases for number in case.get("cites", ()))
    return frozenset(found)


@cache
def by_flows() -> frozenset[str]:
    """What the tests of a server cite, in their docstring or in a comment among their lines."""
    found: set[str] = set()
    for folder in FLOWS:
        for path in sorted((ROOT / "tests" / folder).rglob("test_*.py")):
            text = path.read_text("utf-8")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    found |= numbers_in(said(text, node))
    return frozenset(found)


def said(text: str, node: ast.FunctionDef) -> str:
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    comments = [line.partition("# ")[2] for line in lines if "# " in line]
    return "\n".join((ast.get_docstring(node) or "", *comments))


def test_citations_are_read_as_they_are_written():
    assert {"DMP-20", "DMP-21", "DMP-22", "K9"} == numbers_in("DMP-20 to DMP-22; K9, but not SMART-K4.")


def test_every_number_is_cited():
    cited = by_cases() | by_flows() | NOTHING_TO_DECIDE.keys() | AWAITED.keys()
    assert [] == [number for number in RULES_OF_THE_DMP if number not in cited]


def test_what_is_awaited_is_not_there_yet():
    assert [] == sorted(AWAITED.keys() & (by_cases() | by_flows()))


def test_where_nothing_is_decided_no_case_says_otherwise():
    assert [] == sorted(NOTHING_TO_DECIDE.keys() & by_cases())
    assert len(NOTHING_TO_DECIDE) <= 3


def test_no_number_of_the_list_is_left_out():
    """Sections 1.3 to 1.8, 1.10, 2.1 and 2.2 of the requirements, and the conflicts."""
    spans = ((20, 31), (40, 54), (60, 63), (70, 73), (90, 94), (101, 125))
    gaps = {49}
    assert {f"DMP-{each}" for first, last in spans for each in range(first, last + 1) if each not in gaps} | {
        f"K{each}" for each in range(1, 15)
    } == set(RULES_OF_THE_DMP)
