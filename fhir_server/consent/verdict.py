"""Verdicts: what a rule may say, as values.

May live here: the five things a rule can return and how they read. May not know: any rule, what becomes of a verdict
(`decision.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from fhir_server.consent.obligations import Obligation
from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Not, Predicate


@dataclass(frozen=True, slots=True)
class Grant:
    """What the predicate selects may be read, unless it is withheld."""

    what: Predicate
    reason: str


@dataclass(frozen=True, slots=True)
class Withhold:
    """What the predicate selects is not seen, whatever grants it: only what satisfies `rest` is."""

    what: Predicate
    reason: str
    rest: Predicate = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rest", NOTHING if self.what == EVERYTHING else Not(self.what))


@dataclass(frozen=True, slots=True)
class Forbid:
    """Nothing at all."""

    reason: str


@dataclass(frozen=True, slots=True)
class Oblige:
    """A permit comes with this obligation."""

    obligation: Obligation
    reason: str


@dataclass(frozen=True, slots=True)
class Way:
    """A write may be done: what stands before must satisfy `before`, what stands after it `after`.

    Each predicate of `unchanged` must be as true after as before: the labels and states this asker may not touch.
    """

    reason: str
    before: Predicate = EVERYTHING
    after: Predicate = EVERYTHING
    unchanged: tuple[Predicate, ...] = ()


Verdict: TypeAlias = Grant | Withhold | Forbid | Oblige | Way
