"""Pro Santé Connect: the OpenID Connect relying party through which professionals sign in.

May live here: discovery, the code flow with state, nonce and PKCE, the checks of the id_token, and userinfo
(https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowSteps). May not know: what the claims mean for us
(`identity.py`), sessions, pages. Nothing but configuration says which provider it is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from fhir_server.smart.clients import is_safe_url

PATIENCE = 5.0
ALGORITHMS = ("RS256", "PS256", "ES256")
SKEW = 60
REMEMBERED = 600.0
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


class ProviderFault(Exception):
    """The provider does not answer, or does not answer as it must; nobody is signed in."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who signs professionals in; `secret` is empty for a client without one. `scope` is what it asks to be asked."""

    issuer: str
    client_id: str
    secret: str = ""
    scope: str = "openid scope_all"


@dataclass(frozen=True, slots=True)
class Start:
    """Where to send the browser, and what to keep in its session until it comes back."""

    url: str
    state: str
    nonce: str
    verifier: str


class RelyingParty:
    """One per process."""

    def __init__(
        self,
        provider: Provider,
        redirect_uri: str,
        *,
        session: Callable[[], requests.Session] = requests.Session,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._provider, self._redirect_uri = provider, redirect_uri
        self._session, self._clock = session, clock
        self._remembered: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def start(self) -> Start:
        """Begin a sign-in. Raises ProviderFault."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        parameters = [
            ("response_type", "code"),
            ("client_id", self._provider.client_id),
            ("redirect_uri", self._redirect_uri),
            ("scope", self._provider.scope),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", create_s256_code_challenge(verifier)),
            ("code_challenge_method", "S256"),
            ("acr_values", "eidas1"),
        ]
        url = str(add_params_to_uri(self._configuration()["authorization_endpoint"], parameters))
        return Start(url, state, nonce, verifier)

    def finish(self, code: str, nonce: str, verifier: str) -> Mapping[str, Any]:
        """The verified userinfo claims of who signed in. Raises ProviderFault."""
        configuration = self._configuration()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        methods = configuration.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self._provider.secret and "client_secret_basic" in methods:
            pair = f"{quote(self._provider.client_id, safe='')}:{quote(self._provider.secret, safe='')}"
            headers["Authorization"] = f"Basic {_base64(pair)}"
        else:
            form["client_id"] = self._provider.client_id
            if self._provider.secret:
                form["client_secret"] = self._provider.secret
        tokens = self._ask("POST", configuration["token_endpoint"], data=form, headers=headers)
        claims = self._identity(tokens.get("id_token"), nonce, configuration)
        bearer = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        userinfo = self._ask("GET", configuration["userinfo_endpoint"], headers=bearer)
        # OpenID Connect Core 5.3.2: "The sub Claim in the UserInfo Response MUST be verified to exactly match"
        if userinfo.get("sub") != claims["sub"]:
            raise ProviderFault("userinfo speaks of somebody else")
        return userinfo

    def _identity(self, token: Any, nonce: str, configuration: Mapping[str, Any]) -> Mapping[str, Any]:
        """The claims of the id_token, once every check of OpenID Connect Core 3.1.3.7 is passed."""
        if not isinstance(token, str) or len(token) > 20_000:
            raise ProviderFault("there is no id_token")
        try:
            header = jws.extract_compact(token.encode()).headers()
            alg = str(header.get("alg"))
            if alg not in ALGORITHMS:
                raise ProviderFault("the id_token is signed in a way that is not accepted")
            claims = jwt.decode(token, self._key(header.get("kid"), alg, configuration), algorithms=[alg]).claims
        except (JoseError, ValueError, TypeError, RecursionError) as cause:
            raise ProviderFault("the id_token cannot be verified") from cause
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now = self._clock()
        held = {
            "iss": claims.get("iss") == self._provider.issuer,
            "aud": self._provider.client_id in audiences,
            "azp": claims.get("azp", self._provider.client_id) == self._provider.client_id,
            "exp": _number(claims.get("exp")) and claims["exp"] > now - SKEW,
            "iat": _number(claims.get("iat")) and claims["iat"] <= now + SKEW,
            "nonce": hmac.compare_digest(str(claims.get("nonce")), nonce),
            "sub": isinstance(claims.get("sub"), str) and bool(claims["sub"]),
        }
        failed = [name for name, holds in held.items() if not holds]
        if failed:
            raise ProviderFault(f"the id_token does not hold: {', '.join(failed)}")
        return claims

    def _key(self, kid: Any, alg: str, configuration: Mapping[str, Any]) -> Any:
        for attempt in range(2):
            keys = self._document(configuration["jwks_uri"], fresh=attempt == 1).get("keys", [])
            found = [each for each in keys if kid is None or each.get("kid") == kid]
            fitting = [each for each in found if each.get("kty") == ("EC" if alg == "ES256" else "RSA")]
            fitting = [each for each in fitting if each.get("use", "sig") == "sig"]
            if len(fitting) == 1:
                return JWKRegistry.import_key(fitting[0])
        raise ProviderFault("the key of the id_token is not known")

    def _configuration(self) -> dict[str, Any]:
        issuer = self._provider.issuer
        if not is_safe_url(issuer):
            raise ProviderFault("the issuer must be https")
        found = self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer or not all(is_safe_url(str(found.get(name, ""))) for name in _ENDPOINTS):
            raise ProviderFault("the configuration is not that of the issuer")
        return found

    def _document(self, url: str, *, fresh: bool = False) -> dict[str, Any]:
        with self._lock:
            known = self._remembered.get(url)
        now = time.monotonic()
        if known is not None and not fresh and known[0] > now:
            return known[1]
        found = self._ask("GET", url)
        with self._lock:
            self._remembered[url] = (now + REMEMBERED, found)
        return found

    def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            with self._session() as session:
                answer = session.request(method, url, timeout=PATIENCE, allow_redirects=False, **more)
            body = answer.json()
        except (requests.RequestException, ValueError, RecursionError) as cause:
            raise ProviderFault(f"`{urlsplit(url).hostname}` does not answer") from cause
        if answer.status_code != 200 or not isinstance(body, dict):
            raise ProviderFault(f"`{urlsplit(url).hostname}` refuses with {answer.status_code}")
        return body


def is_same(expected: str, given: str) -> bool:
    """Whether the state that came back is the one that was sent; in constant time."""
    return hmac.compare_digest(hashlib.sha256(expected.encode()).digest(), hashlib.sha256(given.encode()).digest())


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
