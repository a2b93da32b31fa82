"""Contradiction: what it means that two Consents say yes and no to the same (docs/adr/0031).

May live here: comparing directives. May not know: the store, who asks, what becomes of it.

One Consent contradicts itself when a nested provision takes back all that its root says: it cannot be read
(`directive.py`). Two contradict each other when the same person said both, they are of one type, both are active, and
their roots speak to the same actor, for the same purpose, at the same time, of the same data. Then the refusal wins, as
it does in every rule, and the holder is told. An exception in part is no contradiction; nor is a block beside an
authorisation, which are of two types: the block wins by law.
"""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.consent.directive import Directive
from fhir_server.consent.provision import Provision


def contradicted(new: Directive, others: Iterable[Directive]) -> tuple[Directive, ...]:
    """Those of the other Consents of a record that a Consent contradicts."""
    return tuple(each for each in others if each.id != new.id and _contradict(new, each))


def _contradict(one: Directive, other: Directive) -> bool:
    if one.root is None or other.root is None or not (one.active and other.active):
        return False
    same = one.kind == other.kind and not one.performers.isdisjoint(other.performers)
    return same and one.root.permit is not other.root.permit and _meet(one.root, other.root)


def _meet(one: Provision, other: Provision) -> bool:
    """Whether they speak to one actor, for one purpose, at one time, of the same data."""
    if one.named is None or other.named is None:
        actors = one.named is other.named
    else:
        actors = not frozenset().union(*one.named).isdisjoint(frozenset().union(*other.named))
    purposes = not one.purposes or not other.purposes or not one.purposes.isdisjoint(other.purposes)
    times = one.period.lo <= other.period.hi and other.period.lo <= one.period.hi
    return actors and purposes and times and one.what == other.what
