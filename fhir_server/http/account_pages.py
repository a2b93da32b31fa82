"""Account pages: how holders come by identifiers, by new ones, and by an authenticator (DMP-20, DMP-23 to DMP-28).

May live here: those forms and what they lead to. May not know: why an answer is accepted; every rule is in `smart/`.
Who is not known here reads the same sentences as who is.
"""

from __future__ import annotations

from functools import wraps
from time import monotonic, sleep
from typing import Any

import segno
from flask import Blueprint, Response, current_app, make_response, redirect, request, url_for
from markupsafe import Markup

from fhir_server.definitions.library import profile_json
from fhir_server.http import paper
from fhir_server.http.browser import language, words
from fhir_server.http.holder_pages import BOTH
from fhir_server.http.pages import Form, Pages, View, plain, see
from fhir_server.smart.accounts import hashed
from fhir_server.smart.opening import Identifiers, Refusal
from fhir_server.smart.records import Account, Session

NO_SOONER = 0.1
"""Seconds before a form is answered that must not tell who is known: what little the work differs is lost in them."""


class AccountPages(Pages):
    """Opening, recovery, authenticator."""

    def routes(self, made: Blueprint, form: Form) -> None:
        """Give each view its address."""
        made.route("/auth/opening", methods=BOTH)(form(_no_sooner(self.opening)))
        made.post("/auth/identifiers.pdf")(form(self.identifiers_pdf))
        made.route("/auth/creation-code", methods=BOTH)(form(_no_sooner(self.creation_code)))
        made.route("/auth/forgotten-password", methods=BOTH)(form(_no_sooner(self.forgotten_password)))
        made.route("/auth/recovery-code", methods=BOTH)(form(_no_sooner(self.recovery_code)))
        made.route("/auth/recovered-password", methods=BOTH)(form(self.recovered_password))
        made.route("/auth/forgotten-identifier", methods=BOTH)(form(_no_sooner(self.forgotten_identifier)))
        made.route("/auth/authenticator", methods=BOTH)(form(self.authenticator))

    def opening(self) -> Response:
        """Première connexion: carte Vitale and creation code; then the identifiers, once (DMP-23, DMP-27)."""
        asked = self._request()
        session = self._browser.session_or_new()
        given = {name: request.form.get(name, "") for name in ("number", "code", "contact")}
        if request.method != "POST":
            return self._page("opening", asked, **given)
        made = self._smart.holders.opening.open(**given, language=language(), address=self.whence())
        match made:
            case Refusal():
                at = "contact" if made.fault == "opening.contact" else "number"
                return self._page("opening", asked, fault=made.fault, at=at, **given)
            case Identifiers():
                self._browser.hold_again(self._smart.sessions.note(session, account=made.account, code_entered=False))
                return self._page("identifiers", asked, made=made)

    def identifiers_pdf(self) -> Response:
        """The identifiers as a PDF, made of the page that shows them, while they are the ones that hold (DMP-27)."""
        session = self._browser.session()
        account = self._smart.accounts.of(session.account) if session is not None else None
        identifier, password = request.form.get("identifier", ""), request.form.get("password", "")
        if account is None or not self._smart.accounts.is_initial(account, identifier, password):
            return self.fault("error.form", 400)
        where = self._smart.config.issuer + url_for("auth_pages.sign_in")
        answer = make_response(paper.identifiers(words(language()), identifier, password, where))
        answer.headers["Content-Type"] = "application/pdf"
        answer.headers["Content-Disposition"] = 'attachment; filename="identifiants-dmp.pdf"'
        return answer

    def creation_code(self) -> Response:
        """Code de création, by mail or by post, with the delay told (DMP-24)."""
        asked = self._request()
        self._browser.session_or_new()
        if request.method != "POST":
            return self._page("creation_code", asked, **_delays())
        way = request.form.get("way")
        if way not in ("mail", "post"):
            return self.fault("error.form", 400)
        number = request.form.get("number", "")
        self._smart.holders.opening.ask(number, "post" if way == "post" else "mail", self.whence())
        return self._page("creation_code_sent", asked, way=way, **_delays())

    def forgotten_password(self) -> Response:
        """Mot de passe oublié: a code goes where the codes of this account go."""
        asked = self._request()
        session = self._browser.session_or_new()
        if request.method != "POST":
            return self._page("forgotten_password", asked)
        session = self._smart.sessions.note(session, recovered=None)
        self._browser.hold_again(session)
        self._smart.holders.recovery.ask_password(
            session, request.form.get("identifier", ""), request.form.get("number", ""), self.whence()
        )
        return see("auth_pages.recovery_code", asked)

    def recovery_code(self) -> Response:
        """The code that was sent for a new password; nobody learns whether one was."""
        asked, session = self._request(), self._browser.session()
        if session is None:
            return see("auth_pages.forgotten_password", asked)
        if request.method != "POST":
            return self._page("recovery_code", asked)
        recovery = self._smart.holders.recovery
        account = recovery.enter_code(session, request.form.get("code", ""), request.remote_addr or "")
        if account is None:
            fault = "code.dead" if recovery.code_is_dead(session) else "code.wrong"
            return self._page("recovery_code", asked, fault=fault)
        self._browser.hold_again(self._smart.sessions.note(session, recovered=account))
        return see("auth_pages.recovered_password", asked)

    def recovered_password(self) -> Response:
        """The new password; signing in with it asks for a code, as ever (DMP-30)."""
        asked, session = self._request(), self._browser.session()
        account = self._smart.accounts.of(session.recovered) if session is not None else None
        if session is None or account is None:
            return see("auth_pages.forgotten_password", asked)
        if request.method != "POST":
            return self._page("recovered_password", asked)
        chosen = request.form.get("password", "")
        fault = self._smart.accounts.fault_of(account, chosen, request.form.get("again", ""))
        if fault:
            return self._page("recovered_password", asked, fault=fault)
        self._browser.hold_again(self._smart.sessions.note(session, recovered=None, account=None))
        self._smart.holders.recovery.set_password(account, hashed(chosen))
        return self._page("told", asked, title="recovered.title", text="recovered.text")

    def forgotten_identifier(self) -> Response:
        """Identifiant oublié: it is sent to an address that is known for the record, if the one given is one."""
        asked = self._request()
        self._browser.session_or_new()
        if request.method != "POST":
            return self._page("forgotten_identifier", asked)
        self._smart.holders.recovery.ask_identifier(
            request.form.get("number", ""), request.form.get("contact", ""), self.whence()
        )
        return self._page("told", asked, title="identifier.title", text="identifier.sent")

    def authenticator(self) -> Response:
        """Application d'authentification: added to the one-time code, never in its place (DMP-30)."""
        session, account = self._signed_in_account()
        if account is None and session is not None and self._smart.sessions.person(session) is not None:
            return self.fault("error.no_account", 403)  # a professional: signing in again would lead here again
        if session is None or account is None:
            return plain(redirect(url_for("auth_pages.sign_in", next=url_for("auth_pages.authenticator")), 303))
        if session.following == url_for("auth_pages.authenticator"):
            session = self._smart.sessions.note(session, following=None)
            self._browser.hold_again(session)
        rooms = self._smart.holders.authenticator
        code = request.form.get("code", "")
        if account.authenticator:
            if request.method != "POST":
                return self._page("authenticator", None, there=True)
            if not rooms.check(account, code, self.whence()):
                return self._page("authenticator", None, there=True, fault="authenticator.wrong")
            rooms.remove(account)
            return self._page("told", None, title="authenticator.title", text="authenticator.removed")
        secret = session.offered
        if request.method != "POST" or not secret:
            secret = secret or rooms.offer()
            self._browser.hold_again(self._smart.sessions.note(session, offered=secret))
            return self._offered(account, secret)
        if not rooms.add(account, secret, code, self.whence()):
            return self._offered(account, secret, "authenticator.wrong")
        self._browser.hold_again(self._smart.sessions.note(session, offered=None))
        return self._page("told", None, title="authenticator.title", text="authenticator.added")

    def _offered(self, account: Account, secret: str, fault: str = "") -> Response:
        address = self._smart.holders.authenticator.address(account, secret)
        # drawn by us, of an address that we made: nothing in it was typed
        picture = Markup(segno.make(address).svg_inline(scale=4, dark="#1b1b1f", light="#ffffff"))  # noqa: S704
        return self._page("authenticator", None, fault=fault, secret=secret, address=address, picture=picture)

    def _signed_in_account(self) -> tuple[Session | None, Account | None]:
        session = self._browser.session()
        person = self._smart.sessions.person(session) if session is not None else None
        return session, self._smart.accounts.of(person.subject) if person is not None else None


def _no_sooner(view: View) -> View:
    """The view, answered after `NO_SOONER`, or what the application's configuration says; a limit is told at once."""

    @wraps(view)
    def waited() -> Response:
        begun = monotonic()
        answer = view()
        if request.method == "POST":
            least = float(current_app.config.get("NO_SOONER", NO_SOONER))
            sleep(max(0.0, begun + least - monotonic()))
        return answer

    return waited


def _delays() -> dict[str, Any]:
    """How long a code is on its way, as people are told."""
    rules = profile_json("dmp/rules.json")["creation"]
    return {"hours": rules["mailHours"], "days": rules["postDays"], "valid": rules["codeDays"]}
