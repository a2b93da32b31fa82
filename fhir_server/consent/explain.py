"""Explain: a decision in sentences, French and English.

May live here: the sentence of each reason code, from the catalogues in `words/`. May not know: how a decision is made.
For the holder's screen, the ledger and `fhir-server explain`; a refused asker is never told (decisions 17).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from fhir_server.consent.decision import Decision, Deny

LANGUAGES = ("fr", "en")


def sentence(reason: str, language: str = "fr") -> str:
    """The sentence of a reason code; the code itself for one nobody wrote a sentence for."""
    return words(language).get(reason, reason)


def explain(decision: Decision, language: str = "fr") -> tuple[str, ...]:
    """One sentence for each reason of a decision: why it was refused; or what grants it, then what is withheld."""
    reasons = decision.reasons if isinstance(decision, Deny) else (*decision.reasons, *decision.withheld)
    return tuple(sentence(reason, language) for reason in dict.fromkeys(reasons))


@cache
def words(language: str) -> Mapping[str, str]:
    """The catalogue of a language, French where there is none."""
    name = language if language in LANGUAGES else LANGUAGES[0]
    found: Mapping[str, str] = json.loads((files(__package__) / "words" / f"{name}.json").read_text("utf-8"))
    return found
