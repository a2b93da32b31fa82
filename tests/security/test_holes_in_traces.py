"""Holes in the ledger and the notices, each named for what somebody saw or was not told, and closed."""

from __future__ import annotations

import base64
import json

import pytest

from tests.kit import people
from tests.kit.family import begun, letter_of, provenance
from tests.kit.twin import Letter, Step, differences
from tests.kit.world import label, opening, patient, submission
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


def searches_by(world, who):
    """How many searches of somebody the holder finds in the traces."""
    kinds = [
        each["resource"]["subtype"][0]["code"]
        for each in json.loads(traces(world, "lea"))
        if who.name in json.dumps(each)
    ]
    return kinds.count("search-type")


def queries(world, patient):
    entities = [each for found in json.loads(traces(world, patient)) for each in found["resource"].get("entity", ())]
    return [base64.b64decode(each["query"]).decode() for each in entities if "query" in each]


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


def test_what_an_author_alone_counted_stood_in_no_trace_of_its_record(world):
    """DMP-80: having written there is no standing with a record (decisions 17), and its trace hides with what it is of."""
    _, document, _ = deposit(world, submission(securityLabel=[label("INVISIBLE_PATIENT")]))
    url = "DocumentReference?type=11490-0&_summary=count"
    assert 1 == world.ask(people.hospital(), "GET", url).json["total"]
    assert 0 == searches_by(world, people.hospital())

    normal = [{"op": "replace", "path": "/securityLabel/0", "value": label("N")}]
    assert 200 == world.ask(people.hospital(), "PATCH", document, normal).status
    assert 1 == searches_by(world, people.hospital())


@pytest.mark.parametrize("total", ["accurate", "none"])
@pytest.mark.parametrize("url", ["List?code=submissionset", "Provenance?recorded=ge2000"])
def test_a_search_that_named_no_record_and_found_only_an_emptied_list_told_its_holder(databases, url, total):
    """Decisions 16: the trace exists only because of what it found, so it hides with a List, and with what is about it."""
    log = begun()
    log.deposit(Letter("d1", ("INVISIBLE_PATIENT",)))
    log.put(about("w1", log.names["d1.set"]), because=["d1"])
    log.ask(people.doctor(), "GET", f"{url}&_total={total}")

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

    assert [] == [each for each in queries(world, "lea") if "d-of-bob" in each]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("Patient?family=Martin&birthdate=1979-03-12&_sort=-_id", "Patient?_id=bob&_sort=-_id"),
        ("DocumentReference?identifier=urn:x|1&status=current", "DocumentReference?status=current"),
        ("Condition?encounter=e1&code=vih", "Condition?code=vih"),
        ("Condition?asserter=Practitioner/bernard", "Condition?asserter=Practitioner/bernard"),
        ("Condition?asserter=Practitioner/bernard,Patient/lea&code=vih", "Condition?code=vih"),
        ("Patient?link=Patient/lea", "Patient?_id=bob"),
    ],
)
def test_a_search_told_every_record_it_counted_in_whom_it_was_about(world, url, kept):
    """A total is told of all records that were searched: each holder reads what was asked, and not of whom."""
    assert 200 == world.ask(people.doctor(), "GET", url).status
    assert kept in [query.replace("%2F", "/").replace("%7C", "|") for query in queries(world, "bob")]


def test_the_traces_of_a_search_by_id_told_who_may_not_see_it_that_something_is_there(databases):
    """Decisions 16: that of the one record, by what it keeps; that of the other, by what it leaves out."""
    log = begun()
    log.put({**patient("bob"), "identifier": [{"use": "official", "system": "urn:x", "value": "bob"}]})
    log.ask(people.holder("bob"), "POST", "Patient/bob/$open-record", opening(treatingPhysician="Practitioner/bernard"))
    log.put(letter_of("bob", "d-of-bob", None))
    log.put(letter_of("lea", "d1", "INVISIBLE_PATIENT"), because=["d1"])
    log.ask(people.doctor(), "GET", "DocumentReference?_id=d1,d-of-bob")

    probes = [Step(people.holder(who), "GET", f"AuditEvent?patient={who}", pages=True) for who in ("lea", "bob")]
    found = differences(databases, log.steps, frozenset({"d1"}), probes)
    assert [] == found, "\n\n".join(found)


