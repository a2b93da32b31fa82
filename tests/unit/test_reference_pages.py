"""The pages made from tables are what the tables say today."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import build_docs  # noqa: E402 - tools/ is no package


@pytest.mark.parametrize("name", sorted(build_docs.PAGES))
def test_a_page_made_from_a_table_says_what_the_table_says(name):
    assert build_docs.PAGES[name]() == (ROOT / "docs" / "reference" / name).read_text("utf-8")
