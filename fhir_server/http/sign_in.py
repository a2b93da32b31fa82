"""Sign-in: the pages by which professionals say who they are, and anybody what an app may do for them.

May live here: the blueprint of all pages; forms and what they lead to, but for those of holders (`holder_pages`). May
not know: why an answer is accepted; every rule is in `smart/`. Plain HTML forms: they work without a script, with a
keyboard, on a phone. French first.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import wraps

from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError, OAuth2Error
from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge

from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.foundation.problem import Problem
from fhir_server.http.account_pages import AccountPages
from fhir_server.http.browser import Browser, language, words
from fhir_server.http.holder_pages import HolderPages
from fhir_server.http.pages import Form, Pages, View, plain, see
from fhir_server.http.sentences import sentence
from fhir_server.smart import identity
from fhir_server.smart.approval import Approval, check_mode
from fhir_server.smart.attempts import TooMany
from fhir_server.smart.directory import recognised
from fhir_server.smart.discovery import CALLBACK
from fhir_server.smart.picker import asker
from fhir_server.smart.psc import ProviderFault, is_same
from fhir_server.smart.records import AuthorizationRequest
from fhir_server.smart.scope import parse
from fhir_server.smart.server import Smart
from fhir_server.store.connection import DatabaseFault

MODES = (Purpose.TREATMENT, Purpose.BREAK_GLASS, Purpose.EMERGENCY_DISPATCH)
# A path of ours: browsers read `//host`, `/\host` and, since they drop tabs and newlines, `/<tab>/host` as elsewhere.
OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")
SEARCHES = 20
SEARCH_WINDOW = timedelta(minutes=10)


def blueprint(smart: Smart, browser: Browser) -> Blueprint:
    """The pages of one server."""
    made = Blueprint(
        "auth_pages", __name__, template_folder="templates", static_folder="static", static_url_path="/auth/static"
    )
    pages = _Pages(smart, browser)

    def form(view: View) -> View:
        """A page with a form: a POST must come from it."""

        @wraps(view)
        def checked() -> Response:
            if request.method == "POST" and not browser.is_genuine():
                return pages.fault("error.csrf", 403)
            return view()

        return checked

    pages.routes(made, form)
    HolderPages(smart, browser).routes(made, form)
    AccountPages(smart, browser).routes(made, form)
    made.before_request(browser.limit_form)
    made.after_request(browser.finish)

    @made.errorhandler(RequestEntityTooLarge)
    def _too_large(_: Exception) -> Response:
        return pages.fault("error.form", 413)

    @made.errorhandler(TooMany)
    def _too_many(waits: TooMany) -> Response:
        response = pages.fault("error.too_many", 429, minutes=max(1, -(-waits.seconds // 60)))
        response.headers["Retry-After"] = str(max(1, waits.seconds))
        return response

    @made.errorhandler(DatabaseFault)
    @made.errorhandler(Problem)
    def _unavailable(_: Exception) -> Response:
        return pages.fault("error.unavailable", 503)

    return made


class _Pages(Pages):
    """The views; what they share is the request under way in this browser."""

    def routes(self, made: Blueprint, form: Form) -> None:
        """Give each view its address."""
        made.get("/auth/onward")(self.onward)
        made.get("/auth/sign-in")(self.sign_in)
        made.route("/auth/who", methods=["GET", "POST"])(form(self.who))
        made.get(CALLBACK)(self.callback)
        made.route("/auth/mode", methods=["GET", "POST"])(form(self.mode))
        made.route("/auth/patient", methods=["GET", "POST"])(form(self.patient))
        made.route("/auth/approve", methods=["GET", "POST"])(form(self.approve))
        made.post("/auth/sign-out")(form(self.sign_out))

    def onward(self) -> Response:
        """To the next question, or back to the app."""
        return self._onward(self._request())

    def sign_in(self) -> Response:
        """Sign in without an app, and go on to a page of ours (`next`, a path)."""
        session = self._browser.session_or_new()
        following = request.args.get("next", "")
        if OWN_PATH.fullmatch(following):
            session = self._smart.sessions.note(session, following=following)
            self._browser.hold_again(session)
        return self._onward(None)

    def who(self) -> Response:
        """Titulaire or professionnel?"""
        asked = self._request()
        self._browser.session_or_new()
        if request.method != "POST":
            return self._page("who", asked)
        return (
            self._professional(asked)
            if request.form.get("who") == "professional"
            else see("auth_pages.password", asked)
        )

    def _professional(self, asked: AuthorizationRequest | None) -> Response:
        """To Pro Santé Connect."""
        session = self._browser.session_or_new()
        if self._smart.provider is None:
            return self.fault("error.no_provider", 503)
        try:
            start = self._smart.provider.start()
        except ProviderFault:
            return self.fault("error.provider", 502)
        kept = {"state": start.state, "nonce": start.nonce, "verifier": start.verifier, "r": asked.key if asked else ""}
        self._browser.hold_again(self._smart.sessions.note(session, provider=kept))
        return plain(redirect(start.url, 303))

    def callback(self) -> Response:
        """Back from Pro Santé Connect."""
        session = self._browser.session()
        kept = session.provider if session is not None else None
        if (
            session is None
            or not kept
            or "state" not in kept
            or not is_same(kept["state"], request.args.get("state", ""))
            or not self._is_provider(request.args.get("iss"))
        ):
            return self.fault("error.form", 400)
        self._browser.hold_again(self._smart.sessions.note(session, provider=None))
        asked = self._smart.journey.find(kept["r"], session)
        code = request.args.get("code")
        if not code or request.args.get("error") or self._smart.provider is None:
            return see("auth_pages.who", asked)
        try:
            claims = self._smart.provider.finish(code, kept["nonce"], kept["verifier"])
        except ProviderFault:
            self._smart.security.failed("identity provider", request.remote_addr or "")
            return self.fault("error.provider", 502)
        person = recognised(identity.person_of(claims, self._smart.config.issuer), self._smart.directory)
        return self._enter(asked, session, person, reason=identity.reason_of(claims))

    def _is_provider(self, issuer: str | None) -> bool:
        """Whether the provider answers that was asked, where it says so (RFC 9207 section 2.4)."""
        provider = self._smart.config.provider
        return issuer is None or (provider is not None and issuer == provider.issuer)

    def mode(self) -> Response:
        """Mode d'accès (DMP-116): normal, bris de glace with a reason, centre 15 for those who have the right."""
        asked, person = self._answering()
        if asked is None or person is None:
            return self.fault("error.form", 400)
        session = self._browser.session_or_new()
        given = (session.provider or {}).get("reason", "")
        purpose, reason = request.form.get("purpose", asked.purpose or ""), request.form.get("reason", given)
        fault = ""
        if request.method == "POST":
            try:
                chosen = self._smart.journey.choose_mode(asked, person, purpose, reason)
                return self._onward(chosen)
            except InvalidRequestError:
                fault = "mode.reason.missing"
            except OAuth2Error as error:
                return self._back(asked, error)
        modes = [each.value for each in MODES if _may(person, each)]
        wanted = purpose.rpartition("|")[2]
        chosen_mode = wanted if wanted in modes else modes[0]
        return self._page("mode", asked, fault=fault, modes=modes, chosen=chosen_mode, reason=reason, name=person.name)

    def patient(self) -> Response:
        """The patient whose record is to be opened, by matricule INS, or by name among those whom one may open."""
        asked, person = self._answering()
        if asked is None or person is None:
            return self.fault("error.form", 400)
        purpose = Purpose(asked.purpose or Purpose.TREATMENT)
        if request.method != "POST":
            return self._page("patient", asked, emergency=purpose.emergency)
        self._smart.attempts.count("ins", person.subject, limit=SEARCHES, window=SEARCH_WINDOW)
        if request.form.get("name") and not purpose.emergency:
            found = self._smart.finds(asker(person, asked.client), request.form["name"])
            return self._page("patient", asked, fault="" if found else "patient.nobody", found=found)
        try:
            chosen = self._smart.journey.choose_patient(asked, person, request.form.get("ins", ""))
        except OAuth2Error as error:
            return self._back(asked, error)
        if chosen is None:
            return self._page("patient", asked, fault="patient.unknown", emergency=purpose.emergency)
        return self._onward(chosen)

    def approve(self) -> Response:
        """What the app may do; then back to it."""
        asked, person = self._answering()
        session = self._browser.session()
        if asked is None or person is None or session is None:
            return self.fault("error.form", 400)
        journey = self._smart.journey
        try:
            if journey.step(asked, session) != "approve":
                return self._onward(asked)
            if request.method != "POST":
                offer = journey.offer(asked, person)
                return self._offer(asked, person, offer.client.record.name or offer.client.id, offer.approval)
            if request.form.get("answer") == "deny":
                return self._back(asked, AccessDeniedError("the person refused"))
            return self._browser.to_app(journey.approve(asked, session, tuple(request.form.getlist("scope"))))
        except OAuth2Error as error:
            return self._back(asked, error)

    def sign_out(self) -> Response:
        """End the sign-in, and every grant made in it."""
        session = self._browser.session()
        if session is not None:
            self._smart.sessions.sign_out(session)
            self._browser.hold(session, None)
        return plain(redirect(url_for("auth_pages.sign_in"), 303))

    def _answering(self) -> tuple[AuthorizationRequest | None, Principal | None]:
        """The request under way, and who answers it."""
        session = self._browser.session()
        return self._request(), self._smart.sessions.person(session) if session is not None else None

    def _offer(self, asked: AuthorizationRequest, person: Principal, app: str, approval: Approval) -> Response:
        word = words(language())
        fixed = [word(f"scope.{each}") for each in approval.scope if parse(each) is None]
        choices = [(each, sentence(each, word)) for each in approval.scope if parse(each) is not None]
        context = None
        if approval.principal.patient:
            context = "own" if person.kind in (Kind.HOLDER, Kind.REPRESENTATIVE) else "patient"
        return self._browser.page(
            "approve",
            leads_to=self._leads_to(asked),
            r=asked.key,
            app=app,
            name=person.name,
            emergency=approval.principal.purpose.emergency,
            secret=approval.principal.secret_session,
            fixed=list(dict.fromkeys(fixed)),
            choices=choices,
            context=context,
        )


def _may(person: Principal, purpose: Purpose) -> bool:
    try:
        check_mode(person, purpose, "any")
    except OAuth2Error:
        return False
    return True
