"""Holder pages: how holders and legal representatives sign in (DMP-27 to DMP-30, DMP-156).

May live here: the forms for password and one-time code, and what they lead to. May not know: why an answer is
accepted; every rule is in `smart/accounts.py`.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from fhir_server.http.pages import Form, Pages, see
from fhir_server.smart.accounts import hashed, person_of
from fhir_server.smart.records import Account, AuthorizationRequest, Session

BOTH = ["GET", "POST"]


class HolderPages(Pages):
    """Identifier and password, then a one-time code."""

    def routes(self, made: Blueprint, form: Form) -> None:
        """Give each view its address."""
        made.route("/auth/password", methods=BOTH)(form(self.password))
        made.route("/auth/new-password", methods=BOTH)(form(self.new_password))
        made.route("/auth/code", methods=BOTH)(form(self.code))

    def password(self) -> Response:
        """Identifiant et mot de passe."""
        asked = self._request()
        session = self._browser.session_or_new()
        if request.method != "POST":
            return self._page("password", asked)
        account = self._smart.accounts.check(
            request.form.get("identifier", ""), request.form.get("password", ""), request.remote_addr or ""
        )
        if account is None:
            return self._page("password", asked, fault="password.wrong", identifier=request.form.get("identifier", ""))
        session = self._smart.sessions.note(session, account=account.key, new_password=None)
        self._browser.hold_again(session)
        if account.must_change:
            return see("auth_pages.new_password", asked)
        self._smart.accounts.send_code(account, session)
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
        self._smart.accounts.send_code(account, session)
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
            accounts.send_code(account, session)
            return see("auth_pages.code", asked)
        if not accounts.enter_code(account, session, request.form.get("code", ""), request.remote_addr or ""):
            fault = "code.dead" if accounts.code_is_dead(account, session) else "code.wrong"
            return self._page("code", asked, fault=fault, channel=account.channel)
        if account.must_change and session.new_password:
            accounts.set_password(account, session.new_password)
        return self._enter(asked, session, person_of(account, self._smart.config.issuer))

    def _signing_in(self) -> tuple[AuthorizationRequest | None, Session | None, Account | None]:
        session = self._browser.session()
        account = self._smart.accounts.of(session.account) if session is not None else None
        return self._request(), session, account
