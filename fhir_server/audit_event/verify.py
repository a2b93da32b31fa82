"""Verify: what is wrong with a ledger, if anything (decisions 21).

May live here: checking records and seals as they stream by. May not know: where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fhir_server.audit_event.chain import NOTHING_BEFORE, emptied, hash_of, seal_hash
from fhir_server.audit_event.shapes import RULES

DESTRUCTION = f"{RULES}write.destruction"
"""By which rule a record is destroyed: what the trace of it says."""

Kind = Literal["changed", "dropped", "reordered", "unchained", "seal"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: its kind, the record or seal it was found at, a lower-case sentence."""

    kind: Kind
    id: str
    text: str


@dataclass(slots=True)
class _Sealed:
    """What the seals say of one chain: the hash of the record of each sealed number."""

    heads: dict[int, tuple[str, int]] = field(default_factory=dict)


def findings(
    seals: Iterable[Mapping[str, Any]],
    records: Iterable[Mapping[str, Any]],
    hash_of_seal: Callable[[int], str | None],
) -> Iterator[Finding]:
    """Every finding. `seals` in the order of their numbers, read first; `records` in the order of writer and number.

    `hash_of_seal` gives the hash of a seal made after `seals` were read. Memory grows with the number of seals only.
    """
    sealed: dict[str, _Sealed] = {}
    numbers: dict[int, str] = {}
    yield from _of_seals(seals, sealed, numbers)
    yield from _of_records(records, sealed, lambda number: numbers.get(number) or hash_of_seal(number))
    for writer, left in sealed.items():
        for seq, (_, number) in sorted(left.heads.items()):
            yield Finding("dropped", f"{writer}#{seq}", f"record {seq} of this chain is gone, seal {number} names it")


def _of_seals(
    seals: Iterable[Mapping[str, Any]], sealed: dict[str, _Sealed], numbers: dict[int, str]
) -> Iterator[Finding]:
    expected, before = 1, NOTHING_BEFORE
    for seal in seals:
        number = seal["_id"]
        if number != expected:
            yield Finding("seal", str(number), f"seals {expected} to {number - 1} are missing")
        elif seal.get("prev") != before:
            yield Finding("seal", str(number), "the seal does not follow the one before it")
        if seal_hash(seal) != seal.get("hash"):
            yield Finding("seal", str(number), "the seal has been changed")
        expected, before = number + 1, seal.get("hash", "")
        numbers[number] = before
        for head in seal.get("heads", []):
            sealed.setdefault(head["writer"], _Sealed()).heads[head["seq"]] = (head["hash"], number)


def _of_records(
    records: Iterable[Mapping[str, Any]], sealed: dict[str, _Sealed], hash_of_seal: Callable[[int], str | None]
) -> Iterator[Finding]:
    writer, seq, last = None, 0, ""
    destroyed: set[str] = set()
    empty: dict[str, str] = {}
    for record in records:
        chain = record.get("chain")
        id_ = str(record["_id"])
        if not isinstance(chain, Mapping) or not {"writer", "seq", "prev", "hash", "seal"} <= set(chain):
            yield Finding("unchained", id_, "the record is in no chain")
            continue
        if chain["writer"] != writer:
            writer, seq = chain["writer"], 0
            last = hash_of_seal(chain["seal"]) or "" if chain["seal"] else NOTHING_BEFORE
        yield from _of_record(record, id_, seq, last)
        seq, last = chain["seq"], chain["hash"]
        yield from _of_sealed(sealed.get(str(writer)), id_, seq, last)
        if "emptied" in record:
            empty.setdefault(_entry_of(record["emptied"], "entry"), id_)
        elif DESTRUCTION in str(record.get("body")):
            destroyed.add(_entry_of(record.get("entry"), "id"))
    for entry in sorted(empty.keys() - destroyed):
        yield Finding("changed", empty[entry], "the record was emptied, and no destruction of a record tells of it")


def _entry_of(told: Any, name: str) -> str:
    return str(told.get(name)) if isinstance(told, Mapping) else ""


def _of_record(record: Mapping[str, Any], id_: str, seq: int, last: str) -> Iterator[Finding]:
    chain = record["chain"]
    if not _holds(record):
        yield Finding("changed", id_, "the record is not what was written")
    if chain["seq"] == seq + 1:
        if chain["prev"] != last:
            yield Finding("reordered", id_, f"record {chain['seq']} does not follow the one before it")
    elif chain["seq"] > seq + 1:
        text = f"records {seq + 1} to {chain['seq'] - 1} of chain `{chain['writer']}` are gone"
        yield Finding("dropped", id_, text)
    else:
        yield Finding("reordered", id_, f"record {chain['seq']} stands twice in its chain")


def _of_sealed(sealed: _Sealed | None, id_: str, seq: int, hash_: str) -> Iterator[Finding]:
    named = sealed.heads.pop(seq, None) if sealed is not None else None
    if named is not None and named[0] != hash_:
        yield Finding("changed", id_, f"the record is not the one that seal {named[1]} names")


def _holds(record: Mapping[str, Any]) -> bool:
    """Whether the hash holds; content of a kind that was never written does not."""
    try:
        if "emptied" in record and emptied(record, "") != dict(record):
            return False
        return bool(hash_of(record) == record["chain"]["hash"])
    except (TypeError, KeyError, AttributeError, ValueError):
        return False
