"""OAuth: the addresses that apps and systems call (decisions 23).

May live here: Flask's request to values and back, for authorize, token, launch, introspect, revoke, register, jwks and
the discovery documents. May not know: why a token is given. All but authorize may be called from any page (CORS):
tokens are proved in a form or a header, never by a cookie.
"""

from __future__ import annotations

from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response, jsonify, redirect, request, url_for
from flask_smorest import Blueprint
from werkzeug.exceptions import RequestEntityTooLarge

from fhir_server.foundation.problem import Problem
from fhir_server.http.browser import HEADERS, Browser, language, words
from fhir_server.smart.discovery import REGISTRATION, SMART_STYLE, STYLE
from fhir_server.smart.exchange import NO_STORE, Answer, Asked
from fhir_server.smart.server import Smart
from fhir_server.store.connection import DatabaseFault

FORM = "application/x-www-form-urlencoded"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept",
    "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After",
    "Access-Control-Max-Age": "600",
}
# Public documents change with a release or a key; an hour's staleness is what `keys.OVERLAP` allows for.
_PUBLIC = {"Cache-Control": "public, max-age=300"}


def blueprint(smart: Smart, browser: Browser) -> Blueprint:
    """The routes of one server."""
    made = Blueprint("auth", __name__)
    base_path = smart.config.fhir_base.removeprefix(smart.config.issuer)

    @made.route("/auth/authorize", methods=["GET", "POST"])
    def authorize() -> Response:
        """Ask a person to authorise an app (SMART App Launch; RFC 6749 section 4.1.1)."""
        try:
            client, parameters = smart.authorization(_asked())
            begun = smart.journey.begin(parameters, client, browser.session_or_new())
        except OAuth2Error as error:
            return browser.finish(_refusal(error, browser))
        return browser.finish(_see(url_for("auth_pages.onward", r=begun.key)))

    @made.route("/auth/token", methods=["GET", "POST"])
    def token() -> Response:
        """Exchange a code, a refresh token or an assertion for tokens (RFC 6749 section 3.2)."""
        return _of_form(smart.token)

    @made.route("/auth/introspect", methods=["GET", "POST"])
    def introspect() -> Response:
        """Tell a client what a token is (RFC 7662)."""
        return _of_form(smart.introspect)

    @made.route("/auth/revoke", methods=["GET", "POST"])
    def revoke() -> Response:
        """End a token (RFC 7009)."""
        return _of_form(smart.revoke)

    @made.route("/auth/launch", methods=["GET", "POST"])
    def launch() -> Response:
        """Start an app for a professional and a patient, by an EHR that is registered for it (SMART, EHR launch)."""
        return _of_form(smart.launch)

    @made.post(REGISTRATION)
    def register() -> Response:
        """Let an app register itself, where that is on (RFC 7591)."""
        if request.mimetype != "application/json":
            told = {"error": "invalid_client_metadata", "error_description": "send JSON, as application/json"}
            return _told(Answer(400, told))
        return _told(smart.registration.register(request.get_data(), request.remote_addr or ""))

    @made.get("/auth/jwks")
    def jwks() -> Response:
        """The public keys of our tokens (RFC 7517)."""
        return _public(smart.keys.published())

    @made.get(STYLE)
    def style() -> Response:
        """How apps may look like us (SMART, context-style)."""
        return _public(SMART_STYLE)

    @made.get("/.well-known/openid-configuration")
    def openid_configuration() -> Response:
        """OpenID Connect discovery, at the issuer."""
        return _public(smart.discovery.openid_configuration())

    @made.get(f"{base_path}/.well-known/smart-configuration")
    def smart_configuration() -> Response:
        """SMART discovery, at the FHIR base."""
        return _public(smart.discovery.smart_configuration())

    made.before_request(browser.limit_form)

    @made.after_request
    def _open(response: Response) -> Response:
        if request.path != "/auth/authorize":
            response.headers.update(CORS)
        return response

    @made.errorhandler(DatabaseFault)
    @made.errorhandler(Problem)
    def _unavailable(_: Exception) -> Response:
        if request.path == "/auth/authorize":
            return browser.page("error", 503, fault=words(language())("error.unavailable"))
        return _told(Answer(503, {"error": "temporarily_unavailable"}))

    @made.errorhandler(RequestEntityTooLarge)
    def _too_large(_: Exception) -> Response:
        if request.path == "/auth/authorize":
            return browser.page("error", 413, fault=words(language())("error.request"))
        return _told(Answer(413, {"error": "invalid_request", "error_description": "the form is too large"}))

    return made


def _asked() -> Asked:
    sent = request.form if request.method == "POST" else request.args
    return Asked(
        request.method,
        tuple(sent.items(multi=True)),
        dict(request.headers),
        request.remote_addr or "",
    )


def _of_form(answer: Any) -> Response:
    if request.method != "POST":
        return _told(Answer(405, {"error": "invalid_request"}, (*NO_STORE, ("Allow", "POST, OPTIONS"))))
    # RFC 6749 section 3.2: credentials in a query string would stand in logs
    if request.mimetype != FORM or request.args:
        told = {"error": "invalid_request", "error_description": f"send a form, as {FORM}"}
        return _told(Answer(400, told))
    return _told(answer(_asked()))


def _told(answer: Answer) -> Response:
    response = jsonify(answer.body if answer.body is not None else {})
    response.status_code = answer.status
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def _public(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.headers.update(_PUBLIC)
    return response


def _refusal(error: OAuth2Error, browser: Browser) -> Response:
    """Tell the app where it may be told, else the person, and never redirect (RFC 6749 section 4.1.2.1)."""
    if not error.redirect_uri:
        return browser.page(
            "error", 400, fault=words(language())("error.request"), detail=error.description or error.error
        )
    told = [("error", error.error)]
    told += [(name, value) for name in ("description", "state") if (value := getattr(error, name, None))]
    told = [("error_description" if name == "description" else name, value) for name, value in told]
    return browser.to_app(str(add_params_to_uri(error.redirect_uri, told)))


def _see(address: str) -> Response:
    response = redirect(address, 303)
    response.headers.update(HEADERS)
    assert isinstance(response, Response)  # noqa: S101 - werkzeug types it wider
    return response
