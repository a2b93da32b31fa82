"""Why: one decision told apart, each reason with what it does, the rule it is of and the Consents that caused it.

May live here: asking the rules the same question again and again, with one Consent at a time. May not know: a rule, the
store, words (`explain.py`). There is no second logic: what is told is what `decide` decided, and the verdicts it heard.

A Consent caused a reason when a rule gives that reason of this Consent alone, and not of none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from fhir_server.consent.case import case_of
from fhir_server.consent.decision import Deny, decide, verdicts
from fhir_server.consent.directive import CREATION, UNREADABLE, Directive, Directives
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.consent.settings import settings
from fhir_server.consent.verdict import Forbid, Grant, Verdict, Withhold
from fhir_server.foundation.predicate import Predicate

Shows = Callable[[Predicate], bool]
"""Whether what is asked about is among what a predicate selects."""
Effect = Literal["grants", "withholds", "forbids"]
ALONE = frozenset({"author.own"})
"""Having written something opens that; it gives no standing with the record it lies in."""
_NOBODY = "grant.none"
_CLOSED = "record.closed"


@dataclass(frozen=True, slots=True)
class Because:
    """One reason: a code of `words/`, the name of its rule ("" where none spoke), and the Consents (`Consent/x`)."""

    reason: str
    effect: Effect
    rule: str = ""
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """Whether it may be seen, and why; of a record that may be seen also what of it is withheld."""

    seen: bool
    because: tuple[Because, ...]


def why(request: AccessRequest, directives: Directives, matrix: Matrix, shows: Shows | None = None) -> Why:
    """Why `request` is answered as it is: about the one thing that `shows` knows, else about the record."""
    decision = decide(request, directives, matrix)
    heard = _heard(request, directives, matrix)
    caused = _Causes(request, directives, matrix, shows)
    if isinstance(decision, Deny):
        known = {_reason(each): each for each in heard}
        return Why(False, tuple(caused.told(known.get(each, each)) for each in decision.reasons))
    grants = [each for each in heard if isinstance(each[1], Grant)]
    withholds = [each for each in heard if isinstance(each[1], Withhold)]
    if shows is None:
        if ALONE.issuperset(decision.reasons):
            return Why(False, (caused.told(_NOBODY), *map(caused.told, grants)))
        return Why(True, tuple(caused.told(each) for each in (*grants, *withholds)))
    seen = shows(decision.residual)
    granting = [each for each in grants if _speaks(each[1], shows)]
    if seen:
        return Why(True, tuple(map(caused.told, granting)))
    keeping = [each for each in withholds if _speaks(each[1], shows)]
    nobody = () if granting and keeping else (_NOBODY,)
    return Why(False, tuple(caused.told(each) for each in (*keeping, *nobody)))


Heard = tuple[str, Verdict]


def _heard(request: AccessRequest, directives: Directives, matrix: Matrix) -> list[Heard]:
    """The verdicts that refuse, grant and withhold, each with the name of its rule."""
    said = verdicts(request, directives, matrix)
    return [(rule.__name__, each) for rule, each in said if isinstance(each, Forbid | Grant | Withhold)]


def _reason(heard: Heard) -> str:
    return str(heard[1].reason)


def _speaks(verdict: Verdict, shows: Shows | None) -> bool:
    """Whether a verdict is about the one thing asked about; a Forbid is about everything."""
    return shows is None or not isinstance(verdict, Grant | Withhold) or shows(verdict.what)


class _Causes:
    """Which Consents of a record caused a reason in one request."""

    def __init__(self, request: AccessRequest, directives: Directives, matrix: Matrix, shows: Shows | None) -> None:
        self._request, self._matrix, self._shows, self._terms = request, matrix, shows, directives.terms
        self._all = directives
        self._without = self._reasons(())
        self._by = {each.id: self._reasons((each,)) - self._without for each in self._relevant()}

    def told(self, heard: Heard | str) -> Because:
        """A verdict, or a reason that no rule gave, as it is told."""
        if isinstance(heard, str):
            return Because(heard, "forbids")
        rule, verdict = heard
        effect: Effect = "forbids"
        if isinstance(verdict, Grant | Withhold):
            effect = "grants" if isinstance(verdict, Grant) else "withholds"
        return Because(_reason(heard), effect, rule, self._of(_reason(heard)))

    def _of(self, reason: str) -> tuple[str, ...]:
        if reason == _CLOSED:  # a record is closed before any request: by a refusal of it
            return tuple(each.id for each in self._all.of_kind(CREATION) if not each.permit)
        return tuple(id_ for id_, reasons in self._by.items() if reason in reasons)

    def _reasons(self, some: Iterable[Directive]) -> frozenset[str]:
        alone = Directives(tuple(some), self._terms)
        heard = _heard(self._request, alone, self._matrix)
        return frozenset(_reason(each) for each in heard if _speaks(each[1], self._shows))

    def _relevant(self) -> Iterable[Directive]:
        """Those that name the asker, a nested provision of them included, that name nobody, or that cannot be read."""
        case = case_of(self._request, self._all, self._matrix, settings())
        nested = (outer for outer, _ in self._all.nested_naming(case.keys))
        found = (*case.named, *nested, *self._all.anyone, *self._all.of_kind(UNREADABLE))
        return {each.id: each for each in found}.values()
