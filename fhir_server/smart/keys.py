"""Keys: what our tokens are signed with, made once for all workers, rotated, withdrawn.

May live here: https://www.rfc-editor.org/rfc/rfc7517 for ourselves. ES256 signs access tokens (it signs fast), RS256
signs id_tokens (SMART asks for it). May not know: what is signed. A withdrawn key stops at once, on every worker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from joserfc.jwk import ECKey, RSAKey

from fhir_server.smart.freshness import Freshness

ACCESS_TOKENS = "ES256"
ID_TOKENS = "RS256"
ALGORITHMS = (ACCESS_TOKENS, ID_TOKENS)
OVERLAP = timedelta(hours=1)
"""How long a key that no longer signs is still published: longer than any token lives."""

Key = ECKey | RSAKey


class KeyShelf(Protocol):
    """Where keys are kept: rows of `kid`, `alg`, `jwk` (private, as JSON), `made` and `ends` (None while it signs)."""

    def published_keys(self) -> list[Mapping[str, Any]]:
        """Every key that is still published, oldest first."""

    def keep_key(self, slot: str, kid: str, alg: str, jwk: dict[str, Any], made: datetime) -> None:
        """Keep a key under a slot, unless another worker has filled it meanwhile."""

    def end_key(self, kid: str, ends: datetime) -> None:
        """Publish a key until `ends` and sign no more with it."""

    def drop_key(self, kid: str) -> None:
        """Forget a key."""


@dataclass(frozen=True, slots=True)
class _Known:
    kid: str
    alg: str
    key: Key
    signs: bool


class Keys:
    """One per process. What it remembers is emptied by a callback of kind `key`."""

    def __init__(self, shelf: KeyShelf, freshness: Freshness, clock: Callable[[], datetime]) -> None:
        self._shelf, self._freshness, self._clock = shelf, freshness, clock
        self._known: tuple[_Known, ...] | None = None
        self._generation = 0
        self._writing = threading.Lock()
        freshness.on("key", self._forget)

    def signing(self, alg: str) -> tuple[str, Key]:
        """The kid and the private key to sign with now; made if there is none."""
        for attempt in range(2):
            found = [each for each in self._load() if each.alg == alg and each.signs]
            if found:
                return found[-1].kid, found[-1].key
            if attempt == 0:
                self._make(alg, f"first-{alg}")
        raise RuntimeError(f"no key for `{alg}` can be kept")

    def verifying(self, kid: str | None, alg: str) -> Key | None:
        """The key with this kid and algorithm, while it is published."""
        return next((each.key for each in self._load() if each.kid == kid and each.alg == alg), None)

    def published(self) -> dict[str, Any]:
        """The JWK set that everybody may read; no private member."""
        for alg in ALGORITHMS:
            self.signing(alg)
        return {"keys": [each.key.as_dict(private=False) for each in self._load()]}

    def rotate(self, alg: str) -> str:
        """Sign with a new key from now on, and publish the old one until its tokens have ended; the new kid."""
        old = [each.kid for each in self._load() if each.alg == alg and each.signs]
        kid = self._make(alg, f"{alg}-{self._clock().timestamp()}")
        for each in old:
            self._shelf.end_key(each, self._clock() + OVERLAP)
        self._tell(kid)
        return kid

    def withdraw(self, kid: str) -> None:
        """Believe nothing that was signed with this key, from now on and on every worker."""
        self._shelf.drop_key(kid)
        self._tell(kid)

    def _make(self, alg: str, slot: str) -> str:
        parameters: Any = {"alg": alg, "use": "sig"}
        key: Key = (
            ECKey.generate_key("P-256", parameters, auto_kid=True)
            if alg == ACCESS_TOKENS
            else RSAKey.generate_key(2048, parameters, auto_kid=True)
        )
        self._shelf.keep_key(slot, str(key.kid), alg, dict(key.as_dict(private=True)), self._clock())
        self._forget("")
        return str(key.kid)

    def _tell(self, kid: str) -> None:
        self._forget(kid)
        self._freshness.settle(self._freshness.bump("key", kid))

    def _forget(self, _: str) -> None:
        with self._writing:
            self._generation += 1
            self._known = None

    def _load(self) -> tuple[_Known, ...]:
        known = self._known
        if known is None:
            generation, now = self._generation, self._clock()
            known = tuple(
                _Known(row["kid"], row["alg"], _read(row["jwk"]), row["ends"] is None)
                for row in self._shelf.published_keys()
                if row["ends"] is None or row["ends"] > now
            )
            # INVARIANT (no stale key): what was looked up before an invalidation is not remembered after it
            with self._writing:
                if generation == self._generation:
                    self._known = known
        return known


def _read(jwk: dict[str, Any]) -> Key:
    return ECKey.import_key(jwk) if jwk["kty"] == "EC" else RSAKey.import_key(jwk)
