"""Event: one deed as an AuditEvent, and as the envelope the ledger keeps of it.

May live here: the FHIR form of a deed (Basic Audit Log Patterns, by the table in `shapes.py`), and the facts, index
tokens and dates of that form, written straight from its parts because every request pays for them.
May not know: the database, the clock, how it was decided. The reasons of a refusal and the labels that caused it stay
in the envelope's private `entry`, never in the FHIR body. https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from fhir_server.audit_event import parts
from fhir_server.audit_event.deed import Deed
from fhir_server.audit_event.forms import Form, form_of
from fhir_server.audit_event.shapes import Entity, Shape, shape_of
from fhir_server.foundation.moment import instant, instant_at, micros
from fhir_server.store.documents import LISTS, came_of, held_of

__all__ = ["Deed", "audit_event", "envelope"]


def audit_event(deed: Deed, id_: str, base: str) -> dict[str, Any]:
    """The AuditEvent of a deed; `base` is the FHIR base URL, which names the server in it."""
    shape = _shape_of(deed)
    kinds = _entities_of(deed, shape)
    body, _ = _told(deed, form_of(deed, shape, kinds, base), kinds, id_, instant(deed.recorded))
    event: dict[str, Any] = orjson.loads(body)
    return event


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
    form = form_of(deed, shape, kinds, base)
    updated = micros(deed.recorded)
    body, tokens = _told(deed, form, kinds, id_, instant_at(updated))
    begin = updated - updated % 1000
    return {
        "_id": f"AuditEvent/{id_}",
        "type": "AuditEvent",
        "version": 1,
        "updated": updated,
        "method": "POST",
        "facts": _facts(deed, form, kinds),
        "index": tokens,
        "dates": {"date": [{"lo": begin, "hi": begin + 999}]},
        "first": {"date": begin},
        "last": {"date": begin},
        "own": [*form.own],
        "body": body,
        "entry": {
            "id": deed.entry,
            "refused": list(deed.refused),
            "disclosed": list(deed.disclosed),
            "labels": _labels(deed),
        },
    }


def _labels(deed: Deed) -> list[str]:
    labels: set[str] = set()
    for facts in deed.about:
        labels.update(facts.get("label", ()))
    return sorted(labels)


def _facts(deed: Deed, form: Form, kinds: tuple[Entity, ...]) -> dict[str, Any]:
    facts: dict[str, Any] = {"class": ["audit"]}
    if deed.patient:
        facts["patient"] = deed.patient
        facts["patients"] = [deed.patient]
    if form.author:
        facts["author"] = [*form.author]
    if form.organization:
        facts["organization"] = [*form.organization]
    if deed.about and "data" in kinds:
        return facts | _of_named(deed.about, form.own)
    if form.own:
        facts["label"] = [*form.own]
    mentions = [_mention(each) for each in deed.about if each.get("id") and not _is_set(each, deed)]
    if mentions:
        facts["mentions"] = mentions
    return facts


def _of_named(named: tuple[Mapping[str, Any], ...], own: tuple[str, ...]) -> dict[str, Any]:
    """What an event takes of the facts of what it names, beside the labels of its `own`."""
    labels: list[str] = [*own]
    hidden: list[Any] = []
    types: list[str] = []
    ids: list[str | None] = []
    joint = False
    for each in named:
        labels += each.get("label", ())
        hidden += each.get("hidden", ())
        types += each.get("type", ())
        ids += (each.get("id"), *each.get("about", ()))
        joint = joint or bool(each.get("joint"))
    facts: dict[str, Any] = {}
    if labels:
        facts["label"] = list(dict.fromkeys(labels))
    if hidden:
        facts["hidden"] = hidden
    if types:
        facts["type"] = list(dict.fromkeys(types))
    about = [each for each in dict.fromkeys(ids) if each]
    if about:
        facts["about"] = about
    facts |= came_of(named)
    if joint:
        facts["joint"] = True
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


def _told(deed: Deed, form: Form, kinds: tuple[Entity, ...], id_: str, recorded: str) -> tuple[str, list[str]]:
    """The body as JSON text and its index tokens, made side by side."""
    tokens: list[str] = []
    entities: list[str] = []
    for kind in kinds:
        entities += parts.entity(kind, deed, tokens)
    entity = f',"entity":[{",".join(entities)}]' if entities else ""
    meta = f'{{"versionId":"1","lastUpdated":"{recorded}"{form.meta}}}'
    body = (
        f'{{"resourceType":"AuditEvent","id":{parts.quoted(id_)},"meta":{meta}{form.kind}'
        f',"recorded":"{recorded}"{form.asked}{entity}}}'
    )
    return body, form.tokens(tokens)
