"""The decision: what a request may see of a record, and why. Pure: no clock, no store, no settings of its own.

May live here: how verdicts combine. May not know: what any rule is about. It is the IHE PCF Consent Decision, and its
Permit the residual of it (https://profiles.ihe.net/ITI/PCF).

INVARIANT (deny by default): a Forbid that applies wins; the residual is any grant and no withhold; no Grant, or for a
write no Way, is a denial; a rule that raises is a Forbid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from fhir_server.consent.case import case_of
from fhir_server.consent.directive import Directives
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.obligations import MinimalView, Obligation
from fhir_server.consent.request import AccessRequest
from fhir_server.consent.rules import READING, RULES, Rule, deciding, speaking
from fhir_server.consent.settings import settings
from fhir_server.consent.verdict import Forbid, Grant, Oblige, Verdict, Way, Withhold
from fhir_server.foundation.predicate import (
    EVERYTHING,
    NOTHING,
    All,
    Any_,
    Exists,
    Has,
    Not,
    Predicate,
    both,
    either,
    matches,
)
from fhir_server.foundation.principal import Kind, Principal


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be seen; for a write, what must stand before (`residual`) and after (`after`).

    Both are confined to the record where there is one. `reasons` are those of the grants, for the ledger;
    `withheld` those of what was taken out, for `explain` and the ledger's private part, never for the asker.
    """

    residual: Predicate
    obligations: tuple[Obligation, ...] = ()
    reasons: tuple[str, ...] = ()
    after: Predicate = EVERYTHING
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deny:
    """Nothing; `reasons` are codes of `words/`, for the ledger's private part and the holder."""

    reasons: tuple[str, ...]


# where one of these withholds, no other grant shows more of the Patient than its existence
_SHUT = frozenset({"record.closed", "record.none", "directive.unreadable"})

Decision: TypeAlias = "Permit | Deny"


@dataclass(slots=True)
class _Heard:
    """The verdicts of one case, sorted."""

    grants: list[Grant] = field(default_factory=list)
    withholds: list[Withhold] = field(default_factory=list)
    obliges: list[Oblige] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)


def decide(request: AccessRequest, directives: Directives, matrix: Matrix) -> Decision:
    """Say what `request` may see or write of the record, and why."""
    heard = _Heard()
    lists: dict[type, list[Any]] = {
        Grant: heard.grants,
        Withhold: heard.withholds,
        Oblige: heard.obliges,
        Way: heard.ways,
    }
    try:
        case = case_of(request, directives, matrix, settings())
        for rule in deciding(_table(request), request.verb, request.type):
            verdict = rule(case)
            if verdict is None:
                continue
            if isinstance(verdict, Forbid):
                return Deny((verdict.reason,))
            lists[type(verdict)].append(verdict)
    except Exception:  # noqa: BLE001 - INVARIANT (deny by default): whatever went wrong, nothing is shown
        return Deny(("rule.failed",))
    return _writable(request, heard) if request.writes else _readable(request, heard)


def verdicts(request: AccessRequest, directives: Directives, matrix: Matrix) -> Iterator[tuple[Rule, Verdict]]:
    """What each rule that has something to say of `request` says, in the order of the table."""
    case = case_of(request, directives, matrix, settings())
    for rule in speaking(_table(request), request.verb, request.type):
        verdict = rule(case)
        if verdict is not None:
            yield rule, verdict


def _table(request: AccessRequest) -> tuple[Rule, ...]:
    return RULES if request.writes else READING


def refuses(principal: Principal) -> str | None:
    """Why this party is refused whatever the record, or None; asked by the token endpoint too (DMP-46, DMP-47)."""
    return Matrix.load().forbidden(principal)


def visible(heard: _Heard) -> Predicate:
    """Any grant and no withhold; NOTHING when it is known to be empty."""
    granted = _joined([each.what for each in heard.grants])
    parts = [each.rest for each in heard.withholds if each.what != NOTHING]
    if granted == NOTHING or NOTHING in parts:
        return NOTHING
    if granted != EVERYTHING:
        parts.insert(0, granted)
    return All(tuple(parts))


def _joined(grants: list[Predicate]) -> Predicate:
    """`either`, without the comparison of every branch with every other, which a request should not pay."""
    if EVERYTHING in grants:
        return EVERYTHING
    kept = [each for each in grants if each != NOTHING]
    return kept[0] if len(kept) == 1 else Any_(tuple(kept))


def _readable(request: AccessRequest, heard: _Heard) -> Decision:
    residual = visible(heard)
    reasons = tuple(each.reason for each in heard.grants)
    withheld = tuple(each.reason for each in heard.withholds)
    if not heard.grants:
        return Deny(("grant.none",))
    if residual == NOTHING and not request.checks_existence:
        return Deny(tuple(each.reason for each in heard.withholds if each.rest == NOTHING) or ("grant.none",))
    obligations = tuple(_unless_whole(each.obligation, heard) for each in heard.obliges)
    return Permit(_confined(request, residual), obligations, reasons, withheld=withheld)


def _unless_whole(obligation: Obligation, heard: _Heard) -> Obligation:
    """The minimal view, save where something besides the existence check lets the Patient be seen."""
    if not isinstance(obligation, MinimalView):
        return obligation
    if any(each.reason in _SHUT for each in heard.withholds):
        return obligation
    others = _Heard([each for each in heard.grants if each.reason != "existence.check"], heard.withholds)
    return replace(obligation, unless=visible(others))


def _writable(request: AccessRequest, heard: _Heard) -> Decision:
    ways = heard.ways
    if not ways:
        return Deny(("write.none",))
    before: Predicate = EVERYTHING
    after = either(*(each.after for each in ways))
    if request.verb != "create":
        seen = visible(heard)
        if request.current is not None:
            ways = [each for each in ways if matches(both(seen, each.before), request.current)]
        before = both(seen, either(*(each.before for each in ways)))
        after = _after(ways, request)
    if before == NOTHING:
        return Deny(("write.none",))
    reasons = tuple(dict.fromkeys(each.reason for each in ways))
    obligations = tuple(each.obligation for each in heard.obliges if not isinstance(each.obligation, MinimalView))
    return Permit(_confined(request, before), obligations, reasons, after=_confined(request, after))


def _after(ways: list[Way], request: AccessRequest) -> Predicate:
    """What a change may lead to: where what stands is known, the ways open to it; else what all of them allow."""
    allowed = [both(each.after, *(_as_it_was(one, request) for one in each.unchanged)) for each in ways]
    return either(*allowed) if request.current is not None else both(*allowed)


def _as_it_was(flag: Predicate, request: AccessRequest) -> Predicate:
    """As true after as before; where what stands is not known, not true at all."""
    return flag if request.current is not None and matches(flag, request.current) else Not(flag)


def _opening(request: AccessRequest) -> Predicate:
    """Where no record is named: nothing that belongs to one, save the identity somebody is about to make."""
    nobodys = Not(Exists("patient"))
    return either(nobodys, Has("resource", "Patient")) if request.verb == "create" else nobodys


def _confined(request: AccessRequest, predicate: Predicate) -> Predicate:
    """INVARIANT (one record): nothing of another record, whatever a rule said."""
    if request.patient is None and request.principal.kind is Kind.OPERATOR:
        return predicate
    if request.patient is None:
        return both(predicate, _opening(request))
    record = Has("patients", request.patient)
    if predicate == EVERYTHING:
        return record
    return All((record, *predicate.of)) if isinstance(predicate, All) else All((record, predicate))
