"""What a collection gives by one plain command is what `find` gives, whatever comes between."""

from __future__ import annotations

import pytest
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import AutoReconnect, OperationFailure, ServerSelectionTimeoutError
from pymongo.write_concern import WriteConcern

from fhir_server.store.bounded import Bounded
from fhir_server.store.connection import TooSlow
from tests.kit.trips import TRIPS, counted

MAJORITY = WriteConcern("majority")
NEWEST = [("n", DESCENDING), ("_id", ASCENDING)]


@pytest.fixture
def some(database):
    made = Bounded(database, "some", lambda: 5_000, MAJORITY)
    made.insert_many([{"_id": n, "n": n // 2, "aside": "x", "wanted": ["y"]} for n in range(300)])
    made.create_index([("n", DESCENDING)])
    return made


@pytest.mark.parametrize("limit", [1, 21, 101, 102, 250, 1000])
def test_it_is_what_find_gives(some, limit):
    where, wanted = {"n": {"$lt": 140}}, {"n": 1, "wanted": 1}

    found = some.some(where, wanted, limit, sort=NEWEST, hint=[("n", DESCENDING)])

    assert found == list(some.find(where, wanted, sort=NEWEST, limit=limit))
    assert found[0] == {"_id": 278, "n": 139, "wanted": ["y"]}
    assert len(found) == min(limit, 280)


def test_what_one_answer_does_not_hold_is_asked_for_as_well(database):
    large = Bounded(database, "large", lambda: 5_000, MAJORITY)
    for n in range(4):
        large.insert_one({"_id": n, "body": "x" * 6_000_000})

    assert [each["_id"] for each in large.some({}, {"body": 1}, 4, sort=[("_id", ASCENDING)])] == [0, 1, 2, 3]


@pytest.mark.parametrize("sort", [NEWEST, [("aside", ASCENDING), ("_id", ASCENDING)]], ids=["by an index", "in memory"])
@pytest.mark.parametrize("limit", [1, 5, 6, 7, 101, 102])
def test_a_full_answer_takes_no_more_round_trips_than_one_that_is_not(database, mongo_uri, limit, sort):
    with counted(mongo_uri) as client:
        some = Bounded(client[database.name], "some", lambda: 5_000, MAJORITY)
        some.insert_many([{"_id": n, "n": n, "aside": n % 3} for n in range(6)])
        some.create_index([("n", DESCENDING)])
        TRIPS.forget()

        assert len(some.some({}, {"n": 1}, limit, sort=sort)) == min(limit, 6)

        assert TRIPS.told() == ["find some"]


def test_a_command_that_is_cut_off_is_asked_again(some, monkeypatch):
    def cut(*_, **__):
        raise AutoReconnect("cut")

    monkeypatch.setattr(type(some.database), "command", cut)

    assert [each["n"] for each in some.some({"n": 7}, {"n": 1}, 5)] == [7, 7]


def test_a_database_that_is_away_is_waited_for_once(some, monkeypatch):
    """Readers waited twice as long for their 503 while the database was started again."""

    def away(*_, **__):
        raise ServerSelectionTimeoutError("away")

    monkeypatch.setattr(type(some.database), "command", away)
    monkeypatch.setattr(some, "find", lambda *_, **__: pytest.fail("it was asked again"))

    with pytest.raises(ServerSelectionTimeoutError):
        some.some({"n": 7}, {"n": 1}, 5)


def test_what_the_database_refuses_is_refused(some):
    with pytest.raises(OperationFailure):
        some.some({"$nothing": 1}, {"n": 1}, 5)


def test_what_takes_too_long_is_too_slow(some):
    hurried = Bounded(some.database, "some", lambda: 1, MAJORITY)
    with pytest.raises(TooSlow):
        hurried.some({"$where": "sleep(50) || true"}, {"n": 1}, 200)


def test_within_a_transaction_it_sees_what_that_wrote(some):
    with some.database.client.start_session() as session, session.start_transaction():
        some.insert_one({"_id": "mine", "n": 900}, session=session)

        assert [each["_id"] for each in some.some({"n": 900}, {"n": 1}, 5, session=session)] == ["mine"]
        assert some.some({"n": 900}, {"n": 1}, 5) == []
        session.abort_transaction()
