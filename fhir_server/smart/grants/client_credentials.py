"""client_credentials: SMART Backend Services, for systems that act as themselves.

May live here: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html, and whom a system's token stands for.
May not know: how the assertion is checked. No refresh token is given.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from fhir_server.foundation.principal import Kind, Principal
from fhir_server.smart.clients import OAuthClient
from fhir_server.smart.directory import Directory
from fhir_server.smart.scope import parse, split


class ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc] # authlib is untyped
    """The grant of systems."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["private_key_jwt"]  # noqa: RUF012 - Authlib's own form

    def validate_token_request(self) -> None:
        """A system that proved who it is, asking for system scopes and for nothing else."""
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("this client may not use client_credentials")
        self.request.client = client
        scope = self.request.payload.scope
        if not scope:
            raise InvalidRequestError("scope is missing")
        for each in split(scope) or ("",):
            found = parse(each)
            if found is None or found.level != "system":
                raise InvalidScopeError("a system may ask for system scopes only")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The token, as Authlib answers it."""
        server = self.server
        person = system_of(self.request.client, server.directory)
        approval = server.approver.approve(person, self.request.client, self.request.payload.scope)
        return 200, server.issuer.tokens(server.issuer.grant(approval)), self.TOKEN_RESPONSE_HEADER


def system_of(client: OAuthClient, directory: Directory) -> Principal:
    """Whom a system's token stands for: the organisation it is registered for, in the role it is registered with."""
    record = client.record
    keys = {each for each in (record.organization, record.organization_key) if each}
    found = next((known for key in sorted(keys) if (known := directory.organization(key))), None)
    reference, name, chain = found or (record.organization, record.name, frozenset())
    own = frozenset({*keys, *([reference] if reference else [])})
    return Principal(
        kind=Kind(record.acts_as) if record.acts_as else Kind.UNKNOWN,
        subject=client.id,
        client=client.id,
        name=record.name or client.id,
        reference=reference,
        identities=own,
        organization=record.organization_key or reference,
        organization_name=name,
        organizations=own | chain,
    )
