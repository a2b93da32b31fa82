"""Destruction: nothing is left of a record but the trace that it was destroyed (DMP-104, docs/adr/0029).

May live here: what is removed, in which order, and how a destruction that was cut half-way goes on. May not know: who
may destroy, when a record is due, what is left of a trace (`emptied` says it). A record is absent from the moment its
destruction begins: that is one transaction; what follows removes what nobody can reach any more, in steps that may be
repeated.

destructions  {_id: patient, entry: the ledger's entry that tells of it, at}, while it goes on
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pymongo import DeleteOne
from pymongo.client_session import ClientSession

from fhir_server.foundation.moment import from_micros
from fhir_server.resources import json_text
from fhir_server.store import restamp
from fhir_server.store.blobs import Blobs
from fhir_server.store.changes import Unit
from fhir_server.store.shelf import DESTRUCTIONS, Shelf

BATCH = 500
DECIDING = ["Patient", "RelatedPerson", "Consent"]
NAMING = ("facts.mentions.id", "facts.mentions.held.id", "facts.about", "facts.held.id")

Emptied = Callable[[Mapping[str, Any], str], dict[str, Any]]


def begin(unit: Unit, patient: str, entry: str) -> None:
    """Take a record away from everybody, in the unit's transaction; `entry` is the ledger's, which tells of it."""
    shelf, session = unit.shelf, unit.session
    row = {"_id": patient, "entry": entry, "at": from_micros(unit.now)}
    shelf.database[DESTRUCTIONS].insert_one(row, session=session)
    deciding = {"facts.patient": patient, "type": {"$in": DECIDING}, "facts.patients": [patient]}
    shelf.resources.delete_many(deciding, session=session)
    unit.bump("record", patient)


def pending(shelf: Shelf, patient: str, session: ClientSession | None = None) -> str | None:
    """The ledger's entry of a destruction that is not finished; None where there is none."""
    row = shelf.database[DESTRUCTIONS].find_one({"_id": patient}, session=session)
    return None if row is None else str(row["entry"])


def unfinished(shelf: Shelf) -> list[str]:
    """Patient ids of records whose destruction was cut half-way."""
    return [str(each["_id"]) for each in shelf.database[DESTRUCTIONS].find({}, {"_id": 1})]


def finish(shelf: Shelf, patient: str, entry: str, emptied: Emptied) -> None:
    """Remove what is left of a record whose destruction has begun; to be called again if it is cut.

    What several records hold in common stays with the others.
    """
    for collection in (shelf.resources, shelf.history):
        _remove(shelf, collection, patient)
    for record in shelf.ledger.find({"facts.patients": patient}, batch_size=BATCH):
        if record["facts"]["patients"] == [patient] and record.get("entry", {}).get("id") != entry:
            shelf.ledger.replace_one({"_id": record["_id"]}, emptied(record, entry))
    shelf.database[DESTRUCTIONS].delete_one({"_id": patient})


def _remove(shelf: Shelf, collection: Any, patient: str) -> None:
    """All of a record's versions in a collection, their content first: a cut leaves none that nobody points to."""
    blobs = Blobs(shelf.database)
    where = {"facts.patient": patient, "facts.patients": [patient]}
    while batch := list(collection.find(where, {"id": 1, "facts": 1, "blob": 1}, limit=BATCH)):
        if collection is shelf.resources:
            _end_mentions(shelf, patient, {each["_id"]: each["facts"] for each in batch})
        for each in batch:
            if each.get("blob"):
                blobs.remove(each["blob"])
        collection.bulk_write([DeleteOne({"_id": each["_id"]}) for each in batch], ordered=False)


def _end_mentions(shelf: Shelf, patient: str, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """What other records say of these resources ends, as with any that is deleted (DMP-135)."""
    for collection in (shelf.resources, shelf.history):
        for path in NAMING:
            found = collection.find({path: {"$in": list(facts)}}, {"facts": 1})
            others = [each["facts"] for each in found if each["facts"].get("patient") != patient]
            named = {copy["id"] for each in others for copy in each.get("mentions", ())}
            named |= {name for each in others for name in each.get("about", ())}
            for id_ in sorted(named & facts.keys()):
                restamp.ended(shelf, id_, facts[id_], None)


def closed(shelf: Shelf) -> Iterator[dict[str, Any]]:
    """The Patients whose `active` is false: among them are those of closed records."""
    where = {"index": "Patient.active=false", "type": "Patient"}
    for each in shelf.resources.find(where, {"body": 1}, batch_size=BATCH):
        yield json_text.read(each["body"])
