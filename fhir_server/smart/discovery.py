"""Discovery: what this server tells of itself, made from the tables that it obeys.

May live here: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known and
https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata. May not know: requests. What is not in a
table elsewhere is not promised here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.smart.client_authentication import ASSERTION_ALGORITHMS
from fhir_server.smart.clients import KINDS
from fhir_server.smart.grants.authorization_code import CODE_CHALLENGE_METHODS
from fhir_server.smart.keys import ID_TOKENS
from fhir_server.smart.scope import CONTEXT_SCOPES, LEVELS, V1

ADDRESSES = {
    "authorization_endpoint": "/auth/authorize",
    "token_endpoint": "/auth/token",
    "jwks_uri": "/auth/jwks",
    "introspection_endpoint": "/auth/introspect",
    "revocation_endpoint": "/auth/revoke",
}
REGISTRATION = "/auth/register"
STYLE = "/auth/smart-style.json"
CALLBACK = "/auth/callback"
RESPONSE_MODES = ("query",)
SMART_STYLE = {
    "color_background": "#ffffff",
    "color_error": "#b3261e",
    "color_highlight": "#0b57a4",
    "color_modal_backdrop": "",
    "color_success": "#1b6e3c",
    "color_text": "#1b1b1f",
    "dim_border_radius": "6px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}
_BY_KIND = {
    "public": "client-public",
    "symmetric": "client-confidential-symmetric",
    "asymmetric": "client-confidential-asymmetric",
}
_BY_SCOPE = {
    "openid": "sso-openid-connect",
    "online_access": "permission-online",
    "offline_access": "permission-offline",
}
# What has no table of its own: how an app is launched, and what a token response then tells.
_LAUNCHES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Of one server: `issuer` is the origin; `registers` says that apps may register themselves (RFC 7591)."""

    issuer: str
    registers: bool = False

    def addresses(self) -> dict[str, str]:
        """Every address that is told, absolute."""
        more = {"registration_endpoint": REGISTRATION} if self.registers else {}
        return {name: f"{self.issuer}{path}" for name, path in {**ADDRESSES, **more}.items()}

    def smart_configuration(self) -> dict[str, Any]:
        """`/.well-known/smart-configuration` at the FHIR base."""
        return {**self._common(), "capabilities": capabilities()}

    def openid_configuration(self) -> dict[str, Any]:
        """`/.well-known/openid-configuration` at the issuer."""
        return {
            **self._common(),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ID_TOKENS],
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "fhirUser"],
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }

    def _common(self) -> dict[str, Any]:
        methods = sorted({method for kind in KINDS.values() for method in kind.methods})
        proving = [each for each in methods if each != "none"]
        return {
            "issuer": self.issuer,
            **self.addresses(),
            "grant_types_supported": sorted({grant for kind in KINDS.values() for grant in kind.grants}),
            "response_types_supported": ["code"],
            "response_modes_supported": list(RESPONSE_MODES),
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": scopes(),
            "code_challenge_methods_supported": list(CODE_CHALLENGE_METHODS),
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
            "introspection_endpoint_auth_methods_supported": proving,
            "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        }


def capabilities() -> list[str]:
    """What SMART calls capabilities."""
    found = [*_LAUNCHES]
    found += [name for kind, name in _BY_KIND.items() if kind in KINDS]
    found += [name for scope, name in _BY_SCOPE.items() if scope in CONTEXT_SCOPES]
    found += [f"permission-{level}" for level in LEVELS if level != "system"]
    found += ["permission-v1"] if V1 else []
    return [*found, "permission-v2"]


def scopes() -> list[str]:
    """Scopes that may be asked; any type and any of the rights may stand in the last ones."""
    return [*CONTEXT_SCOPES, *(f"{level}/*.{rights}" for level in LEVELS for rights in ("cruds", "rs"))]
