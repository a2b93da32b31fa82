"""Event: one deed as an AuditEvent, and as the envelope the ledger keeps of it.

May live here: the FHIR form of a deed (Basic Audit Log Patterns, by the table in `shapes.py`), and the facts, index
tokens and dates of that form, written straight from its parts because every request pays for them.
May not know: the database, the clock, how it was decided. The reasons of a refusal and the labels that caused it stay
in the envelope's private `entry`, never in the FHIR body. https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import orjson

from fhir_server.audit_event import parts
from fhir_server.audit_event.deed import Deed
from fhir_server.audit_event.shapes import Entity, Shape, shape_of
from fhir_server.foundation.moment import instant, micros
from fhir_server.store.documents import LISTS, came_of, held_of

__all__ = ["Deed", "audit_event", "envelope"]


def audit_event(deed: Deed, id_: str, base: str) -> dict[str, Any]:
    """The AuditEvent of a deed; `base` is the FHIR base URL, which names the server in it."""
    shape = _shape_of(deed)
    return copy.deepcopy(_told(deed, shape, _entities_of(deed, shape), id_, base)[0])


def envelope(deed: Deed, id_: str, base: str) -> dict[str, Any]:
    """What the ledger keeps of a deed (without its place in the chain, which the ledger gives).

    An event that names a document hides with it: `facts.label` are the labels of what it is about, and its own; whose
    it is, of which stay, and what it names stand beside them (`came_of`), for Consents that speak of these. One
    that names none (a search, a submission) exists because of all it concerned together: it mentions them, and hides
    when every one of them does, as an emptied List does. The ledger's chain leaves both out, because they change with
    the documents (decisions 16).
    """
    shape = _shape_of(deed)
    kinds = _entities_of(deed, shape)
    body, tokens = _told(deed, shape, kinds, id_, base)
    updated = micros(deed.recorded)
    begin = updated - updated % 1000
    own = (
        [parts.hidden_from_representatives().code]
        if deed.principal is not None and deed.principal.secret_session
        else []
    )
    return {
        "_id": f"AuditEvent/{id_}",
        "type": "AuditEvent",
        "version": 1,
        "updated": updated,
        "method": "POST",
        "facts": _facts(deed, kinds, own),
        "index": tokens,
        "dates": {"date": [{"lo": begin, "hi": begin + 999}]},
        "first": {"date": begin},
        "last": {"date": begin},
        "own": own,
        "body": orjson.dumps(body).decode(),
        "entry": {
            "id": deed.entry,
            "refused": list(deed.refused),
            "disclosed": list(deed.disclosed),
            "labels": sorted({label for facts in deed.about for label in facts.get("label", ())}),
        },
    }


def _facts(deed: Deed, kinds: tuple[Entity, ...], own: list[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"class": ["audit"]}
    if deed.patient:
        facts["patient"] = deed.patient
        facts["patients"] = [deed.patient]
    if deed.principal is not None:
        if deed.principal.identities:
            facts["author"] = sorted(deed.principal.identities)
        organizations = {*deed.principal.organizations}
        if deed.principal.organization:
            organizations.add(deed.principal.organization)
        if organizations:
            facts["organization"] = sorted(organizations)
    named = deed.about if "data" in kinds else ()
    labels = dict.fromkeys([*own, *(label for each in named for label in each.get("label", ()))])
    if labels:
        facts["label"] = list(labels)
    hidden = [span for each in named for span in each.get("hidden", ())]
    if hidden:
        facts["hidden"] = hidden
    types = dict.fromkeys(code for each in named for code in each.get("type", ()))
    if types:
        facts["type"] = list(types)
    ids = dict.fromkeys(id_ for each in named for id_ in (each.get("id"), *each.get("about", ())) if id_)
    if ids:
        facts["about"] = list(ids)
    facts |= came_of(named)
    if any(each.get("joint") for each in named):
        facts["joint"] = True
    mentions = [_mention(each) for each in deed.about if not named and each.get("id") and not _is_set(each, deed)]
    if mentions:
        facts["mentions"] = mentions
    return facts


def _is_set(facts: Mapping[str, Any], deed: Deed) -> bool:
    """Whether it is the List of a submission, which came for the sake of what came with it."""
    return deed.submission and str(facts["id"]).partition("/")[0] in LISTS


def _mention(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What an event keeps of a resource it concerns: a List, and what is about one, is known by what that holds."""
    held = [_copy(leaf) for each in held_of(str(facts["id"]), facts) for leaf in each.get("held") or (each,)]
    return {**_copy(facts), "held": held} if held else _copy(facts)


