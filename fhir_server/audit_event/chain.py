"""Chain: how records hold each other, so that none can be changed, dropped or reordered unnoticed (decisions 21).

May live here: the hash of a record and of a seal. May not know: where they are kept, when they are written.

A writer is one process from its start to its end; its records are numbered from 1, each naming the hash of the one
before. The first names the hash of the latest seal instead (`chain.seal` is that seal's number, 0 when there was none
yet). A seal holds the heads of the chains that moved since the last seal, and the hash of that seal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fhir_server.foundation.moment import instant_at

NOTHING_BEFORE = "0" * 64
_AT_ONCE = 2047
"""Bytes. For more than these hashlib lets go of the interpreter, and gets it back behind all others who wait for it."""

RESTAMPED = frozenset({"label", "hidden", "mentions", "data_author", "encounter", "names"})
"""What an event keeps of the facts of what it is about: it follows them (`store/restamp.py`)."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain: its number (0 before the first), its hash, and the seal the chain began from."""

    seq: int
    hash: str
    seal: int


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, over what a record says, its place in the chain apart.

    RESTAMPED facts are left out: they are brought up to date when the documents change (decisions 16).
    Raises TypeError for what JSON cannot say.
    """
    content = {**record}
    content.pop("chain", None)
    if not RESTAMPED.isdisjoint(record["facts"]):
        content["facts"] = {name: value for name, value in record["facts"].items() if name not in RESTAMPED}
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    made = hashlib.sha256()
    for at in range(0, len(text), _AT_ONCE):
        made.update(text[at : at + _AT_ONCE])
    return made.hexdigest()


def link(content: str, writer: str, head: Head) -> tuple[dict[str, Any], Head]:
    """The place after `head` of a record whose digest is `content`, as it stands in its `chain`; and the new head."""
    chain = {"writer": writer, "seq": head.seq + 1, "prev": head.hash, "seal": head.seal}
    chain["hash"] = hash_ = _placed(chain, content)
    return chain, Head(head.seq + 1, hash_, head.seal)


def emptied(record: Mapping[str, Any], entry: str) -> dict[str, Any]:
    """What is left of the trace of a record that was destroyed: its place in the chain, and nothing it said.

    The digest of what it said holds the chain together; `entry` is that of the destruction, which must be there. Of an
    emptied one it makes the same again.
    """
    told = record.get("emptied") or {"digest": digest(record), "entry": entry}
    at, (_, _, id_) = int(record["updated"]), str(record["_id"]).partition("/")
    body = {
        "resourceType": "AuditEvent",
        "id": id_,
        "meta": {"versionId": "1", "lastUpdated": instant_at(at)},
        "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110110"},
        "recorded": instant_at(at),
        "outcomeDesc": "the record that this trace told of was destroyed",
        "agent": [{"requestor": False}],
        "source": {"observer": {"display": "DMP"}},
    }
    return {
        "_id": record["_id"],
        "type": "AuditEvent",
        "version": 1,
        "updated": at,
        "method": "POST",
        "facts": {"class": ["audit"]},
        "index": [],
        "dates": {},
        "first": {},
        "last": {},
        "own": [],
        "body": orjson.dumps(body).decode(),
        "emptied": {"digest": told["digest"], "entry": told["entry"]},
        "chain": record["chain"],
    }


def hash_of(record: Mapping[str, Any]) -> str:
    """The hash that the record should have where it stands; that of an emptied one by the digest it kept."""
    told = record.get("emptied")
    return _placed(record["chain"], digest(record) if told is None else str(told["digest"]))


def _placed(chain: Mapping[str, Any], content: str) -> str:
    place = f"{chain['writer']}\n{chain['seq']}\n{chain['seal']}\n{chain['prev']}\n{content}"
    return hashlib.sha256(place.encode()).hexdigest()


def seal_hash(seal: Mapping[str, Any]) -> str:
    """SHA-256 over a seal: its number, its moment, the heads, and the seal before."""
    content = {name: value for name, value in seal.items() if name != "hash"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
