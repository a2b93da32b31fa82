"""Chain and verify: nothing of the ledger can be changed, dropped or reordered unnoticed (decisions 21)."""

from __future__ import annotations

import copy

import pytest

from fhir_server.audit_event.chain import NOTHING_BEFORE, Head, digest, link, seal_hash
from fhir_server.audit_event.verify import findings


def a_ledger(writer="w1", count=6, head=None):
    head = head or Head(0, NOTHING_BEFORE, 0)
    records = []
    for number in range(1, count + 1):
        record = {"_id": f"AuditEvent/{writer}-{number}", "facts": {"patient": "lea", "label": ["N"]}, "body": "{}"}
        record["chain"], head = link(digest(record), writer, head)
        records.append(record)
    return records


def a_seal(number, before, *records):
    heads = [
        {"writer": each["chain"]["writer"], "seq": each["chain"]["seq"], "hash": each["chain"]["hash"]}
        for each in records
    ]
    seal = {
        "_id": number,
        "at": "2026-11-23T10:00:00.000Z",
        "prev": before["hash"] if before else NOTHING_BEFORE,
        "heads": heads,
    }
    seal["hash"] = seal_hash(seal)
    return seal


def found(records, seals=()):
    ordered = sorted(
        records, key=lambda each: (each["chain"]["writer"], each["chain"]["seq"]) if "chain" in each else ("", 0)
    )
    return [each.kind for each in findings(seals, ordered, lambda _: None)]


@pytest.fixture
def world():
    """Two chains, the second begun after the first seal, and two seals."""
    first = a_ledger()
    one = a_seal(1, None, first[2])
    second = a_ledger("w2", 3, Head(0, one["hash"], 1))
    return first + second, [one, a_seal(2, one, first[5], second[2])]


def test_a_sound_ledger_has_no_finding(world):
    assert [] == found(*world)


def test_restamped_labels_do_not_break_the_chain(world):
    for record in world[0]:
        record["facts"] = {"label": ["MASQUE_PS"], "patient": "lea"}
    world[0][0]["facts"].pop("label")
    assert [] == found(*world)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(body='{"outcome":"4"}'),
        lambda record: record["facts"].update(patient="paul"),
        lambda record: record.update(added=1),
        lambda record: record.pop("body"),
        lambda record: record.update(body=b"bytes"),
    ],
    ids=["body", "facts", "added", "removed", "unreadable"],
)
def test_a_changed_record_is_found(world, change):
    change(world[0][3])
    assert ["changed"] == found(*world)


def test_a_dropped_record_is_found(world):
    del world[0][3]
    assert ["dropped"] == found(*world)


@pytest.mark.parametrize("dropped", [slice(0, 1), slice(0, 2)])
def test_a_dropped_beginning_is_found(world, dropped):
    del world[0][dropped]
    assert ["dropped"] == found(*world)


def test_a_dropped_end_is_found_by_the_seal_that_names_it(world):
    del world[0][5]
    assert ["dropped"] == found(*world)


def test_a_dropped_chain_is_found_by_the_seal_that_names_it(world):
    del world[0][6:]
    assert ["dropped"] == found(*world)


def test_two_records_that_changed_places_are_found(world):
    one, two = world[0][3]["chain"], world[0][4]["chain"]
    world[0][3]["chain"], world[0][4]["chain"] = two, one
    assert {"changed"} == set(found(*world))


def test_a_record_put_in_with_a_hash_of_its_own_is_found(world):
    records = world[0]
    records[4]["chain"], _ = link(digest(records[4]), "w1", Head(4, NOTHING_BEFORE, 0))
    assert ["reordered", "reordered"] == found(*world)


def test_a_record_that_stands_twice_is_found(world):
    double = copy.deepcopy(world[0][3])
    assert ["reordered"] == found([*world[0], double], world[1])


def test_a_chain_written_anew_is_found_by_the_seals(world):
    records, seals = world
    forged = a_ledger("w1", 6)
    forged[1]["facts"]["patient"] = "paul"
    head = Head(0, NOTHING_BEFORE, 0)
    for record in forged:
        record["chain"], head = link(digest(record), "w1", head)
    assert ["changed", "changed"] == found([*forged, *records[6:]], seals)


def test_a_record_outside_every_chain_is_found(world):
    assert ["unchained"] == found([{"_id": "AuditEvent/x", "facts": {}}, *world[0]], world[1])


def test_a_changed_seal_is_found(world):
    records, seals = world
    seals[0]["heads"][0]["seq"] = 2
    assert "seal" in found(records, seals)


def test_a_dropped_seal_is_found(world):
    records, seals = world
    assert "seal" in found(records, seals[1:])


def test_a_seal_that_does_not_follow_the_one_before_is_found(world):
    records, seals = world
    seals[1]["prev"] = NOTHING_BEFORE
    seals[1]["hash"] = seal_hash(seals[1])
    assert ["seal"] == found(records, seals)


def test_a_chain_that_began_from_no_seal_we_have_is_found(world):
    records = world[0][:6] + a_ledger("w2", 3, Head(0, "f" * 64, 9))
    assert "reordered" in found(records, world[1])
