"""Registration: an app that registers itself (RFC 7591), vouched for by a software statement.

May live here: what an app may say of itself, whose statements are believed, and what is answered. May not know: HTTP.
Off unless somebody is believed; in a sandbox everybody is. A system without people cannot register itself: it acts for
an organisation, and who that is has to be known by somebody. https://www.rfc-editor.org/rfc/rfc7591
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from joserfc import jws, jwt
from joserfc.errors import JoseError

from fhir_server.smart.attempts import Attempts, TooMany
from fhir_server.smart.clients import Clients, RegistrationFault, is_redirect
from fhir_server.smart.exchange import NO_STORE, Answer
from fhir_server.smart.key_sets import usable_for

STATEMENT_ALGORITHMS = ("ES256", "ES384", "RS256", "RS384")
DEFAULT_SCOPE = "openid fhirUser launch launch/patient patient/*.rs"
LONGEST_STATEMENT = 16_000
LONGEST_NAME = 200
LIMIT, WINDOW = 20, timedelta(hours=1)
_KINDS = {
    "none": "public",
    "client_secret_basic": "symmetric",
    "client_secret_post": "symmetric",
    "private_key_jwt": "asymmetric",
}
_GRANTS = frozenset({"authorization_code", "refresh_token"})

Recorded = Callable[[str, str], None]
"""Told what was done, and to which client, before it is done; what it raises stops it."""


class MetadataFault(OAuth2Error):  # type: ignore[misc] # authlib is untyped
    """What an app says of itself cannot be accepted."""

    error = "invalid_client_metadata"


class RedirectFault(OAuth2Error):  # type: ignore[misc]
    """Where an app wants people sent back to cannot be accepted."""

    error = "invalid_redirect_uri"


class StatementFault(OAuth2Error):  # type: ignore[misc]
    """The software statement is missing, or is none."""

    error = "invalid_software_statement"


class UnapprovedFault(OAuth2Error):  # type: ignore[misc]
    """The software statement is of somebody who is not believed here."""

    error = "unapproved_software_statement"


@dataclass(frozen=True, slots=True)
class Vouching:
    """Whose word is taken: `keys` are the public JWKs of who signs statements; `open` takes an app's own word too."""

    keys: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    open: bool = False

    @property
    def on(self) -> bool:
        """Whether any app can register itself."""
        return self.open or bool(self.keys)


NOBODY = Vouching()


