"""Key sets: the public keys of clients, registered by value or by URL.

May live here: fetching a JWK set, remembering it as long as its Cache-Control allows, and fetching again for a key that
is not in it (https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html). May not know: what the
keys verify. A set that cannot be had holds no key.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

PATIENCE = 2.0
LONGEST = 200_000
DEFAULT_AGE = 60.0
GREATEST_AGE = 3600.0
REFETCHES = 10
"""Fetches in a minute that unknown key ids may cause, per address: strangers must not drive our requests."""

Jwk = dict[str, Any]


@dataclass(slots=True)
class _Remembered:
    keys: list[Jwk]
    until: float


class KeySets:
    """One per process; threads share it."""

    def __init__(
        self, session: Callable[[], requests.Session] = requests.Session, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session, self._clock = session, clock
        self._remembered: dict[str, _Remembered] = {}
        self._refetched: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def candidates(self, kid: str, alg: str, *, jwks: dict[str, Any] | None, jwks_uri: str | None) -> list[Any]:
        """The public keys with this kid that are fit for the algorithm; [] where there is none or it cannot be had."""
        if not jwks_uri:
            return _fitting((jwks or {}).get("keys", []), kid, alg)
        remembered = self._remembered.get(jwks_uri)
        if remembered is not None and remembered.until > self._clock():
            found = _fitting(remembered.keys, kid, alg)
            if found or not self._may_refetch(jwks_uri):
                return found
        return _fitting(self._fetch(jwks_uri), kid, alg)

    def _may_refetch(self, uri: str) -> bool:
        with self._lock:
            now = self._clock()
            recent = [at for at in self._refetched.get(uri, []) if at > now - 60]
            self._refetched[uri] = [*recent, now][-REFETCHES:]
            return len(recent) < REFETCHES

    def _fetch(self, uri: str) -> list[Jwk]:
        try:
            with (
                self._session() as session,
                session.get(
                    uri, timeout=PATIENCE, allow_redirects=False, stream=True, headers={"Accept": "application/json"}
                ) as response,
            ):
                if response.status_code != 200:
                    return []
                body = _read(response, time.monotonic() + PATIENCE)
                age = _age(response.headers.get("Cache-Control", ""))
            keys = json.loads(body)["keys"]
            keys = [each for each in keys if isinstance(each, dict)]
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return []
        self._remembered[uri] = _Remembered(keys, self._clock() + age)
        return keys


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body; ValueError when it is too long or too slow (a timeout of requests is between two bytes, not of all)."""
    body = b""
    for part in response.iter_content(8192):
        body += part
        if len(body) > LONGEST or time.monotonic() > deadline:
            raise ValueError("the key set is too long or too slow")
    return body


def _age(cache_control: str) -> float:
    """Seconds a set may be remembered."""
    words = cache_control.lower()
    if "no-store" in words or "no-cache" in words:
        return 0.0
    found = re.search(r"max-age\s*=\s*\"?(\d{1,9})", words)
    return min(float(found[1]), GREATEST_AGE) if found else DEFAULT_AGE


def _fitting(keys: list[Jwk], kid: str, alg: str) -> list[Any]:
    """Those with the kid, of the algorithm's kind, meant for signatures, and public."""
    kind, curve = {"ES384": ("EC", "P-384"), "RS384": ("RSA", None)}[alg]
    found = []
    for each in keys:
        if (
            each.get("kid") == kid
            and each.get("kty") == kind
            and (curve is None or each.get("crv") == curve)
            and each.get("alg", alg) == alg
            and each.get("use", "sig") == "sig"
        ):
            try:
                key = JWKRegistry.import_key(each)
            except (JoseError, ValueError, TypeError):
                continue
            if not key.is_private:
                found.append(key)
    return found
