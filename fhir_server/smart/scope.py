"""Scopes: their grammar and, side by side, their meaning as predicates.

May live here: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html, both forms (v1 `.read`,
v2 `.rs`), what may be granted of what was asked, and what a granted set lets through. May not know: tokens, clients as
records, the store, consents. What cannot be read grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode

from fhir_server.definitions.compartments import owner_parameters
from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Exists, Has, Not, Predicate, both, either
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.foundation.problem import Problem, problem
from fhir_server.search.own import generation

Pairs: TypeAlias = "list[tuple[str, str]]"
Compile: TypeAlias = Callable[[str, Pairs], Predicate]
"""The search compiler: a type and the pairs of a granular scope, to their predicate; Problem for others."""

RIGHTS = "cruds"
V1 = {"read": "rs", "write": "cud", "*": RIGHTS}
LAUNCH = ("launch", "launch/patient", "launch/encounter")
IDENTITY = ("openid", "fhirUser", "profile")
REFRESH = ("online_access", "offline_access")
CONTEXT_SCOPES = (*IDENTITY, *LAUNCH, *REFRESH)
PEOPLE = frozenset({Kind.HOLDER, Kind.REPRESENTATIVE, Kind.PROFESSIONAL})
# Whose word stands before the slash. An operator may be somebody at a screen or a system.
LEVELS: dict[str, frozenset[Kind]] = {
    "patient": PEOPLE | {Kind.OPERATOR},
    "user": PEOPLE | {Kind.OPERATOR},
    "system": frozenset({Kind.ESTABLISHMENT, Kind.INSURANCE_FEED, Kind.RECEPTION, Kind.OPERATOR}),
}
# "c?r?u?d?s?" in that order and not empty; the look-ahead keeps the empty word out.
_FORM = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]*)\."
    r"(?:(?P<v1>read|write|\*)|(?P<v2>(?=[cruds])c?r?u?d?s?))(?:\?(?P<query>[^?\s]+))?"
)
LONGEST = 4000
"""Characters of a scope parameter that are read; a longer one is refused unread."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope: level, type (`*` for all), rights among `cruds` in that order, criteria of a granular one."""

    level: str
    type: str
    rights: str
    criteria: tuple[tuple[str, str], ...] = ()
    text: str = ""

    def covers(self, type_: str, right: str) -> bool:
        """Whether it speaks of this type and right."""
        return self.type in ("*", type_) and right in self.rights

    def write(self) -> str:
        """The scope as text: as it was asked while it says the same, else in the v2 form."""
        query = f"?{urlencode(self.criteria, safe='|/:,')}" if self.criteria else ""
        return self.text or f"{self.level}/{self.type}.{self.rights}{query}"


@lru_cache(8192)
def parse(text: str) -> Scope | None:
    """One resource scope; None for any other text, for an unknown type and for rights in a wrong order.

    Criteria on `*` are no scope: they would mean another thing for each type.
    """
    found = _FORM.fullmatch(text)
    if not found or (found["type"] != "*" and found["type"] not in load().types):
        return None
    try:
        criteria = tuple(parse_qsl(found["query"] or "", keep_blank_values=True, strict_parsing=bool(found["query"])))
    except ValueError:
        return None
    if any(not name or not value for name, value in criteria) or (criteria and found["type"] == "*"):
        return None
    return Scope(found["level"], found["type"], V1.get(found["v1"] or "") or found["v2"], criteria, text)


def split(text: str) -> tuple[str, ...]:
    """The scopes of a `scope` parameter, once each, in order; () for an overlong one."""
    return tuple(dict.fromkeys(text.split())) if len(text) <= LONGEST else ()


def resource_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """Those of the texts that are resource scopes."""
    return tuple(found for found in map(parse, scopes) if found)


def wants_patient(scopes: Iterable[str]) -> bool:
    """Whether these scopes mean nothing without a patient in context."""
    return any(each in ("launch/patient", "launch/encounter") or each.startswith("patient/") for each in scopes)


def grantable(requested: str, allowed: str, kind: Kind, *, system: bool = False) -> tuple[str, ...]:
    """What may be granted of `requested` to this kind of party, through a client registered for `allowed`; or ().

    Never more than was asked: each resource scope is cut down to what both say (types, rights and criteria), others
    are taken or left. `system` says that nobody is signed in: then only `system/` scopes are known.
    """
    registered = split(allowed)
    limits = resource_scopes(registered)
    granted: dict[str, None] = {}
    for text in split(requested):
        if text in CONTEXT_SCOPES:
            if not system and text in registered:
                granted[text] = None
            continue
        asked = parse(text)
        if asked is None or kind not in LEVELS[asked.level] or (asked.level == "system") is not system:
            continue
        for each in _cut(asked, limits):
            granted[each] = None
    return tuple(granted)


def _cut(asked: Scope, limits: tuple[Scope, ...]) -> tuple[str, ...]:
    """The texts of what `asked` and the limits both allow; one of them may swallow the others."""
    parts = [part for limit in limits if (part := _both(asked, limit))]
    if any(part == asked for part in parts):
        return (asked.write(),)
    # `patient/X.r` and `patient/X.s` together allow what `patient/X.rs` asks
    merged: dict[tuple[str, str, tuple[tuple[str, str], ...]], str] = {}
    for part in parts:
        key = (part.level, part.type, part.criteria)
        merged[key] = "".join(each for each in RIGHTS if each in merged.get(key, "") + part.rights)
    whole = [Scope(level, type_, rights, criteria) for (level, type_, criteria), rights in merged.items()]
    if any(each == Scope(asked.level, asked.type, asked.rights, asked.criteria) for each in whole):
        return (asked.write(),)
    return tuple(each.write() for each in whole)


