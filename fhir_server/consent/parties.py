"""Parties: who may come near a record at all, and as what.

May live here: rules about the party, the state of the record, blocks, the existence check and emergencies.
May not know: the store, the clock, HTTP. The law of the table is in `rules.py`.
"""

from __future__ import annotations

from functools import lru_cache

from fhir_server.consent.case import MINUTE, Case
from fhir_server.consent.directive import CONSULTING, REPRESENTATION, UNREADABLE, Directive, parse
from fhir_server.consent.obligations import MinimalView, TellHolder
from fhir_server.consent.verdict import Forbid, Grant, Oblige, Verdict, Withhold
from fhir_server.foundation.predicate import (
    EVERYTHING,
    NOTHING,
    All,
    Any_,
    Exists,
    Has,
    Not,
    Predicate,
    Span,
    one_of,
)
from fhir_server.foundation.principal import Kind, Purpose, is_said

EXPLAINING = "explain-access"
"""The operation that tells who can see what."""
_OF_A_STEP = ("Patient", "RelatedPerson", "Consent", "Provenance", "Communication")
_BLOCKING = CONSULTING | {REPRESENTATION}


def forbidden_party(case: Case) -> Verdict | None:
    """Tiers interdits: employer, insurer, bank, occupational medicine, desk and administrative staff.

    DMP-46, DMP-47, DMP-121.
    """
    reason = case.matrix.forbidden(case.request.principal)
    return Forbid(reason) if reason else None


def ledger_is_append_only(case: Case) -> Verdict | None:
    """Traces: nobody writes an AuditEvent, not even the operator.

    DMP-80, DMP-153.
    """
    return Forbid("trace.append-only") if case.request.writes and case.request.type == "AuditEvent" else None


def record_closed(case: Case) -> Verdict | None:
    """DMP fermé ou jamais ouvert: nothing, save TD02, an opening, the holder's copy and own traces.

    DMP-101, DMP-104, DMP-105.
    """
    request = case.request
    if request.standing == "open" or request.patient is None or request.principal.kind is Kind.OPERATOR:
        return None
    reason = "record.closed" if request.standing == "closed" else "record.none"
    if request.checks_existence:
        return Withhold(_all_but_identity(case), reason)
    if _opens(case) or _copies(case) or _steps(case):
        return None
    own = request.by_holder or (case.represents and request.standing == "closed")
    if own and not request.writes and request.type in case.settings.closed_reads:
        return Withhold(Not(one_of("resource", sorted(case.settings.closed_reads))), reason)
    return Forbid(reason)


def _opens(case: Case) -> bool:
    """Whether this is the word of the patient's side that opens a record: a new one, or the holder's a closed one."""
    request = case.request
    if (request.verb, request.type) != ("create", "Consent"):
        return False
    if request.standing == "none":
        return request.principal.kind.value in case.settings.opening
    said = parse(request.proposed or {})
    return request.by_holder and said is not None and said.kind in case.settings.closed_consents


def _steps(case: Case) -> bool:
    """Whether this is part of a step in the life of the record: who takes which is said in `life.py`."""
    request = case.request
    return request.writes and request.operation in case.settings.steps and request.type in _OF_A_STEP


def _copies(case: Case) -> bool:
    """Whether the holder, or who represents him, asks for a copy of a closed record."""
    request = case.request
    return case.patient_side and request.verb == "operation" and request.operation in case.settings.closed_operations


def _all_but_identity(case: Case) -> Predicate:
    """What an existence check never shows where nothing else may be seen."""
    return Not(Has("id", f"Patient/{case.request.patient}"))


def unreadable_directive(case: Case) -> Verdict | None:
    """Directive illisible: a Consent that cannot be read refuses all but the holder, who can mend it, and the operator.

    DMP-40.
    """
    request = case.request
    if request.principal.kind in (Kind.HOLDER, Kind.OPERATOR) or not case.directives.of_kind(UNREADABLE):
        return None
    if request.checks_existence:
        return Withhold(_all_but_identity(case), "directive.unreadable")
    return Forbid("directive.unreadable")


def explained_to_few(case: Case) -> Verdict | None:
    """Explication des accès: who can see what, and why, is told to the patient's side, the médecin traitant, the host.

    DMP-44, DMP-51, DMP-80.
    """
    request = case.request
    if request.verb != "operation" or request.operation != EXPLAINING:
        return None
    host = request.principal.kind is Kind.OPERATOR
    told = host or case.patient_side or (case.treating and case.normal)
    return None if told else Forbid("explain.not-told")


def operator(case: Case) -> Verdict | None:
    """Opérateur: the host's own tasks, in any record, open or closed.

    DMP-105.
    """
    return Grant(EVERYTHING, "party.operator") if case.request.principal.kind is Kind.OPERATOR else None


