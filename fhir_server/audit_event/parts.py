"""Parts: the agents and entities of an AuditEvent, each with the index tokens that exist through it.

May live here: who took part and what it was about, as elements and, side by side, as the tokens that `search.index`
would find in them (a test compares). May not know: why it was allowed beyond the reason codes, where it is kept.
https://hl7.org/fhir/R4/auditevent-definitions.html#AuditEvent.agent
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from fhir_server.audit_event.deed import Deed
from fhir_server.audit_event.shapes import ENTITIES, JTI, PROVIDER, RULES, Coding, Entity, Shape
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.search.string import normal

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

_PURPOSES = {
    Purpose.TREATMENT: "treatment",
    Purpose.BREAK_GLASS: "break the glass",
    Purpose.EMERGENCY_DISPATCH: "Emergency Treatment",
    Purpose.PATIENT_REQUEST: "patient requested",
    Purpose.OPERATIONS: "healthcare operations",
    Purpose.ADMINISTRATION: "health system administration",
}
_PEOPLE = (Kind.HOLDER, Kind.REPRESENTATIVE, Kind.PROFESSIONAL)
_TOLD_OF_A_TOKEN = frozenset({"grant_type", "response_type", "scope", "client_id", "aud", "resource", "purpose_of_use"})
"""What is kept of a token request; codes, secrets, assertions and the emergency's reason are not among it."""


