"""A look-alike of Pro Santé Connect: an OpenID provider whose people are the demonstration's professionals.

May live here: discovery, a sign-in page, tokens and userinfo, as OpenID Connect has them
(https://openid.net/specs/openid-connect-core-1_0.html) and with the claims of the real one (`psc_claims.py`).
May not know: our own OAuth server, which uses it as it would use the real one.
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey
from werkzeug.wrappers import Response as AnyResponse

from fhir_server.sandbox import dossier
from fhir_server.sandbox.mark import kept
from fhir_server.sandbox.psc_claims import claims
from fhir_server.smart.psc import Provider
from fhir_server.store.connection import Database

PATH = "/sandbox/psc"
CLIENT_ID = "dmp-on-fhir"
_CODE_SECONDS = 60
_TOKEN_SECONDS = 120


def connection(database: Database, base_url: str) -> Provider:
    """What the server at the origin `base_url` needs to use this provider; the secret is drawn at the first start."""
    secret = kept(database, "psc-client", lambda: {"secret": secrets.token_urlsafe(32)})["secret"]
    return Provider(f"{base_url}{PATH}", CLIENT_ID, str(secret))


def blueprint(database: Database, base_url: str) -> Blueprint:
    """The provider at `/sandbox/psc` of the origin `base_url`."""
    own = connection(database, base_url)
    drawn = kept(
        database,
        "psc-key",
        lambda: {"jwk": RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True).as_dict(private=True)},
    )
    key = RSAKey.import_key(drawn["jwk"])
    public = KeySet([key])
    pages = Blueprint("psc", __name__, url_prefix=PATH, template_folder="templates")

    def issue(kind: str, seconds: int, **said: Any) -> str:
        now = int(time.time())
        header = {"alg": "RS256", "typ": kind, "kid": key.kid}
        return jwt.encode(header, {"iss": own.issuer, "iat": now, "exp": now + seconds, **said}, key)

    def read(kind: str, text: str) -> Mapping[str, Any] | None:
        try:
            token = jwt.decode(text, key, algorithms=["RS256"])
            jwt.JWTClaimsRegistry(iss={"essential": True, "value": own.issuer}, exp={"essential": True}).validate(
                token.claims
            )
        except (JoseError, ValueError):
            return None
        return token.claims if token.header.get("typ") == kind else None

    @pages.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        """What this provider can do."""
        return jsonify(
            issuer=own.issuer,
            authorization_endpoint=f"{own.issuer}/authorize",
            token_endpoint=f"{own.issuer}/token",
            userinfo_endpoint=f"{own.issuer}/userinfo",
            jwks_uri=f"{own.issuer}/jwks",
            response_types_supported=["code"],
            grant_types_supported=["authorization_code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256"],
            scopes_supported=["openid", "scope_all"],
            acr_values_supported=["eidas1"],
            token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
            code_challenge_methods_supported=["S256"],
        )

    @pages.get("/jwks")
    def jwks() -> Response:
        """The public key of its tokens."""
        return jsonify(public.as_dict(private=False))

    @pages.get("/authorize")
    def ask() -> str:
        """The sign-in page: the demonstration's professionals."""
        return _page(_authorization(request.args, base_url), "")

    @pages.post("/authorize")
    def sign_in() -> AnyResponse | tuple[str, int]:
        """Back to our server with a code, or the page again."""
        asked = _authorization(request.form, base_url)
        person = _professional(request.form.get("login", ""))
        if person is None or not hmac.compare_digest(
            request.form.get("password", "").encode(), person.password.encode()
        ):
            return _page(asked, "Identifiant ou mot de passe inconnu."), 401
        code = issue("code", _CODE_SECONDS, sub=person.login, jti=secrets.token_urlsafe(12), **asked)
        answer = {"code": code, "iss": own.issuer, **({"state": asked["state"]} if asked["state"] else {})}
        joint = "&" if urlsplit(asked["redirect_uri"]).query else "?"
        return redirect(f"{asked['redirect_uri']}{joint}{urlencode(answer)}", 303)

    @pages.post("/token")
    def token() -> Response | tuple[Response, int]:
        """An access token and an id_token against a code, once."""
        if not _is_client(own):
            return jsonify(error="invalid_client"), 401
        code = (
            read("code", request.form.get("code", ""))
            if request.form.get("grant_type") == "authorization_code"
            else None
        )
        if code is None or code["redirect_uri"] != request.form.get("redirect_uri") or not _verified(code):
            return jsonify(error="invalid_grant"), 400
        if not _first_use(database, str(code["jti"])):
            return jsonify(error="invalid_grant"), 400
        subject = _claims_of(str(code["sub"]))["sub"]
        nonce = {"nonce": code["nonce"]} if code["nonce"] else {}
        return jsonify(
            access_token=issue("at+jwt", _TOKEN_SECONDS, sub=code["sub"]),
            token_type="Bearer",  # noqa: S106 - a kind of token, no secret
            expires_in=_TOKEN_SECONDS,
            scope="openid scope_all",
            id_token=issue(
                "JWT", _TOKEN_SECONDS, sub=subject, aud=own.client_id, acr="eidas1", auth_time=code["iat"], **nonce
            ),
        )

    @pages.get("/userinfo")
    def userinfo() -> Response | tuple[Response, int]:
        """Who signed in, in the words of Pro Santé Connect."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        bearer = read("at+jwt", text) if scheme.lower() == "bearer" else None
        if bearer is None:
            return jsonify(error="invalid_token"), 401
        return jsonify(_claims_of(str(bearer["sub"])))

    return pages


def _authorization(given: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The authorization request's parameters; 400 for one that our own server would not have made."""
    names = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge")
    asked = {name: given.get(name, "") for name in names}
    ours = asked["redirect_uri"].startswith(f"{base_url}/") and asked["client_id"] == CLIENT_ID
    if not ours or asked["response_type"] != "code" or "openid" not in asked["scope"].split():
        abort(400)
    return asked


def _page(asked: Mapping[str, str], said: str) -> str:
    people = [person for person in dossier.people().values() if person.psc]
    return render_template("psc.html", asked=asked, people=people, said=said)


def _professional(login: str) -> dossier.Person | None:
    person = dossier.people().get(login)
    return person if person is not None and person.psc else None


def _claims_of(login: str) -> dict[str, Any]:
    person = dossier.people()[login]
    wanted = (person.organization or "").partition("/")[2]
    organization = next(
        each for each in dossier.resources() if each["resourceType"] == "Organization" and each["id"] == wanted
    )
    return claims(person, organization)


def _is_client(own: Provider) -> bool:
    """Whether the request carries our client's secret, in either of the two ways."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            # RFC 6749 section 2.3.1: both are form-encoded before they are joined
            name, _, secret = map(unquote, b64decode(text, validate=True).decode().partition(":"))
        except ValueError:
            return False
    else:
        name, secret = request.form.get("client_id", ""), request.form.get("client_secret", "")
    return name == own.client_id and hmac.compare_digest(secret.encode(), own.secret.encode())


def _verified(code: Mapping[str, Any]) -> bool:
    """PKCE (RFC 7636): the verifier matches the challenge, if there was one."""
    digest = sha256(request.form.get("code_verifier", "").encode()).digest()
    return not code["code_challenge"] or urlsafe_b64encode(digest).decode().rstrip("=") == code["code_challenge"]


def _first_use(database: Database, jti: str) -> bool:
    """Whether this code is used for the first time, by any worker."""
    marked = database["sandbox"].update_one({"_id": f"code:{jti}"}, {"$setOnInsert": {"used": True}}, upsert=True)
    return marked.upserted_id is not None
