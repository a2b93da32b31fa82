"""Introspection and revocation: what a token is, and ending it, for the client that has it.

May live here: RFC 7662 and RFC 7009. May not know: how a client proved who it is. A token that is not the asker's, not
ours, or no token at all is answered alike: not active, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fhir_server.foundation.problem import Problem
from fhir_server.smart import records
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.claims import grant_of
from fhir_server.smart.clients import OAuthClient
from fhir_server.smart.records import fingerprint
from fhir_server.smart.revocation import Revocation

INACTIVE: dict[str, Any] = {"active": False}
_TOLD = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "patient", "fhirUser")


class Introspection:
    """One per process."""

    def __init__(
        self, kept: records.Records, bearer: Bearer, revocation: Revocation, clock: Callable[[], datetime]
    ) -> None:
        self._kept, self._bearer, self._revocation, self._clock = kept, bearer, revocation, clock

    def introspect(self, token: str, client: OAuthClient) -> dict[str, Any]:
        """RFC 7662 section 2.2: what a token of this client, or any one for a client that may introspect, is."""
        return self._access(token, client) or self._refresh(token, client) or INACTIVE

    def revoke(self, token: str, client: OAuthClient) -> None:
        """RFC 7009: end what a token of this client was issued from; a token that is not known is no error."""
        kept = self._kept.refresh_tokens.find(fingerprint(token), client=client.id)
        if kept is not None:
            self._revocation.end_grant(kept.grant)
            return
        try:
            claims = self._bearer.claims(token)
        except Problem:
            return
        if claims.get("client_id") == client.id:
            self._revocation.end_grant(grant_of(claims["jti"]))

    def _access(self, token: str, client: OAuthClient) -> dict[str, Any] | None:
        try:
            claims = self._bearer.claims(token)
        except Problem:
            return None
        grant = self._kept.grants.find(grant_of(claims["jti"]), revoked=False)
        if grant is None or self._kept.clients.find(grant.client, disabled=False) is None:
            return None
        if not (client.record.introspects or claims.get("client_id") == client.id):
            return None
        told = {name: claims[name] for name in _TOLD if name in claims}
        return {"active": True, "token_type": "Bearer", **told, **_launch(grant), "extensions": claims["extensions"]}

    def _refresh(self, token: str, client: OAuthClient) -> dict[str, Any] | None:
        kept = self._kept.refresh_tokens.find(fingerprint(token), used=False)
        grant = self._kept.grants.find(kept.grant, revoked=False) if kept is not None else None
        if kept is None or grant is None or kept.expires <= self._clock():
            return None
        if not (client.record.introspects or kept.client == client.id):
            return None
        session = self._kept.sessions.find(grant.session)
        if session is None or session.ends <= self._clock():
            return None
        return {
            "active": True,
            "token_type": "refresh_token",
            "client_id": kept.client,
            "scope": " ".join(grant.scope),
            "exp": int(session.ends.timestamp()),
            "sub": grant.person["subject"],
            **({"patient": grant.patient} if grant.patient else {}),
        }


def _launch(grant: records.Grant) -> dict[str, Any]:
    """What the token response told of the launch."""
    return {name: grant.launch[name] for name in ("encounter", "intent", "fhirContext") if grant.launch.get(name)}
