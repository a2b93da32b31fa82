"""Client authentication: how a client proves who it is, at every address where it must.

May live here: RFC 6749 section 2.3 (secrets, in the header or in the body, never both) and RFC 7523 section 3 as SMART
narrows it (ES384 or RS384, five minutes, once, audience exactly the token endpoint). May not know: what the client is
then given. Whatever fails is `invalid_client`, and which check it was is told only where the client can mend it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from argon2.exceptions import Argon2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from joserfc import jws, jwt
from joserfc.errors import JoseError

from fhir_server.smart.clients import HASHER, Clients, OAuthClient
from fhir_server.smart.exchange import OAuthRequest
from fhir_server.smart.key_sets import KeySets
from fhir_server.smart.records import Records, fingerprint

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ("ES384", "RS384")
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
LONGEST_LIFE = 300
SKEW = 30
LONGEST_ASSERTION = 8_000
_DUMMY = HASHER.hash("no client has this secret")


class ClientAuthentication:
    """One per process."""

    def __init__(
        self,
        clients: Clients,
        records: Records,
        key_sets: KeySets,
        token_endpoint: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._clients, self._used, self._key_sets = clients, records.used_assertions, key_sets
        self._audience, self._clock = token_endpoint, clock

    def client(self, request: OAuthRequest) -> tuple[OAuthClient, str]:
        """The client that sent the request, and how it proved it (`none` for a public one).

        Raises InvalidRequestError for several ways at once, InvalidClientError (401) for all else.
        """
        form: Mapping[str, str] = request.form
        basic = _basic(request.headers.get("Authorization"))
        posted = "client_secret" in form
        asserted = "client_assertion" in form or "client_assertion_type" in form
        if (basic is not None) + posted + asserted > 1:
            raise InvalidRequestError("more than one way of client authentication was used")
        if asserted:
            return self._by_assertion(form), "private_key_jwt"
        if basic is not None:
            if form.get("client_id", basic[0]) != basic[0]:
                raise InvalidRequestError("the client_id of the form is not that of the header")
            return self._by_secret(*basic, "client_secret_basic"), "client_secret_basic"
        if posted:
            client_id = form.get("client_id", "")
            return self._by_secret(client_id, form["client_secret"], "client_secret_post"), "client_secret_post"
        client = self._clients.find(form.get("client_id"))
        if client is None or not client.check_endpoint_auth_method("none", "token"):
            raise _refused()
        return client, "none"

    def _by_secret(self, client_id: str, secret: str, method: str) -> OAuthClient:
        client = self._clients.find(client_id)
        fit = client is not None and client.check_endpoint_auth_method(method, "token")
        kept = client.record.secret if client is not None and fit else None
        try:
            HASHER.verify(kept or _DUMMY, secret)
        except Argon2Error as cause:
            raise _refused() from cause
        if client is None or not kept:
            raise _refused()
        return client

    def _by_assertion(self, form: Mapping[str, str]) -> OAuthClient:
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise _refused("client_assertion_type must be that of RFC 7523")
        if not 0 < len(assertion) <= LONGEST_ASSERTION:
            raise _refused(f"client_assertion must have at most {LONGEST_ASSERTION} characters")
        header, claims = _unverified(assertion)
        client_id = claims.get("sub")
        client = self._clients.find(client_id) if isinstance(client_id, str) else None
        if client is None or not client.check_endpoint_auth_method("private_key_jwt", "token"):
            raise _refused()
        alg, kid = header.get("alg"), header.get("kid")
        if alg not in ASSERTION_ALGORITHMS or not isinstance(kid, str):
            raise _refused("the assertion must be signed with ES384 or RS384 and name its kid")
        if str(header.get("typ", "JWT")).upper() != "JWT" or "crit" in header:
            raise _refused("the type of the assertion must be JWT")
        if "jku" in header and header["jku"] != client.record.jwks_uri:
            raise _refused("jku is not the registered address")
        keys = self._key_sets.candidates(kid, alg, jwks=client.record.jwks, jwks_uri=client.record.jwks_uri)
        if len(keys) != 1:
            raise _refused("the key of the assertion is not known, or not the only one of its kid")
        try:
            claims = jwt.decode(assertion, keys[0], algorithms=[alg]).claims
        except (JoseError, ValueError) as cause:
            raise _refused() from cause
        self._check(claims, client.id)
        if form.get("client_id", client.id) != client.id:
            raise InvalidRequestError("the client_id of the form is not that of the assertion")
        return client

    def _check(self, claims: Mapping[str, Any], client_id: str) -> None:
        """The claims of a verified assertion; it is then used up."""
        now = self._clock().timestamp()
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise _refused("iss and sub must be the client_id")
        if claims.get("aud") not in (self._audience, [self._audience]):
            raise _refused("aud must be the token endpoint")
        expires: Any = claims.get("exp")
        if not _number(expires) or not now < expires <= now + LONGEST_LIFE + SKEW:
            raise _refused("exp must be at most five minutes ahead")
        if any(
            name in claims and not (_number(claims[name]) and claims[name] <= now + SKEW) for name in ("nbf", "iat")
        ):
            raise _refused("the assertion is not valid yet")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise _refused("jti is missing")
        ends = datetime.fromtimestamp(expires + SKEW, UTC)
        if self._used.insert(key=fingerprint(client_id, jti), expires=ends) is None:
            raise _refused("jti was used before")


def _refused(description: str = "the client could not prove who it is") -> InvalidClientError:
    return InvalidClientError(description=description, status_code=401)


def _basic(authorization: str | None) -> tuple[str, str] | None:
    """The id and secret of a Basic header, form-urlencoded in it (RFC 6749 section 2.3.1); None without one."""
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as cause:
        raise _refused() from cause
    return unquote_plus(client_id), unquote_plus(secret)


def _unverified(assertion: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims of an assertion, to find out whose key must have signed it."""
    try:
        found = jws.extract_compact(assertion.encode())
        header, claims = found.headers(), json.loads(found.payload)
    except (JoseError, ValueError, TypeError, RecursionError) as cause:
        raise _refused("the assertion is no signed JWT") from cause
    if not isinstance(claims, dict) or not isinstance(header, dict):
        raise _refused("the assertion is no signed JWT")
    return header, claims


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