def test_a_patch_that_did_not_fit_told_of_a_document_and_stood_in_no_trace(world):
    """Decisions 20: a `test` that fails answers for what stands there; in an emergency its holder is to know (DMP-72)."""
    _, document, _ = deposit(world, submission())
    guess = [{"op": "test", "path": "/securityLabel/0/coding/0/code", "value": "R"}]
    assert 422 == world.ask(break_glass("lea"), "PATCH", document, guess).status

    assert 1 == read_by(world, break_glass("lea"))
    assert any("urgence" in each["subject"] for each in world.house.outbox.recent("lea@example.org"))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_condition_that_failed_told_of_a_document_and_stood_in_no_trace(world, method):
    """Decisions 20: 412 is not 404, and says that something stands there."""
    _, document, _ = deposit(world, submission())
    shown = world.ask(people.doctor(), "GET", document).json
    body = {"PUT": shown, "PATCH": [{"op": "remove", "path": "/securityLabel/0"}]}.get(method)
    assert 412 == world.ask(people.radiologist(), method, document, body, if_match='W/"7"').status

    assert 1 == read_by(world, people.radiologist())


def test_a_transaction_that_failed_told_how_far_it_came_and_stood_in_no_trace(world):
    """Decisions 20: `Bundle.entry[1]` says that the first was read."""
    _, document, _ = deposit(world, submission())
    entries = [{"request": {"method": "GET", "url": each}} for each in (document, "DocumentReference/nothing")]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    made = world.ask(break_glass("lea"), "POST", "", bundle)
    assert (404, ["Bundle.entry[1]"]) == (made.status, made.json["issue"][0]["expression"])

    assert 1 == read_by(world, break_glass("lea"))
    assert any("urgence" in each["subject"] for each in world.house.outbox.recent("lea@example.org"))


def test_a_transaction_that_failed_left_no_trace_of_what_it_did_not_make(world):
    """ADR 9: not a trace of what was rolled back."""
    letter = {name: value for name, value in letter_of("lea", "x", None).items() if name != "id"}
    posted = {"resource": {**letter, "author": [{"reference": "Practitioner/bernard"}]}}
    entries = [
        {**posted, "request": {"method": "POST", "url": "DocumentReference"}},
        {"request": {"method": "GET", "url": "DocumentReference/nothing"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert 404 == world.ask(people.doctor(), "POST", "", bundle).status

    assert 0 == read_by(world, people.doctor())


def test_a_notice_of_a_first_connection_told_the_holder_of_what_is_not_yet_announced(world):
    """Decisions 16, issue 3 item 10: never about what is hidden from its reader; the trace of it is hidden as well."""
    _, document, _ = deposit(world, submission(securityLabel=[label("INVISIBLE_PATIENT")]))
    assert 200 == world.ask(people.doctor(), "GET", document).status

    assert [] == connections(world)

    plain, *_ = deposit(world, submission("urn:oid:1.2.3.4"))
    for _ in range(2):
        assert 200 == world.ask(people.doctor(), "GET", plain).status
    assert 1 == len(connections(world))


@pytest.mark.parametrize("what", ["List", "content"])
def test_a_first_connection_to_what_rests_on_the_hidden_alone_was_told(world, what):
    """Decisions 16: a List is seen by what it holds."""
    list_, _, binary = deposit(world, submission(securityLabel=[label("INVISIBLE_PATIENT")]))
    assert 200 == world.ask(people.doctor(), "GET", {"List": list_, "content": binary}[what]).status

    assert [] == connections(world)


def test_a_first_connection_that_a_search_for_one_record_made_is_told_whatever_it_found(world):
    """DMP-81: it is told in both worlds, or in neither."""
    deposit(world, submission(securityLabel=[label("INVISIBLE_PATIENT")]))
    assert 1 == len(world.ask(people.doctor(), "GET", "DocumentReference?patient=lea&_total=none").ids)
    assert [] == connections(world)

    assert 1 == world.ask(people.doctor(), "GET", "DocumentReference?patient=lea").json["total"]
    assert 1 == len(connections(world))


def connections(world):
    """The notices of Dr Bernard's connection that the holder got."""
    return [each for each in world.house.outbox.recent("lea@example.org") if "bernard" in each["text"]]