def _both(asked: Scope, limit: Scope) -> Scope | None:
    rights = "".join(each for each in asked.rights if each in limit.rights)
    if asked.level != limit.level or not rights or (asked.type != limit.type and "*" not in (asked.type, limit.type)):
        return None
    type_ = limit.type if asked.type == "*" else asked.type
    criteria = (*asked.criteria, *(each for each in limit.criteria if each not in asked.criteria))
    if (type_, rights, criteria) == (asked.type, asked.rights, asked.criteria):
        return asked
    return Scope(asked.level, type_, rights, criteria)


def narrow(scopes: tuple[str, ...], type_: str, right: str, principal: Principal, compile_: Compile) -> Predicate:
    """What the scopes let this principal do with resources of a type; `right` is one letter of `cruds`.

    Raises Problem 403 insufficient_scope where no scope speaks of the type and right.
    """
    user = _user(scopes, principal)
    patient, emergency = principal.patient, principal.purpose.emergency
    found = _narrow(scopes, type_, right, patient, emergency, user, compile_, generation())
    if found == NOTHING:
        raise insufficient(type_, right)
    return found


def reach(scopes: tuple[str, ...], principal: Principal, compile_: Compile, rights: str = "rs") -> Predicate:
    """All that any of the scopes lets this principal read or search, over all types; NOTHING where that is nothing.

    With other `rights`, what a scope must have one of.
    """
    user = _user(scopes, principal) if "r" in rights else None
    patient, emergency = principal.patient, principal.purpose.emergency
    return _reach(scopes, patient, emergency, user, compile_, rights, generation())


def _user(scopes: tuple[str, ...], principal: Principal) -> str | None:
    """fhirUser: "permission to retrieve information about the current logged-in user", and so to read that resource."""
    return principal.reference if "fhirUser" in scopes else None


def elsewhere(scopes: tuple[str, ...], principal: Principal, patient: str, type_: str) -> bool:
    """Whether the token is for another record alone: an emergency's, or with none but `patient/` scopes for a type.

    For no type (`""`), none but `patient/` scopes at all.
    """
    if principal.patient is None and principal.kind in (Kind.HOLDER, Kind.REPRESENTATIVE) and "fhirUser" in scopes:
        return False  # it is for who is signed in, whose record is the only one open to them anyway
    return patient != principal.patient and (principal.purpose.emergency or _of_one_record(scopes, type_))


@lru_cache(4096)
def _of_one_record(scopes: tuple[str, ...], type_: str) -> bool:
    asked = (each for each in resource_scopes(scopes) if not type_ or each.type in ("*", type_))
    return all(each.level == "patient" for each in asked)


@lru_cache(4096)
def conditions(scopes: tuple[str, ...], type_: str, right: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The criteria under which a token reaches a type with a right, of each scope that has some.

    None where another scope lets it reach all of the type: what `narrow` says of it is then EVERYTHING.
    """
    found = [each for each in resource_scopes(scopes) if each.covers(type_, right)]
    if any(not each.criteria and each.level != "patient" for each in found):
        return ()
    return tuple(each.criteria for each in found if each.criteria)


def insufficient(type_: str, right: str) -> Problem:
    """403 insufficient_scope (RFC 6750 section 3.1)."""
    return problem(
        403,
        "forbidden",
        f"the token has no scope for `{type_}` with the right `{right}`",
        WWW_Authenticate='Bearer error="insufficient_scope"',
    )


# A predicate depends on nothing but these arguments, the last of which says which search parameters there are, and a
# person asks with the same scopes all day.
@lru_cache(4096)
def _narrow(  # noqa: PLR0917 - a cache keeps positions
    scopes: tuple[str, ...],
    type_: str,
    right: str,
    patient: str | None,
    emergency: bool,
    user: str | None,
    compile_: Compile,
    _: int,
) -> Predicate:
    oneself = Has("id", user) if user is not None and right == "r" and user.startswith(f"{type_}/") else NOTHING
    return either(
        oneself,
        *(
            both(_confined(scope, type_, patient, emergency), _criteria(scope, type_, compile_))
            for scope in resource_scopes(scopes)
            if scope.covers(type_, right)
        ),
    )


@lru_cache(1024)
def _reach(  # noqa: PLR0917 - a cache keeps positions
    scopes: tuple[str, ...],
    patient: str | None,
    emergency: bool,
    user: str | None,
    compile_: Compile,
    rights: str,
    _: int,
) -> Predicate:
    allowed: list[Predicate] = []
    for scope in resource_scopes(scopes):
        if set(rights).isdisjoint(scope.rights):
            continue
        type_ = None if scope.type == "*" else scope.type
        where = EVERYTHING if type_ is None else Has("resource", type_)
        allowed.append(both(where, _confined(scope, type_, patient, emergency), _criteria(scope, scope.type, compile_)))
    if user is not None:
        allowed.append(Has("id", user))
    return either(*allowed)


def _confined(scope: Scope, type_: str | None, patient: str | None, emergency: bool) -> Predicate:
    """`patient/` reaches the record in context, and what is of no record; so does every scope in an emergency."""
    if scope.level != "patient" and not emergency:
        return EVERYTHING
    if patient is None:
        return NOTHING
    own = Has("patients", patient)
    if type_ == "Patient" or (type_ is not None and owner_parameters(type_)):
        return own
    return either(own, Not(Exists("patients")))


def _criteria(scope: Scope, type_: str, compile_: Compile) -> Predicate:
    if not scope.criteria:
        return EVERYTHING
    try:
        return compile_(type_, list(scope.criteria))
    except Problem:
        return NOTHING
