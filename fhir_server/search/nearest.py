"""The nearest known name: what a refusal suggests (https://docs.python.org/3/library/difflib.html).

May live here: the one sentence that names it, and how much of a caller's word is repeated. Knows no parameter.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 64


def shown(word: str) -> str:
    """As much of a caller's word as an answer repeats."""
    return word if len(word) <= LONGEST else f"{word[:LONGEST]}…"


def meant(word: str, known: Iterable[str], before: str = "") -> str:
    """`; did you mean …`, or nothing when no name is near; `before` is written before the name."""
    near = get_close_matches(word, list(known), 1) if len(word) <= LONGEST else []
    return f"; did you mean `{before}{near[0]}`" if near else ""
