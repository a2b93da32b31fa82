"""Clients: the apps and systems that may ask for tokens, what each kind may do, and how they are registered.

May live here: the table of kinds, the checks of a registration, and Authlib's view of a client. May not know: how a
client proves who it is (`client_authentication.py`), commands, HTTP.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from authlib.oauth2.rfc6749 import ClientMixin
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fhir_server.foundation.principal import Kind
from fhir_server.smart import records
from fhir_server.smart.key_sets import usable
from fhir_server.smart.revocation import Revocation
from fhir_server.smart.scope import CONTEXT_SCOPES, parse, split

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
SYSTEMS = (Kind.ESTABLISHMENT, Kind.INSURANCE_FEED, Kind.RECEPTION, Kind.OPERATOR)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class ClientKind:
    """What a kind of client may do: its grants, and how it proves at the token endpoint who it is."""

    grants: frozenset[str]
    methods: frozenset[str]


_FOR_PEOPLE = frozenset({"authorization_code", "refresh_token"})
KINDS: Mapping[str, ClientKind] = {
    "public": ClientKind(_FOR_PEOPLE, frozenset({"none"})),
    "symmetric": ClientKind(_FOR_PEOPLE, frozenset({"client_secret_basic", "client_secret_post"})),
    "asymmetric": ClientKind(_FOR_PEOPLE, frozenset({"private_key_jwt"})),
    "backend": ClientKind(frozenset({"client_credentials"}), frozenset({"private_key_jwt"})),
}


class RegistrationFault(ValueError):
    """A client cannot be registered like this; the sentence says why."""


class OAuthClient(ClientMixin):  # type: ignore[misc] # authlib is untyped
    """A client as Authlib's grants see it."""

    def __init__(self, record: records.Client) -> None:
        self.record = record
        self.id = record.key
        self.kind = KINDS[record.kind]

    def get_client_id(self) -> str:
        """The client_id."""
        return self.id

    def get_default_redirect_uri(self) -> None:
        """None: SMART apps name theirs in every request."""

    def get_allowed_scope(self, scope: str) -> str:
        """What was asked, unchanged: what is granted depends on who signs in, and is cut down then."""
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is one of the registered ones, character by character (RFC 9700 section 2.1)."""
        return redirect_uri in self.record.redirect_uris

    def check_response_type(self, response_type: str) -> bool:
        """Whether the client may ask people."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether clients of this kind may use the grant."""
        return grant_type in self.kind.grants

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        """Whether clients of this kind prove who they are in this way."""
        return method in self.kind.methods


