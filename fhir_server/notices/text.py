"""Text: a notice as a text message (SMS) or as a letter, through the operator's gateways.

May live here: one `POST {"to", "text"}`, one `POST {"to", "subject", "text"}`. May not know: what is told, when it is
tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import requests

from fhir_server.notices.mail import Undeliverable

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Text:
    """A gateway that takes `POST` of JSON `{"to", "text"}` and answers 2xx when it has the message.

    The header `Idempotency-Key` is the same when the same message is tried again.
    """

    gateway: str = field(repr=False)

    def __call__(self, to: str, subject: str, text: str, key: str) -> None:  # noqa: ARG002 - the ways out are alike
        """Hand the message over. Raises Undeliverable, or OSError when it may be tried again."""
        _hand_over(self.gateway, {"to": to, "text": text}, key)


@dataclass(frozen=True, slots=True)
class Letter:
    """A gateway as that of text messages, for letters: `to` is the name and the lines of an address."""

    gateway: str = field(repr=False)

    def __call__(self, to: str, subject: str, text: str, key: str) -> None:
        """Hand the letter over. Raises Undeliverable, or OSError when it may be tried again."""
        _hand_over(self.gateway, {"to": to, "subject": subject, "text": text}, key)


def _hand_over(gateway: str, message: dict[str, str], key: str) -> None:
    try:
        answer = requests.post(gateway, json=message, headers={"Idempotency-Key": key}, timeout=TIMEOUT)
    except requests.RequestException as cause:
        raise OSError(f"the gateway does not answer ({type(cause).__name__})") from None
    if answer.status_code in (400, 404, 410, 422):
        raise Undeliverable(f"the gateway refuses the message ({answer.status_code})")
    if not answer.ok:
        raise OSError(f"the gateway answers {answer.status_code}")