def _copy(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Who may know of a resource, and nothing that ends with time."""
    names = ("patient", "patients", "joint", "absent", "class", "type", "label", "hidden", "about")
    kept = {name: facts[name] for name in names if name in facts} | came_of([facts])
    return {"id": facts["id"], "resource": str(facts["id"]).partition("/")[0], **kept}


def _shape_of(deed: Deed) -> Shape:
    submission = deed.submission and any(what.startswith("List/") for what in deed.whats)
    return shape_of(deed.interaction, submission=submission)


def _entities_of(deed: Deed, shape: Shape) -> tuple[Entity, ...]:
    """The entities this deed has: data only where it names one resource, the whole request otherwise."""
    kinds: list[Entity] = []
    for kind in shape.entities:
        match kind:
            case "data":
                one = len({what.partition("/_history/")[0] for what in deed.whats}) == 1
                kinds.append("data" if one else "query")
            case "query" if shape.profile is None and deed.query is None and not deed.type:
                continue
            case "patient" if not deed.patient:
                continue
            case "request" if not deed.request_id:
                continue
            case "token" if deed.principal is None or not deed.principal.token:
                continue
            case _:
                kinds.append(kind)
    return tuple(kinds)


def _told(deed: Deed, shape: Shape, kinds: tuple[Entity, ...], id_: str, base: str) -> tuple[dict[str, Any], list[str]]:
    """The body and its index tokens, made side by side."""
    tokens: list[str] = list(parts.fixed_tokens(shape, kinds, deed.outcome))
    recorded = instant(deed.recorded)
    meta: dict[str, Any] = {"versionId": "1", "lastUpdated": recorded}
    entities = [each for kind in kinds for each in parts.entity(kind, deed, tokens)]
    agents = parts.agents(deed, shape, base, tokens)
    profile = _profile(deed, shape, kinds)
    if profile:
        meta["profile"] = [profile]
        tokens += (f"AuditEvent._profile={profile}", "AuditEvent._profile!")
    principal = deed.principal
    if principal is not None and principal.secret_session:
        hidden = parts.hidden_from_representatives()
        meta["security"] = [hidden.json()]
        tokens += parts.coding_tokens("_security", (hidden,))
    body: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": id_,
        "meta": meta,
        "type": shape.type.json(),
        "subtype": [shape.subtype.json()],
        "action": shape.action,
        "recorded": recorded,
        "outcome": deed.outcome,
    }
    if principal is not None and principal.purpose.emergency:
        why = parts.purpose(principal)
        body["purposeOfEvent"] = [{**why, "text": principal.reason} if principal.reason else why]
    body["agent"] = agents
    body["source"] = {"observer": parts.named(base), "type": [shape.source.json()]}
    tokens += parts.identifier_tokens("source", None, base)
    if entities:
        body["entity"] = entities
    return body, list(dict.fromkeys(tokens))


def _profile(deed: Deed, shape: Shape, kinds: tuple[Entity, ...]) -> str | None:
    """The pattern a granted deed keeps to in every element; a refusal claims none (BALP fixes their outcome to 0)."""
    principal = deed.principal
    if deed.outcome != "0" or principal is None or not deed.address or (shape.entities[0] not in kinds):
        return None
    if shape.entities[0] == "patient" and not (
        parts.is_person(principal) and principal.organization and parts.consents(deed)
    ):
        return None
    return shape.patient_profile if deed.patient else shape.profile
