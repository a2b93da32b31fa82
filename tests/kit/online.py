"""The whole sandbox on a port of its own, in this process, and a browser that goes to it over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from flask import Flask
from lxml import html
from werkzeug.serving import WSGIRequestHandler, make_server

from fhir_server.sandbox import dossier
from tests.kit.application import application
from tests.kit.served import free_port

CALLBACK = "http://127.0.0.1:8765/callback"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Say nothing."""


class Online:
    """A sandbox that listens; `base` is its FHIR base."""

    def __init__(self, app: Flask, origin: str) -> None:
        self.app, self.origin, self.base = app, origin, f"{origin}/fhir"

    def url(self, path: str) -> str:
        return urljoin(f"{self.origin}/", path)

    def get(self, path: str, token: str | None = None, **more: Any) -> requests.Response:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        return requests.get(self.url(path), headers=headers, timeout=20, **more)

    def send(self, method: str, path: str, token: str, resource: Any = None, **headers: str) -> requests.Response:
        told = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json", **headers}
        return requests.request(method, self.url(path), json=resource, headers=told, timeout=20)

    def post(self, path: str, headers: dict[str, str] | None = None, **form: Any) -> requests.Response:
        return requests.post(self.url(path), data=form, headers=headers, timeout=20)

    def token(self, **form: Any) -> requests.Response:
        return self.post("/auth/token", **form)

    def operator(self) -> str:
        """A token with every right."""
        asked = {"as": "operateur", "scope": "user/*.cruds"}
        return str(requests.post(self.url("/sandbox/token"), json=asked, timeout=20).json()["access_token"])

    def quick(self, login: str, scope: str, **more: str) -> requests.Response:
        """The token that this person would have got through the browser."""
        return requests.post(self.url("/sandbox/token"), json={"as": login, "scope": scope, **more}, timeout=20)

    def launch(self, login: str, client_id: str, patient: str, **more: str) -> dict[str, str]:
        asked = {"as": login, "client_id": client_id, "patient": patient, **more}
        told: dict[str, str] = requests.post(self.url("/sandbox/launch"), json=asked, timeout=20).json()
        return told

    def card(self, client_id: str) -> dict[str, Any]:
        """A client of the sandbox, with its secret or keys."""
        cards = self.get("/sandbox.json").json()["clients"]
        return next(each for each in cards if each["client_id"] == client_id)

    def browser(self) -> Visitor:
        return Visitor(self)


_HOW: dict[str, Any] = {"allow_redirects": False, "timeout": 20}


class Visitor:
    """Somebody at a browser without scripts: follows redirects here, fills in the forms of the page."""

    def __init__(self, online: Online) -> None:
        self.online, self.session = online, requests.Session()
        self.response: requests.Response | None = None

    def authorize(self, client_id: str, scope: str, method: str = "get", **changed: Any) -> Self:
        asked = {
            "response_type": "code", "client_id": client_id, "redirect_uri": CALLBACK, "scope": scope,
            "state": secrets.token_urlsafe(24), "aud": self.online.base,
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        } | changed  # fmt: skip
        asked = {name: value for name, value in asked.items() if value is not None}
        self.state = asked.get("state")
        kind = {"params": asked} if method == "get" else {"data": asked}
        return self.follow(self.session.request(method, self.online.url("/auth/authorize"), **_HOW, **kind))

    def get(self, path: str) -> Self:
        return self.follow(self.session.get(self.online.url(path), **_HOW))

    def follow(self, response: requests.Response) -> Self:
        while response.is_redirect and not response.headers["Location"].startswith(CALLBACK):
            response = self.session.get(urljoin(response.url, response.headers["Location"]), **_HOW)
        self.response = response
        return self

    def submit(self, form: int = 0, **filled: Any) -> Self:
        """Submit a form as a browser does: hidden fields, what is ticked, and what is filled in."""
        assert self.response is not None
        found = html.fromstring(self.response.text, base_url=self.response.url).forms[form]
        data: dict[str, Any] = {}
        for name, value in found.form_values():
            data.setdefault(name, []).append(value)
        address = urljoin(self.response.url, found.action or "")
        headers = {"Origin": self.online.origin, "Referer": self.response.url}
        return self.follow(self.session.post(address, data=data | filled, headers=headers, **_HOW))

    @property
    def title(self) -> str:
        assert self.response is not None
        found = html.fromstring(self.response.text).find(".//h1")
        return str(found.text_content()).strip() if found is not None else ""

    @property
    def back(self) -> dict[str, str]:
        """What the app was told."""
        assert self.response is not None
        location = self.response.headers.get("Location", "")
        assert location.startswith(CALLBACK), (self.response.status_code, location or self.response.text)
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    def sign_in(self, login: str) -> Self:
        """As a holder, with the one-time code that the outbox shows."""
        person = dossier.people()[login]
        self.submit(who="person").submit(identifier=person.login, password=person.password)
        sent = self.online.get("/sandbox/outbox.json", params={"to": person.mail}).json()
        return self.submit(code=next(each["code"] for each in sent if each.get("code")))

    def sign_in_as_professional(self, login: str, **mode: str) -> Self:
        """Through the identity provider, and past the question of the access mode."""
        person = dossier.people()[login]
        self.submit(who="professional").submit(login=person.login, password=person.password)
        return self.submit(**mode)

    def allow(self, **chosen: Any) -> dict[str, str]:
        return self.submit(answer="allow", **chosen).back

    def exchange(self, code: str, client_id: str, **changed: Any) -> requests.Response:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
            "client_id": client_id,
        } | changed  # fmt: skip
        return self.online.token(**{name: value for name, value in form.items() if value is not None})


@contextmanager
def online(mongo_uri: str, mongo_client: Any, **flags: Any) -> Iterator[Online]:
    """A sandbox that listens on a free port."""
    port = free_port()
    with application(mongo_uri, mongo_client, port=port, **flags) as app:
        server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Silent)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Online(app, f"http://127.0.0.1:{port}")
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()
