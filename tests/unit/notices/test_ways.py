"""Mail and text: a notice leaves as one message, and a failure says whether trying again is of use."""

from __future__ import annotations

import smtplib

import pytest
import requests

from fhir_server.notices import mail as mail_room
from fhir_server.notices.mail import Mail, Undeliverable
from fhir_server.notices.text import Letter, Text


class Server:
    """A mail server that notes what is asked of it."""

    def __init__(self, starttls=True, refuse=None):
        self.said, self.message, self._starttls, self._refuse = [], None, starttls, refuse

    def __call__(self, host, port, **_):
        self.said.append((host, port))
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.said.append("quit")

    def close(self):
        self.said.append("close")

    def ehlo(self):
        pass

    def has_extn(self, name):
        return self._starttls

    def starttls(self, context):
        if not self._starttls:
            raise smtplib.SMTPNotSupportedError("no")
        self.said.append("starttls")

    def login(self, user, password):
        self.said.append((user, password))

    def send_message(self, message):
        if self._refuse:
            raise smtplib.SMTPRecipientsRefused({"lea@example.org": self._refuse})
        self.message = message


@pytest.fixture
def smtp(monkeypatch):
    def use(server, name="SMTP"):
        monkeypatch.setattr(mail_room.smtplib, name, server)
        return server

    return use


def send(url):
    Mail(url, "dmp@example.org")("lea@example.org", "Votre code d'accès", "Voilà", "k1")


def test_a_mail_is_encrypted_where_it_can_be_and_names_its_key(smtp):
    server = smtp(Server())
    send("smtp://mail.example.org")
    assert [("mail.example.org", 587), "starttls", "quit"] == server.said
    assert ("dmp@example.org", "lea@example.org", "Votre code d'accès", "<k1@example.org>") == tuple(
        server.message[name] for name in ("From", "To", "Subject", "Message-ID")
    )
    assert "Voilà\n" == server.message.get_content()


def test_smtps_signs_in_over_tls_from_the_start(smtp):
    server = smtp(Server(), "SMTP_SSL")
    send("smtps://dmp:a%40b@mail.example.org")
    assert [("mail.example.org", 465), ("dmp", "a@b"), "quit"] == server.said


def test_a_password_is_not_sent_in_clear(smtp):
    server = smtp(Server(starttls=False))
    with pytest.raises(OSError):
        send("smtp://dmp:secret@mail.example.org")
    assert [("mail.example.org", 587), "close"] == server.said


def test_a_server_without_encryption_is_used_without_a_password(smtp):
    server = smtp(Server(starttls=False))
    send("smtp://127.0.0.1:2525")
    assert [("127.0.0.1", 2525), "quit"] == server.said


@pytest.mark.parametrize(("code", "error"), [(550, Undeliverable), (451, OSError)])
def test_an_address_refused_for_good_is_not_tried_again(smtp, code, error):
    smtp(Server(refuse=(code, b"no")))
    with pytest.raises(error):
        send("smtp://mail.example.org")


def test_an_address_with_a_line_break_is_never_written():
    with pytest.raises(Undeliverable):
        Mail("smtp://127.0.0.1:1", "dmp@example.org")("a@b.fr\nBcc: c@d.fr", "s", "t", "k1")


def test_what_is_secret_is_not_printed():
    assert "secret" not in repr(Mail("smtp://dmp:secret@mail.example.org", "dmp@example.org")) + repr(
        Text("https://secret")
    )


def gateway(monkeypatch, outcome):
    asked = []

    def post(url, **more):
        asked.append((url, more["json"], more["headers"]))
        if isinstance(outcome, Exception):
            raise outcome
        answer = requests.Response()
        answer.status_code = outcome
        return answer

    monkeypatch.setattr(requests, "post", post)
    return asked


def test_a_text_message_is_posted_with_its_key(monkeypatch):
    asked = gateway(monkeypatch, 202)
    Text("https://sms.example.org/send")("+33600000001", "sujet", "DMP : bonjour", "k1")
    assert [
        ("https://sms.example.org/send", {"to": "+33600000001", "text": "DMP : bonjour"}, {"Idempotency-Key": "k1"})
    ] == asked


def test_a_letter_is_handed_over_with_its_address_and_its_subject(monkeypatch):
    # DMP-24
    asked = gateway(monkeypatch, 202)
    Letter("https://post.example.org/send")("Léa Martin\n38000 Grenoble", "sujet", "Madame", "k1")
    letter = {"to": "Léa Martin\n38000 Grenoble", "subject": "sujet", "text": "Madame"}
    assert [("https://post.example.org/send", letter, {"Idempotency-Key": "k1"})] == asked


@pytest.mark.parametrize(
    ("outcome", "error"),
    [(400, Undeliverable), (422, Undeliverable), (401, OSError), (503, OSError), (requests.Timeout("t"), OSError)],
)
def test_a_gateway_that_fails_is_tried_again_unless_it_refuses_the_message(monkeypatch, outcome, error):
    gateway(monkeypatch, outcome)
    with pytest.raises(error):
        Text("https://sms.example.org/send")("+33600000001", "sujet", "texte", "k1")
