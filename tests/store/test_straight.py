"""A collection that takes new documents by one plain command tells of each failure as the driver's bulk writes do."""

from __future__ import annotations

import pytest
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.store.straight import Straight

LARGE = "x" * 9_000_000
MAJORITY = WriteConcern("majority", j=True)


def straight(database, concern=MAJORITY):
    return Straight(database, "things", ReadConcern("majority"), concern)


def usual(database, concern=MAJORITY):
    return database.get_collection("things", write_concern=concern)


BOTH = pytest.mark.parametrize("collection", [straight, usual])


def ids(database):
    return sorted(each["_id"] for each in database["things"].find({}, {"_id": 1}))


@BOTH
def test_what_is_put_in_is_there_in_order(database, collection):
    made = collection(database).insert_many([{"_id": "a", "n": [1]}, {"_id": "b"}])
    assert (["a", "b"], True) == (made.inserted_ids, made.acknowledged)
    assert [{"_id": "a", "n": [1]}, {"_id": "b"}] == list(database["things"].find().sort("_id", 1))


@BOTH
def test_of_what_is_there_already_the_first_is_told_and_nothing_behind_it_is_written(database, collection):
    database["things"].insert_one({"_id": "b"})
    with pytest.raises(BulkWriteError) as refused:
        collection(database).insert_many([{"_id": each} for each in "abc"])
    told = refused.value.details
    assert [(1, 11000)] == [(each["index"], each["code"]) for each in told["writeErrors"]]
    assert "_id_" in told["writeErrors"][0]["errmsg"]
    assert (1, []) == (told["nInserted"], told["writeConcernErrors"])
    assert ["a", "b"] == ids(database)


@BOTH
def test_what_too_few_keep_is_an_error_though_it_is_written(database, collection):
    with pytest.raises(BulkWriteError) as refused:
        collection(database, WriteConcern(9, j=True)).insert_many([{"_id": "a"}])
    told = refused.value.details
    assert ([], [100]) == (told["writeErrors"], [each["code"] for each in told["writeConcernErrors"]])


@BOTH
def test_more_than_a_command_holds_is_written_all_the_same(database, collection):
    collection(database).insert_many([{"_id": each, "text": LARGE} for each in "abc"])
    assert ["a", "b", "c"] == ids(database)


@BOTH
def test_what_no_document_holds_is_refused(database, collection):
    with pytest.raises(PyMongoError):
        collection(database).insert_many([{"_id": "a", "text": LARGE + LARGE}])
    assert [] == ids(database)


@BOTH
def test_what_is_rolled_back_with_its_transaction_is_not_there(database, collection):
    database.create_collection("things")
    with database.client.start_session() as session, session.start_transaction():
        collection(database).insert_many([{"_id": "a"}], session=session)
        session.abort_transaction()
    assert [] == ids(database)
