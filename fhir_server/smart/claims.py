"""Claims: a Principal as the claims of a token, and back; and as a record of ours, and back.

May live here: RFC 9068 access tokens, IUA's and PCF's extensions (https://profiles.ihe.net/ITI/IUA,
https://profiles.ihe.net/ITI/PCF), and `fr_dmp`, what only the DMP needs. May not know: keys, the store. The reason of
a bris de glace is health data: it never stands here, only the handle under which the server keeps it (decisions 23).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.smart.identity import ORGANIZATION_SYSTEM

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACCESS_TOKEN = "at+jwt"  # noqa: S105 - the `typ` of RFC 9068
USERS = frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"})
_SETS = frozenset({"identities", "organizations", "specialties"})
_PRIVATE = frozenset({"reason"})


def claims_of(principal: Principal, *, fhir_base: str, now: datetime, lifetime: timedelta) -> dict[str, Any]:
    """The claims of an access token for the FHIR base; `principal.token` is its jti, `issuer` its iss."""
    iat = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": principal.issuer,
        "sub": principal.subject,
        "aud": fhir_base,
        "exp": iat + int(lifetime.total_seconds()),
        "nbf": iat,
        "iat": iat,
        "jti": principal.token,
        "client_id": principal.client,
        "scope": " ".join(principal.scopes),
    }
    if principal.patient:
        claims["patient"] = principal.patient
    if _is_user(principal.reference):
        claims["fhirUser"] = f"{fhir_base}/{principal.reference}"
    claims["extensions"] = {"ihe_iua": _iua(principal), "fr_dmp": _dmp(principal)}
    if principal.patient:
        claims["extensions"]["ihe_pcf"] = {"patient_id": principal.patient}
    return claims


def principal_of(claims: Mapping[str, Any], fhir_base: str) -> Principal:
    """The Principal that verified claims speak of, but for the reason. Raises KeyError, TypeError or ValueError."""
    iua = claims["extensions"]["ihe_iua"]
    dmp = claims["extensions"]["fr_dmp"]
    roles = iua.get("subject_role", [])
    user = claims.get("fhirUser") or dmp.get("reference")
    return Principal(
        kind=Kind(dmp["kind"]),
        subject=claims["sub"],
        client=claims["client_id"],
        name=iua.get("subject_name", ""),
        token=claims["jti"],
        reference=user.removeprefix(f"{fhir_base}/") if user else None,
        identities=frozenset(dmp.get("identities", ())),
        organization=dmp.get("organization"),
        organization_name=iua.get("subject_organization", ""),
        organizations=frozenset(dmp.get("organizations", ())),
        profession=next((each["code"] for each in roles if each["system"] != _specialties()), None),
        specialties=frozenset(each["code"] for each in roles if each["system"] == _specialties()),
        sector=dmp.get("sector"),
        regulation=dmp.get("regulation", False),
        purpose=Purpose(iua["purpose_of_use"][0]["code"]),
        patient=claims.get("patient"),
        scopes=tuple(claims["scope"].split()),
        secret_session=dmp.get("secret_session", False),
        issuer=claims["iss"],
    )


def keep(principal: Principal) -> dict[str, Any]:
    """A person or system as a record of ours: JSON, without what is private to one token."""
    kept = {}
    for each in fields(principal):
        value = getattr(principal, each.name)
        if each.name not in _PRIVATE and value not in (None, "", (), frozenset()):
            kept[each.name] = _plain(value)
    return kept


def _plain(value: Any) -> Any:
    match value:
        case frozenset():
            return sorted(value)
        case tuple():
            return list(value)
        case StrEnum():
            return value.value
    return value


def recall(kept: Mapping[str, Any]) -> Principal:
    """What `keep` kept."""
    values: dict[str, Any] = {name: frozenset(value) if name in _SETS else value for name, value in kept.items()}
    made = Principal(**({"subject": "", "client": ""} | values))
    return replace(made, kind=Kind(made.kind), purpose=Purpose(made.purpose), scopes=tuple(made.scopes))


def grant_of(token: str) -> str:
    """The grant that a token, named by its jti, came from: what is revoked, and the handle of its reason."""
    return token.partition(".")[0]


def _is_user(reference: str | None) -> bool:
    """Whether it names somebody: an organisation is no fhirUser."""
    return bool(reference) and str(reference).partition("/")[0] in USERS


def _iua(principal: Principal) -> dict[str, Any]:
    told: dict[str, Any] = {
        "subject_name": principal.name,
        "purpose_of_use": [{"system": ACT_REASON, "code": principal.purpose.value}],
    }
    if principal.organization:
        number = principal.organization.removeprefix("org:")
        told["subject_organization_id"] = (
            f"{ORGANIZATION_SYSTEM}|{number}" if number != principal.organization else number
        )
        told["subject_organization"] = principal.organization_name
    roles = [{"system": _profession_system(principal.profession), "code": principal.profession}]
    roles += [{"system": _specialties(), "code": code} for code in sorted(principal.specialties)]
    told["subject_role"] = [role for role in roles if role["code"]]
    national = next((each[3:] for each in sorted(principal.identities) if each.startswith("ps:")), None)
    if national:
        told["national_provider_identifier"] = national
    return told


def _dmp(principal: Principal) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": principal.kind.value}
    mode = _modes().get(principal.purpose.value)
    if mode and principal.kind is Kind.PROFESSIONAL:
        told["mode"] = mode
    if principal.purpose.emergency:
        told["reason_handle"] = grant_of(principal.token)
    if principal.reference and not _is_user(principal.reference):
        told["reference"] = principal.reference
    for name in ("identities", "organizations"):
        if getattr(principal, name):
            told[name] = sorted(getattr(principal, name))
    for name in ("organization", "sector", "regulation", "secret_session"):
        if getattr(principal, name):
            told[name] = getattr(principal, name)
    return told


@cache
def _modes() -> dict[str, str]:
    modes = profile_json("dmp/access-modes.json")["modes"]
    return {each["purpose"]: mode for mode, each in modes.items()}


@cache
def _specialties() -> str:
    return str(profile_json("dmp/audit.json")["specialties"]["system"])


@cache
def _profession_system(code: str | None) -> str:
    known = profile_json("dmp/professions.json")
    return str(known["systems"][known["professions"].get(code, {}).get("system", "G15")])
