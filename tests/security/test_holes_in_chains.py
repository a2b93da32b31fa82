"""What chains, `_has` and includes could tell of the hidden, in answers and in what stays on record; R94, R104, R105."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.family import begun, letter_of, provenance
from tests.kit.twin import Letter, Step, differences
from tests.kit.world import label
from tests.security import test_holes
from tests.security.test_holes import observation
from tests.security.test_holes_in_traces import queries, searches_by

world = test_holes.world

THROUGH = (
    "Patient?_has:DocumentReference:patient:description:exact=lettre d1",
    "Patient?_has:DocumentReference:patient:description:exact=lettre d1&_total=none",
    "Organization?_has:DocumentReference:custodian:description:exact=lettre d1",
    "Organization?_has:DocumentReference:custodian:description:exact=lettre d1&_total=none",
    "List?item:DocumentReference.description:exact=lettre d1&_total=none",
    "Provenance?target:DocumentReference.description:exact=lettre d1&_total=none",
    "Observation?subject:Patient._has:DocumentReference:patient:description:exact=lettre d1&_total=none&_count=1",
    "DocumentReference?_has:List:item:item:DocumentReference.description:exact=lettre d1&_total=none",
)


@pytest.mark.parametrize("url", THROUGH)
@pytest.mark.parametrize("who", [people.doctor(), people.hospital()], ids=["authorised", "author alone"])
def test_the_trace_of_a_search_that_led_through_the_hidden_told_of_it(databases, who, url):
    """Decisions 16: who does not see the letter reads the same traces as if it had never been written."""
    log = begun()
    log.deposit(Letter("d1"), Letter("d2"))
    log.put(provenance("w2", log.names["d2"]))
    log.put({**observation("lea"), "id": "o1"})
    log.ask(who, "GET", url)
    patch = [{"op": "add", "path": "/securityLabel/-", "value": label("INVISIBLE_PATIENT")}]
    log.ask(people.hospital(), "PATCH", log.names["d1"], patch, because=["d1"])

    probes = [
        Step(people.holder(), "GET", "AuditEvent?patient=lea", pages=True),
        Step(people.holder(), "GET", "AuditEvent?patient=lea&_summary=count"),
    ]
    found = differences(databases, log.steps, frozenset({"d1"}), probes)

    assert [] == found, "\n\n".join(found)


@pytest.mark.parametrize("total", ["", "&_total=none", "&_summary=count"])
@pytest.mark.parametrize(
    "url",
    [
        "Patient?_has:Condition:patient:code=vih",
        "Condition?subject:Patient.family=nobody",
        "Organization?_has:DocumentReference:custodian:status=superseded",
        "Practitioner?_has:Condition:asserter:code=vih",
    ],
)
def test_a_search_that_only_led_through_a_record_stood_in_no_trace_of_it(world, url, total):
    """DMP-80, decisions 20: that nothing was found there is told as well, of a type that belongs to no record too."""
    assert 200 == world.ask(people.doctor(), "GET", url + total).status

    assert 1 == searches_by(world, people.doctor())


def test_a_link_that_named_a_record_stood_in_no_trace_of_it(world):
    world.ask(people.radiologist(), "GET", "Practitioner?_has:Provenance:agent:patient=bob")

    asked = world.ask(people.holder("bob"), "GET", "AuditEvent?patient=bob&outcome=8").json
    assert 1 == asked["total"]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("Condition?subject:Patient.family=martin&code=vih", "Condition?patient=bob&code=vih"),
        ("Condition?patient.identifier=urn:x|1,urn:x|2&code=vih", "Condition?patient=bob&code=vih"),
        ("Condition?encounter.identifier=urn:x|1&code=vih", "Condition?code=vih"),
        ("Condition?encounter:Encounter._id=e1&code=vih", "Condition?code=vih"),
        ("Condition?encounter.subject:Patient.name=martin&code=vih", "Condition?code=vih"),
        ("Condition?encounter.class=AMB&code=vih", "Condition?encounter.class=AMB&code=vih"),
        ("Condition?asserter:Practitioner.name=bernard", "Condition?asserter:Practitioner.name=bernard"),
        ("Patient?_has:Condition:patient:code=vih", "Patient?_id=bob&_has:Condition:patient:code=vih"),
        ("Patient?_has:Condition:patient:_id=c1", "Patient?_id=bob"),
        ("Patient?_has:Condition:patient:encounter=Encounter/e1", "Patient?_id=bob"),
        ("Patient?_has:Condition:patient:encounter.identifier=urn:x|1", "Patient?_id=bob"),
        ("Patient?organization.name=chu", "Patient?_id=bob"),
        ("Practitioner?_has:Condition:asserter:code=vih", "Practitioner?_has:Condition:asserter:code=vih"),
        ("Practitioner?_has:Condition:asserter:patient=lea,bob", "Practitioner"),
    ],
)
def test_a_chain_told_every_record_it_asked_whom_it_was_about(world, url, kept):
    """Each holder reads what was asked, and not of whom."""
    assert 200 == world.ask(people.doctor(), "GET", url).status
    found = [each.replace("%2F", "/").replace("%7C", "|") for each in queries(world, "bob")]
    assert kept in [each.rstrip("?") for each in found]


def test_a_chain_into_another_record_told_what_stands_there(world):
    """A reference into a record that is shut finds nothing, whatever stands there."""
    world.put({**letter_of("bob", "secret", None), "description": "secret"})
    world.put({**observation("lea"), "id": "o1", "derivedFrom": [{"reference": "DocumentReference/secret"}]})

    for url in (
        "Observation?derived-from:DocumentReference.description=secret",
        "Observation?patient=lea&derived-from:DocumentReference.description=secret",
    ):
        assert [] == world.ask(people.radiologist(), "GET", url).ids
    both = world.ask(people.doctor(), "GET", "Observation?derived-from:DocumentReference.description=secret")
    assert ["Observation/o1"] == both.ids


def test_how_much_is_hidden_was_told_by_a_limit(databases):
    """What is not seen counts against no bound: neither world is refused."""
    log = begun()
    for number in range(4):
        log.put(letter_of("lea", f"h{number}", "MASQUE_PS"), because=["h"])
    log.put(letter_of("lea", "shown", None))

    probes = [
        Step(people.radiologist(), "GET", "Patient?_has:DocumentReference:patient:status=current", pages=True),
        Step(people.radiologist(), "GET", "Patient?_id=lea&_revinclude=DocumentReference:patient", pages=True),
    ]
    assert [] == differences(databases, log.steps, frozenset({"h"}), probes)


def test_a_person_was_found_by_what_another_record_holds(world):
    """Two records, one opened to the asker: what the other holds makes nobody be found."""
    world.put({**observation("bob"), "id": "o2", "status": "amended"})
    assert [] == world.ask(people.radiologist(), "GET", "Patient?_has:Observation:patient:status=amended").ids
    assert ["Patient/bob"] == world.ask(people.doctor(), "GET", "Patient?_has:Observation:patient:status=amended").ids
