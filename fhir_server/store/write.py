"""Write: one staged write as a value, and what is known of it before it is composed.

May live here: its shape, the elements the server owns, its unique keys, the order of several. May not know: MongoDB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.definitions.identifiers import is_ins_system
from fhir_server.definitions.own_parameters import parameters_of
from fhir_server.foundation.moment import from_micros, instant
from fhir_server.foundation.predicate import Predicate
from fhir_server.resources import facts as access
from fhir_server.resources import json_text
from fhir_server.resources.patient import without_computed
from fhir_server.resources.reach import Voice, reach_of
from fhir_server.resources.references import local_references
from fhir_server.store.announcement import hidden_spans
from fhir_server.store.documents import Envelope, Stored, hiding_labels
from fhir_server.store.naming import FREELY, Naming

MILLISECOND = 1_000
"""`updated` is kept as `meta.lastUpdated` shows it, so that a search for the one finds the other."""


@dataclass(slots=True)
class Write:
    """One staged write: the resource as it will stand, or None for a deletion, and what stood before.

    `updated` is what it is dated (`dated`).
    `voice` is whose word it is where the holder is reached (docs/adr/0035): nobody's where nothing is said.
    """

    method: str
    id: str
    version: int
    resource: dict[str, Any] | None
    before: Stored | None
    after: Predicate
    submitter: tuple[str, ...]
    naming: Naming = FREELY
    blob: str | None = None
    about: tuple[str, ...] = ()
    by: tuple[str, ...] | None = None
    deposited: int | None = None
    voice: Voice | None = None
    named: Sequence[str] | None = None
    updated: int = 0


def named_in(write: Write, base: str) -> Sequence[str]:
    """`Type/id` of the local references of a staged resource; `base` is the address of this server.

    They are looked for once: what is staged stays as it is.
    """
    if write.named is None:
        write.named = local_references(write.resource or {}, base)
    return write.named


def dated(now: int, last: int) -> int:
    """What a version is dated whose writer's clock says `now`, when the one before it was dated `last`; microseconds.

    A host whose clock is ahead may have dated that one. The next is later all the same, or a history by time would tell
    the two in the wrong order, a page give the resource twice (docs/adr/0039), and who asks for what is later miss it.
    """
    return now if now >= last else last + MILLISECOND


def said_by(write: Write) -> dict[str, Any]:
    """What an envelope keeps of who said what: `set_by` of the labels that hide, `reach` of a Patient's addresses."""
    return {"set_by": setters_of(write), "reach": reached_by(write)}


def setters_of(write: Write) -> dict[str, Sequence[str]]:
    """Who set each label that hides: whoever did before, else who writes; an operator has no keys."""
    known = write.before.set_by if write.before else {}
    return {**dict.fromkeys(hiding_labels(), write.submitter if write.by is None else write.by), **known}


def reached_by(write: Write) -> dict[str, Any]:
    """On whose word the addresses of a Patient stand with this write; {} for anything else."""
    if write.resource is None or write.resource["resourceType"] != "Patient":
        return {}
    stood, known = (write.before.resource(), write.before.reach) if write.before else ({}, {})
    return reach_of(write.resource, stood, known, write.voice)


def own_facts(write: Write, base: str) -> dict[str, Any]:
    """The facts a staged resource has of itself; `base` is the address of this server."""
    assert write.resource is not None  # noqa: S101 - a deletion has none
    facts = access.facts_of(write.resource, submitter=frozenset(write.submitter), named=named_in(write, base))
    hidden = hidden_spans(facts.get("label", ()), write.deposited)
    return {**facts, "hidden": hidden} if hidden else facts


def stamped(resource: Mapping[str, Any], id_: str, version: int, updated: int) -> dict[str, Any]:
    """The resource with the `id`, `meta.versionId` and `meta.lastUpdated` that the server owns.

    INVARIANT (never stored): a Patient without what is computed of it, whoever writes and however (docs/adr/0032).
    """
    if resource["resourceType"] == "Patient":
        resource = without_computed(dict(resource))
    meta = {
        **resource.get("meta", {}),
        "versionId": str(version),
        "lastUpdated": instant(from_micros(updated)),
    }
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id", "meta")}
    return {"resourceType": resource["resourceType"], "id": id_, "meta": meta, **rest}


def version_of(write: Write, facts: Mapping[str, Any]) -> Stored:
    """The version that a staged write makes, with facts that are known of it already."""
    text, type_ = json_text.write(write.resource or {}), write.id.partition("/")[0]
    made = Stored(write.id, type_, write.version, write.updated, facts, text, write.method, write.blob)
    return replace(made, deposited=write.deposited)


def tombstone(before: Stored, version: int, updated: int) -> Envelope:
    """What the history keeps of a deletion."""
    return {
        "_id": f"{before.id}/{version}",
        "id": before.id,
        "type": before.type,
        "version": version,
        "updated": updated,
        "method": "DELETE",
        "facts": dict(before.facts),
        "body": "",
    }


def unique_of(resource: Mapping[str, Any]) -> list[str]:
    """The keys no two resources may share: a Patient's INS, a document's masterIdentifier, one's own parameter."""
    if resource["resourceType"] == "SearchParameter":
        return [f"search-parameter|{type_}.{each.code}" for type_, each in parameters_of(resource)]
    if resource["resourceType"] == "Patient":
        return [
            f"ins|{each.get('system')}|{each.get('value')}"
            for each in resource.get("identifier", [])
            if is_ins_system(each.get("system", ""))
        ]
    master = resource.get("masterIdentifier") if resource["resourceType"] == "DocumentReference" else None
    return [f"document|{master.get('system', '')}|{master.get('value', '')}"] if master else []


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two resources say the same, but for what the server owns: elements in any order, numbers to the digit.

    The bytes of a Binary are kept apart from it, and not compared here.
    """
    return bool(_said(_sent(one)) == _said(_sent(other)))


def _sent(resource: Mapping[str, Any]) -> dict[str, Any]:
    apart = ("id", "meta", "data") if resource.get("resourceType") == "Binary" else ("id", "meta")
    meta = {name: each for name, each in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    rest = {name: each for name, each in resource.items() if name not in apart}
    return {**rest, "meta": meta} if meta else rest


def _said(node: Any) -> Any:
    match node:
        case dict():
            return {name: _said(each) for name, each in node.items()}
        case list():
            return [_said(each) for each in node]
        case _:
            return isinstance(node, str), str(node)


def referenced_first(pending: list[Write], base: str) -> list[Write]:
    """The writes, each after those it is about or mentions; a circle keeps the order of the request."""
    by_id = {write.id: write for write in pending}
    ordered: dict[str, Write] = {}
    entered: set[str] = set()

    def place(write: Write) -> None:
        if write.id in entered:
            return
        entered.add(write.id)
        if write.resource is not None:
            mentions = access.mentions_of(write.resource, base=base)
            for id_ in (*write.about, *access.about_of(write.resource), *mentions):
                if id_ in by_id:
                    place(by_id[id_])
        ordered[write.id] = write

    for write in pending:
        place(write)
    return list(ordered.values())
