"""Forms (formules): what all records of one kind of deed under one token say alike, made once and kept.

May live here: the parts of an AuditEvent that follow from who asks, how it is told and what granted it, as JSON text,
with their index tokens and the facts of who asked. May not know: what a single deed was about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fhir_server.audit_event import parts
from fhir_server.audit_event.deed import Deed
from fhir_server.audit_event.shapes import Entity, Shape
from fhir_server.foundation.principal import Principal


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """What does not change from record to record.

    As JSON text that begins with a comma, what `meta` says beside version and date, the elements before `recorded`
    (`kind`) and those behind (`asked`). The index tokens `before` and `behind` those of the entities, and `every` one
    of both; the facts `author` and `organization`; the `own` labels.
    """

    meta: str
    kind: str
    asked: str
    before: tuple[str, ...]
    behind: tuple[str, ...]
    every: frozenset[str]
    author: tuple[str, ...]
    organization: tuple[str, ...]
    own: tuple[str, ...]

    def tokens(self, entities: list[str]) -> list[str]:
        """All tokens, each once and where it stands first, with those of the `entities` in their place."""
        fresh = dict.fromkeys(entities)
        if self.every.isdisjoint(fresh):
            return [*self.before, *fresh, *self.behind]
        return list(dict.fromkeys((*self.before, *fresh, *self.behind)))


def form_of(deed: Deed, shape: Shape, kinds: tuple[Entity, ...], base: str) -> Form:
    """The form of a deed that is told by a row of the table, with these entities; `base` names the server in it."""
    granted = deed.granted if deed.outcome == "0" else ()
    consented = shape.entities[0] == "patient" and bool(parts.consents(deed))
    of_record = bool(deed.patient)
    return _form(deed.principal, shape, kinds, deed.outcome, granted, deed.address, base, of_record, consented)


@lru_cache(1024)
def _form(  # noqa: PLR0917 - all that a form follows from
    principal: Principal | None,
    shape: Shape,
    kinds: tuple[Entity, ...],
    outcome: str,
    granted: tuple[str, ...],
    address: str,
    base: str,
    of_record: bool,
    consented: bool,
) -> Form:
    policies = parts.policies(principal, granted) if principal is not None else ()
    agents, tokens = parts.agents(principal, shape, policies, address, base)
    meta: dict[str, Any] = {}
    profile = _profile(principal, shape, kinds, outcome, address, of_record, consented)
    if profile:
        meta["profile"] = [profile]
        tokens += (f"AuditEvent._profile={profile}", "AuditEvent._profile!")
    own: tuple[str, ...] = ()
    if principal is not None and principal.secret_session:
        hidden = parts.hidden_from_representatives()
        own = (hidden.code,)
        meta["security"] = [hidden.json()]
        tokens += parts.coding_tokens("_security", (hidden,))
    asked: dict[str, Any] = {"outcome": outcome}
    if principal is not None and principal.purpose.emergency:
        why = parts.purpose(principal)
        asked["purposeOfEvent"] = [{**why, "text": principal.reason} if principal.reason else why]
    asked["agent"] = agents
    asked["source"] = {"observer": parts.named(base), "type": [shape.source.json()]}
    tokens += parts.identifier_tokens("source", None, base)
    before = tuple(dict.fromkeys(parts.fixed_tokens(shape, kinds, outcome)))
    kind = {"type": shape.type.json(), "subtype": [shape.subtype.json()], "action": shape.action}
    behind = tuple(each for each in dict.fromkeys(tokens) if each not in before)
    return Form(
        meta=_behind(meta),
        kind=_behind(kind),
        asked=_behind(asked),
        before=before,
        behind=behind,
        every=frozenset((*before, *behind)),
        author=tuple(sorted(principal.identities)) if principal is not None else (),
        organization=_organizations(principal),
        own=own,
    )


def _behind(elements: Mapping[str, Any]) -> str:
    """Elements as they follow others in a JSON object."""
    return f",{parts.members(elements)}" if elements else ""


def _organizations(principal: Principal | None) -> tuple[str, ...]:
    if principal is None:
        return ()
    signed_in = {principal.organization} if principal.organization else set()
    return tuple(sorted(principal.organizations | signed_in))


def _profile(  # noqa: PLR0917 - all that a pattern asks for
    principal: Principal | None,
    shape: Shape,
    kinds: tuple[Entity, ...],
    outcome: str,
    address: str,
    of_record: bool,
    consented: bool,
) -> str | None:
    """The pattern a granted deed keeps to in every element; a refusal claims none (BALP fixes their outcome to 0)."""
    if outcome != "0" or principal is None or not address or (shape.entities[0] not in kinds):
        return None
    if shape.entities[0] == "patient" and not (parts.is_person(principal) and principal.organization and consented):
        return None
    return shape.patient_profile if of_record else shape.profile
