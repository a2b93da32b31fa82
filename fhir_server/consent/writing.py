"""Writing: who may write what, and what the state before and after must satisfy (decisions 18).

May live here: rules that give a Way, and what forbids feeding. May not know: the store, the clock, HTTP. What stands
before must also be visible to the asker, which `decision.py` adds; a body is judged by what `AccessRequest.proposed`
says, and where a rule needs it and it is not given, there is no Way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.consent.case import Case
from fhir_server.consent.directive import (
    AUTHORISATION,
    BLOCK,
    CREATION,
    ESTABLISHMENT,
    FEEDING,
    REPRESENTATION,
    TREATING,
    UNREADABLE,
    Directive,
    actors_named,
    is_guardian,
    parse,
)
from fhir_server.consent.provision import ALWAYS
from fhir_server.consent.request import wrote
from fhir_server.consent.verdict import Forbid, Verdict, Way
from fhir_server.foundation.predicate import EVERYTHING, Has, Not, Predicate, both, either, matches, one_of
from fhir_server.foundation.principal import Kind

DELETED = Has("state", "entered-in-error")
SUPERSEDED = Has("state", "superseded")
ARCHIVED = Has("state", "archived")
LEVELS = (Has("label", "R"), Has("label", "V"))
_THIRD_PARTIES = (Kind.PROFESSIONAL, Kind.RECEPTION, Kind.ESTABLISHMENT)
_CHANGES = ("update", "patch", "delete")


def feeding_opposed(case: Case) -> Verdict | None:
    """Opposition à l'alimentation: the holder refuses deposits, from one actor or from all.

    DMP-60, DMP-113, K11.
    """
    request = case.request
    if request.verb not in ("create", "update") or not (request.by_professional or request.by_system):
        return None
    if not _is_deposit(case):
        return None
    opposed = any(
        each.root
        and not each.root.permit
        and each.in_force(request.at)
        and (each.root.actors is None or each.root.names(case.keys, request.at))
        for each in case.directives.of_kind(FEEDING)
    )
    return Forbid("feeding.opposed") if opposed else None


def operator_writes(case: Case) -> Verdict | None:
    """Opérateur: the host's own writes, in any record.

    DMP-105.
    """
    return Way("write.operator") if case.request.writes and case.request.principal.kind is Kind.OPERATOR else None


def opening(case: Case) -> Verdict | None:
    """Ouverture: the identity, the representative and the consent of a record that is not there yet.

    DMP-20 to DMP-22, DMP-90, DMP-93.
    """
    request = case.request
    if (
        request.verb != "create"
        or request.standing != "none"
        or request.principal.kind.value not in case.settings.opening
    ):
        return None
    third = request.principal.kind in _THIRD_PARTIES
    if request.type == "Patient":
        return Way("write.opening") if third and _is_identity(request.proposed) else None
    if request.patient is None or not (third or case.patient_side):
        return None
    if request.type == "Consent":
        return Way("write.opening") if _collected(case, {CREATION} | case.settings.collected) else None
    return Way("write.opening") if request.type in ("RelatedPerson", "Provenance") and third else None


def _is_identity(patient: Mapping[str, Any] | None) -> bool:
    """An identity may be brought by a third party; it is a Consent that opens the record (DMP-22)."""
    return patient is not None and patient.get("active") is not True


def holder_decides(case: Case) -> Verdict | None:
    """Choix du titulaire ou de son représentant: his Consents, each said by himself.

    DMP-22, DMP-26, DMP-44, DMP-73.
    """
    request, settings = case.request, case.settings
    if request.type != "Consent" or not request.writes or not case.patient_side:
        return None
    kinds = settings.holder_consents if request.by_holder else settings.representative_consents
    if request.verb != "delete":
        wanted = _proposed(case)
        if wanted is None or wanted.kind not in kinds or wanted.performers.isdisjoint(_own_references(case)):
            return None
    kept = [each.id for kind in (REPRESENTATION,) if kind not in kinds for each in case.directives.of_kind(kind)]
    return Way("write.own-consent", before=Not(one_of("id", kept)) if kept else EVERYTHING)


def collected_consent(case: Case) -> Verdict | None:
    """Consentement recueilli: by a professional or a desk, for itself or for another, from the holder.

    DMP-26, DMP-41, DMP-45, DMP-110.
    """
    request = case.request
    normal = request.normal or not request.by_professional
    if (
        (request.type, request.verb) != ("Consent", "create")
        or request.principal.kind not in _THIRD_PARTIES
        or not normal
    ):
        return None
    return Way("write.collected-consent") if _collected(case, case.settings.collected) else None


def treating_physician_decides(case: Case) -> Verdict | None:
    """Médecin traitant DMP: at the holder's request, blocks another or hands on his standing to one already authorised.

    DMP-53, DMP-54.
    """
    request = case.request
    if (request.type, request.verb) != ("Consent", "create") or not case.treating or not request.normal:
        return None
    wanted = _proposed(case)
    if wanted is None or wanted.root is None or not wanted.root.actors or not _said_for_holder(wanted, case):
        return None
    if wanted.kind == BLOCK and not wanted.root.permit:
        return Way("write.block-at-request")
    handed = wanted.kind == TREATING and wanted.root.permit and all(map(_is_authorised(case), wanted.root.actors))
    return Way("write.hand-on") if handed else None


def holder_documents(case: Case) -> Verdict | None:
    """Documents du titulaire: those of class 90 and of the types meant for patients.

    DMP-16, DMP-31, DMP-63.
    """
    request, settings = case.request, case.settings
    if request.verb != "create" or not case.patient_side or request.type not in case.settings.deposit_types:
        return None
    if request.type != "DocumentReference":
        return Way("write.own-document")
    theirs = either(one_of("class", settings.holder_classes), one_of("type", settings.holder_types))
    hidden = Has("label", settings.hidden_from_holder)
    return Way("write.own-document", after=both(theirs, Not(hidden), Not(DELETED), *map(Not, _not_theirs(case))))


def patient_side_relabels(case: Case) -> Verdict | None:
    """Masquage par le titulaire: mask and unmask, archive; hide from representatives; delete what is his own.

    DMP-62, DMP-92, DMP-135, DMP-137.
    """
    request = case.request
    if (request.type, request.verb) != ("DocumentReference", "patch") or not case.patient_side:
        return None
    locked = (Has("label", case.settings.hidden_from_holder), *_not_theirs(case), *LEVELS)
    return Way("write.label", unchanged=(*locked, DELETED, SUPERSEDED))


def patient_side_changes_own(case: Case) -> Verdict | None:
    """Documents et données du titulaire: what he deposited, he changes and deletes.

    DMP-31, DMP-63, DMP-135.
    """
    request = case.request
    if request.verb not in _CHANGES or not case.patient_side:
        return None
    if request.type == "DocumentReference" and request.verb != "update":
        locked = (Has("label", case.settings.hidden_from_holder), *_not_theirs(case))
        return Way("write.own-document", before=wrote(request), unchanged=locked)
    if request.type in case.settings.holder_own or request.type == "List":
        return Way("write.own-data", before=wrote(request), after=wrote(request))
    return None


def patient_side_adds(case: Case) -> Verdict | None:
    """Informations du titulaire: reactions to medicines and the like.

    DMP-31, DMP-63.
    """
    request = case.request
    added = request.verb == "create" and case.patient_side and request.type in case.settings.holder_own
    return Way("write.own-data") if added else None


def holder_contacts(case: Case) -> Verdict | None:
    """Proches à prévenir: the persons of the record, but its legal representatives.

    DMP-17, DMP-63, DMP-91.
    """
    request = case.request
    if request.type != "RelatedPerson" or not request.writes or not case.patient_side:
        return None
    if request.verb != "delete" and (request.proposed is None or is_guardian(request.proposed)):
        return None
    return Way("write.contact", before=Not(one_of("id", sorted(request.representatives | set(case.directives.terms)))))


def holder_identity(case: Case) -> Verdict | None:
    """Coordonnées du titulaire: how to reach him, never who he is.

    DMP-25.
    """
    request = case.request
    if (request.type, request.verb) != ("Patient", "update") or not case.patient_side or request.changes is None:
        return None
    return Way("write.contact-details") if request.changes <= case.settings.holder_identity else None


def feeding(case: Case) -> Verdict | None:
    """Alimentation: deposit into an open record, of what the asker wrote; no consultation follows.

    DMP-60, DMP-111, DMP-113, DMP-131.
    """
    request, settings = case.request, case.settings
    if request.verb != "create" or not request.by_professional or not _is_deposit(case) or request.patient is None:
        return None
    classes = case.matrix.write_classes(request.principal.profession)
    if not classes:
        return None
    parts: list[Predicate] = [Not(DELETED)]
    if request.type == "DocumentReference" and settings.deposit_author_is_actor:
        parts.append(one_of("author", sorted(case.person)))
    if settings.enforce_write_classes:
        parts.append(
            either(one_of("class", classes), one_of("resource", sorted(settings.deposit_types - {"DocumentReference"})))
        )
    return Way("write.feeding", after=both(*parts))


def feeding_by_system(case: Case) -> Verdict | None:
    """Alimentation par un établissement: what its professionals produced, under its own name.

    DMP-45, DMP-152.
    """
    request = case.request
    fed = request.verb == "create" and request.principal.kind is Kind.ESTABLISHMENT and _is_deposit(case)
    return Way("write.feeding", after=Not(DELETED)) if fed and request.patient else None


def feeding_by_insurance(case: Case) -> Verdict | None:
    """Alimentation par l'Assurance Maladie: reimbursements and care history.

    DMP-10, DMP-11, DMP-144.
    """
    request, settings = case.request, case.settings
    if request.verb != "create" or request.principal.kind is not Kind.INSURANCE_FEED or not request.patient:
        return None
    theirs = (one_of("class", settings.feed_classes), one_of("type", settings.feed_types))
    return Way(
        "write.feeding", after=both(either(*theirs, one_of("resource", sorted(settings.feed_resources))), Not(DELETED))
    )


def professional_relabels(case: Case) -> Verdict | None:
    """Masquage par un professionnel autorisé, à la demande du titulaire ou du mineur.

    DMP-92, DMP-132.
    """
    request = case.request
    if (
        (request.type, request.verb) != ("DocumentReference", "patch")
        or not request.by_professional
        or not request.normal
    ):
        return None
    secret = Has("label", case.settings.hidden_from_representatives)
    added = request.current is not None and not matches(
        secret, request.current
    )  # who did not write it may add, not lift
    locked = (Has("label", case.settings.hidden_from_holder), *_others(case), *LEVELS, DELETED, SUPERSEDED, ARCHIVED)
    return Way("write.label", unchanged=locked if added else (*locked, secret))


def _others(case: Case) -> tuple[Predicate, ...]:
    """The labels that stand and are neither a mask nor a level: who relabels at the holder's request leaves them."""
    facts = (case.request.current or {}).get("facts", {})
    free = {case.settings.masked, case.settings.hidden_from_representatives, "N"}
    return tuple(Has("label", each) for each in facts.get("label", ()) if each not in free)


