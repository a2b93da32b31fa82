"""refresh_token: RFC 6749 section 6, rotated at each use (RFC 9700 section 4.14), while the sign-in lasts.

May live here: the exchange of a refresh token. May not know: how somebody signs in. A token that comes back after its
use was stolen from one of two: its whole family ends.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant

from fhir_server.smart import records
from fhir_server.smart.grants.authorization_code import AUTH_METHODS
from fhir_server.smart.records import fingerprint
from fhir_server.smart.scope import split


class RefreshToken(RefreshTokenGrant):  # type: ignore[misc] # authlib is untyped
    """The grant that renews."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(AUTH_METHODS)  # noqa: RUF012 - Authlib's own form

    def validate_token_request(self) -> None:
        """The client, its token, and a scope that is not wider; the token is used up only if all is well."""
        client = self.authenticate_token_endpoint_client()
        self.request.client = client
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("this client may not use refresh_token")
        token = self.request.form.get("refresh_token")
        if not token:
            raise InvalidRequestError("refresh_token is missing")
        key = fingerprint(token)
        kept: records.RefreshToken | None = self.server.records.refresh_tokens.find(key, client=client.id)
        if kept is None:
            raise InvalidGrantError("the refresh token is not known")
        if kept.used:
            self._stolen(kept)
        grant = self._grant(kept)
        wanted = split(self.request.payload.scope or "")
        if not set(wanted) <= set(grant.scope):
            raise InvalidScopeError("more was asked than was granted")
        if self.server.records.refresh_tokens.change(key, {"used": False}, set__used=True) is None:
            self._stolen(kept)
        self.request.refresh_token = (grant, wanted)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """New tokens; Authlib's own would keep the old refresh token."""
        grant, wanted = self.request.refresh_token
        return 200, self.server.issuer.tokens(grant, wanted or None, first=False), self.TOKEN_RESPONSE_HEADER

    def _grant(self, kept: records.RefreshToken) -> records.Grant:
        now = self.server.clock()
        grant: records.Grant | None = self.server.records.grants.find(kept.grant, revoked=False)
        session = self.server.records.sessions.find(grant.session) if grant is not None else None
        if grant is None or session is None or session.ends <= now:
            raise InvalidGrantError("the sign-in has ended")
        return grant

    def _stolen(self, kept: records.RefreshToken) -> None:
        self.server.revocation.end_grant(kept.grant)
        raise InvalidGrantError("the refresh token was used before")
