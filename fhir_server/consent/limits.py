"""Limits: what is withheld whoever grants it, and what the asker wrote himself.

May live here: the matrix, masks, others' Consents and traces, windows, and the grants that need no Consent.
May not know: the store, the clock, HTTP. The law of the table is in `rules.py`.
"""

from __future__ import annotations

from functools import lru_cache

from fhir_server.consent.case import Case, designations, months_before
from fhir_server.consent.directive import TREATING, Directive
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import written_by, wrote
from fhir_server.consent.settings import settings
from fhir_server.consent.verdict import Grant, Verdict, Withhold
from fhir_server.foundation.moment import interval
from fhir_server.foundation.predicate import (
    All,
    Any_,
    Exists,
    Has,
    Not,
    Predicate,
    Prefix,
    Span,
    both,
    either,
    one_of,
)
from fhir_server.foundation.principal import Kind
from fhir_server.resources.facts import NO_LONGER

_DAY = 86_400_000_000
_UNDATED = ("AuditEvent", "Consent", "List", "Patient")
_CONSENT = either(Has("class", "consent"), Has("resource", "Consent"))
_TRACE_OF_CONSENT = All((Has("resource", "AuditEvent"), Prefix("about", "Consent/")))
_DELETED = Withhold(
    both(Has("state", "entered-in-error"), either(Has("resource", "DocumentReference"), Exists("about"))),
    "document.deleted",
)
_OPERATORS = Withhold(one_of("class", ("operator", "binary")), "type.operator-only")


def access_matrix(case: Case) -> Verdict | None:
    """Matrice d'habilitation: withheld what is closed to the profession, save what the asker wrote, in normal mode.

    DMP-119, DMP-123.
    """
    if not case.professional:
        return None
    principal = case.request.principal
    own = principal.identities if case.normal else None
    return _closed(case.matrix, principal.profession, own)


@lru_cache(maxsize=4096)
def _closed(matrix: Matrix, profession: str | None, own: frozenset[str] | None) -> Withhold:
    closed = matrix.closed_to(profession)
    return Withhold(closed if own is None else both(closed, Not(written_by(own))), "matrix.closed")


def masked_to_professionals(case: Case) -> Verdict | None:
    """Masqué aux PS: withheld, save from its author in normal mode and the médecin traitant; also in emergency.

    DMP-52, DMP-124, K9.
    """
    if not case.professional:
        return None
    masked = case.settings.masked
    if any(not each.root.labels or masked in each.root.labels for each in designations(case) if each.root):
        return None
    return _masked(masked, case.request.principal.identities if case.normal else None)


@lru_cache(maxsize=4096)
def _masked(label: str, own: frozenset[str] | None) -> Withhold:
    masked = Has("label", label)
    return Withhold(masked if own is None else All((masked, Not(written_by(own)))), "label.masked")


def consents_of_others(case: Case) -> Verdict | None:
    """Qui lit les consentements: a professional the permits that name him; the médecin traitant not another's.

    DMP-51, DMP-53.
    """
    if not case.professional:
        return None
    if case.treating:
        others = sorted(
            {each.id for each in case.directives.of_kind(TREATING)} - {each.id for each in designations(case)}
        )
        ended = All((Not(Has("state", "active")), Not(_these(_ids(designations(case))))))
        told = Any_((one_of("about", others), Has("label", NO_LONGER)))
        kept = Any_((All((_CONSENT, Any_((_these(others), ended)))), All((_TRACE_OF_CONSENT, told))))
        return Withhold(kept, "consent.of-another")
    own = [each.id for each in case.named if each.permit]
    own += [outer.id for outer, inner in case.directives.nested_naming(case.keys) if inner.permit]
    return _consents_but(tuple(own))


@lru_cache(maxsize=4096)
def _consents_but(ids: tuple[str, ...]) -> Withhold:
    return Withhold(All((Any_((_CONSENT, _TRACE_OF_CONSENT)), Not(_these(sorted(set(ids)))))), "consent.of-another")


def _ids(directives: list[Directive]) -> list[str]:
    return sorted({each.id for each in directives})


def _these(ids: list[str]) -> Predicate:
    """These resources, and what is about them."""
    return Any_((*(Has("id", each) for each in ids), *(Has("about", each) for each in ids)))


def traces_of_others(case: Case) -> Verdict | None:
    """Traces d'accès: a professional sees his own, the médecin traitant all.

    DMP-51, DMP-153.
    """
    if not case.professional or case.treating:
        return None
    return _traces(case.request.principal.identities)


@lru_cache(maxsize=4096)
def _traces(own: frozenset[str]) -> Withhold:
    others = Not(one_of("author", sorted(own)))
    return Withhold(All((Has("resource", "AuditEvent"), others)), "trace.of-another")


def notices_of_the_holder(case: Case) -> Verdict | None:
    """Avis au titulaire: what was told to the holder is not a professional's to read.

    DMP-81.
    """
    if not case.professional:
        return None
    return Withhold(case.matrix.notices, "notice.of-the-holder")


def deleted_document(case: Case) -> Verdict | None:
    """Document supprimé: seen by nobody, with what came along with it.

    DMP-135, K6.
    """
    if case.request.principal.kind is Kind.OPERATOR:
        return None
    return _DELETED


def care_history_window(case: Case) -> Verdict | None:
    """Historique de soins: what the Assurance Maladie feeds is shown for twenty-four months.

    DMP-10, DMP-11.
    """
    if case.request.principal.kind in (Kind.OPERATOR, Kind.INSURANCE_FEED):
        return None
    return _out_of_window(case.request.at // _DAY)


@lru_cache(maxsize=16)
def _out_of_window(day: int) -> Withhold:
    """What the Assurance Maladie fed, of care that began too long before that day, or nobody says when."""
    words = settings()
    fed = either(one_of("author", words.feeders), one_of("submitter", words.feeders))
    kept = either(one_of("class", words.history_except_classes), one_of("type", words.history_except_types))
    since = interval(months_before(day * _DAY, words.history_months).isoformat()).lo
    shown = either(kept, Span("period", lo_min=since), one_of("resource", _UNDATED))
    return Withhold(both(fed, Not(shown)), "history.window")


def operators_only(case: Case) -> Verdict | None:
    """Réservé à l'opérateur: types of no document class, and content no document points to.

    DMP-119.
    """
    if case.request.principal.kind is Kind.OPERATOR:
        return None
    return _OPERATORS


def author(case: Case) -> Verdict | None:
    """Auteur: what the asker wrote, masked or not, authorised or not, in normal mode.

    DMP-123.
    """
    normally = case.professional and case.normal and case.request.patient is not None
    return Grant(wrote(case.request), "author.own") if normally else None


def own_deposits(case: Case) -> Verdict | None:
    """Alimentation par un système: its own deposits, to replace or delete them, and nothing else.

    DMP-113, DMP-152.
    """
    system = case.request.by_system and case.request.patient is not None
    return Grant(wrote(case.request), "deposit.own") if system else None


def shared_types(case: Case) -> Verdict | None:
    """Annuaire et définitions: types that belong to nobody's record are read by everybody known.

    DMP-43.
    """
    request = case.request
    shared = request.patient is None and not request.writes and request.type in case.matrix.shared_types
    return Grant(case.matrix.shared, "type.shared") if shared else None


def own_subscriptions(case: Case) -> Verdict | None:
    """Abonnements: one's own.

    DMP-81.
    """
    mine = case.request.patient is None and case.request.type in case.matrix.types_of("own")
    return Grant(wrote(case.request), "subscription.own") if mine else None
