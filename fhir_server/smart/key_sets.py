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
from dataclasses import dataclass, field
from typing import Any

import requests
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

PATIENCE = 2.0
LONGEST = 200_000
DEFAULT_AGE = 60.0
GREATEST_AGE = 3600.0
FAILED_AGE = 5.0
"""Seconds in which a set that could not be had is not asked for again."""
FETCHES = 8
"""Sets that are fetched at a time: one more is not had."""
_MODULUS = 342
"""Characters of 2048 bits, the least that RFC 7518 section 3.3 allows."""
REFETCHES = 10
"""Fetches in a minute that unknown key ids may cause, per address: strangers must not drive our requests."""

_ALGORITHMS = {"ES384": ("EC", "P-384"), "RS384": ("RSA", None)}
_OF_STATEMENTS = {**_ALGORITHMS, "ES256": ("EC", "P-256"), "RS256": ("RSA", None)}

Jwk = dict[str, Any]


@dataclass(slots=True)
class _Remembered:
    keys: list[Jwk]
    until: float
    failed: bool = False


@dataclass(slots=True)
class _Fetch:
    """One under way; whoever wants the same set waits for it too."""

    done: threading.Event = field(default_factory=threading.Event)
    keys: list[Jwk] = field(default_factory=list)


class KeySets:
    """One per process; threads share it."""

    def __init__(
        self, session: Callable[[], requests.Session] = requests.Session, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session, self._clock = session, clock
        self._remembered: dict[str, _Remembered] = {}
        self._refetched: dict[str, list[float]] = {}
        self._under_way: dict[str, _Fetch] = {}
        self._lock = threading.Lock()

    def candidates(self, kid: str, alg: str, *, jwks: dict[str, Any] | None, jwks_uri: str | None) -> list[Any]:
        """The public keys with this kid that are fit for the algorithm; [] where there is none or it cannot be had."""
        if not jwks_uri:
            return _fitting((jwks or {}).get("keys", []), kid, alg)
        remembered = self._remembered.get(jwks_uri)
        if remembered is not None and remembered.until > self._clock():
            found = _fitting(remembered.keys, kid, alg)
            if found or remembered.failed or not self._may_refetch(jwks_uri):
                return found
        return _fitting(self._fetch(jwks_uri), kid, alg)

    def _may_refetch(self, uri: str) -> bool:
        with self._lock:
            now = self._clock()
            recent = [at for at in self._refetched.get(uri, []) if at > now - 60]
            self._refetched[uri] = [*recent, now][-REFETCHES:]
            return len(recent) < REFETCHES

    def _fetch(self, uri: str) -> list[Jwk]:
        """The keys of the set; [] if it is not there within `PATIENCE` seconds in all, however it dawdles.

        A timeout of requests is between two bytes, so it is another thread that waits for them.
        """
        with self._lock:
            fetch = self._under_way.get(uri)
            if fetch is None:
                if len(self._under_way) >= FETCHES:
                    return []
                fetch = self._under_way[uri] = _Fetch()
                threading.Thread(target=self._run, args=(uri, fetch), name="key set", daemon=True).start()
        if fetch.done.wait(PATIENCE):
            return fetch.keys
        self._remember_failure(uri)
        return []

    def _run(self, uri: str, fetch: _Fetch) -> None:
        try:
            found = self._ask(uri)
            if found is None:
                self._remember_failure(uri)
            else:
                fetch.keys = found
        finally:
            with self._lock:
                del self._under_way[uri]
            fetch.done.set()

    def _remember_failure(self, uri: str) -> None:
        known = self._remembered.get(uri)
        if known is not None and known.until > self._clock():
            return  # what is known stays known
        self._remembered[uri] = _Remembered([], self._clock() + FAILED_AGE, failed=True)

    def _ask(self, uri: str) -> list[Jwk] | None:
        try:
            with (
                self._session() as session,
                session.get(
                    uri, timeout=PATIENCE, allow_redirects=False, stream=True, headers={"Accept": "application/json"}
                ) as response,
            ):
                if response.status_code != 200:
                    return None
                body = _read(response, time.monotonic() + PATIENCE)
                age = _age(response.headers.get("Cache-Control", ""))
            keys = json.loads(body)["keys"]
            keys = [each for each in keys if isinstance(each, dict)]
        except (requests.RequestException, ValueError, KeyError, TypeError, RecursionError):
            return None
        self._remembered[uri] = _Remembered(keys, self._clock() + age)
        return keys


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body; ValueError when it is too long or too slow."""
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


def usable(jwks: dict[str, Any]) -> bool:
    """Whether any key of a set could ever sign an assertion that is taken: it has a kid, and fits an algorithm."""
    keys = [each for each in jwks.get("keys", []) if isinstance(each.get("kid"), str)]
    return any(_fitting(keys, each["kid"], alg) for each in keys for alg in _ALGORITHMS)


def usable_for(keys: list[Any], kid: Any, alg: str) -> list[Any]:
    """The public keys that may have made a signature with this algorithm; with a kid, those of it."""
    return (
        _fitting(keys, kid, alg)
        if kid is not None
        else [key for each in keys for key in _fitting([each], each.get("kid"), alg)]
    )


def _fitting(keys: list[Jwk], kid: str, alg: str) -> list[Any]:
    """Those with the kid, of the algorithm's kind, meant for signatures, and public."""
    kind, curve = _OF_STATEMENTS[alg]
    found = []
    for each in keys:
        if (
            each.get("kid") == kid
            and each.get("kty") == kind
            and (curve is None or each.get("crv") == curve)
            and each.get("alg", alg) == alg
            and each.get("use", "sig") == "sig"
            and (kind != "RSA" or len(str(each.get("n", ""))) >= _MODULUS)
        ):
            try:
                key = JWKRegistry.import_key(each)
            except (JoseError, ValueError, TypeError):
                continue
            if not key.is_private:
                found.append(key)
    return found
