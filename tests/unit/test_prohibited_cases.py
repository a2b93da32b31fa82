"""Every code that is prohibited has its decision case (DMP-46, DMP-47, DMP-121)."""

from __future__ import annotations

import sys
from pathlib import Path

from fhir_server.definitions.library import profile_json

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import build_prohibited_cases  # noqa: E402 - tools/ is no package


def test_the_file_of_cases_says_what_the_matrix_says():
    """After a change of the table: `.venv/bin/python tools/build_prohibited_cases.py`."""
    assert build_prohibited_cases.text() == build_prohibited_cases.CASES.read_text("utf-8")


def test_there_is_one_for_each_code():
    prohibited = profile_json("dmp/access-matrix.json")["prohibited"]
    made = build_prohibited_cases.cases(prohibited)
    told = [f"({code}):" for kind in ("professions", "sectors", "specialties") for code in prohibited[kind]]

    assert 30 == len(made) == len({each["title"] for each in made})
    assert [] == [code for code in told if not any(code in each["title"] for each in made)]