def holder(case: Case) -> Verdict | None:
    """Titulaire: the whole of the own record.

    DMP-05, DMP-31, DMP-80.
    """
    return Grant(EVERYTHING, "party.holder") if case.request.by_holder else None


def hidden_from_holder(case: Case) -> Verdict | None:
    """Non visible par le patient: withheld from the holder until it is announced, a month from the deposit at most.

    DMP-133, DMP-134.
    """
    return Withhold(_unannounced(case), "label.hidden-from-holder") if case.request.by_holder else None


def _unannounced(case: Case) -> Predicate:
    return _hidden_in(case.settings.hidden_from_holder, case.request.at // MINUTE)


@lru_cache(maxsize=64)
def _hidden_in(label: str, minute: int) -> Predicate:
    """What the label hides in that minute. INVARIANT (by the calendar): its end waits for no round (docs/adr/0030).

    What carries the label and does not say until when is hidden for good.
    """
    ended = All((Exists("hidden"), Not(Span("hidden", hi_min=minute * MINUTE))))
    return All((Has("label", label), Not(ended)))


def legal_representative(case: Case) -> Verdict | None:
    """Représentant légal: the minor's record, until eighteen or as a protection measure says.

    DMP-91, DMP-142.
    """
    return Grant(EVERYTHING, "party.representative") if case.represents else None


def hidden_from_representatives(case: Case) -> Verdict | None:
    """Non visible par les représentants légaux, ni par le patient: withheld from who represents.

    DMP-92, DMP-133, DMP-141.
    """
    if not case.represents:
        return None
    secret = Has("label", case.settings.hidden_from_representatives)
    return Withhold(Any_((secret, _unannounced(case))), "label.hidden-from-representatives")


def blocked(case: Case) -> Verdict | None:
    """PS bloqué: a deny that names the asker, the place or a team of theirs refuses in every mode.

    DMP-43, DMP-53, DMP-112, K10.
    """
    if case.request.principal.kind in (Kind.HOLDER, Kind.OPERATOR):
        return None
    for each in case.named:
        if (
            each.kind in _BLOCKING
            and each.root
            and not each.root.permit
            and each.in_force(case.request.at)
            and not each.root.limited
        ):
            return Forbid("party.blocked")
    return None


def existence_check(case: Case) -> Verdict | None:
    """Test d'existence (TD02): the one Patient found by INS, whatever the consent and even if closed.

    DMP-101, DMP-102.
    """
    request = case.request
    if not request.checks_existence or not (
        request.by_professional or request.by_system or request.principal.kind is Kind.RECEPTION
    ):
        return None
    found = Has("id", f"Patient/{request.patient}") if request.patient else NOTHING
    return Grant(found, "existence.check")


def existence_answer(case: Case) -> Verdict | None:
    """Réponse au test d'existence: the status and the caller's own standing, not the record.

    DMP-101.
    """
    if existence_check(case) is None:
        return None
    authorised = any(each.kind in CONSULTING for each in case.permits)
    open_ = case.request.standing == "open"
    return Oblige(MinimalView(case.treating, "active" if authorised else "none", open_=open_), "existence.minimal")


def emergency(case: Case) -> Verdict | None:
    """Bris de glace et centre 15: allowed unless the holder opposed it; the authorisation is not asked for.

    DMP-70, DMP-71, DMP-114, DMP-115.
    """
    mode = case.settings.emergencies.get(case.purpose)
    principal = case.request.principal
    if mode is None or not case.professional or case.request.patient is None:
        return None
    if case.matrix.occupational(principal):
        return Forbid("emergency.no-right")
    if mode.regulation and not (principal.regulation and principal.profession in mode.professions):
        return Forbid("emergency.no-right")
    if mode.reason and not is_said(principal.reason):
        return Forbid("emergency.no-reason")
    if any(_opposes(each, case) for each in case.directives.speaking_of(mode.consent, case.keys)):
        return Forbid("emergency.opposed")
    granted = principal.purpose is Purpose.BREAK_GLASS
    return Grant(EVERYTHING, "emergency.break-glass" if granted else "emergency.dispatch")


def _opposes(each: Directive, case: Case) -> bool:
    """A deny of the holder's, of all or of this asker, that is in force."""
    root = each.root
    if root is None or root.permit or not each.in_force(case.request.at):
        return False
    return root.actors is None or root.names(case.keys, case.request.at)


def emergency_is_told(case: Case) -> Verdict | None:
    """Accès en urgence: the holder is told of it.

    DMP-72, K1.
    """
    told = case.professional and case.request.principal.purpose.emergency
    return Oblige(TellHolder("emergency"), "emergency.told") if told else None
