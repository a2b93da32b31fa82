"""Authorization server: Authlib's, fed from our rooms; the grants read its public members.

May live here: what Authlib asks of its server. May not know: Flask, which addresses there are.
https://docs.authlib.org/en/latest/oauth2/authorization-server/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
)

from fhir_server.smart.approval import Approver
from fhir_server.smart.client_authentication import ClientAuthentication
from fhir_server.smart.clients import Clients, OAuthClient
from fhir_server.smart.directory import Directory
from fhir_server.smart.exchange import Answer, Asked, OAuthRequest
from fhir_server.smart.grants.authorization_code import AuthorizationCode, ProofKey
from fhir_server.smart.grants.client_credentials import ClientCredentials
from fhir_server.smart.grants.refresh_token import RefreshToken
from fhir_server.smart.issue import Issuer
from fhir_server.smart.records import Records
from fhir_server.smart.revocation import Revocation


class Server(AuthorizationServer):  # type: ignore[misc] # authlib is untyped
    """Authlib's server on our records; the grants read its public members."""

    def __init__(
        self,
        *,
        records: Records,
        clients: Clients,
        authentication: ClientAuthentication,
        approver: Approver,
        issuer: Issuer,
        revocation: Revocation,
        directory: Directory,
        fhir_base: str,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self.records, self.clients, self.approver, self.issuer = records, clients, approver, issuer
        self.revocation, self.directory, self.fhir_base, self.clock = revocation, directory, fhir_base, clock
        self._authentication = authentication
        self.register_grant(AuthorizationCode, [ProofKey(required=True)])
        self.register_grant(ClientCredentials)
        self.register_grant(RefreshToken)

    def query_client(self, client_id: str) -> OAuthClient | None:
        """The client with this id, unless it is disabled."""
        return self.clients.find(client_id)

    def authenticate_client(
        self,
        request: OAuthRequest,
        methods: list[str],
        endpoint: str = "token",  # noqa: ARG002 - Authlib's signature
    ) -> OAuthClient:
        """The client that sent the request, by one of these methods."""
        client, method = self._authentication.client(request)
        request.client, request.auth_method = client, method
        if method not in methods:
            if client.kind.grants.isdisjoint({request.payload.grant_type}):
                return client  # the grant answers `unauthorized_client`
            raise InvalidClientError(description="the client could not prove who it is", status_code=401)
        return client

    def generate_token(self, *_: Any, user: Any = None, **__: Any) -> dict[str, Any]:
        """The token response of a grant, which Authlib knows as the user."""
        return self.issuer.tokens(user)

    def save_token(self, token: Any, request: Any) -> None:
        """Nothing: what was granted is kept, and tokens are named after it."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nothing: nobody listens."""

    def create_oauth2_request(self, request: Asked | OAuthRequest) -> OAuthRequest:
        """The request as Authlib reads it."""
        return request if isinstance(request, OAuthRequest) else OAuthRequest(request)

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        """The answer as a value."""
        return Answer(status, body if isinstance(body, Mapping) else None, tuple(headers))