def author_changes(case: Case) -> Verdict | None:
    """Auteur: hides from the holder, supersedes, archives, deletes what he wrote; documents stay as they are.

    DMP-131, DMP-133, DMP-135 to DMP-137.
    """
    request = case.request
    if request.verb not in _CHANGES or not (request.by_system or (request.by_professional and request.normal)):
        return None
    if request.type == "DocumentReference" and request.verb != "update":
        return Way("write.own-document", before=wrote(request), after=wrote(request))
    changed = case.matrix.is_clinical(request.type) or request.type in ("List", "DocumentManifest", "Provenance")
    return Way("write.own-data", before=wrote(request), after=wrote(request)) if changed else None


def own_subscription(case: Case) -> Verdict | None:
    """Abonnements: one's own.

    DMP-81.
    """
    request = case.request
    if not request.writes or request.patient is not None or request.type not in case.matrix.types_of("own"):
        return None
    return Way(
        "write.subscription", before=EVERYTHING if request.verb == "create" else wrote(request), after=wrote(request)
    )


WRITING = (
    feeding_opposed,
    operator_writes,
    opening,
    holder_decides,
    collected_consent,
    treating_physician_decides,
    holder_documents,
    patient_side_relabels,
    patient_side_changes_own,
    patient_side_adds,
    holder_contacts,
    holder_identity,
    feeding,
    feeding_by_system,
    feeding_by_insurance,
    professional_relabels,
    author_changes,
    own_subscription,
)


