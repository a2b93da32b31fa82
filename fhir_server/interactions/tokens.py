"""Tokens: who may have one, what is put on record of one issued or refused, how a one-time code reaches its holder.

May live here: those callbacks of `smart/`. May not know: how a token is made.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.audit_event.event import Deed, envelope
from fhir_server.audit_event.managed import managed
from fhir_server.consent import decision
from fhir_server.consent.case import case_of
from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directives import RecordState
from fhir_server.consent.settings import settings
from fhir_server.foundation.predicate import EVERYTHING
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.interactions.house import House
from fhir_server.interactions.pipeline import OWN_ALONE
from fhir_server.notices.occasion import Contact, Happening, notices
from fhir_server.smart.accounts import Recipient
from fhir_server.store.visible import VisibleStore


def refuser(house: House) -> Callable[[Principal], str | None]:
    """Why somebody may have no token, or None: a forbidden party, or one to whom the record in context stays shut.

    "Consent is evaluated at token issue and again on every request" (mapping.md section 5), and a token that names a
    patient reads that Patient (SMART, launch context). An unknown patient costs what a shut record does (decisions 17).
    """

    def refuses(principal: Principal) -> str | None:
        forbidden = decision.refuses(principal)
        if forbidden is not None or principal.patient is None:
            return forbidden
        house.freshness.check()
        record = house.records.record(principal.patient)
        if record is None:
            return "record.unknown"
        shut = _shut(principal, principal.patient, record, house)
        if shut is not None:
            house.records.as_if_unknown((principal.patient,))
        return shut

    return refuses


def seer(house: House) -> Callable[[Principal, str], bool]:
    """Whether somebody would be answered `GET` of a reference into the record in context (SMART, launch context)."""

    def sees(principal: Principal, reference: str) -> bool:
        record = house.records.record(principal.patient) if principal.patient else None
        if record is None:
            return False
        type_, _, id_ = reference.partition("/")
        asked = record.asked(principal, "read", type_, house.clock(), patient=principal.patient)
        decided = decide(asked, record.directives, house.matrix)
        return isinstance(decided, Permit) and _stands_behind(decided, type_, id_, house)

    return sees


def _shut(principal: Principal, patient: str, record: RecordState, house: House) -> str | None:
    """Why this person would not be answered `GET Patient/{patient}`; None where the law lets them in all the same."""
    asked = record.asked(principal, "read", "Patient", house.clock(), patient=patient)
    decided = decide(asked, record.directives, house.matrix)
    if isinstance(decided, Deny):
        # who represents a minor opens the record, and reads nothing of it before (DMP-22)
        opens = record.standing == "none" and case_of(asked, record.directives, house.matrix, settings()).represents
        return None if opens else decided.reasons[0]
    if OWN_ALONE.issuperset(decided.reasons):
        return "grant.none"
    return None if _stands_behind(decided, "Patient", patient, house) else "resource.not-visible"


def _stands_behind(decided: Permit, type_: str, id_: str, house: House) -> bool:
    door = VisibleStore(house.shelf, decided.residual, EVERYTHING, None, house.matrix.shared)
    return door.read(type_, id_) is not None


def told(house: House, base: str) -> Callable[[Principal, str, str | None], None]:
    """What records a token before it leaves: outcome `0` issued, `4` or `8` refused with its reason (IUA ITI-71)."""

    def tell(principal: Principal, outcome: str, reason: str | None) -> None:
        deed = Deed(
            principal=principal,
            interaction="token",
            type="",
            patient=principal.patient,
            outcome="0" if outcome == "0" else "4" if outcome == "4" else "8",
            recorded=house.clock(),
            request_id="",
            address="",
            refused=(reason,) if reason and outcome != "0" else (),
            entry=house.ids(),
        )
        house.ledger.settle([envelope(deed, house.ids(), base)])

    return tell


def registered(house: House, base: str) -> Callable[[str, str], None]:
    """What records that an app registers itself, before it is in the register."""

    def tell(what: str, client: str) -> None:
        nobody = Principal(kind=Kind.UNKNOWN, subject=client, client=client)
        deed = managed(nobody, what, client, house.clock(), house.ids())
        house.ledger.settle([envelope(deed, house.ids(), base)])

    return tell


def code_sender(house: House) -> Callable[[Recipient, str], None]:
    """What brings a code to its holder, and word of a change of their sign-in: through the outbox (DMP-24, DMP-30)."""

    def send(recipient: Recipient, code: str) -> None:
        contact = Contact(recipient.address, recipient.channel, "en" if recipient.language == "en" else "fr")
        happening = Happening(recipient.what, recipient.patient or "", house.ids(), house.clock(), code=code or None)
        house.outbox.add(notices(happening, [contact]))

    return send
