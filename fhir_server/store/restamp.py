"""Restamping: when the access facts of a resource change, so do those of what is about it or mentions it.

May live here: that spreading, inside the transaction of the change (decisions 16). May not know: why they changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from fhir_server.store import unguarded
from fhir_server.store.documents import CAME_OF, MENTIONED, came_of, held_of, inherit
from fhir_server.store.shelf import Shelf

ENDED = "entered-in-error"
TRACED = ("label", "hidden")
"""Of what the ledger keeps only labels, until when they hide, and what a Consent may speak of (`came_of`) change: a
trace outlives what it traces.
"""
_NOT_PLAIN = {"$or": [{"facts.about.1": {"$exists": True}}, {"own.0": {"$exists": True}}]}
_PLAIN = {"facts.about.1": {"$exists": False}, "own.0": {"$exists": False}}
"""Traces about one thing, without a label of their own: those say what that says, to the letter."""


def spread(  # noqa: PLR0917 - one change of facts, and the way here
    shelf: Shelf,
    id_: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    session: ClientSession | None,
    known: frozenset[str] = frozenset(),
) -> None:
    """Bring every copy of the facts of `Type/id` up to date, in current and past versions and in the ledger.

    What is about it passes them on to what is about that in turn; `known` are those on the way here.
    """
    if id_ in known or not changed(id_, before, after):
        return
    _spread_mentions(shelf, id_, after, session)
    _spread_plain_traces(shelf, id_, after, session)
    for collection in (shelf.resources, shelf.history, shelf.ledger):
        copies = {"facts.about": id_, **(_NOT_PLAIN if collection is shelf.ledger else {})}
        found = collection.find(copies, {"facts": 1, "own": 1, "type": 1, "deposited": 1}, session=session)
        changes = []
        passed_on = []
        for each in found:
            old = dict(each["facts"])
            others = [name for name in each["facts"]["about"] if name != id_]
            sources = {id_: after, **(_sources(shelf, others, session) if others else {})}
            each["own"] = each.get("own", [])
            each["facts"].pop("label", None)
            each["facts"]["names"] = [one["id"] for one in each["facts"].get("mentions", ())]
            inherit(each, {name: sources[name] for name in each["facts"]["about"] if name in sources})
            changes.append(UpdateOne({"_id": each["_id"]}, {"$set": {"facts": each["facts"]}}))
            if collection is shelf.resources:
                passed_on.append((each["_id"], old, each["facts"]))
        if changes:
            collection.bulk_write(changes, ordered=False, session=session)
        for name, old, new in passed_on:
            spread(shelf, name, old, new, session, known | {id_})


def changed(id_: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two states of the facts of `Type/id` differ in what others keep copies of."""
    return any(before.get(name) != after.get(name) for name in MENTIONED) or held_of(id_, before) != held_of(id_, after)


def is_named(shelf: Shelf, id_: str, session: ClientSession | None) -> bool:
    """Whether anything was written that names or is about `Type/id`: before it was there, then."""
    named = [{path: id_} for path in ("facts.about", "facts.mentions.id", "facts.held.id", "facts.mentions.held.id")]
    return any(
        collection.find_one({"$or": named}, {"_id": 1}, session=session) is not None
        for collection in (shelf.resources, shelf.history)
    )


def ended(shelf: Shelf, id_: str, facts: Mapping[str, Any], session: ClientSession | None) -> None:
    """What is about a deleted resource, and every mention of it, ends with it (DMP-135)."""
    spread(shelf, id_, facts, {**facts, "state": [ENDED]}, session)


def _spread_plain_traces(shelf: Shelf, id_: str, facts: Mapping[str, Any], session: ClientSession | None) -> None:
    """In one update: a document that is read much has as many traces, and nearly all are about it alone."""
    traced = _traced(facts)
    kept = {f"facts.{name}": list(value) for name, value in traced.items() if value}
    gone = {f"facts.{name}": "" for name, value in traced.items() if not value}
    update = {operator: fields for operator, fields in (("$set", kept), ("$unset", gone)) if fields}
    shelf.ledger.update_many({"facts.about": id_, **_PLAIN}, update, session=session)


def _traced(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger keeps of the facts of something, and follows; None where it says nothing."""
    return {**{name: facts.get(name) for name in TRACED}, **dict.fromkeys(CAME_OF), **came_of([facts])}


def _sources(shelf: Shelf, ids: Sequence[str], session: ClientSession | None) -> dict[str, Mapping[str, Any]]:
    """The facts of what something is about; those of what was deleted are the last it had, and that it ended."""
    found = dict(unguarded.facts_of(shelf, ids, session))
    for id_ in ids:
        type_, _, key = id_.partition("/")
        gone = None if id_ in found or type_ == "AuditEvent" else unguarded.facts_before(shelf, type_, key, session)
        if gone is not None:
            found[id_] = {**gone, "state": [ENDED]}
    return found


def _spread_mentions(shelf: Shelf, id_: str, facts: Mapping[str, Any], session: ClientSession | None) -> None:
    absent = {"absent": facts.get("absent")}
    now = {name: facts.get(name) for name in MENTIONED} | absent
    listed = {"held": held_of(id_, facts) or None}
    for collection in (shelf.resources, shelf.history):
        _copy(collection, "facts.mentions", now | listed, id_, session)
        for path in ("facts.held", "facts.mentions.held"):
            _copy(collection, path, now, id_, session)
    traced = _traced(facts) | {"about": facts.get("about")} | absent
    for path in ("facts.mentions", "facts.mentions.held"):
        _copy(shelf.ledger, path, traced, id_, session)


def _copy(collection: Any, path: str, facts: Mapping[str, Any], id_: str, session: ClientSession | None) -> None:
    """Put facts into every copy of those of `id_` at a path; a fact that is None is taken out of it."""
    *outer, last = path.removeprefix("facts.").split(".")
    steps = [*(f"{each}.$[{each}]" for each in outer), f"{last}.$[copy]"]
    filters: list[dict[str, Any]] = [{"copy.id": id_}, *({f"{each}.{last}.id": id_} for each in outer)]
    place = ".".join(("facts", *steps))
    kept = {f"{place}.{name}": value for name, value in facts.items() if value is not None}
    gone = {f"{place}.{name}": "" for name, value in facts.items() if value is None}
    update = {operator: fields for operator, fields in (("$set", kept), ("$unset", gone)) if fields}
    collection.update_many({f"{path}.id": id_}, update, array_filters=filters, session=session)
