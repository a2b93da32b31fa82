"""Rounds on a real database: what time does to what is hidden from the holder, seen by those whom it concerns."""

from __future__ import annotations

import threading
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from fhir_server.rounds.announcement import shown
from fhir_server.rounds.going import Rounds
from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.rounds import go, means
from tests.kit.world import BASE, label, submission

HIDDEN, MASKED, SECRET = label("INVISIBLE_PATIENT"), label("MASQUE_PS"), label("INVISIBLE_REPRESENTANTS_LEGAUX")
NORMAL = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}
LEA = "lea@example.org"
LIST = "DocumentReference?patient=lea&status=current"


def deposited(world, unique="urn:oid:1.2.250.1.999.1", labels=(NORMAL, HIDDEN)):
    """`Type/id` of List, document and Binary of a deposit by the hospital."""
    bundle = submission(unique=unique, content=unique.encode(), securityLabel=list(labels))
    answered = world.ask(people.hospital(), "POST", "", bundle)
    assert answered.status == 200, answered.json
    places = [each["response"]["location"].partition("/_history")[0] for each in answered.json["entry"]]
    return [each.removeprefix(f"{BASE}/") for each in places]


def at(world, text):
    world.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(world, to=LEA):
    return [each["subject"] for each in world.house.outbox.recent(to)]


def codes(resource):
    return [coding["code"] for each in resource["securityLabel"] for coding in each["coding"]]


# --- the calendar alone (DMP-134) ---


@pytest.mark.parametrize(
    ("deposit", "hidden", "seen"),
    [
        ("2026-11-23T10:00:30", "2026-12-23T09:59:59", "2026-12-23T10:00:30"),
        ("2027-01-31T10:00:00", "2027-02-28T09:59:59", "2027-02-28T10:00:00"),
        ("2028-01-31T10:00:00", "2028-02-29T09:59:59", "2028-02-29T10:00:00"),
        ("2028-02-29T10:00:00", "2028-03-29T09:59:59", "2028-03-29T10:00:00"),
    ],
)
def test_after_one_month_it_is_seen_though_no_round_has_run_dmp_134(world, deposit, hidden, seen):
    at(world, deposit)
    list_, document, binary = deposited(world)
    at(world, hidden)
    assert [404, 404, 404] == [world.ask(people.holder(), "GET", each).status for each in (list_, document, binary)]
    assert 0 == world.ask(people.holder(), "GET", LIST).json["total"]
    at(world, seen)
    assert [200, 200, 200] == [world.ask(people.holder(), "GET", each).status for each in (list_, document, binary)]
    assert 1 == world.ask(people.holder(), "GET", LIST).json["total"]


