"""Rules: the one ordered table of what French law and the holder's wishes make of a request.

May live here: RULES, and the table the documentation prints. May not know: the store, the clock, HTTP. Each rule is a
pure function of a Case, of fifteen lines at most, in the room of its kind: `parties`, `wishes`, `limits`, `life`,
`writing`; words and durations come from `profiles/dmp`.

A Forbid that applies wins; the residual is any grant and no withhold, and an exception to a withhold is written in the
same rule; no Grant is a denial. A write needs a Way of its own besides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fhir_server.consent import life, limits, parties, wishes, writing
from fhir_server.consent.case import Case
from fhir_server.consent.verdict import Verdict

Rule: TypeAlias = Callable[[Case], Verdict | None]

READING: tuple[Rule, ...] = (
    parties.forbidden_party,
    parties.ledger_is_append_only,
    parties.record_closed,
    parties.unreadable_directive,
    parties.explained_to_few,
    parties.operator,
    parties.holder,
    parties.hidden_from_holder,
    parties.legal_representative,
    parties.hidden_from_representatives,
    parties.blocked,
    parties.existence_check,
    parties.existence_answer,
    parties.emergency,
    parties.emergency_is_told,
    wishes.treating_physician,
    wishes.treating_physician_knows,
    wishes.authorised_professional,
    wishes.authorised_establishment,
    wishes.care_team,
    wishes.anyone_permitted,
    wishes.anyone_denied,
    wishes.nested_permits,
    wishes.nested_denies,
    wishes.denied_in_part,
    limits.access_matrix,
    limits.masked_to_professionals,
    limits.consents_of_others,
    limits.traces_of_others,
    limits.notices_of_the_holder,
    limits.deleted_document,
    limits.care_history_window,
    limits.operators_only,
    limits.author,
    limits.own_deposits,
    limits.shared_types,
    limits.own_subscriptions,
)

RULES: tuple[Rule, ...] = (*READING, *life.LIFE, *writing.WRITING)


def rules_table() -> str:
    """The table of `docs/consent.md`, made from the rules' docstrings."""
    lines = ["| # | Rule | What it says | Requirements |", "|---|---|---|---|"]
    for number, rule in enumerate(RULES):
        says, _, cited = (rule.__doc__ or "").strip().partition("\n\n")
        lines.append(f"| {number} | `{rule.__name__}` | {says.rstrip('.')} | {' '.join(cited.split()).rstrip('.')} |")
    return "\n".join(lines)
