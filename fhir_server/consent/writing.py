"""Writing: who may write what, and what the state before and after must satisfy (decisions 18).

May live here: rules that give a Way, and what forbids feeding. May not know: the store, the clock, HTTP. What stands
before must also be visible to the asker, which `decision.py` adds; a body is judged by what `AccessRequest.proposed`
says, and where a rule needs it and it is not given, there is no Way.
"""

from __future__ import annotations

from functools import lru_cache

from fhir_server.consent.case import Case
from fhir_server.consent.directive import FEEDING, is_guardian, one_too_many
from fhir_server.consent.recording import collected_consent, holder_decides, opening, treating_physician_decides
from fhir_server.consent.request import wrote
from fhir_server.consent.verdict import Forbid, Verdict, Way
from fhir_server.foundation.predicate import Has, Not, Predicate, both, either, matches, one_of
from fhir_server.foundation.principal import Kind
from fhir_server.resources.authors import writers_of
from fhir_server.resources.facts import labels_of

DELETED = Has("state", "entered-in-error")
SUPERSEDED = Has("state", "superseded")
ARCHIVED = Has("state", "archived")
LEVELS = (Has("label", "R"), Has("label", "V"))
_CHANGES = ("update", "patch", "delete")


def feeding_opposed(case: Case) -> Verdict | None:
    """Opposition à l'alimentation: the holder refuses deposits, from one actor or from all.

    DMP-60, DMP-113, K11.
    """
    request = case.request
    if request.verb not in ("create", "update") or not (request.by_professional or request.by_system):
        return None
    if not _is_deposit(case) or _tells_of_a_step(case):
        return None
    opposed = any(
        each.root
        and not each.root.permit
        and each.in_force(request.at)
        and (each.root.actors is None or each.root.names(case.keys, request.at))
        for each in case.directives.speaking_of(FEEDING, case.keys)
    )
    return Forbid("feeding.opposed") if opposed else None


def representatives_full(case: Case) -> Verdict | None:
    """Deux représentants légaux au plus: no third at the same time, whoever writes.

    DMP-91, K8.
    """
    request = case.request
    if request.type != "RelatedPerson" or request.verb not in ("create", "update") or request.proposed is None:
        return None
    own = str((request.current or {}).get("_id"))
    others = {each: term for each, term in case.directives.terms.items() if each != own}
    full = one_too_many(request.proposed, others, case.settings.most_representatives)
    return Forbid("representative.too-many") if full else None


def secret_session(case: Case) -> Verdict | None:
    """Connexion secrète: what a professional writes in one is hidden from the representatives, or is not written.

    DMP-92, DMP-141.
    """
    request = case.request
    if not request.writes or not request.principal.secret_session:
        return None
    if request.type in case.settings.deposit_types and request.type != "DocumentReference":
        return None  # it hides with the documents that it carries
    secret = Has("label", case.settings.hidden_from_representatives)
    if request.type != "DocumentReference" and not case.matrix.is_clinical(request.type):
        return Forbid("session.not-secret")
    if request.verb == "delete":
        stays = request.current is not None and matches(secret, request.current)
    else:
        stays = request.proposed is not None and secret.value in labels_of(request.proposed)
    return None if stays else Forbid("session.not-secret")


def operator_writes(case: Case) -> Verdict | None:
    """Opérateur: the host's own writes, in any record.

    DMP-105.
    """
    return Way("write.operator") if case.request.writes and case.request.principal.kind is Kind.OPERATOR else None


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
    """Coordonnées du titulaire: how to reach him, never who he is; not where, by who represents him.

    DMP-25, DMP-92, DMP-142.
    """
    request = case.request
    if (request.type, request.verb) != ("Patient", "update") or not case.patient_side or request.changes is None:
        return None
    # what is sent there is the holder's alone: his codes, and what is hidden from who represents him (docs/adr/0035)
    settings = case.settings
    theirs = settings.representative_identity if case.represents else settings.holder_identity
    return Way("write.contact-details") if request.changes <= theirs else None


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
    if settings.deposit_author_is_actor and not _is_author(case):
        return None
    return _fed(classes, settings.deposit_types if settings.enforce_write_classes else None)


