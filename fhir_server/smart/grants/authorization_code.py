"""authorization_code: RFC 6749 section 4.1, with PKCE S256 (RFC 7636) and SMART's `aud`, always.

May live here: the checks of the authorization request that need nobody signed in, and the exchange of a code. May not
know: pages, how somebody signs in.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from fhir_server.smart import records
from fhir_server.smart.clients import OAuthClient
from fhir_server.smart.records import fingerprint

AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
CODE_CHALLENGE_METHODS = ("S256",)


class AuthorizationCode(AuthorizationCodeGrant):  # type: ignore[misc] # authlib is untyped
    """The code flow of SMART App Launch."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(AUTH_METHODS)  # noqa: RUF012 - Authlib's own form

    def query_authorization_code(self, code: str, client: OAuthClient) -> records.Code | None:
        """The code, used up by being asked for; a second use ends all that the first one gave."""
        kept, now = self.server.records.codes, self.server.clock()
        key = fingerprint(code)
        used = kept.change(key, {"client": client.id, "used": False}, set__used=True)
        if used is None:
            known = kept.find(key, client=client.id)
            if known is not None:
                # RFC 6749 section 4.1.2: "SHOULD revoke (when possible) all tokens previously issued"
                self.server.revocation.end_grant(known.grant)
            return None
        return used if used.ends > now else None

    def authenticate_user(self, authorization_code: records.Code) -> records.Grant | None:
        """What was granted, which knows by whom."""
        found: records.Grant | None = self.server.records.grants.find(authorization_code.grant, revoked=False)
        return found

    def delete_authorization_code(self, authorization_code: records.Code) -> None:
        """Nothing: it is used up, and kept to recognise a second use."""


class ProofKey(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 alone, for every client; and `aud`, `state`, `scope`, each once."""

    DEFAULT_CODE_CHALLENGE_METHOD = None
    SUPPORTED_CODE_CHALLENGE_METHOD = list(CODE_CHALLENGE_METHODS)  # noqa: RUF012

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """The checks of an authorization request that the redirect URI may hear of."""
        request = grant.request
        repeated = request.repeated()
        if repeated:
            raise InvalidRequestError("a parameter was sent twice")
        data = request.payload.data
        for name in ("state", "scope", "aud", "code_challenge"):
            if not data.get(name):
                raise InvalidRequestError(f"{name} is missing")
        if data.get("code_challenge_method") not in CODE_CHALLENGE_METHODS:
            raise InvalidRequestError("code_challenge_method must be S256")
        # one trailing slash more or less is the same address; nothing else is
        if data["aud"].removesuffix("/") != grant.server.fhir_base:
            raise InvalidRequestError("aud is not this server")
        super().validate_code_challenge(grant, redirect_uri)

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        """The verifier, without which no code is worth anything."""
        if not grant.request.form.get("code_verifier"):
            raise InvalidGrantError("code_verifier is missing")
        super().validate_code_verifier(grant, result)

    def get_authorization_code_challenge_method(self, authorization_code: records.Code) -> str:  # noqa: ARG002
        """S256: no code was made with another."""
        return CODE_CHALLENGE_METHODS[0]