class Registration:
    """One per process."""

    def __init__(
        self,
        clients: Clients,
        attempts: Attempts,
        vouching: Vouching,
        recorded: Recorded,
        clock: Callable[[], datetime],
    ) -> None:
        self._clients, self._attempts, self._vouching = clients, attempts, vouching
        self._recorded, self._clock = recorded, clock

    def register(self, body: bytes, address: str) -> Answer:
        """201 with what was registered, the secret this once; 400 with the error of RFC 7591; 404 where it is off."""
        if not self._vouching.on:
            return Answer(404, {"error": "invalid_request", "error_description": "apps are registered by the operator"})
        try:
            self._attempts.count("register", address, limit=LIMIT, window=WINDOW)
            said = self._said(body)
            client_id = secrets.token_hex(12)
            wanted = _wanted(said)
            self._recorded("register", client_id)
            made, secret = self._clients.add(_KINDS[wanted["token_endpoint_auth_method"]], **_taken(wanted, client_id))
        except TooMany as waits:
            told = {"error": "temporarily_unavailable"}
            return Answer(429, told, (*NO_STORE, ("Retry-After", str(max(1, waits.seconds)))))
        except RegistrationFault as fault:
            return _refused(MetadataFault(str(fault)))
        except OAuth2Error as error:
            return _refused(error)
        answer = {"client_id": made.key, "client_id_issued_at": int(self._clock().timestamp()), **wanted}
        if secret:
            answer |= {"client_secret": secret, "client_secret_expires_at": 0}
        return Answer(201, answer)

    def _said(self, body: bytes) -> Mapping[str, Any]:
        """What the app says of itself, overruled by what its statement says (RFC 7591 section 2.3)."""
        try:
            read = json.loads(body)
        except (ValueError, RecursionError) as cause:
            raise MetadataFault("the body is no JSON") from cause
        if not isinstance(read, dict):
            raise MetadataFault("the body must be a JSON object")
        statement = read.pop("software_statement", None)
        if statement is None:
            if not self._vouching.open:
                raise StatementFault("a software statement is needed")
            return read
        vouched = self._vouched(statement)
        # a statement travels with the software: without addresses of its own it would vouch for anybody's
        if not self._vouching.open and "redirect_uris" not in vouched:
            raise StatementFault("the software statement must name the redirect_uris")
        return {**read, **vouched, "software_statement": statement}

    def _vouched(self, statement: Any) -> dict[str, Any]:
        if not isinstance(statement, str) or len(statement) > LONGEST_STATEMENT:
            raise StatementFault("the software statement is no signed JWT")
        try:
            header = jws.extract_compact(statement.encode()).headers()
        except (JoseError, ValueError, RecursionError) as cause:
            raise StatementFault("the software statement is no signed JWT") from cause
        alg, kid = header.get("alg"), header.get("kid")
        if alg not in STATEMENT_ALGORITHMS:
            raise StatementFault(f"the software statement must be signed with one of {', '.join(STATEMENT_ALGORITHMS)}")
        keys = usable_for(list(self._vouching.keys), kid, alg)
        if not keys:
            raise UnapprovedFault("the software statement is signed by nobody who is known here")
        for key in keys:
            try:
                claims = jwt.decode(statement, key, algorithms=[alg]).claims
            except (JoseError, ValueError, RecursionError):
                continue
            return self._in_force(claims)
        raise StatementFault("the signature of the software statement does not hold")

    def _in_force(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        now = self._clock().timestamp()
        if not isinstance(claims.get("iss"), str):
            raise StatementFault("the software statement must say who issued it")
        begins, ends = claims.get("nbf", now), claims.get("exp", now + 1)
        if not (type(begins) in (int, float) and type(ends) in (int, float) and begins <= now < ends):
            raise StatementFault("the software statement is not in force")
        return {
            name: value
            for name, value in claims.items()
            if name not in ("iss", "exp", "nbf", "iat", "jti", "aud", "sub")
        }


def _wanted(said: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata that is registered: what was said and is known, and the defaults. Raises OAuth2Error."""
    uris = said.get("redirect_uris")
    if not isinstance(uris, list) or not uris or not all(isinstance(each, str) and is_redirect(each) for each in uris):
        raise RedirectFault("redirect_uris must be https, http on this machine, or of a scheme of your own")
    method = said.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in _KINDS:
        raise MetadataFault(f"token_endpoint_auth_method must be one of {', '.join(_KINDS)}")
    grants = said.get("grant_types", ["authorization_code"])
    if not isinstance(grants, list) or "authorization_code" not in grants or not _GRANTS.issuperset(map(str, grants)):
        raise MetadataFault("grant_types must be authorization_code, and refresh_token besides")
    if said.get("response_types", ["code"]) != ["code"]:
        raise MetadataFault("response_types must be code")
    name, scope = said.get("client_name", ""), said.get("scope", DEFAULT_SCOPE)
    if not isinstance(name, str) or not isinstance(scope, str) or len(name) > LONGEST_NAME or not name.isprintable():
        raise MetadataFault(f"client_name and scope must be text, the name of at most {LONGEST_NAME} characters")
    wanted: dict[str, Any] = {
        "redirect_uris": uris,
        "token_endpoint_auth_method": method,
        "grant_types": grants,
        "response_types": ["code"],
        "client_name": name,
        "scope": scope,
    }
    for key, kind in (("jwks", dict), ("jwks_uri", str), ("software_id", str), ("software_version", str),
                      ("software_statement", str)):  # fmt: skip
        if key in said:
            if not isinstance(said[key], kind):
                raise MetadataFault(f"{key} is of another type")
            wanted[key] = said[key]
    if method != "private_key_jwt" and {"jwks", "jwks_uri"} & wanted.keys():
        raise MetadataFault("keys are for token_endpoint_auth_method private_key_jwt")
    return wanted


def _taken(wanted: Mapping[str, Any], client_id: str) -> dict[str, Any]:
    """The same as the register of clients reads it."""
    return {
        "client_id": client_id,
        "name": wanted["client_name"],
        "redirect_uris": tuple(wanted["redirect_uris"]),
        "scope": wanted["scope"],
        "jwks": wanted.get("jwks"),
        "jwks_uri": wanted.get("jwks_uri"),
    }


def _refused(error: OAuth2Error) -> Answer:
    return Answer(400, {"error": error.error, "error_description": error.description})