@lru_cache(maxsize=256)
def _fed(classes: tuple[str, ...], types: frozenset[str] | None) -> Way:
    """Feeding of documents of these classes and of what carries them (`types`); None where classes do not count."""
    parts: list[Predicate] = [Not(DELETED)]
    if types is not None:
        parts.append(either(one_of("class", classes), one_of("resource", sorted(types - {"DocumentReference"}))))
    return Way("write.feeding", after=both(*parts))


def _is_author(case: Case) -> bool:
    """Whether who deposits is among those said to have written it: nobody deposits in another's name alone.

    A document names its author (DMP-60); of other types, where somebody is named.
    """
    proposed = case.request.proposed
    if proposed is None:
        return False
    written = {key for key in writers_of(proposed) if not key.startswith(("Organization/", "org:"))}
    return not written.isdisjoint(case.person) or (not written and proposed.get("resourceType") != "DocumentReference")


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
    locked = (Has("label", case.settings.hidden_from_holder), *_others(case), *LEVELS, DELETED, SUPERSEDED, ARCHIVED)
    return Way("write.label", unchanged=(*locked, *_masks_of_others(case)))


def _others(case: Case) -> tuple[Predicate, ...]:
    """The labels that stand and are neither a mask nor a level: who relabels at the holder's request leaves them."""
    facts = (case.request.current or {}).get("facts", {})
    free = {case.settings.masked, case.settings.hidden_from_representatives, "N"}
    return tuple(Has("label", each) for each in facts.get("label", ()) if each not in free)


def author_changes(case: Case) -> Verdict | None:
    """Auteur: hides from the holder, supersedes, archives, deletes his own; documents and others' masks stay.

    DMP-62, DMP-92, DMP-131, DMP-133, DMP-135 to DMP-137.
    """
    request = case.request
    if request.verb not in _CHANGES or not (request.by_system or (request.by_professional and request.normal)):
        return None
    # what somebody else hid stays hidden, in documents and in data (docs/adr/0012)
    theirs, masks = wrote(request), _masks_of_others(case)
    if request.type == "DocumentReference" and request.verb != "update":
        return Way("write.own-document", before=theirs, after=theirs, unchanged=masks)
    changed = case.matrix.is_clinical(request.type) or request.type in ("List", "DocumentManifest", "Provenance")
    return Way("write.own-data", before=theirs, after=theirs, unchanged=masks) if changed else None


def _masks_of_others(case: Case) -> tuple[Predicate, ...]:
    """The masks that stand and that somebody else set: the holder's or a minor's word, not the asker's to take back.

    The médecin traitant lifts a mask at the holder's request (DMP-52, DMP-53).
    """
    current = case.request.current or {}
    setters = current.get("set_by") or {}
    hiding = (case.settings.hidden_from_representatives, *(() if case.treating else (case.settings.masked,)))
    standing = (each for each in hiding if matches(Has("label", each), current))
    return tuple(Has("label", each) for each in standing if case.keys.isdisjoint(setters.get(each, ())))


def own_subscription(case: Case) -> Verdict | None:
    """Abonnements: one's own.

    DMP-81.
    """
    request = case.request
    if not request.writes or request.patient is not None or request.type not in case.matrix.types_of("own"):
        return None
    return Way("write.subscription", after=wrote(request))  # nobody sees another's


WRITING = (
    feeding_opposed,
    representatives_full,
    secret_session,
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


def _tells_of_a_step(case: Case) -> bool:
    """Whether it says who took a step in the life of the record: that is put on record, not fed (DMP-22, DMP-105)."""
    return case.request.type == "Provenance" and case.request.operation in case.settings.steps


def _not_theirs(case: Case) -> tuple[Predicate, ...]:
    """The label by which a record is kept from its representatives is not theirs to set or lift."""
    return (Has("label", case.settings.hidden_from_representatives),) if case.represents else ()