def _is_deposit(case: Case) -> bool:
    """Whether the type is one that is fed: documents and what carries them, data of a document class."""
    return case.request.type in case.settings.deposit_types or case.matrix.is_clinical(case.request.type)


def _proposed(case: Case) -> Directive | None:
    """The Consent about to be written, if it can be read."""
    if case.request.proposed is None:
        return None
    members = case.request.members
    if members is None:
        members = {each: {each: ALWAYS} for each in actors_named(case.request.proposed)}
    found = parse(case.request.proposed, members)
    return None if found is None or found.kind == UNREADABLE else found


def _own_references(case: Case) -> frozenset[str]:
    reference = case.request.representing or f"Patient/{case.request.patient}"
    return frozenset({reference})


def _said_for_holder(wanted: Directive, case: Case) -> bool:
    """Whether the holder, or who represents him, is who consented."""
    return not wanted.performers.isdisjoint({f"Patient/{case.request.patient}", *case.request.representatives})


def _collected(case: Case, kinds: Iterable[str]) -> bool:
    """A Consent of these types, said by the holder; an authorisation names somebody."""
    wanted = _proposed(case)
    if wanted is None or wanted.kind not in kinds or wanted.root is None or not _said_for_holder(wanted, case):
        return False
    return wanted.kind not in (AUTHORISATION, ESTABLISHMENT) or (
        wanted.permit and bool(wanted.root.actors or wanted.root.members)
    )


def _is_authorised(case: Case) -> Any:
    """Whether a key is named by an active authorisation of the record."""
    at = case.request.at

    def authorised(key: str) -> bool:
        named = case.directives.actors.get(key, ())
        return any(each.kind == AUTHORISATION and each.permit and each.in_force(at) for each in named)

    return authorised


def _not_theirs(case: Case) -> tuple[Predicate, ...]:
    """The label by which a record is kept from its representatives is not theirs to set or lift."""
    return (Has("label", case.settings.hidden_from_representatives),) if case.represents else ()
