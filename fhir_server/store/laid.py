"""Laid: resources that the server itself brings, put into the store at its start (docs/adr/0022).

May live here: laying definitions that belong to no record, so that they are read and searched as anything is. May not
know: what they say. A resource that is brought anew supersedes the version there was, as an update does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.errors import BulkWriteError

from fhir_server.foundation.moment import from_micros, instant
from fhir_server.resources import json_text
from fhir_server.store.documents import envelope
from fhir_server.store.shelf import Shelf
from fhir_server.store.write import dated

DUPLICATE = 11_000


def lay(shelf: Shelf, resources: Iterable[Mapping[str, Any]], updated: int) -> None:
    """Put the resources that are not there, or other than these, as written at `updated` (microseconds).

    Of several workers that start at once one lays each.
    """
    brought = {f"{each['resourceType']}/{each['id']}": each for each in resources}
    standing = {each["_id"]: each for each in shelf.resources.find({"_id": {"$in": list(brought)}})}
    fresh = [_envelope(each, 1, updated) for name, each in brought.items() if name not in standing]
    if fresh:
        try:
            shelf.resources.insert_many(fresh, ordered=False)
        except BulkWriteError as several:
            if any(each["code"] != DUPLICATE for each in several.details["writeErrors"]):
                raise
    for name, before in standing.items():
        if _said(before["body"]) != dict(brought[name]):
            after = _envelope(brought[name], before["version"] + 1, dated(updated, before["updated"]))
            _supersede(shelf, before, after)


def _supersede(shelf: Shelf, before: Mapping[str, Any], after: dict[str, Any]) -> None:
    replaced = shelf.resources.replace_one({"_id": before["_id"], "version": before["version"]}, after)
    if replaced.modified_count:
        kept = {name: each for name, each in before.items() if name not in ("first", "last", "unique")}
        past = {**kept, "_id": f"{before['_id']}/{before['version']}", "id": before["_id"]}
        shelf.history.replace_one({"_id": past["_id"]}, past, upsert=True)


def _envelope(resource: Mapping[str, Any], version: int, updated: int) -> dict[str, Any]:
    meta = {"versionId": str(version), "lastUpdated": instant(from_micros(updated))}
    return envelope({**resource, "meta": meta}, version=version, updated=updated, submitter=(), neighbours={})


def _said(body: str) -> dict[str, Any]:
    return {name: each for name, each in json_text.read(body).items() if name != "meta"}
