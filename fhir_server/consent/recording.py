"""Recording: who may put the holder's word on record, as a Consent (decisions 18).

May live here: rules that give a Way for Consents, and for what comes with the opening of a record. May not know: the
store, the clock, HTTP. Where a rule needs `AccessRequest.proposed` and it is not given, there is no Way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.consent import wishes
from fhir_server.consent.case import Case, may_represent, of_age
from fhir_server.consent.directive import (
    AUTHORISATION,
    BLOCK,
    CONSULTING,
    CREATION,
    ESTABLISHMENT,
    REPRESENTATION,
    TREATING,
    UNREADABLE,
    Directive,
    actors_named,
    is_guardian,
    parse,
    role_keys,
)
from fhir_server.consent.provision import ALWAYS
from fhir_server.consent.verdict import Verdict, Way
from fhir_server.foundation.predicate import EVERYTHING, Not, one_of

OPENING_FOR = "open-record-for"
"""The operation by which a third party opens a record."""
_LETTING_IN = frozenset({AUTHORISATION, ESTABLISHMENT})
_CONSULTS = (
    wishes.treating_physician,
    wishes.authorised_professional,
    wishes.authorised_establishment,
    wishes.care_team,
)


def opening(case: Case) -> Verdict | None:
    """Ouverture: the identity, the representative of a minor and the consent of a record that is not there yet.

    DMP-20 to DMP-22, DMP-26, DMP-90, DMP-91, DMP-93.
    """
    request = case.request
    if request.standing != "none" or request.verb not in ("create", "update") or request.life.deceased:
        return None
    step = request.operation == OPENING_FOR and request.proposed is not None
    match request.type:
        case "Patient":
            opens = step
        case "Consent":
            opens = step and _is_answer(case)  # what the holder says online is his own word, as any of his
        case "RelatedPerson":
            opens = step and is_guardian(request.proposed or {})
        case _:
            opens = step and request.type == "Provenance"
    return Way("write.opening") if opens else None


def _is_answer(case: Case) -> bool:
    """An answer that is asked for at an opening, said by who may say it: a minor says none (DMP-22, DMP-93)."""
    wanted = _proposed(case)
    if wanted is None or wanted.root is None or wanted.kind not in case.settings.opening_consents:
        return False
    actors = wanted.root.actors or frozenset()
    if wanted.kind == REPRESENTATION:  # whom a measure names speaks of it himself; it has to be cited
        named = case.request.representatives
        return wanted.permit and wanted.sourced and bool(actors) and actors | wanted.performers <= named
    if not wanted.performers or not wanted.performers <= speakers(case):
        return False
    if wanted.kind in (AUTHORISATION, ESTABLISHMENT, TREATING):
        return wanted.permit and bool(actors or wanted.root.members)
    return wanted.kind != CREATION or wanted.permit


def speakers(case: Case) -> frozenset[str]:
    """Who may consent for a record: the grown holder, and who represents him; for a minor these alone."""
    request = case.request
    own = {f"Patient/{request.patient}"} if is_grown(case) else set()
    rules = (case.directives, request.birth, request.at, case.settings)
    return frozenset(own.union(each for each in request.representatives if may_represent(each, *rules)))


def is_grown(case: Case) -> bool:
    """Whether the holder is of age beyond doubt: a date that is known in part could make an adult of a minor."""
    birth = case.request.birth or ""
    return len(birth) == len("2000-01-31") and of_age(birth, case.request.at, case.settings.majority)


def is_yes(case: Case) -> bool:
    """Whether what is proposed is the consent to an open record, said by who may say it."""
    wanted = _proposed(case)
    return wanted is not None and wanted.kind == CREATION and _is_answer(case)


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
    """Consentement recueilli: by who may consult, for another; by a reading of the carte Vitale, for himself.

    DMP-41, DMP-45, DMP-110, DMP-152.
    """
    request = case.request
    if (request.type, request.verb) != ("Consent", "create") or not case.professional or not request.normal:
        return None
    consults = any(rule(case) is not None for rule in _CONSULTS)
    if consults and (word := _collected(case, case.settings.collected)) is not None and _may_give(word, case):
        return Way("write.collected-consent")
    return Way("write.vitale-reading") if _collected(case, {AUTHORISATION}) and _read_from_card(case) else None


def _may_give(word: Directive, case: Case) -> bool:
    """Whether what he collected lets in somebody else, and to no more than he has; what lets in nobody he may take.

    He is let in by name, by a place where he is signed in or by a team of his. What he has is the médecin traitant's
    whole record, or what an agreement of his covers.
    """
    if word.kind not in _LETTING_IN or word.root is None:
        return True
    who = case.request.principal
    mine = case.request.keys | role_keys(who.identities, who.organizations)
    if not mine.isdisjoint({*(word.root.actors or ()), *word.root.members}):
        return False
    own = [each.root for each in case.permits if each.kind in CONSULTING and each.root is not None]
    return case.treating or any(each.covers(word.root) for each in own)


def _read_from_card(case: Case) -> bool:
    """Whether the Consent names its collector alone and cites the reading of the card, and such a word is taken.

    It is the collector's own word: nothing here binds it to the card, so the switch is off (docs/adr/0012).
    """
    wanted, proposed = _proposed(case), case.request.proposed or {}
    if wanted is None or wanted.root is None or not wanted.root.actors or wanted.nested:
        return False
    source, reading = proposed.get("sourceAttachment"), case.settings.card_reading
    told = isinstance(source, Mapping) and source.get("title") == reading["title"]
    return told and reading["declared"] and not wanted.root.members and wanted.root.actors <= case.person


def treating_physician_decides(case: Case) -> Verdict | None:
    """Médecin traitant DMP: at the holder's request, blocks another or hands on his standing to one already authorised.

    DMP-53, DMP-54.
    """
    request = case.request
    if (request.type, request.verb) != ("Consent", "create") or not case.treating or not request.normal:
        return None
    wanted = _proposed(case)
    if wanted is None or wanted.root is None or not _said_for_holder(wanted, case):
        return None
    if wanted.nested or not wanted.root.actors:  # what is nested could refuse more than is asked for
        return None
    if wanted.kind == BLOCK and not wanted.root.permit:
        others = [key for key in wanted.root.actors if key.startswith(("RelatedPerson/", "Patient/"))]
        return None if others else Way("write.block-at-request")
    handed = wanted.kind == TREATING and wanted.root.permit and all(map(_is_authorised(case), wanted.root.actors))
    return Way("write.hand-on") if handed else None


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
    """Whether who consented may: the holder once he is grown, and who represents him as long as he does (DMP-142)."""
    return not wanted.performers.isdisjoint(speakers(case))


def _collected(case: Case, kinds: Iterable[str]) -> Directive | None:
    """A Consent of these types, said by the holder; an authorisation names somebody, and is one word alone.

    What is nested in it could refuse whom the collector may not block (DMP-53).
    """
    wanted = _proposed(case)
    if wanted is None or wanted.kind not in kinds or wanted.root is None or not _said_for_holder(wanted, case):
        return None
    if wanted.nested:
        return None
    lets_in = wanted.permit and (wanted.root.actors or wanted.root.members)
    return wanted if wanted.kind not in _LETTING_IN or lets_in else None


def _is_authorised(case: Case) -> Any:
    """Whether a key is named by an active authorisation of the record, and by no block."""
    at = case.request.at

    def authorised(key: str) -> bool:
        named = [each for each in case.directives.actors.get(key, ()) if each.in_force(at)]
        blocked = any(each.kind == BLOCK and not each.permit for each in named)
        return not blocked and any(each.kind == AUTHORISATION and each.permit for each in named)

    return authorised
