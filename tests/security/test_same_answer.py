"""Absent equals forbidden (decisions 17): one status, one body, one number of round trips, whatever stands there.

Round trips are the commands that the request's own thread sends to MongoDB, as the driver reports them, once the
worker remembers the record's Consents (docs/security.md, time).
"""

from __future__ import annotations

import threading
import uuid

import pytest
from pymongo import MongoClient, monitoring

from tests.kit import people
from tests.kit.battery import ABSENT, FAR, deposited
from tests.kit.trips import NO_QUESTION
from tests.kit.twin import Letter, Log, told, told_of
from tests.kit.world import label, opening, patient, practitioner

STRANGER = people.professional("inconnu", "10000000005")


class Trips(monitoring.CommandListener):
    """What this thread asks of MongoDB."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.thread = threading.get_ident()

    def started(self, event):
        if threading.get_ident() == self.thread and event.command_name not in NO_QUESTION:
            self.names.append(event.command_name)

    def succeeded(self, event): ...

    def failed(self, event): ...


@pytest.fixture(scope="module")
def record(mongo_uri):
    """A record with a letter that is shown, one that is masked, and one that was masked and deleted."""
    trips = Trips()
    client = MongoClient(
        mongo_uri,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        tz_aware=True,
        event_listeners=[trips],
    )
    name = f"s{uuid.uuid4().hex[:12]}"
    log = Log()
    for id_, rpps in (("bernard", "10000000001"), ("diallo", "10000000002")):
        log.put(practitioner(id_, rpps, id_.capitalize()))
    log.put({"resourceType": "Organization", "id": "chu", "name": "CHU"})
    log.put(patient())
    answers = opening(treatingPhysician="Practitioner/bernard", authorized=["Practitioner/diallo"])
    log.ask(people.holder(), "POST", "Patient/lea/$open-record", answers)
    log.deposit(Letter("shown"))
    log.deposit(Letter("masked"))
    log.deposit(Letter("gone"))
    patch = [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}]
    for each in ("masked", "gone"):
        log.ask(people.holder(), "PATCH", log.names[each], patch)
    log.ask(people.hospital(), "DELETE", log.names["gone"])
    log.put({**patient("paul"), "identifier": [{"system": "urn:x", "value": "paul"}]})
    world, _ = told(client[name], log.steps)
    for who in (people.radiologist(), STRANGER):
        for remembered in (log.names["shown"], "Patient/paul"):
            world.ask(who, "GET", remembered)
    yield world, log.names, trips
    world.close()
    client.drop_database(name)
    client.close()


WAYS = [
    pytest.param("GET", "{}", {}, id="read"),
    pytest.param("HEAD", "{}", {}, id="head"),
    pytest.param("GET", "{}/_history/1", {}, id="vread"),
    pytest.param("GET", "{}/_history/2", {}, id="vread of a later version"),
    pytest.param("GET", "{}/_history", {}, id="history"),
    pytest.param("GET", "{}/_history?_count=1", {}, id="history by pages"),
    pytest.param("GET", "{}", {"if_none_match": 'W/"1"'}, id="conditional read"),
    pytest.param("GET", "{}", {"if_none_match": "*"}, id="conditional read of anything"),
    pytest.param("GET", "{}", {"if_modified_since": FAR}, id="conditional read by date"),
    pytest.param("GET", "{}/$meta", {}, id="metadata"),
    pytest.param("GET", "{}/$validate", {}, id="validation"),
    pytest.param("GET", "{}/$validate?mode=delete", {}, id="validation of a deletion"),
    pytest.param("DELETE", "{}", {}, id="delete"),
    pytest.param("PATCH", "{}", {"patch": [{"op": "replace", "path": "/status", "value": "superseded"}]}, id="patch"),
]
KINDS = [("DocumentReference", "{0}"), ("Binary", "{0}.content"), ("List", "{0}.set")]


def asked(record, who, method, template, more, reference):  # noqa: PLR0917 - a request and who makes it
    world, _, trips = record
    trips.names.clear()
    trips.thread = threading.get_ident()
    answered = world.ask(who, method, template.format(reference), **more)
    return told_of(answered), sorted(trips.names)


@pytest.mark.parametrize("who", [people.radiologist(), STRANGER], ids=["authorised", "stranger"])
@pytest.mark.parametrize(("type_", "named"), KINDS, ids=[kind for kind, _ in KINDS])
@pytest.mark.parametrize(("method", "template", "more"), WAYS)
def test_what_is_hidden_is_answered_as_what_is_absent(record, who, type_, named, method, template, more):  # noqa: PLR0917
    hidden, trips = asked(record, who, method, template, more, record[1][named.format("masked")])
    absent, other = asked(record, who, method, template, more, f"{type_}/{ABSENT}")

    assert trips or 405 == hidden[0]
    assert absent == hidden
    assert 404 == hidden[0] or (type_ != "DocumentReference" and method == "PATCH" and 405 == hidden[0])
    assert other == trips


@pytest.mark.parametrize("who", [people.radiologist(), STRANGER], ids=["authorised", "stranger"])
@pytest.mark.parametrize(("method", "template", "more"), WAYS)
def test_what_was_deleted_out_of_sight_is_answered_as_what_was_never_there(record, who, method, template, more):
    gone = asked(record, who, method, template, more, record[1]["gone"])
    absent = asked(record, who, method, template, more, f"DocumentReference/{ABSENT}")

    assert absent == gone


@pytest.mark.parametrize("who", [people.radiologist(), STRANGER], ids=["authorised", "stranger"])
@pytest.mark.parametrize("more", [{}, {"if_match": 'W/"1"'}], ids=["plain", "conditional"])
@pytest.mark.parametrize("where", ["masked", "gone"])
def test_an_update_of_what_is_hidden_is_answered_as_one_of_what_is_absent(record, who, more, where):
    def put(reference):
        body = {
            "resourceType": "DocumentReference",
            "id": reference.partition("/")[2],
            "status": "current",
            "subject": {"reference": "Patient/lea"},
            "content": [{"attachment": {"contentType": "text/plain", "title": "x"}}],
        }
        return asked(record, who, "PUT", "{}", {"body": body, **more}, reference)

    hidden, absent = put(record[1][where]), put(f"DocumentReference/{ABSENT}")

    assert (404, absent) == (hidden[0][0], hidden)


CONDITIONAL = [
    pytest.param("POST", id="create"),
    pytest.param("PUT", id="update"),
    pytest.param("PATCH", id="patch"),
    pytest.param("DELETE", id="delete"),
]


@pytest.mark.parametrize("who", [people.radiologist(), STRANGER], ids=["authorised", "stranger"])
@pytest.mark.parametrize("where", ["masked", "gone"])
@pytest.mark.parametrize("more", [{}, {"if_match": 'W/"1"'}], ids=["plain", "conditional"])
@pytest.mark.parametrize("method", CONDITIONAL)
def test_a_condition_that_finds_only_what_is_hidden_is_answered_as_one_that_finds_nothing(
    record, who, method, more, where
):
    def written(id_):
        condition = f"_id={id_}"
        body = deposited(who, "DocumentReference", "lea")
        how = {
            "POST": {"body": body, "if_none_exist": condition},
            "PUT": {"body": body},
            "PATCH": {"patch": [{"op": "replace", "path": "/status", "value": "superseded"}]},
        }.get(method, {})
        address = "DocumentReference" if method == "POST" else f"DocumentReference?{condition}"
        (status, headers, *rest), trips = asked(record, who, method, "{}", {**how, **more}, address)
        # what was made has an id of its own
        made = [each.rsplit("/", 3)[1] for name, each in headers if name == "Location"]
        said = repr((headers, rest))
        return (status, said.replace(made[0], "-") if made else said), trips

    hidden, absent = written(record[1][where].partition("/")[2]), written(ABSENT)

    assert absent == hidden
    assert hidden[0][0] in (201, 204, 403, 404, 412)


def test_the_content_itself_is_answered_as_what_is_absent(record):
    who, native = people.radiologist(), {"native": True}
    hidden, trips = asked(record, who, "GET", "{}", native, record[1]["masked.content"])
    absent, other = asked(record, who, "GET", "{}", native, f"Binary/{ABSENT}")

    assert (absent, other) == (hidden, trips)


@pytest.mark.parametrize(
    "search",
    [
        "DocumentReference?patient={}",
        "DocumentReference?subject=Patient/{}",
        "DocumentReference?subject:Patient={}",
        "Consent?patient={}",
        "AuditEvent?patient={}",
        "List?patient={}&_summary=count",
        "Observation?patient={}&_count=0",
    ],
)
def test_a_record_that_is_shut_is_answered_as_one_that_does_not_exist(record, search):
    shut = asked(record, STRANGER, "GET", search, {}, "lea")
    absent = asked(record, STRANGER, "GET", search, {}, "personne")

    assert (403, absent) == (shut[0][0], shut)


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("request_", [("GET", "{}"), ("GET", "{}/_history/1"), ("DELETE", "{}")], ids=" ".join)
def test_an_entry_of_a_bundle_is_answered_as_if_it_had_come_alone(record, kind, request_):
    def sent(reference):
        method, template = request_
        entry = {"request": {"method": method, "url": template.format(reference)}}
        body = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        return asked(record, people.radiologist(), "POST", "", {"body": body}, reference)

    hidden, absent = sent(record[1]["masked"]), sent(f"DocumentReference/{ABSENT}")

    assert absent == hidden


@pytest.mark.parametrize("who", [people.radiologist(), people.holder()], ids=["professional", "holder"])
def test_another_s_record_is_answered_as_one_that_does_not_exist(record, who):
    """A Patient by id, for whom neither is anything."""
    ways = [("GET", "{}"), ("HEAD", "{}"), ("GET", "{}/_history"), ("GET", "{}/_history/1"), ("DELETE", "{}")]
    for method, template in ways:
        shut = asked(record, who, method, template, {}, "Patient/paul")
        absent = asked(record, who, method, template, {}, "Patient/personne")
        assert (404, absent) == (shut[0][0], shut), (method, template)


def test_one_who_sees_is_answered_otherwise(record):
    """So that the tests above compare something."""
    shown, _ = asked(record, people.radiologist(), "GET", "{}", {}, record[1]["shown"])
    masked, _ = asked(record, people.doctor(), "GET", "{}", {}, record[1]["masked"])

    assert (200, 200) == (shown[0], masked[0])


LINKS = [
    "Patient?_has:DocumentReference:patient:_id={}",
    "Patient?_has:DocumentReference:patient:_id={}&_total=none&_count=1",
    "List?item:DocumentReference._id={}&_sort=_id",
    "List?patient=lea&item:DocumentReference._id={}",
    "DocumentReference?relatesto._id={}&_summary=count",
    "Organization?_has:DocumentReference:custodian:_id={}",
    "Patient?_has:List:patient:item:DocumentReference._id={}",
    "Practitioner?_has:Provenance:agent:target:DocumentReference._id={}",
]


def led_through(record, who, template, id_):
    """What is answered, without the id that was asked for, and the round trips of the request itself."""
    record[0].house.freshness.check()
    (status, headers, type_, body), trips = asked(record, who, "GET", template, {}, id_)
    return status, headers, type_, str(body).replace(id_, "-").partition("meta")[2], trips


@pytest.mark.parametrize(
    ("who", "where"),
    [
        pytest.param(people.radiologist(), "masked", id="authorised, masked"),
        pytest.param(people.radiologist(), "gone", id="authorised, gone"),
        pytest.param(people.holder(), "gone", id="holder, gone"),
        pytest.param(STRANGER, "masked", id="stranger, masked"),
    ],
)
@pytest.mark.parametrize("template", LINKS)
def test_a_link_through_what_is_hidden_is_answered_as_one_through_what_is_absent(record, who, where, template):
    """R105: byte for byte but for the id that was asked for, in as many round trips."""
    hidden = led_through(record, who, template, record[1][where].partition("/")[2])

    assert led_through(record, who, template, ABSENT) == hidden
    assert (403 if who is STRANGER and "patient=lea" in template else 200) == hidden[0]
    assert "find" in hidden[-1]


def test_a_link_into_a_record_that_is_shut_is_answered_as_one_into_a_record_that_is_not_there(record):
    template = "Practitioner?_has:Provenance:agent:patient={}"
    for each in ("paul", "nobody"):
        led_through(record, people.radiologist(), template, each)  # the worker remembers what it found of a record

    shut, absent = (led_through(record, people.radiologist(), template, each) for each in ("paul", "nobody"))

    assert absent == shut
    assert 200 == shut[0]
