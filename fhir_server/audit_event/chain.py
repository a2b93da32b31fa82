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

NOTHING_BEFORE = "0" * 64


RESTAMPED = frozenset({"label", "hidden", "mentions"})


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain: its number (0 before the first), its hash, and the seal the chain began from."""

    seq: int
    hash: str
    seal: int


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, over what a record says, its place in the chain apart.

    `facts.label`, `facts.hidden` and `facts.mentions` are left out: they are restamped when the documents change
    (decisions 16).
    Raises TypeError for what JSON cannot say.
    """
    facts = {name: value for name, value in record["facts"].items() if name not in RESTAMPED}
    content = {name: value for name, value in record.items() if name != "chain"}
    content["facts"] = facts
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def linked(record: dict[str, Any], content: str, writer: str, head: Head) -> Head:
    """Give the record, whose digest is `content`, its place after `head`, in `record["chain"]`; the new head."""
    chain = {"writer": writer, "seq": head.seq + 1, "prev": head.hash, "seal": head.seal}
    chain["hash"] = hash_ = _placed(chain, content)
    record["chain"] = chain
    return Head(head.seq + 1, hash_, head.seal)


def hash_of(record: Mapping[str, Any]) -> str:
    """The hash that the record should have where it stands."""
    return _placed(record["chain"], digest(record))


def _placed(chain: Mapping[str, Any], content: str) -> str:
    place = f"{chain['writer']}\n{chain['seq']}\n{chain['seal']}\n{chain['prev']}\n{content}"
    return hashlib.sha256(place.encode()).hexdigest()


def seal_hash(seal: Mapping[str, Any]) -> str:
    """SHA-256 over a seal: its number, its moment, the heads, and the seal before."""
    content = {name: value for name, value in seal.items() if name != "hash"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
