"""First pages within records, asked for at the same time, share a command and nothing else (docs/adr/0048)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo.errors import ExecutionTimeout, ServerSelectionTimeoutError

from fhir_server.foundation.crowd import Crowd
from fhir_server.store import shared_pages as module
from fhir_server.store import together
from fhir_server.store.bounded import Bounded
from fhir_server.store.documents import OF_A_RECORD
from fhir_server.store.shared_pages import MOST, SAME, Again, Asked, SharedPages, marks_of
from tests.store.test_reading_together import bounded

RECORDS, EACH, LIMIT = 12, 4, 3
KEYS = [("updated", -1), ("_id", -1)]


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """How long a command takes on a busy machine is not what is tested here."""
    monkeypatch.setattr(module, "QUICK", 60.0)


def crowd_of(others):
    crowd = Crowd(1.0)
    crowd.met(others + 1, 0, 0.001)
    return crowd


@pytest.fixture
def collection(database):
    made = bounded(database, "few")
    made.create_index(OF_A_RECORD)
    made.insert_many(
        {"_id": f"T/{record}-{n}", "type": "T", "updated": n, "facts": {"patient": f"p{record}"}, "body": "text"}
        for record in range(RECORDS)
        for n in range(EACH)
    )
    return made


@pytest.fixture
def joined(monkeypatch):
    """How many pages went with each shared command."""
    told = []
    asked = Bounded.joined

    def watched(self, several, *more):
        told.append(len(several))
        return asked(self, several, *more)

    monkeypatch.setattr(Bounded, "joined", watched)
    return told


def raw(document):
    return RawBSONDocument(encode(document))


def page(collection, record, limit=LIMIT, **more):
    """What a door keeps of the page of a record, as it is now."""
    where = raw({"facts.patient": f"p{record}", "type": "T", "$nor": [{"facts.hidden": True}], **more})
    wanted = raw({"type": 1, "updated": 1, "facts": 1})
    seen = collection.seen(where, wanted, limit, sort=KEYS, hint=OF_A_RECORD)
    asked = Asked(where, wanted, KEYS, OF_A_RECORD, limit, (f"p{record}", "T"))
    return Again(asked, seen, marks_of(asked, seen))


def at_once(pages, questions):
    """What each is told, all of them having come while somebody was asking."""
    again = isinstance(questions[0], Again)
    shared, ask = (pages._once_more, pages.again) if again else (pages._for_the_first_time, pages.anew)
    with shared._lock:
        shared._under_way = True
    with ThreadPoolExecutor(len(questions)) as pool:
        asked = []
        for number, each in enumerate(questions, 1):
            asked.append(pool.submit(ask, each, shared=True))
            while len(shared._waiting) < number:
                pass
        shared._hand_on()
        return [each.exception() or each.result() for each in asked]


def test_what_is_as_it_was_is_the_same_for_everybody_in_one_command(collection, joined, monkeypatch):
    questions = [page(collection, each) for each in range(4)]
    monkeypatch.setattr(module, "_parted", None)  # nothing of it is read

    assert [SAME] * 4 == at_once(SharedPages(collection), questions)
    assert [4] == joined


def test_so_many_go_with_one_command_and_no_more(collection, joined):
    questions = [page(collection, each) for each in range(RECORDS)]

    assert [SAME] * RECORDS == at_once(SharedPages(collection), questions)
    assert [MOST, RECORDS - MOST] == joined


CHANGES = {
    "another first": lambda few: few.insert_one({"_id": "T/x", "type": "T", "updated": 9, "facts": {"patient": "p1"}}),
    "one hidden": lambda few: few.update_one({"_id": "T/1-3"}, {"$set": {"facts.hidden": True}}),
    "all hidden": lambda few: few.update_many({"facts.patient": "p1"}, {"$set": {"facts.hidden": True}}),
    "the first gone": lambda few: few.delete_one({"_id": "T/1-3"}),
    "the last gone": lambda few: few.delete_one({"_id": "T/1-1"}),
    "other facts": lambda few: few.update_one({"_id": "T/1-2"}, {"$set": {"facts.mentions": [1]}}),
    "one of another record": lambda few: few.update_one({"_id": "T/2-3"}, {"$set": {"facts.patient": "p1"}}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_told_to_who_asked_for_it_and_to_nobody_else(collection, joined, name):
    questions = [page(collection, each) for each in range(4)]
    CHANGES[name](collection)

    got = at_once(SharedPages(collection), questions)

    for number, (before, now) in enumerate(zip(questions, got, strict=True)):
        alone = collection.seen(before.asked.where, before.asked.wanted, LIMIT, sort=KEYS, hint=OF_A_RECORD)
        assert now.same == (alone == before.seen)
        assert now.same or now.documents == collection.read(alone)
        assert now.same == (number != 1 and not (number == 2 and "another record" in name))
    assert [4] == joined, "who sees a change takes no second round trip for it"


def test_two_pages_of_one_record_do_not_share_a_command(collection, joined):
    """What was found is known by its record alone."""
    narrow = page(collection, 1, updated={"$lt": 2})
    questions = [page(collection, 0), page(collection, 1), narrow]
    collection.update_one({"_id": "T/1-3"}, {"$set": {"facts.hidden": True}})

    got = at_once(SharedPages(collection), questions)

    assert [2] == joined
    assert [True, False, True] == [each.same for each in got]
    assert ["T/1-2", "T/1-1", "T/1-0"] == [each["_id"] for each in got[1].documents]


def test_the_same_page_asked_for_twice_is_asked_once(collection, joined):
    one, other = page(collection, 0), page(collection, 1)

    assert [SAME] * 3 == at_once(SharedPages(collection), [one, other, one])
    assert [2] == joined


def test_who_shared_a_command_that_failed_asks_by_himself(collection, monkeypatch):
    def cut(*_):
        raise ExecutionTimeout("too slow", 50)

    monkeypatch.setattr(Bounded, "joined", cut)

    assert [SAME] * 3 == at_once(SharedPages(collection), [page(collection, each) for each in range(3)])


def test_a_command_whose_answer_does_not_hold_all_is_nobodys(collection, monkeypatch):
    asked = Bounded.joined
    monkeypatch.setattr(Bounded, "joined", lambda self, several, _, *more: asked(self, several, 1, *more))

    assert [SAME] * 3 == at_once(SharedPages(collection), [page(collection, each) for each in range(3)])


def test_without_a_database_who_asked_for_all_is_told_so_and_the_others_ask_for_themselves(collection, monkeypatch):
    def gone(*_):
        raise ServerSelectionTimeoutError("no server")

    monkeypatch.setattr(Bounded, "joined", gone)
    got = at_once(SharedPages(collection), [page(collection, each) for each in range(3)])

    assert [ServerSelectionTimeoutError, *[module.Now] * 2] == [type(each) for each in got]


def test_a_large_page_is_asked_for_by_itself(collection, joined, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 100)
    large = page(collection, 0)
    assert not large.marks

    assert SAME == SharedPages(collection).again(large, shared=True)
    assert not joined


def test_a_page_that_was_never_told_so_is_asked_for_by_itself(collection, joined):
    known = page(collection, 0)
    now = SharedPages(collection).again(Again(known.asked), shared=True)

    assert (False, collection.read(known.seen), known.seen) == (now.same, now.documents, now.seen)
    assert not joined


def anew(collection, record, limit=LIMIT, **more):
    return page(collection, record, limit, **more).asked


def test_a_command_of_several_ends_soon(collection, monkeypatch):
    monkeypatch.setattr(module, "QUICK", 0.05)
    questions, sent, asked = [anew(collection, each) for each in range(3)], [], Bounded._whole
    monkeypatch.setattr(Bounded, "_whole", lambda self, how, *more: sent.append(how) or asked(self, how, *more))
    at_once(SharedPages(collection), questions)

    assert [50] == [each["maxTimeMS"] for each in sent]


def test_pages_of_two_types_in_one_record_share_a_command(collection, joined):
    collection.insert_one({"_id": "U/1", "type": "U", "updated": 1, "facts": {"patient": "p1"}})
    other = replace(anew(collection, 1), where=raw({"facts.patient": "p1", "type": "U"}), within=("p1", "U"))
    questions = [anew(collection, 1), other]

    assert [alone(collection, each) for each in questions] == at_once(SharedPages(collection), questions)
    assert [2] == joined


def test_what_is_within_none_of_the_records_is_nobodys(collection, joined):
    """It cannot be written so; if it was, each asks by himself."""
    collection.insert_one({"_id": "T/both", "type": "T", "updated": 9, "facts": {"patient": ["p0", "p1"]}})
    questions = [anew(collection, each) for each in range(3)]

    assert [alone(collection, each) for each in questions] == at_once(SharedPages(collection), questions)
    assert [3] == joined


def alone(collection, asked):
    return collection.some(asked.where, asked.wanted, asked.limit, sort=KEYS, hint=OF_A_RECORD)


@pytest.mark.parametrize("name", ["nothing", *CHANGES])
def test_what_is_asked_anew_in_one_command_is_as_if_asked_alone(collection, joined, name):
    CHANGES.get(name, lambda _: None)(collection)
    questions = [anew(collection, each, LIMIT + each) for each in range(4)] + [anew(collection, "none")]

    assert [alone(collection, each) for each in questions] == at_once(SharedPages(collection), questions)
    assert [5] == joined


def test_two_that_ask_anew_within_one_record_do_not_share_a_command(collection, joined):
    questions = [anew(collection, 0), anew(collection, 1), anew(collection, 1, updated={"$lt": 2}), anew(collection, 0)]

    assert [alone(collection, each) for each in questions] == at_once(SharedPages(collection), questions)
    assert [2] == joined


@pytest.mark.parametrize("answered", [None, ExecutionTimeout("too slow", 50)])
def test_who_asked_anew_in_a_command_without_an_answer_asks_by_himself(collection, monkeypatch, answered):
    def joined(*_):
        if answered is not None:
            raise answered

    monkeypatch.setattr(Bounded, "joined", joined)
    questions = [anew(collection, each) for each in range(3)]

    assert [alone(collection, each) for each in questions] == at_once(SharedPages(collection), questions)


def test_what_is_of_no_record_alone_is_asked_for_by_itself(collection, joined):
    asked = replace(anew(collection, 0), within=None)

    assert alone(collection, asked) == SharedPages(collection, crowd_of(9)).anew(asked, shared=True)
    assert not joined


def test_in_a_crowd_another_is_waited_for(collection, joined, monkeypatch):
    monkeypatch.setattr(together, "LINGER", 20.0)
    pages, one, other = SharedPages(collection, crowd_of(3)), page(collection, 0), page(collection, 1)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(pages.again, one, shared=True)
        while not pages._once_more._under_way:
            time.sleep(0.001)
        assert SAME == pool.submit(pages.again, other, shared=True).result(10) == first.result(10)

    assert [2] == joined


def test_who_waits_in_vain_is_not_waited_for_long_nor_again_and_again(collection, joined, monkeypatch):
    waits, waited = [], threading.Event.wait
    monkeypatch.setattr(threading.Event, "wait", lambda self, most=None: waits.append(most) or waited(self, most))
    pages, known = SharedPages(collection, crowd_of(3)), page(collection, 0)
    for _ in range(together.VAIN + together.SPARED + 1):
        assert SAME == pages.again(known, shared=True)

    assert [together.LINGER] * (together.VAIN + 1) == [each for each in waits if each is not None and each < 0.1]
    assert not joined


@pytest.mark.parametrize("crowd", [None, crowd_of(2)])
def test_where_few_ask_nobody_is_waited_for(collection, monkeypatch, crowd):
    def waited(*_):
        raise AssertionError

    monkeypatch.setattr(together.Together, "_wait_for_another", waited)

    assert SAME == SharedPages(collection, crowd).again(page(collection, 0), shared=True)


def test_each_sees_what_was_written_before_he_asked(collection, joined):
    """Writers and askers at once: nobody is answered by a command that was sent before he asked."""
    pages, stale, taken = SharedPages(collection, crowd_of(8)), [], []

    def write_and_ask(record):
        known = page(collection, record)
        for turn in range(1, 40):
            collection.update_one({"_id": f"T/{record}-3"}, {"$set": {"updated": 10 + turn}})
            now = pages.again(known, shared=True)
            latest = pages.anew(known.asked, shared=True)
            if latest[0]["updated"] != 10 + turn:
                stale.append((record, turn, "anew"))
            taken.extend(each["facts"]["patient"] for each in latest if f"p{record}" != each["facts"]["patient"])
            if now.same or now.documents[0]["updated"] != 10 + turn:
                stale.append((record, turn))
            taken.extend(
                each["facts"]["patient"] for each in now.documents or () if f"p{record}" != each["facts"]["patient"]
            )
            known = page(collection, record)
            if not pages.again(known, shared=True).same:
                stale.append((record, turn, "again"))

    threads = [threading.Thread(target=write_and_ask, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert not stale
    assert not taken
    assert joined, "nobody shared a command: this shows nothing"


def test_a_page_that_is_shared_examines_what_it_returns_however_large_its_record(shelf, database):
    """Its index cannot be named in a command of several: MongoDB chooses, by what the small records told it as well."""
    shelf.resources.insert_many(
        {
            "_id": f"T/{record}-{n}",
            "type": "TU"[n % 2],
            "updated": n * 7 % 1_000,
            "last": {"date": n},
            "index": ["T.x=1"],
        }
        | {"facts": {"patient": f"p{record}", "author": ["x"]}}
        for record in range(24)
        for n in range(6 if record < 20 else 900)
    )
    pages, small, large = SharedPages(shelf.resources), range(4), range(20, 24)
    for records in [range(n, n + 4) for n in range(16)]:
        at_once(pages, [anew(shelf.resources, each, 21) for each in records])
    database.command("profile", 2)
    for records in (small, large, [0, 21, 22], [21, 0, 1]):
        at_once(pages, [anew(shelf.resources, each, 21) for each in records])
    database.command("profile", 0)
    told = list(database["system.profile"].find({"command.aggregate": "resources"}))

    assert [12, 84, 45, 27] == [each["nreturned"] for each in told]
    assert [12, 84, 45, 27] == [each["docsExamined"] for each in told]
