"""Designations in the store: a Patient keeps a copy of the Consent that makes somebody his médecin traitant DMP.

May live here: making those copies when a Consent or its Patient is written, in the same transaction. May not know: who
may designate, who may know of it. Such a copy is a mention (`documents.py`) with what it `says`: it has the access
facts of the Consent, so the door shows it, and finds the Patient by it, for whoever may see the Consent
(docs/adr/0032). It makes no version of the Patient: one would tell everybody that there is something to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo.client_session import ClientSession

from fhir_server.resources.designation import designated, is_designation, with_designated
from fhir_server.search.index import index_of
from fhir_server.store import unguarded
from fhir_server.store.documents import Envelope, mention
from fhir_server.store.shelf import Shelf
from fhir_server.store.write import Write

SAYS = "says"


def concerned(writes: Iterable[Write]) -> list[str]:
    """The ids of the Patients whose designations some of these writes may have changed."""
    found: dict[str, None] = {}
    for write in writes:
        if not write.id.startswith("Consent/"):
            continue
        for body in (write.before.resource() if write.before else None, write.resource):
            if body is not None and is_designation(body):
                reference = str((body.get("patient") or {}).get("reference", ""))
                found[reference.removeprefix("Patient/")] = None
    return list(found)


def of(shelf: Shelf, patient: str, session: ClientSession | None) -> list[dict[str, Any]]:
    """The mentions by which a Patient says who was designated, one for each active designation."""
    found = sorted(unguarded.active_consents(shelf, patient, session), key=lambda each: each.id)
    said_by = ((each, designated(each.resource())) for each in found)
    return [
        {**mention(each.id, each.facts, tokens_of(references)), SAYS: references}
        for each, references in said_by
        if references
    ]


def tokens_of(references: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a Patient is found by for the sake of a designation."""
    bare = {"resourceType": "Patient"}
    without = set(index_of(dict(bare)).tokens)
    return [each for each in index_of(with_designated(bare, references)).tokens if each not in without]


def add(made: Envelope, mentions: Sequence[dict[str, Any]]) -> None:
    """Give the envelope of a Patient these."""
    if mentions:
        made["facts"]["mentions"] = [*made["facts"].get("mentions", ()), *mentions]


def kept(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the facts of an earlier version say of a designation, as facts."""
    found = [each for each in facts.get("mentions", ()) if SAYS in each]
    return {"mentions": found} if found else {}


def refresh(shelf: Shelf, patient: str, session: ClientSession | None) -> None:
    """Put what is designated now in place of what the Patient kept; nothing where there is no such Patient."""
    others = {
        "$filter": {
            "input": {"$ifNull": ["$facts.mentions", []]},
            "cond": {"$eq": [{"$type": f"$$this.{SAYS}"}, "missing"]},
        }
    }
    both = {"$concatArrays": [others, {"$literal": of(shelf, patient, session)}]}
    left = {"$let": {"vars": {"all": both}, "in": {"$cond": [{"$eq": ["$$all", []]}, "$$REMOVE", "$$all"]}}}
    shelf.resources.update_one({"_id": f"Patient/{patient}"}, [{"$set": {"facts.mentions": left}}], session=session)


def said(mentions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Who is designated by those of the mentions that may be seen; what was entered in error designates nobody."""
    return [
        reference
        for each in mentions
        if "entered-in-error" not in each.get("state", ())
        for reference in each.get(SAYS, ())
    ]