class Clients:
    """The register of clients."""

    def __init__(self, kept: records.Records, revocation: Revocation, clock: Callable[[], datetime]) -> None:
        self._kept, self._revocation, self._clock = kept.clients, revocation, clock

    def find(self, client_id: str | None) -> OAuthClient | None:
        """The client with this id, unless it is disabled."""
        found = self._kept.find(client_id, disabled=False)
        return OAuthClient(found) if found else None

    def list(self) -> list[records.Client]:
        """Every client, also those disabled, by id."""
        return self._kept.all()

    def add(
        self,
        kind: str,
        *,
        client_id: str | None = None,
        name: str = "",
        redirect_uris: tuple[str, ...] = (),
        scope: str = "",
        jwks: dict[str, Any] | None = None,
        jwks_uri: str | None = None,
        secret: str | None = None,
        acts_as: Kind | str | None = None,
        organization: str | None = None,
        organization_key: str | None = None,
        introspects: bool = False,
        launches: bool = False,
    ) -> tuple[records.Client, str | None]:
        """Register a client: it, and its secret, which is shown this once, if its kind has one.

        `acts_as` says what a system is to the record, `organization` (`Organization/x`) and `organization_key`
        (`org:1<FINESS>`) for whom it acts. Raises RegistrationFault.
        """
        if kind not in KINDS:
            raise RegistrationFault(f"`{kind}` is no kind of client: write one of {', '.join(KINDS)}")
        if KINDS[kind].grants & _FOR_PEOPLE:
            _check_redirects(redirect_uris)
        elif acts_as not in SYSTEMS:
            raise RegistrationFault(f"a system acts as one of {', '.join(SYSTEMS)}")
        if launches and "none" in KINDS[kind].methods:
            raise RegistrationFault("an app that cannot keep a secret may not launch others")
        _check_scope(scope, system=kind == "backend")
        if "private_key_jwt" in KINDS[kind].methods:
            _check_keys(jwks, jwks_uri)
        shown = (secret or secrets.token_urlsafe(32)) if kind == "symmetric" else None
        made = self._kept.insert(
            key=client_id or secrets.token_hex(12),
            kind=kind,
            name=name,
            redirect_uris=list(redirect_uris),
            scope=scope,
            jwks=jwks,
            jwks_uri=jwks_uri,
            secret=HASHER.hash(shown) if shown else None,
            acts_as=str(acts_as) if acts_as else None,
            organization=organization,
            organization_key=organization_key,
            introspects=introspects,
            launches=launches,
            made=self._clock(),
        )
        if made is None:
            raise RegistrationFault(f"there is a client `{client_id}` already")
        return made, shown

    def disable(self, client_id: str) -> bool:
        """Take everything from a client, at once and on every worker; False if there is no such client."""
        changed = self._kept.change(client_id, set__disabled=True)
        self._revocation.client_changed(client_id)
        return changed is not None

    def enable(self, client_id: str) -> bool:
        """Undo `disable`: tokens that have not expired hold again."""
        changed = self._kept.change(client_id, set__disabled=False)
        self._revocation.client_changed(client_id)
        return changed is not None

    def rotate(self, client_id: str) -> str | None:
        """Give a symmetric client a new secret, shown this once; None if there is no such client."""
        secret = secrets.token_urlsafe(32)
        changed = self._kept.change(client_id, {"kind": "symmetric"}, set__secret=HASHER.hash(secret))
        return secret if changed else None

    def replace_keys(self, client_id: str, jwks: dict[str, Any] | None, jwks_uri: str | None) -> bool:
        """Give a client with keys other ones: the old ones prove nothing from now on; False if there is no such client.

        Raises RegistrationFault.
        """
        _check_keys(jwks, jwks_uri)
        kinds = [name for name, kind in KINDS.items() if "private_key_jwt" in kind.methods]
        return self._kept.change(client_id, {"kind__in": kinds}, set__jwks=jwks, set__jwks_uri=jwks_uri) is not None


def is_safe_url(url: str) -> bool:
    """Whether an address is https, or http on this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def is_redirect(uri: str) -> bool:
    """Whether people may be sent back there: https, http on this machine, or a scheme of the app's own."""
    try:
        parts = urlsplit(uri)
        # RFC 8252 section 7.1: a private-use scheme has a dot; others (javascript, data) do not
        private = "." in parts.scheme and not parts.netloc
        plain = not (parts.fragment or "*" in uri or parts.username is not None) and uri.isascii() and " " not in uri
        return plain and uri.isprintable() and (private or is_safe_url(uri))
    except ValueError:
        return False


def _check_redirects(uris: tuple[str, ...]) -> None:
    if not uris:
        raise RegistrationFault("an app needs at least one redirect URI")
    for uri in uris:
        if not is_redirect(uri):
            raise RegistrationFault(f"`{uri}` is no redirect URI: https, http on this machine, or a scheme of your own")


def _check_scope(scope: str, *, system: bool) -> None:
    for each in split(scope):
        found = parse(each)
        if found is None and (system or each not in CONTEXT_SCOPES):
            raise RegistrationFault(f"`{each}` is no scope")
        if found is not None and (found.level == "system") is not system:
            raise RegistrationFault(f"`{each}` is no scope for this kind of client")


def _check_keys(jwks: dict[str, Any] | None, jwks_uri: str | None) -> None:
    if bool(jwks) is bool(jwks_uri):
        raise RegistrationFault("give the public keys either by value or by URL")
    if jwks_uri and not is_safe_url(jwks_uri):
        raise RegistrationFault(f"`{jwks_uri}` is no address of a key set: https, or http on this machine")
    if jwks:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a key that is too short is refused in a sentence, below
                private = any(key.is_private for key in KeySet.import_key_set({"keys": jwks.get("keys", [])}))
        except (JoseError, ValueError, TypeError, KeyError) as cause:
            raise RegistrationFault("the key set cannot be read") from cause
        if private:
            raise RegistrationFault("the key set holds a private key: keep it to yourself and register the public one")
        if not usable(jwks):
            raise RegistrationFault(
                "no key of the set can sign with ES384 or RS384: P-384, or RSA of 2048 bits, and a kid"
            )
