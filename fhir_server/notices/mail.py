"""Mail: a notice as an e-mail, over SMTP.

May live here: one message, one server. May not know: what is told, when it is tried again.
https://www.rfc-editor.org/rfc/rfc5321
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

TIMEOUT = 10.0


class Undeliverable(Exception):
    """The message can never be delivered to this address; trying again is of no use."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server, as `smtp://host:587` or `smtps://user:password@host`, and the sender of our mails.

    With `smtp` the connection is encrypted where the server offers it, and must be where a password is sent.
    """

    url: str = field(repr=False)
    sender: str

    def __call__(self, to: str, subject: str, text: str, key: str) -> None:
        """Hand the message over. Raises Undeliverable, or OSError when it may be tried again."""
        message = _message(self.sender, to, subject, text, key)
        place = urlsplit(self.url)
        try:
            with self._connect(place.scheme, place.hostname or "localhost", place.port) as server:
                if place.username:
                    server.login(unquote(place.username), unquote(place.password or ""))
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            if all(500 <= code < 600 for code, _ in refused.recipients.values()):
                raise Undeliverable("the server refuses the address") from refused
            raise

    def _connect(self, scheme: str, host: str, port: int | None) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT, context=context)
        server = smtplib.SMTP(host, port or 587, timeout=TIMEOUT)
        try:
            server.ehlo()
            if server.has_extn("starttls") or urlsplit(self.url).username:
                server.starttls(context=context)  # raises where it is not offered, before any password is sent
        except BaseException:
            server.close()
            raise
        return server


def _message(sender: str, to: str, subject: str, text: str, key: str) -> EmailMessage:
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = to
        message["Subject"] = subject
        message["Message-ID"] = f"<{key}@{sender.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
    except ValueError as cause:  # a line break in an address
        raise Undeliverable("the address cannot be written in a mail") from cause
    message.set_content(text)
    return message
