"""Succession: which Consents a new one ends, because of its kind only one is active (DMP-50, DMP-54, DMP-73).

May live here: comparing the directives of one record. May not know: the store, who writes. Which kinds, and whether one
is active in the record or for the actors it names, is data (`oneActive` in `profiles/dmp/rules.json`); a new one with
the old one set inactive is Option 2 of https://profiles.ihe.net/ITI/PCF.
"""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.consent.directive import TREATING, Directive
from fhir_server.consent.settings import settings


def succeeded(new: Directive, others: Iterable[Directive], *, own: bool = True) -> tuple[Directive, ...]:
    """Those of the other directives of a record that end when a new one is put on record.

    What somebody collected who is not of the patient's side (`own` is false) ends no refusal of the holder's: it stands
    beside it, and the refusal wins. The médecin traitant hands on his standing (DMP-54).
    """
    within = settings().one_active.get(new.kind)
    if within is None or not new.active or not (own or not new.permit or new.kind == TREATING):
        return ()
    return tuple(
        each
        for each in others
        if each.id != new.id and each.active and each.kind == new.kind and (within == "record" or _same(each, new))
    )


def _same(one: Directive, other: Directive) -> bool:
    """Whether they speak to the same actors, or both to everybody."""
    return one.root is not None and other.root is not None and one.root.named == other.root.named
