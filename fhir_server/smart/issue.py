"""Issue: an approval to a grant, and a grant to tokens.

May live here: access tokens (RFC 9068), refresh tokens and their family, id_tokens, and the token response of SMART
(https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5). May not know: how the approval came about,
how a client proved who it is. Nothing is answered before the ledger has it (decisions 20).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from joserfc import jwt

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Principal
from fhir_server.smart import records
from fhir_server.smart.approval import Approval, Approver, Issued
from fhir_server.smart.claims import ACCESS_TOKEN, claims_of, keep, recall
from fhir_server.smart.keys import ACCESS_TOKENS, ID_TOKENS, Keys
from fhir_server.smart.records import fingerprint

SIGN_IN = timedelta(hours=8)
"""How long a sign-in lasts at most, and with it every refresh token."""
CODE_LIFE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long access tokens live (decisions 23)."""

    person: timedelta
    system: timedelta
    emergency: timedelta

    def of(self, principal: Principal) -> timedelta:
        """The lifetime of this principal's tokens."""
        if principal.purpose.emergency:
            return min(self.emergency, self.person)
        return self.system if principal.subject == principal.client else self.person


def lifetimes() -> Lifetimes:
    """Those that `rules.json` says."""
    minutes = profile_json("dmp/rules.json")["access"]
    return Lifetimes(
        *(timedelta(minutes=minutes[f"{name}Minutes"]) for name in ("professional", "system", "emergency"))
    )


class Issuer:
    """One per process. `issued` is told of every access token before it leaves (outcome `0`)."""

    def __init__(
        self,
        kept: records.Records,
        keys: Keys,
        approver: Approver,
        issued: Issued,
        *,
        fhir_base: str,
        style_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._kept, self._keys, self._approver, self._issued = kept, keys, approver, issued
        self._fhir_base, self._style_url, self._clock = fhir_base, style_url, clock
        self._lifetimes = lifetimes()

    def grant(
        self,
        approval: Approval,
        *,
        session: records.Session | None = None,
        nonce: str | None = None,
    ) -> records.Grant:
        """Keep what was approved; its tokens end with it, and it ends with the sign-in."""
        now, principal = self._clock(), approval.principal
        if session is None and approval.refreshes:
            session = self._sign_in(principal, now)
        ends = now + CODE_LIFE + self._lifetimes.of(principal)
        if session is not None and approval.refreshes:
            ends = session.ends + self._lifetimes.of(principal)
        made = self._kept.grants.insert(
            key=secrets.token_urlsafe(18),
            client=principal.client,
            person=keep(replace(principal, patient=None, scopes=())),
            scope=list(approval.scope),
            patient=principal.patient,
            purpose=principal.purpose.value,
            reason=principal.reason,
            launch=dict(approval.launch),
            nonce=nonce,
            session=session.key if session is not None else None,
            authenticated=session.signed_in if session is not None else now,
            made=now,
            expires=ends,
        )
        if made is None:
            raise RuntimeError("a random key was drawn twice")
        return made

    def tokens(
        self, grant: records.Grant, scope: tuple[str, ...] | None = None, *, first: bool = True
    ) -> dict[str, Any]:
        """The token response of a grant; `scope` is a part of what was granted; `first` brings an id_token.

        Raises InvalidGrantError when the grant no longer holds, and whatever the ledger raises.
        """
        now = self._clock()
        if grant.revoked or grant.expires <= now:
            raise InvalidGrantError("what was granted no longer holds")
        granted = tuple(grant.scope)
        principal = replace(
            recall(grant.person),
            patient=grant.patient,
            scopes=scope or granted,
            reason=grant.reason,
            token=f"{grant.key}.{secrets.token_urlsafe(9)}",
        )
        self._approver.check(principal)
        lifetime = self._lifetimes.of(principal)
        access = self._sign(
            ACCESS_TOKENS, ACCESS_TOKEN, claims_of(principal, fhir_base=self._fhir_base, now=now, lifetime=lifetime)
        )
        answer: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(lifetime.total_seconds()),
            "scope": " ".join(principal.scopes),
            **self._context(grant),
        }
        if Approval(replace(principal, scopes=granted)).refreshes and grant.session:
            answer["refresh_token"] = self._refresh_token(grant)
        if first and "openid" in principal.scopes:
            answer["id_token"] = self._id_token(principal, grant, access, now, lifetime)
        self._issued(principal, "0", None)
        return answer

    def _context(self, grant: records.Grant) -> Mapping[str, Any]:
        if not grant.patient:
            return {}
        told = {name: value for name, value in grant.launch.items() if value not in (None, "", [])}
        return {"patient": grant.patient, "need_patient_banner": True, "smart_style_url": self._style_url, **told}

    def _refresh_token(self, grant: records.Grant) -> str:
        token = secrets.token_urlsafe(32)
        self._kept.refresh_tokens.insert(
            key=fingerprint(token), grant=grant.key, client=grant.client, expires=grant.expires
        )
        return token

    def _id_token(
        self, principal: Principal, grant: records.Grant, access: str, now: datetime, lifetime: timedelta
    ) -> str:
        """https://openid.net/specs/openid-connect-core-1_0.html#IDToken, RS256 as SMART asks."""
        iat = int(now.timestamp())
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": principal.issuer,
            "sub": principal.subject,
            "aud": principal.client,
            "exp": iat + int(lifetime.total_seconds()),
            "iat": iat,
            "auth_time": int((grant.authenticated or now).timestamp()),
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        }
        if grant.nonce:
            claims["nonce"] = grant.nonce
        if principal.reference and {"fhirUser", "profile"} & set(principal.scopes):
            claims["fhirUser"] = f"{self._fhir_base}/{principal.reference}"
        return self._sign(ID_TOKENS, "JWT", claims)

    def _sign(self, alg: str, type_: str, claims: dict[str, Any]) -> str:
        kid, key = self._keys.signing(alg)
        return jwt.encode({"alg": alg, "typ": type_, "kid": kid}, claims, key, algorithms=[alg])

    def _sign_in(self, principal: Principal, now: datetime) -> records.Session:
        """A sign-in without a browser, so that its refresh tokens end as those of any other."""
        made = self._kept.sessions.insert(
            key=fingerprint(secrets.token_urlsafe(32)),
            csrf=secrets.token_urlsafe(16),
            person=keep(principal),
            signed_in=now,
            seen=now,
            ends=now + SIGN_IN,
        )
        if made is None:
            raise RuntimeError("a random key was drawn twice")
        return made
