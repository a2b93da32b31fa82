"""Pages: what the pages of the sign-in share: the request of an app under way in this browser, and where it leads.

May live here: which page comes next, how somebody who proved who it is goes on, faults in words. May not know: what a
form asks; why an answer is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response, redirect, request, url_for

from fhir_server.foundation.principal import Principal
from fhir_server.http.browser import Browser, language, words
from fhir_server.smart.attempts import network
from fhir_server.smart.records import AuthorizationRequest, Session
from fhir_server.smart.server import Smart

View = Callable[..., Response]
Form = Callable[[View], View]


class Pages:
    """What views have in common."""

    def __init__(self, smart: Smart, browser: Browser) -> None:
        self._smart, self._browser = smart, browser

    @staticmethod
    def whence() -> str:
        """From where it is asked, as limits count it."""
        return network(request.remote_addr or "")

    def fault(self, key: str, status: int, **values: Any) -> Response:
        """A page that says what is wrong; nobody is sent anywhere."""
        return self._browser.page("error", status, fault=words(language())(key, **values))

    def _enter(self, asked: AuthorizationRequest | None, session: Session, person: Principal, **more: str) -> Response:
        """Sign this person in, with a new session, and go on."""
        if self._smart.approver.forbidden(person):
            self._smart.security.failed("forbidden party", request.remote_addr or "")
            return self.fault("error.refused", 403) if asked is None else self._refused(asked, person)
        signed_in, secret = self._smart.sessions.sign_in(session, person, **more)
        self._smart.journey.adopt(asked.key if asked else None, session, signed_in)
        self._browser.hold(signed_in, secret)
        return self._onward(self._smart.journey.find(asked.key if asked else None, signed_in))

    def _onward(self, asked: AuthorizationRequest | None) -> Response:
        session = self._browser.session_or_new()
        if asked is None:
            person = self._smart.sessions.person(session)
            if request.values.get("r"):
                return self.fault("error.form", 400)
            if person is None:
                return see("auth_pages.who", None)
            if session.following:
                return plain(redirect(session.following, 303))
            has_account = self._smart.accounts.of(person.subject) is not None
            return self._page("done", None, name=person.name, has_account=has_account)
        try:
            step = self._smart.journey.step(asked, session)
        except OAuth2Error as error:
            return self._back(asked, error)
        return see(f"auth_pages.{step}", asked)

    def _refused(self, asked: AuthorizationRequest, person: Principal) -> Response:
        """A forbidden party hears it from the app, and the ledger of it (DMP-46, DMP-47)."""
        try:
            self._smart.approver.check(replace(person, client=asked.client))
        except OAuth2Error as error:
            return self._back(asked, error)
        return self.fault("error.refused", 403)

    def _back(self, asked: AuthorizationRequest, error: OAuth2Error) -> Response:
        """To the app, with an error."""
        return self._browser.to_app(self._smart.journey.refuse(asked, error))

    def _request(self) -> AuthorizationRequest | None:
        session = self._browser.session()
        return self._smart.journey.find(request.values.get("r"), session) if session is not None else None

    def _page(self, template: str, asked: AuthorizationRequest | None, *, fault: str = "", **values: Any) -> Response:
        client = self._smart.clients.find(asked.client) if asked is not None else None
        word = words(language())
        return self._browser.page(
            template,
            leads_to=self._leads_to(asked),
            r=asked.key if asked is not None else None,
            app=(client.record.name or client.id) if client is not None else "",
            fault=word(fault) if fault else "",
            **values,
        )

    def _leads_to(self, asked: AuthorizationRequest | None) -> tuple[str, ...]:
        """Where a form may lead in the end: the identity provider, and back to the app."""
        provider = self._smart.config.provider
        app = (asked.redirect_uri,) if asked is not None else ()
        return (provider.issuer, *app) if provider is not None else app


def see(endpoint: str, asked: AuthorizationRequest | None) -> Response:
    """To another page, with the request under way."""
    return plain(redirect(url_for(endpoint, r=asked.key if asked is not None else None), 303))


def plain(response: Any) -> Response:
    """The response, typed as narrowly as it is."""
    assert isinstance(response, Response)  # noqa: S101 - werkzeug types it wider
    return response
