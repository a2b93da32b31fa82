"""The outbox against a real mongod: told once however often it happens, sent at least once, withheld in time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from fhir_server.foundation.principal import Kind, Principal
from fhir_server.notices.mail import Undeliverable
from fhir_server.notices.occasion import Contact, Happening, notice
from fhir_server.notices.outbox import Outbox

LEA = Contact("lea@example.org", "mail")
DIALLO = Principal(Kind.PROFESSIONAL, "s", "app", "Dr Aïssata Diallo")


def a_notice(key="k1", occasion="deposit", contact=LEA, **more):
    return notice(Happening(occasion, "lea", key, datetime(2026, 11, 23, 9, 5, tzinfo=UTC), by=DIALLO, **more), contact)


class Way:
    """A way out that notes what it sends, after failing as often as it is told to."""

    def __init__(self, *failures):
        self.sent, self._failures, self._lock = [], list(failures), threading.Lock()

    def __call__(self, to, subject, text, key):
        with self._lock:
            if self._failures:
                raise self._failures.pop(0)
            self.sent.append((to, key))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def boxes(database):
    """Makes outboxes; all are stopped after the test."""
    made = []

    def make(*ways, **more):
        box = Outbox(database, dict(zip(("mail", "text"), ways, strict=False)), **more)
        box.prepare()
        made.append(box)
        return box

    yield make
    for box in made:
        box.stop()


def states(database):
    return sorted(each["state"] for each in database.outbox.find())


def test_a_notice_is_told_once_however_often_it_happens(boxes, database):
    mail = Way()
    box = boxes(mail)
    box.add([a_notice(), a_notice()])
    box.send_due()
    box.add([a_notice()])
    box.send_due()
    assert [("lea@example.org", a_notice().key)] == mail.sent
    assert ["sent"] == states(database)


def test_a_notice_leaves_with_the_transaction_of_what_it_tells_of(boxes, database, mongo_client):
    box = boxes(Way())
    with mongo_client.start_session() as session:
        with session.start_transaction():
            box.add([a_notice("kept")], session=session)
        session.start_transaction()
        box.add([a_notice("rolled back")], session=session)
        session.abort_transaction()
    assert [a_notice("kept").key] == [each["_id"] for each in database.outbox.find()]


def test_a_deposit_is_told_within_five_seconds(boxes):
    mail = Way()
    box = boxes(mail)
    box.start()
    time.sleep(0.2)
    begun = time.monotonic()
    box.add([a_notice()])
    while not mail.sent:
        assert time.monotonic() - begun < 5
        time.sleep(0.01)


def test_what_another_process_added_is_told_within_five_seconds(boxes):
    mail = Way()
    boxes(mail).start()
    time.sleep(0.2)
    begun = time.monotonic()
    boxes().add([a_notice()])
    while not mail.sent:
        assert time.monotonic() - begun < 5
        time.sleep(0.01)


def test_two_senders_share_the_work(boxes):
    mail = Way()
    one, two = boxes(mail), boxes(mail)
    one.add(a_notice(f"k{number}") for number in range(60))
    threads = [threading.Thread(target=each.send_due) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 60 == len(mail.sent) == len(set(mail.sent))


def test_a_failure_is_tried_again_later_and_later(boxes, database):
    clock, mail = Clock(), Way(OSError(), OSError(), OSError())
    box = boxes(mail, clock=clock)
    box.add([a_notice()])
    pauses = []
    for _ in range(3):
        box.send_due()
        pauses.append((database.outbox.find_one()["due"].replace(tzinfo=UTC) - clock.now).total_seconds())
        assert 0 == box.send_due()
        clock.advance(seconds=pauses[-1])
    box.send_due()
    assert ([2, 4, 8], 1, ["sent"]) == (pauses, len(mail.sent), states(database))


def test_a_sender_that_died_is_replaced_after_its_lease(boxes, database):
    clock, mail = Clock(), Way()
    box = boxes(mail, clock=clock)
    box.add([a_notice()])
    assert box._claim() is not None
    assert 0 == box.send_due()
    clock.advance(seconds=61)
    assert 1 == box.send_due()
    assert ["sent"] == states(database)


def test_what_can_never_be_delivered_is_given_up(boxes, database):
    box = boxes(Way(Undeliverable("no such address")))
    box.add([a_notice()])
    box.send_due()
    assert (0, ["failed"]) == (box.send_due(), states(database))


def test_without_a_way_out_a_notice_waits_and_in_a_sandbox_it_counts_as_sent(boxes, database):
    box = boxes()
    box.add([a_notice()])
    assert (0, ["waiting"]) == (box.send_due(), states(database))
    assert [None] == [each["sent"] for each in box.recent()]
    sandbox = boxes(sandbox=True)
    sandbox.send_due()
    assert ["sent"] == states(database)


def test_the_outbox_shows_newest_first_with_codes(boxes):
    box = boxes(sandbox=True)
    box.add([a_notice("k1")])
    box.add([a_notice("k2", "otp", Contact("+33600000001", "text"), code="483920")])
    box.send_due()
    newest, oldest = box.recent()
    assert {"to", "channel", "subject", "text", "code", "sent"} == set(newest)
    assert ("+33600000001", "text", "483920") == (newest["to"], newest["channel"], newest["code"])
    assert {"to", "channel", "subject", "text", "sent"} == set(oldest)
    assert oldest["sent"].endswith("Z")
    assert ["lea@example.org"] == [each["to"] for each in box.recent("lea@example.org")]


def test_a_one_time_code_is_gone_once_sent_outside_the_sandbox(boxes, database):
    box = boxes(Way(), Way())
    box.add([a_notice("k2", "otp", Contact("+33600000001", "text"), code="483920")])
    box.send_due()
    assert "483920" not in str(database.outbox.find_one())


@pytest.mark.parametrize("sandbox", [False, True])
def test_a_one_time_code_that_expired_is_neither_sent_nor_shown(boxes, database, sandbox):
    clock = Clock()
    box = boxes(Way(), Way(), clock=clock, sandbox=sandbox)
    box.add([a_notice("k2", "otp", code="483920")])
    clock.advance(minutes=10)
    assert (0, []) == (box.send_due(), box.recent())
    assert 0 == database.outbox.index_information()["expires_1"]["expireAfterSeconds"]


def test_a_document_hidden_before_its_notice_left_is_not_announced(boxes, database):
    box = boxes(Way())
    box.add([a_notice(about="DocumentReference/d1"), a_notice("k2", about="DocumentReference/d2")])
    box.relabel("DocumentReference/d1", ["INVISIBLE_PATIENT"])
    box.send_due()
    assert ["sent", "withheld"] == states(database)
    assert 1 == len(box.recent())
    box.relabel("DocumentReference/d1", ["N"])
    box.send_due()
    assert ["sent", "sent"] == states(database)


def test_labels_are_looked_at_again_when_a_notice_leaves(boxes, database):
    box = boxes(Way())
    box.add([a_notice()])
    database.outbox.update_one({}, {"$set": {"labels": ["INVISIBLE_PATIENT"]}})
    box.send_due()
    assert ["withheld"] == states(database)


def test_a_first_connection_is_first_once_for_all_processes(boxes):
    here, there = boxes(), boxes()
    told = []
    tell = lambda: told.append(1) or [a_notice("ps:1", "first-connection")]  # noqa: E731
    assert (True, False) == (here.first_connection("lea", "ps:1", tell), here.first_connection("lea", "ps:1", tell))
    assert not there.first_connection("lea", "ps:1", tell)
    assert (True, True) == (there.first_connection("lea", "ps:2"), there.first_connection("paul", "ps:1"))
    assert 1 == len(told) == len(here.recent())


def test_of_many_first_connections_at_once_one_is_first(boxes):
    found = []
    threads = [
        threading.Thread(target=lambda box=box: found.append(box.first_connection("lea", "ps:1")))
        for box in [boxes() for _ in range(8)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [True] == [each for each in found if each]


def test_a_first_connection_whose_notice_could_not_be_kept_is_told_the_next_time(boxes):
    box = boxes()

    def fails():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        box.first_connection("lea", "ps:1", fails)
    assert box.first_connection("lea", "ps:1")


def test_an_emptied_database_is_forgotten(boxes, database):
    box = boxes()
    box.first_connection("lea", "ps:1")
    database.connections.delete_many({})
    box.forget()
    assert box.first_connection("lea", "ps:1")
