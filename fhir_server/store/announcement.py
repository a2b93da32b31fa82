"""Annonce: until when what is hidden from the holder stays so (DMP-133, DMP-134).

May live here: that span, from when something was deposited and how it is labelled. May not know: who asks, what the
clock says. It is a fact of the envelope, so that its end by the calendar waits for nobody (docs/adr/0030).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import months_later
from fhir_server.foundation.predicate import BEGINNING, END

MINUTE = 60_000_000


def hidden_spans(labels: Iterable[str], deposited: int | None) -> list[dict[str, int]]:
    """The fact `hidden`: from the deposit (microseconds) to the last one hidden, [] for what is not hidden.

    What nobody knows the deposit of is hidden for good.
    """
    if hiding() not in labels:
        return []
    if deposited is None:
        return [{"lo": BEGINNING, "hi": END}]
    return [{"lo": deposited, "hi": shown_from(deposited) - 1}]


def shown_from(deposited: int) -> int:
    """The minute in which what was deposited then is shown, whatever its label says."""
    return months_later(deposited, _rules()["showAfterMonths"]) // MINUTE * MINUTE


@cache
def hiding() -> str:
    """The label that hides from the holder."""
    return str(profile_json("dmp/rules.json")["labels"]["hiddenFromHolder"])


def _rules() -> Mapping[str, Any]:
    rules: Mapping[str, Any] = profile_json("dmp/rules.json")["announcement"]
    return rules
