"""The door tells what is in use of profiles, tags and labels: the guard is in the query, and no resource leaves."""

from __future__ import annotations

from itertools import count

import pytest

from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Has, Not, both, one_of
from fhir_server.search import metadata
from fhir_server.store.documents import envelope
from fhir_server.store.visible import VisibleStore

SEEN = Not(Has("label", "MASQUE_PS"))
FRENCH = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
MASK = {"system": FRENCH, "code": "MASQUE_PS"}


@pytest.fixture
def put(shelf):
    numbers = count(1)

    def put(type_, patient="p1", **meta):
        number = next(numbers)
        subject = {"subject": {"reference": f"Patient/{patient}"}} if patient else {}
        resource = {"resourceType": type_, "id": f"r{number}", "meta": meta, **subject}
        made = envelope(resource, version=1, updated=number, submitter=(), neighbours={})
        shelf.of(type_).insert_one({**made, "chain": {"writer": "x", "seq": number}})

    return put


def tagged(*codes):
    return [{"code": each} for each in codes]


def told(door, type_="Observation", where=EVERYTHING):
    return metadata.meta(door.metadata(type_, where))


def test_what_is_hidden_leaves_no_trace(shelf, put):
    put("Observation", tag=tagged("a"), profile=["http://x.example/a"])
    put("Observation", tag=tagged("b"), profile=["http://x.example/b"], security=[MASK])
    put("Observation", tag=tagged("c"), patient="p2")

    assert {"tag": tagged("a"), "profile": ["http://x.example/a"]} == told(
        VisibleStore(shelf, both(SEEN, Has("patient", "p1")))
    )
    assert tagged("a", "c") == told(VisibleStore(shelf, SEEN))["tag"]
    assert {"tag": tagged("a", "b", "c"), "security": [MASK]}.items() <= told(VisibleStore(shelf, EVERYTHING)).items()
    assert {} == told(VisibleStore(shelf, NOTHING))


def test_a_scope_and_a_condition_narrow_it(shelf, put):
    put("Observation", tag=tagged("a"))
    put("Observation", tag=tagged("b"), patient="p2")
    door = VisibleStore(shelf, EVERYTHING, Has("patients", "p1"))

    assert {"tag": tagged("a")} == told(door)
    assert {"tag": tagged("b")} == told(VisibleStore(shelf, EVERYTHING), where=Has("token", "Observation._tag=b"))
    assert {} == told(door, where=Has("token", "Observation._tag=b"))


def test_several_types_are_told_together_and_traces_apart(shelf, put):
    put("Observation", tag=tagged("a"))
    put("Condition", tag=tagged("b"))
    put("Encounter", tag=tagged("c"))
    put("AuditEvent", tag=tagged("d"), patient=None)
    door, types = VisibleStore(shelf, EVERYTHING), ("Observation", "Condition", "AuditEvent")

    assert {"tag": tagged("a", "b")} == told(door, "", both(one_of("resource", types), metadata.there(types)))
    assert {"tag": tagged("d")} == told(door, "AuditEvent")


def test_what_several_say_alike_is_told_once_and_nothing_of_anything_else(shelf, put):
    for _ in range(3):
        put("Observation", tag=tagged("a"), security=[{"system": "s", "code": "N"}])
        put("Observation", tag=tagged("b"), security=[{"system": "s", "code": "N"}])
    put("Observation")
    found = VisibleStore(shelf, EVERYTHING).metadata("Observation", metadata.there(["Observation"]))

    assert [
        [],
        ["Observation._security=N", "Observation._security=s|N", "Observation._security=s|"],
        ["Observation._tag=a", "Observation._tag=|a"],
        ["Observation._tag=b", "Observation._tag=|b"],
    ] == sorted(found)


def test_nothing_is_told_where_nothing_matches(shelf, put):
    put("Observation")

    assert [] == VisibleStore(shelf, EVERYTHING).metadata("Observation", metadata.there(["Observation"]))
