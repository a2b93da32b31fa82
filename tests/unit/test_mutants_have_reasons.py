"""What no test notices of a changed rule is little, and has its reason (docs/reference/mutants.md)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import survivors


def test_nearly_every_mutant_is_noticed():
    assert survivors.GOAL <= survivors.share()


def test_each_survivor_has_a_reason():
    assert [] == survivors.waiting()