def agents(
    principal: Principal | None, shape: Shape, policies: tuple[str, ...], address: str, base: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """The client, the server, the person and the organisation, and their tokens."""
    tokens: list[str] = []
    person = principal is not None and is_person(principal)
    client: dict[str, Any] = {"type": _concept(shape.client), "requestor": not person}
    if principal is not None and principal.client:
        client["who"] = named(principal.client)
        tokens += identifier_tokens("agent", None, principal.client)
    if address:
        client["network"] = {"address": address, "type": "2"}
        tokens += _string_tokens("address", address)
    server: dict[str, Any] = {"type": _concept(shape.server), "who": named(base), "requestor": False}
    tokens += identifier_tokens("agent", None, base)
    if "consent" not in shape.entities:
        server["network"] = {"address": base, "type": "5"}
        tokens += _string_tokens("address", base)
    taking_part = [client, server]
    if principal is None:
        return taking_part, tokens
    if person:
        taking_part.append(_user(principal, shape, policies, tokens))
    elif policies:
        client["policy"] = list(policies)
    if policies:
        tokens += (*(f"AuditEvent.policy={policy}" for policy in policies), "AuditEvent.policy!")
    if shape.organization and principal.organization:
        who = _who((principal.organization,), principal.organization, principal.organization_name, tokens)
        taking_part.append({"type": _concept(PROVIDER), "who": who, "requestor": False})
    return taking_part, tokens


def _user(principal: Principal, shape: Shape, policies: tuple[str, ...], tokens: list[str]) -> dict[str, Any]:
    user: dict[str, Any] = {"type": _concept(shape.user)}
    roles = _roles(principal.profession, principal.specialties)
    if roles:
        user["role"] = [_concept(role) for role in roles]
        tokens += coding_tokens("agent-role", roles)
    user["who"] = _who(principal.identities, principal.reference, principal.name, tokens)
    if not user["who"]:
        user["who"] = named(principal.subject)
        tokens += identifier_tokens("agent", None, principal.subject)
    if shape.alt_id and principal.subject:
        user["altId"] = principal.subject
        tokens += _code_tokens("altid", principal.subject)
    if principal.name:
        user["name"] = principal.name
        tokens += _string_tokens("agent-name", principal.name)
    user["requestor"] = True
    if policies:
        user["policy"] = list(policies)
    user["purposeOfUse"] = [purpose(principal)]
    return user


def is_person(principal: Principal) -> bool:
    """Whether somebody, and not a system, is behind the token."""
    return principal.kind in _PEOPLE or principal.subject != principal.client


def policies(principal: Principal, granted: tuple[str, ...]) -> tuple[str, ...]:
    """What authorised it: the token, and the reasons of the grant; a reason that names a label stays outside."""
    token = (JTI + principal.token,) if principal.token else ()
    return (*token, *(RULES + reason for reason in granted if not reason.startswith("label.")))


def purpose(principal: Principal) -> dict[str, Any]:
    """Why it was asked: the purpose of use, and the access mode of a professional (TRE_R248)."""
    return {"coding": [each.json() for each in _purpose_codings(principal.purpose, principal.kind)]}


@cache
def _purpose_codings(purpose: Purpose, kind: Kind) -> tuple[Coding, ...]:
    codings = [Coding(ACT_REASON, purpose.value, _PURPOSES[purpose])]
    modes = profile_json("dmp/audit.json")["modes"]
    mode = modes["of"].get(purpose.value)
    if mode and kind == Kind.PROFESSIONAL:
        codings.append(Coding(modes["system"], mode["code"], mode["display"]))
    return tuple(codings)


@lru_cache(1024)
def _roles(profession: str | None, specialties: frozenset[str]) -> tuple[Coding, ...]:
    french = profile_json("dmp/audit.json")
    roles = []
    if profession:
        of = next((each for each in french["professions"] if profession in each["codes"]), french["professions"][0])
        roles.append(Coding(of["system"], profession, of["codes"].get(profession, "")))
    known = french["specialties"]
    roles += [Coding(known["system"], code, known["codes"].get(code, "")) for code in sorted(specialties)]
    return tuple(roles)


@cache
def hidden_from_representatives() -> Coding:
    """The label of a trace that a minor hides from the legal representatives (JDV_J64)."""
    return Coding(**profile_json("dmp/audit.json")["hidden_from_representatives"])


@cache
def _national(prefix: str) -> str | None:
    system = profile_json("dmp/audit.json")["identifiers"].get(prefix)
    return str(system) if system else None


def _who(identities: Iterable[str], reference: str | None, name: str, tokens: list[str]) -> dict[str, Any]:
    """A Reference by what is known: the local reference, the national identifier, the name."""
    who: dict[str, Any] = {}
    if reference and "/" in reference and ":" not in reference:
        who["reference"] = reference
        tokens += (f"AuditEvent.agent={reference}", "AuditEvent.agent!")
        if reference.startswith("Patient/"):
            tokens += (f"AuditEvent.patient={reference}", "AuditEvent.patient!")
    for key in sorted(identities):
        prefix, _, value = key.partition(":")
        system = _national(prefix)
        if system and value:
            who["identifier"] = {"system": system, "value": value}
            tokens += identifier_tokens("agent", system, value)
            break
    if who and name:
        who["display"] = name
    return who


def entity(kind: Entity, deed: Deed, tokens: list[str]) -> list[str]:
    """The elements of one kind of entity, as JSON; their tokens are added to `tokens`."""
    role = _role_of(kind)
    match kind:
        case "data":
            whole = deed.whats[0] if len(deed.whats) == 1 else deed.whats[0].partition("/_history/")[0]
            return [_referred(whole, role, tokens)]
        case "patient":
            told, its = _patient(deed.patient, role)
            tokens += its
            return [told]
        case "set":
            return [_referred(next(what for what in deed.whats if what.startswith("List/")), role, tokens)]
        case "consent":
            return [_referred(what, role, tokens) for what in consents(deed)]
        case "query":
            return [f'{{{role},"query":"{b64encode(_request(deed).encode()).decode()}"}}']
        case "request":
            tokens += identifier_tokens("entity", None, deed.request_id)
            return [f'{{"what":{{"identifier":{{"value":{quoted(deed.request_id)}}}}},{role}}}']
        case "token":
            told, its = _token(deed.principal.token if deed.principal is not None else "", role)
            tokens += its
            return [told]


@lru_cache(1024)
def _patient(patient: str | None, role: str) -> tuple[str, tuple[str, ...]]:
    """Whose record it is; kept, because who reads in it reads more than once."""
    tokens: list[str] = []
    return _referred(f"Patient/{patient}", role, tokens), tuple(tokens)


@lru_cache(1024)
def _token(token: str, role: str) -> tuple[str, tuple[str, ...]]:
    """Under which token it was asked; kept for the same reason."""
    jti = JTI + token
    return f'{{"what":{{"identifier":{{"value":{quoted(jti)}}}}},{role}}}', identifier_tokens("entity", None, jti)


def _referred(what: str, role: str, tokens: list[str]) -> str:
    bare = what.partition("/_history/")[0]
    tokens += (f"AuditEvent.entity={bare}", "AuditEvent.entity!")
    if bare.startswith("Patient/"):
        tokens += (f"AuditEvent.patient={bare}", "AuditEvent.patient!")
    return f'{{"what":{{"reference":{quoted(what)}}},{role}}}'


@cache
def _role_of(kind: Entity) -> str:
    """The type and the role of an entity, as members of a JSON object."""
    type_, role = ENTITIES[kind]
    return members({"type": type_.json(), **({"role": role.json()} if role is not None else {})})


def quoted(text: str) -> str:
    """A string as JSON writes it."""
    return orjson.dumps(text).decode()


def members(elements: Mapping[str, Any]) -> str:
    """Elements as members of a JSON object, without its braces."""
    return orjson.dumps(elements).decode()[1:-1]


def consents(deed: Deed) -> list[str]:
    """The Consents among what a deed names."""
    return [what for what in deed.whats if what.startswith("Consent/")]


def _request(deed: Deed) -> str:
    """The request as it was asked; of a token request only what is no secret."""
    if deed.interaction == "token":
        pairs = parse_qsl(deed.query or "", keep_blank_values=True)
        return "token?" + urlencode([pair for pair in pairs if pair[0] in _TOLD_OF_A_TOKEN])
    return f"{deed.type}?{deed.query or ''}"


def named(value: str) -> dict[str, Any]:
    """A Reference by identifier alone."""
    return {"identifier": {"value": value}}


def _concept(coding: Coding) -> dict[str, Any]:
    return {"coding": [coding.json()]}


@lru_cache(512)
def fixed_tokens(shape: Shape, kinds: tuple[Entity, ...], outcome: str) -> tuple[str, ...]:
    """The tokens that follow from the shape alone."""
    types = tuple(ENTITIES[kind][0] for kind in kinds)
    roles = tuple(role for kind in kinds if (role := ENTITIES[kind][1]) is not None)
    return (
        *coding_tokens("type", (shape.type,)),
        *coding_tokens("subtype", (shape.subtype,)),
        *_code_tokens("action", shape.action),
        *_code_tokens("outcome", outcome),
        *coding_tokens("entity-type", types),
        *coding_tokens("entity-role", roles),
        "AuditEvent.date!",
    )


def _code_tokens(parameter: str, code: str) -> tuple[str, ...]:
    return f"AuditEvent.{parameter}={code}", f"AuditEvent.{parameter}=|{code}", f"AuditEvent.{parameter}!"


def coding_tokens(parameter: str, codings: Iterable[Coding]) -> tuple[str, ...]:
    """The tokens of codings under one parameter, and its presence; () when there is none."""
    name = f"AuditEvent.{parameter}"
    tokens = [
        token
        for each in codings
        for token in (f"{name}={each.code}", f"{name}={each.system}|{each.code}", f"{name}={each.system}|")
    ]
    return (*tokens, f"{name}!") if tokens else ()


def identifier_tokens(parameter: str, system: str | None, value: str) -> tuple[str, ...]:
    """The tokens of a reference by identifier."""
    name = f"AuditEvent.{parameter}:identifier"
    every = (f"{name}={value}", f"{name}={system or ''}|{value}", f"AuditEvent.{parameter}!")
    return (*every, f"{name}={system}|") if system else every


@lru_cache(4096)
def _string_tokens(parameter: str, text: str) -> tuple[str, ...]:
    name = f"AuditEvent.{parameter}"
    return f"{name}^{normal(text)}", f"{name}={text}", f"{name}!"
