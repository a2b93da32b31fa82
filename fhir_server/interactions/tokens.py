"""Tokens: what is put on record of one issued or refused, and how a one-time code reaches its holder.

May live here: those two callbacks of `smart/`. May not know: how a token is made.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.audit_event.event import Deed, envelope
from fhir_server.foundation.principal import Principal
from fhir_server.interactions.house import House
from fhir_server.notices.occasion import Contact, Happening, notices
from fhir_server.smart.accounts import Recipient


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


def code_sender(house: House) -> Callable[[Recipient, str], None]:
    """What brings a one-time code to its holder: through the outbox, in the language of the account (DMP-30)."""

    def send(recipient: Recipient, code: str) -> None:
        contact = Contact(recipient.address, recipient.channel, "en" if recipient.language == "en" else "fr")
        happening = Happening("otp", recipient.patient or "", house.ids(), house.clock(), code=code)
        house.outbox.add(notices(happening, [contact]))

    return send
