"""Rules: the one ordered table of what French law and the holder's wishes make of a request.

May live here: RULES, of which requests each of them speaks, and the table the documentation prints. May not know: the
store, the clock, HTTP. Each rule is a pure function of a Case, of fifteen lines at most, in the room of its kind:
`parties`, `wishes`, `limits`, `life`, `writing`; words and durations come from `profiles/dmp`.

A Forbid that applies wins; the residual is any grant and no withhold, and an exception to a withhold is written in the
same rule; no Grant is a denial. A write needs a Way of its own besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from fhir_server.consent import life, limits, parties, recording, wishes, writing
from fhir_server.consent.case import Case
from fhir_server.consent.request import WRITES
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


class Only(NamedTuple):
    """The verbs, and the types if it is not all of them, of which alone a rule has something to say."""

    verbs: frozenset[str]
    types: frozenset[str] | None = None


_CREATE = frozenset({"create"})
_UPDATE = frozenset({"update"})
_PATCH = frozenset({"patch"})
_SEARCH = frozenset({"search"})
_PUT = _CREATE | _UPDATE
_CHANGE = WRITES - _CREATE
_CONSENT = frozenset({"Consent"})
_DOCUMENT = frozenset({"DocumentReference"})
_PATIENT = frozenset({"Patient"})
_RELATED = frozenset({"RelatedPerson"})
ONLY: Mapping[Rule, Only] = {
    parties.ledger_is_append_only: Only(WRITES, frozenset({"AuditEvent"})),
    parties.explained_to_few: Only(frozenset({"operation"})),
    parties.existence_check: Only(_SEARCH, _PATIENT),
    parties.existence_answer: Only(_SEARCH, _PATIENT),
    **dict.fromkeys(life.LIFE, Only(WRITES)),
    life.online_opening: Only(_PUT, _CONSENT | _PATIENT),
    writing.feeding_opposed: Only(_PUT),
    writing.representatives_full: Only(_PUT, _RELATED),
    writing.secret_session: Only(WRITES),
    writing.operator_writes: Only(WRITES),
    recording.opening: Only(_PUT, _PATIENT | _CONSENT | _RELATED | {"Provenance"}),
    recording.holder_decides: Only(WRITES, _CONSENT),
    recording.collected_consent: Only(_CREATE, _CONSENT),
    recording.treating_physician_decides: Only(_CREATE, _CONSENT),
    writing.holder_documents: Only(_CREATE),
    writing.patient_side_relabels: Only(_PATCH, _DOCUMENT),
    writing.patient_side_changes_own: Only(_CHANGE),
    writing.patient_side_adds: Only(_CREATE),
    writing.holder_contacts: Only(WRITES, _RELATED),
    writing.holder_identity: Only(_UPDATE, _PATIENT),
    writing.feeding: Only(_CREATE),
    writing.feeding_by_system: Only(_CREATE),
    writing.feeding_by_insurance: Only(_CREATE),
    writing.professional_relabels: Only(_PATCH, _DOCUMENT),
    writing.author_changes: Only(_CHANGE),
    writing.own_subscription: Only(WRITES),
}
"""The rules that speak of some requests alone. INVARIANT (silent elsewhere): asked of any other, they say nothing; so
who asks the rest of the table hears the same verdicts in the same order (tests/security/test_table_of_rules.py).
"""
SEEING: frozenset[Rule] = frozenset(
    {
        parties.operator,
        parties.holder,
        parties.hidden_from_holder,
        parties.legal_representative,
        parties.hidden_from_representatives,
        parties.existence_check,
        *(each for each in READING if each.__module__ in (limits.__name__, wishes.__name__)),
        life.step_seen,
    }
    - {wishes.treating_physician_knows}
)
"""The rules that say of what there is whether it may be seen, a Grant or a Withhold, and never anything else."""


@lru_cache(maxsize=2_048)
def speaking(rules: tuple[Rule, ...], verb: str, type_: str) -> tuple[Rule, ...]:
    """Those of the rules that have something to say of a verb and a type, in their order."""
    return tuple(each for each in rules if _may_speak(ONLY.get(each), verb, type_))


@lru_cache(maxsize=2_048)
def deciding(rules: tuple[Rule, ...], verb: str, type_: str) -> tuple[Rule, ...]:
    """Those of the rules that speak on which a decision hangs: what may be seen decides nothing of what is new."""
    return tuple(each for each in speaking(rules, verb, type_) if verb != "create" or each not in SEEING)


def _may_speak(only: Only | None, verb: str, type_: str) -> bool:
    return only is None or (verb in only.verbs and (only.types is None or type_ in only.types))


def rules_table() -> str:
    """The table of `docs/consent.md`, made from the rules' docstrings."""
    lines = ["| # | Rule | What it says | Requirements |", "|---|---|---|---|"]
    for number, rule in enumerate(RULES):
        says, _, cited = (rule.__doc__ or "").strip().partition("\n\n")
        lines.append(f"| {number} | `{rule.__name__}` | {says.rstrip('.')} | {' '.join(cited.split()).rstrip('.')} |")
    return "\n".join(lines)
