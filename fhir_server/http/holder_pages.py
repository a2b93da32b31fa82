"""Holder pages: how holders and legal representatives sign in (DMP-27 to DMP-30, DMP-156).

May live here: the forms for password, one-time code and authenticator, and what they lead to. May not know: why an
answer is accepted; every rule is in `smart/`.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from fhir_server.http.pages import Form, Pages, see
from fhir_server.smart.accounts import hashed, person_of
from fhir_server.smart.records import Account, AuthorizationRequest, Session

BOTH = ["GET", "POST"]


class HolderPages(Pages):
    """Identifier and password, then a one-time code, then what was added to it."""

    def routes(self, made: Blueprint, form: Form) -> None:
        """Give each view its address."""
        made.route("/auth/password", methods=BOTH)(form(self.password))
        made.route("/auth/new-password", methods=BOTH)(form(self.new_password))
        made.route("/auth/code", methods=BOTH)(form(self.code))
        made.route("/auth/authenticator-code", methods=BOTH)(form(self.authenticator_code))

    def password(self) -> Response:
        """Identifiant et mot de passe."""
        asked = self._request()
        session = self._browser.session_or_new()
        if request.method != "POST":
            return self._page("password", asked)
        account = self._smart.accounts.check(
            request.form.get("identifier", ""), request.form.get("password", ""), self.whence()
        )
        if account is None:
            return self._page("password", asked, fault="password.wrong", identifier=request.form.get("identifier", ""))
        session = self._smart.sessions.note(session, account=account.key, new_password=None, code_entered=False)
        self._browser.hold_again(session)
        if account.must_change:
            return see("auth_pages.new_password", asked)
        self._smart.accounts.send_code(account, session, self.whence())
        return see("auth_pages.code", asked)

    def new_password(self) -> Response:
        """Changement du mot de passe initial (DMP-28); kept once the one-time code has been entered."""
        asked, session, account = self._signing_in()
        if session is None or account is None or not account.must_change:
            return see("auth_pages.password", asked)
        if request.method != "POST":
            return self._page("change", asked)
        chosen = request.form.get("password", "")
        fault = self._smart.accounts.fault_of(account, chosen, request.form.get("again", ""))
        if fault:
            return self._page("change", asked, fault=fault)
        session = self._smart.sessions.note(session, new_password=hashed(chosen))
        self._smart.accounts.send_code(account, session, self.whence())
        return see("auth_pages.code", asked)

    def code(self) -> Response:
        """Code à usage unique (DMP-30)."""
        asked, session, account = self._signing_in()
        if session is None or account is None or (account.must_change and not session.new_password):
            return see("auth_pages.password", asked)
        if request.method != "POST":
            return self._page("code", asked, channel=account.channel)
        accounts = self._smart.accounts
        if request.form.get("again"):
            accounts.send_code(account, session, self.whence())
            return see("auth_pages.code", asked)
        if not accounts.enter_code(account, session, request.form.get("code", ""), request.remote_addr or ""):
            fault = "code.dead" if accounts.code_is_dead(account, session) else "code.wrong"
            return self._page("code", asked, fault=fault, channel=account.channel)
        if account.authenticator:
            self._browser.hold_again(self._smart.sessions.note(session, code_entered=True))
            return see("auth_pages.authenticator_code", asked)
        return self._signed_in(asked, session, account)

    def authenticator_code(self) -> Response:
        """Code de l'application d'authentification: after the one-time code, where the holder added one (DMP-30)."""
        asked, session, account = self._signing_in()
        if session is None or account is None or not (session.code_entered and account.authenticator):
            return see("auth_pages.password", asked)
        if account.must_change and not session.new_password:
            return see("auth_pages.password", asked)
        if request.method != "POST":
            return self._page("authenticator_code", asked)
        if not self._smart.holders.authenticator.check(account, request.form.get("code", ""), self.whence()):
            return self._page("authenticator_code", asked, fault="authenticator.wrong")
        return self._signed_in(asked, session, account)

    def _signed_in(self, asked: AuthorizationRequest | None, session: Session, account: Account) -> Response:
        """Everything that is asked was answered: the person's own password counts from now on, and they are in."""
        if account.must_change and session.new_password:
            self._smart.accounts.set_password(account, session.new_password)
        return self._enter(asked, session, person_of(account, self._smart.config.issuer))

    def _signing_in(self) -> tuple[AuthorizationRequest | None, Session | None, Account | None]:
        session = self._browser.session()
        account = self._smart.accounts.of(session.account) if session is not None else None
        return self._request(), session, account
