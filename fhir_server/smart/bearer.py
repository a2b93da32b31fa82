"""Bearer: an Authorization header to a Principal, or a Problem 401.

May live here: RFC 6750 and the checks of RFC 9068 section 4, and what is remembered of tokens already checked. May not
know: what a Principal may do. A token is checked in full once per worker; then it costs a look-up, until it expires or
a callback of kind `token`, `client` or `key` says that it no longer holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from joserfc import jws, jwt
from joserfc.errors import JoseError

from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Problem, problem
from fhir_server.smart.claims import ACCESS_TOKEN, grant_of, principal_of
from fhir_server.smart.freshness import Freshness
from fhir_server.smart.keys import ALGORITHMS, Keys

REMEMBERED = 10_000
LONGEST = 8_000
SKEW = 30
"""Seconds by which the clocks of our own hosts may differ."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the server keeps of a grant: whether it still holds, and the reason of an emergency."""

    holds: bool
    reason: str | None = None


class Grants(Protocol):
    """Where grants are kept."""

    def standing(self, grant: str, client: str) -> Standing | None:
        """The standing of a grant made to a client that is not disabled; None if there is none."""


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    expires: float
    grant: str


class Bearer:
    """One per process. `clock` gives the seconds since 1970 of the protocol clock."""

    def __init__(
        self,
        keys: Keys,
        grants: Grants,
        freshness: Freshness,
        *,
        issuer: str,
        fhir_base: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys, self._grants, self._freshness, self._clock = keys, grants, freshness, clock
        self._issuer, self._fhir_base = issuer, fhir_base
        self._known: dict[str, _Known] = {}
        self._writing = threading.Lock()
        self._generation = 0
        freshness.on("token", self._forget_grant)
        freshness.on("client", self._forget_client)
        freshness.on("key", self._forget_all)

    def principal(self, authorization: str | None) -> Principal:
        """Who presents this Authorization header. Raises Problem 401."""
        if not authorization:
            raise problem(401, "login", "a token is needed", WWW_Authenticate="Bearer")
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" and scheme.lower() != "bearer":
            raise problem(401, "login", "a bearer token is needed", WWW_Authenticate="Bearer")
        token = token.strip()
        self._freshness.check()
        known = self._known.get(token) or self._verify(token)
        if known.expires <= self._clock():
            raise _invalid("the token has expired", "expired")
        return known.principal

    def claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that we signed for ourselves and that has not expired. Raises Problem 401."""
        if len(token) > LONGEST:
            raise _invalid()
        try:
            header = jws.extract_compact(token.encode()).headers()
            alg = str(header.get("alg"))
            key = self._keys.verifying(header.get("kid"), alg) if alg in ALGORITHMS else None
            # the type first: an id_token is signed by us as well, and opens nothing
            if key is None or str(header.get("typ")).lower().removeprefix("application/") != ACCESS_TOKEN:
                raise _invalid()
            claims = jwt.decode(token, key, algorithms=[alg]).claims
        except (JoseError, ValueError, TypeError, RecursionError) as cause:
            raise _invalid() from cause
        if claims.get("iss") != self._issuer or claims.get("aud") != self._fhir_base:
            raise _invalid()
        now = self._clock()
        if not _number(claims.get("exp")) or not _number(claims.get("nbf", 0)) or claims.get("nbf", 0) > now + SKEW:
            raise _invalid()
        if claims["exp"] <= now:
            raise _invalid("the token has expired", "expired")
        return claims

    def _verify(self, token: str) -> _Known:
        generation = self._generation
        claims = self.claims(token)
        try:
            principal = principal_of(claims, self._fhir_base)
            grant = grant_of(principal.token)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as cause:
            raise _invalid() from cause
        standing = self._grants.standing(grant, principal.client)
        if standing is None or not standing.holds:
            raise _invalid("the token no longer holds")
        if principal.purpose.emergency:
            principal = replace(principal, reason=standing.reason)
        known = _Known(principal, claims["exp"], grant)
        # INVARIANT (no stale token): what was looked up before an invalidation is not remembered after it
        with self._writing:
            if generation == self._generation:
                if len(self._known) >= REMEMBERED:
                    self._prune()
                self._known[token] = known
        return known

    def _prune(self) -> None:
        now = self._clock()
        kept = {token: known for token, known in self._known.items() if known.expires > now}
        self._known = kept if len(kept) < REMEMBERED else {}

    def _forget_grant(self, grant: str) -> None:
        self._forget(lambda known: not grant or known.grant == grant)

    def _forget_client(self, client: str) -> None:
        self._forget(lambda known: not client or known.principal.client == client)

    def _forget_all(self, _: str) -> None:
        self._forget(lambda _: True)

    def _forget(self, ended: Callable[[_Known], bool]) -> None:
        with self._writing:
            self._generation += 1
            self._known = {token: known for token, known in self._known.items() if not ended(known)}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _invalid(text: str = "the token is not valid", code: str = "login") -> Problem:
    return problem(401, code, text, WWW_Authenticate='Bearer error="invalid_token"')