def test_the_traces_of_its_deposit_come_to_light_with_it(world):
    deposited(world)
    before = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=ITI-65").json["total"]
    world.pass_time(days=31)
    assert (0, 1) == (before, world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=ITI-65").json["total"])


def test_the_label_set_again_does_not_begin_another_month(world):
    _, document, _ = deposited(world, labels=(NORMAL,))
    world.pass_time(days=20)
    hide = [{"op": "add", "path": "/securityLabel/-", "value": HIDDEN}]
    assert 200 == world.ask(people.hospital(), "PATCH", document, hide).status
    assert 404 == world.ask(people.holder(), "GET", document).status
    world.pass_time(days=11)
    assert 200 == world.ask(people.holder(), "GET", document).status


# --- announcement.remind ---


def test_after_two_weeks_the_holder_is_told_once_and_of_nothing_in_particular_dmp_134(world):
    deposited(world)
    deposited(world, "urn:oid:1.2.250.1.999.2")
    world.pass_time(days=14, seconds=-1)
    assert 0 == go(world).done["announcement.remind"]
    world.pass_time(seconds=1)
    assert 1 == go(world).done["announcement.remind"]
    assert 0 == go(world).done["announcement.remind"]

    (notice,) = [each for each in world.house.outbox.recent(LEA) if "mis à jour" in each["subject"]]
    assert "en parler avec un professionnel" in notice["text"]
    for betrayed in ("CHU", "lettre", "document", "23/11/2026"):
        assert betrayed not in notice["text"]


def test_the_trace_of_the_notice_is_hidden_as_long_as_what_it_speaks_of(world):
    deposited(world)
    world.pass_time(days=15)
    before = world.ask(people.holder(), "GET", "AuditEvent?patient=lea").json["total"]
    go(world)
    assert before == world.ask(people.holder(), "GET", "AuditEvent?patient=lea").json["total"] - 1  # her own question
    at_the_desk = world.ask(people.operator(), "GET", "AuditEvent?patient=lea&subtype=operation&_sort=-date").json
    query = at_the_desk["entry"][0]["resource"]["entity"][0]["query"]
    assert b"round/announcement.remind?" == b64decode(query)


@pytest.mark.parametrize("what", ["shown", "deleted", "superseded"])
def test_nothing_is_told_of_what_waits_no_more(world, what):
    _, document, _ = deposited(world)
    change = {
        "shown": [{"op": "remove", "path": "/securityLabel/1"}],
        "deleted": [{"op": "replace", "path": "/status", "value": "entered-in-error"}],
        "superseded": [{"op": "replace", "path": "/status", "value": "superseded"}],
    }[what]
    assert 200 == world.ask(people.hospital(), "PATCH", document, change).status
    world.pass_time(days=15)
    assert 0 == go(world).done["announcement.remind"]


def test_a_closed_record_is_told_nothing(world):
    deposited(world)
    world.put({**world.ask(people.operator(), "GET", "Patient/lea").json, "active": False})
    world.pass_time(days=15)
    assert 0 == go(world).done["announcement.remind"]


# --- announcement.show ---


def test_after_one_month_the_label_goes_and_others_stay_dmp_134(world):
    list_, document, binary = deposited(world, labels=(NORMAL, HIDDEN, MASKED))
    world.pass_time(days=29)
    assert 0 == go(world).done["announcement.show"]
    world.pass_time(days=1)
    assert 1 == go(world).done["announcement.show"]

    read = world.ask(people.holder(), "GET", document)
    assert ["N", "MASQUE_PS"] == codes(read.json)
    assert "2" == read.json["meta"]["versionId"]
    assert [200, 200] == [world.ask(people.holder(), "GET", each).status for each in (list_, binary)]
    assert 404 == world.ask(people.radiologist(), "GET", document).status
    assert "Un document de votre dossier médical partagé est devenu visible" in told(world)


def test_the_round_leaves_a_trace_of_what_it_did(world):
    _, document, _ = deposited(world)
    world.pass_time(days=31)
    go(world)
    found = world.ask(people.holder(), "GET", f"AuditEvent?patient=lea&entity={document}&action=U").json
    assert ["Service du DMP"] == [
        agent["name"]
        for each in found["entry"]
        for agent in each["resource"]["agent"]
        if agent.get("name") == "Service du DMP"
    ]


def test_data_is_shown_as_documents_are(world):
    world.put(observation("o1", "2026-11-20", meta={"security": HIDDEN["coding"]}))
    assert 404 == world.ask(people.holder(), "GET", "Observation/o1").status
    world.pass_time(days=31)
    assert 1 == go(world).done["announcement.show"]
    assert "security" not in world.ask(people.holder(), "GET", "Observation/o1").json["meta"]


def test_when_its_author_shows_it_the_holder_is_told_and_the_round_finds_nothing(world):
    _, document, _ = deposited(world)
    world.pass_time(days=3)
    assert 200 == world.ask(people.hospital(), "PATCH", document, [{"op": "remove", "path": "/securityLabel/1"}]).status
    assert "Un document de votre dossier médical partagé est devenu visible" in told(world)
    world.pass_time(days=60)
    assert 0 == go(world).done["announcement.show"]


@pytest.mark.parametrize(
    ("labels", "left"),
    [
        ([HIDDEN], ["N"]),
        ([NORMAL, HIDDEN], ["N"]),
        ([HIDDEN, SECRET, MASKED], ["INVISIBLE_REPRESENTANTS_LEGAUX", "MASQUE_PS"]),
        ([{"coding": [*NORMAL["coding"], *HIDDEN["coding"]]}], ["N"]),
    ],
)
def test_what_is_left_of_the_labels(labels, left):
    assert left == codes(shown({"resourceType": "DocumentReference", "securityLabel": labels}))


# --- two at once, and one that dies ---


def test_two_that_go_at_once_do_each_act_once(world):
    documents = [deposited(world, f"urn:oid:1.2.250.1.999.{number}")[1] for number in range(6)]
    world.pass_time(days=31)
    keys = documents
    theirs = [means(world), means(world)]
    from fhir_server.rounds import announcement

    done: list[bool] = []

    def race(mine):
        done.extend(announcement.show(mine, each) for each in keys)

    threads = [threading.Thread(target=race, args=(each,)) for each in theirs]
    [each.start() for each in threads]
    [each.join() for each in threads]
    assert (6, 6) == (done.count(True), done.count(False))
    for each in documents:
        assert "2" == world.ask(people.holder(), "GET", each).json["meta"]["versionId"]


def test_two_reminders_at_once_are_one_notice(world):
    deposited(world)
    world.pass_time(days=15)
    from fhir_server.rounds import announcement

    theirs, done = [means(world) for _ in range(4)], []
    threads = [threading.Thread(target=lambda m=m: done.append(announcement.remind(m, "lea"))) for m in theirs]
    [each.start() for each in threads]
    [each.join() for each in threads]
    assert (1, 3) == (done.count(True), done.count(False))


def test_whose_turn_it_is_not_does_not_go(world):
    deposited(world)
    world.pass_time(days=31)
    first, second = means(world), means(world)
    assert first.turn.take()
    assert Rounds(second).go() is None
    first.turn.leave()
    assert 1 == Rounds(second).go().done["announcement.show"]


def test_a_turn_that_is_not_given_back_runs_out(world):
    now = [datetime(2026, 11, 23, tzinfo=UTC)]
    from fhir_server.store.turn import LEASE, Turn

    one, other = (Turn(world.house.shelf.database, lambda: now[0]) for _ in range(2))
    assert one.take()
    assert not other.take()
    now[0] += LEASE - timedelta(seconds=1)
    assert not other.take()
    now[0] += timedelta(seconds=1)
    assert other.take()
    assert not one.take()


def test_a_round_that_dies_half_way_is_gone_on_with(world, monkeypatch):
    """What was committed stays done, what was not is done the next time."""
    for number in range(3):
        deposited(world, f"urn:oid:1.2.250.1.999.{number}")
    world.pass_time(days=31)

    class Killed(BaseException):
        pass

    def dies(_, key, count=[0]):  # noqa: B006 - it counts
        count[0] += 1
        if count[0] == 2:
            raise Killed

    with pytest.raises(Killed):
        Rounds(means(world)).go(("announcement.show",), dies)
    assert (
        1 == world.ask(people.holder(), "GET", "DocumentReference?patient=lea&_lastUpdated=ge2026-12-01").json["total"]
    )
    assert 2 == go(world).done["announcement.show"]


def test_one_act_that_fails_keeps_no_other_from_being_done(world, monkeypatch):
    first, second = (deposited(world, f"urn:oid:1.2.250.1.999.{number}")[1] for number in range(2))
    world.pass_time(days=31)
    spoiled = world.house.shelf.resources.find_one({"_id": first})
    world.house.shelf.resources.update_one({"_id": first}, {"$set": {"body": "{"}})
    gone = Rounds(means(world)).go(("announcement.show",))
    assert (1, 1) == (gone.done["announcement.show"], gone.failed["announcement.show"])
    assert "2" == world.ask(people.holder(), "GET", second).json["meta"]["versionId"]
    world.house.shelf.resources.update_one({"_id": first}, {"$set": {"body": spoiled["body"]}})
    assert 1 == go(world).done["announcement.show"]
