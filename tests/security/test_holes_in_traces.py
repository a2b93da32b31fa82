"""Holes in the ledger and the notices, each named for what somebody saw or was not told, and closed."""

from __future__ import annotations

import base64
import json

import pytest

from tests.kit import people
from tests.kit.family import begun, letter_of, provenance
from tests.kit.twin import Letter, Step, differences
from tests.kit.world import label, submission
from tests.security import test_holes
from tests.security.test_holes import break_glass, deposit, traces

world = test_holes.world


def about(id_, target):
    return {**provenance(id_, target), "target": [{"reference": target}, {"reference": "Patient/lea"}]}


def condition(id_="c", who="lea"):
    code = {"coding": [{"system": "urn:x", "code": "vih"}]}
    return {"resourceType": "Condition", "id": id_, "subject": {"reference": f"Patient/{who}"}, "code": code}


def read_by(world, who):
    return sum(who.name in json.dumps(each) for each in json.loads(traces(world, "lea")))


@pytest.mark.parametrize("who", [break_glass("lea"), people.radiologist()], ids=["bris de glace", "authorised"])
@pytest.mark.parametrize(
    "url", ["Condition?code=vih&_summary=count", "Condition?code=vih&_count=0", "Patient?_id=lea&_summary=count"]
)
def test_what_was_counted_in_a_record_stood_in_no_trace_of_it(world, who, url):
    """DMP-72, DMP-80, decisions 20: a total discloses; the search that told it stands in the record it was told of."""
    world.put(condition())
    assert 1 == world.ask(who, "GET", url).json["total"]

    assert 1 == read_by(world, who)


@pytest.mark.parametrize("url", ["Condition?patient=lea&_summary=count", "Condition?code=vih&_count=0"])
def test_an_emergency_that_only_counted_was_not_told_to_the_holder(world, url):
    """DMP-72, DMP-81: the holder is told of the access, and of who connects for the first time."""
    world.put(condition())
    assert 1 == world.ask(break_glass("lea"), "GET", url).json["total"]

    assert any("urgence" in each["subject"] for each in world.house.outbox.recent("lea@example.org"))


def test_a_total_told_of_a_record_of_which_the_page_showed_nothing(world):
    """DMP-80: the second of two matches was counted, and so disclosed."""
    world.put(condition("c1", "lea"))
    world.put(condition("c2", "bob"))
    assert 2 == world.ask(people.doctor(), "GET", "Condition?_count=1&_sort=-_id&_total=accurate").json["total"]

    assert 1 == read_by(world, people.doctor())


@pytest.mark.parametrize("url", ["List?code=submissionset", "Provenance?recorded=ge2000"])
def test_a_search_that_named_no_record_and_found_only_an_emptied_list_told_its_holder(databases, url):
    """Decisions 16: the trace exists only because of what it found, so it hides with a List, and with what is about it."""
    log = begun()
    log.deposit(Letter("d1", ("INVISIBLE_PATIENT",)))
    log.put(about("w1", log.names["d1.set"]), because=["d1"])
    log.ask(people.doctor(), "GET", url)

    probes = [Step(people.holder(), "GET", "AuditEvent?patient=lea", pages=True)]
    found = differences(databases, log.steps, frozenset({"d1"}), probes)
    assert [] == found, "\n\n".join(found)


@pytest.mark.parametrize("type_", ["List", "DocumentManifest"])
def test_a_list_of_the_hidden_that_came_by_a_transaction_was_in_the_traces(world, type_):
    """Decisions 16: its event keeps what it names, as that of one posted alone."""
    _, document, _ = deposit(world, submission(securityLabel=[label("INVISIBLE_PATIENT")]))
    made = {"resourceType": type_, "status": "current", "subject": {"reference": "Patient/lea"}}
    match type_:
        case "List":
            made |= {"mode": "working", "entry": [{"item": {"reference": document}}]}
        case _:
            made |= {"content": [{"reference": document}]}
    entry = [{"resource": made, "request": {"method": "POST", "url": type_}}]
    (name,) = deposit(world, {"resourceType": "Bundle", "type": "transaction", "entry": entry})

    assert 404 == world.ask(people.holder(), "GET", name).status
    assert name not in traces(world, "lea")


def test_the_trace_of_what_two_own_was_told_to_one_who_does_not_see_it(world):
    """Decisions 13 and 16: what several own is seen when all of them permit it, and so is the trace of its reading."""
    actors = [{"actor": {"reference": f"Patient/{who}"}, "status": "accepted"} for who in ("lea", "bob")]
    world.put({"resourceType": "Appointment", "id": "both", "status": "proposed", "participant": actors})
    assert 200 == world.ask(people.doctor(), "GET", "Appointment/both").status

    assert 404 == world.ask(people.holder(), "GET", "Appointment/both").status
    assert "Appointment/both" not in traces(world, "lea")


def test_a_holder_read_in_the_own_traces_the_id_of_what_is_in_anothers_record(world):
    """As for the parameters that name a patient: whose else it was asked about is not that holder's to read."""
    world.put(letter_of("lea", "d1", None))
    world.put(letter_of("bob", "d-of-bob", None))
    assert 200 == world.ask(people.doctor(), "GET", "DocumentReference?_id=d1,d-of-bob").status

    entities = [each for found in json.loads(traces(world, "lea")) for each in found["resource"].get("entity", ())]
    queries = [base64.b64decode(each["query"]).decode() for each in entities if "query" in each]
    assert [] == [each for each in queries if "d-of-bob" in each]


def test_a_patch_that_did_not_fit_told_of_a_document_and_stood_in_no_trace(world):
    """Decisions 20: a `test` that fails answers for what stands there; in an emergency its holder is to know (DMP-72)."""
    _, document, _ = deposit(world, submission())
    guess = [{"op": "test", "path": "/securityLabel/0/coding/0/code", "value": "R"}]
    assert 422 == world.ask(break_glass("lea"), "PATCH", document, guess).status

    assert 1 == read_by(world, break_glass("lea"))


def test_a_transaction_that_failed_told_how_far_it_came_and_stood_in_no_trace(world):
    """Decisions 20: `Bundle.entry[1]` says that the first was read."""
    _, document, _ = deposit(world, submission())
    entries = [{"request": {"method": "GET", "url": each}} for each in (document, "DocumentReference/nothing")]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    made = world.ask(break_glass("lea"), "POST", "", bundle)
    assert (404, ["Bundle.entry[1]"]) == (made.status, made.json["issue"][0]["expression"])

    assert 1 == read_by(world, break_glass("lea"))


def test_a_notice_of_a_first_connection_told_the_holder_of_what_is_not_yet_announced(world):
    """Decisions 16, issue 3 item 10: never about what is hidden from its reader; the trace of it is hidden as well."""
    _, document, _ = deposit(world, submission(securityLabel=[label("INVISIBLE_PATIENT")]))
    assert 200 == world.ask(people.doctor(), "GET", document).status

    assert "bernard" not in "".join(each["text"] for each in world.house.outbox.recent("lea@example.org"))
