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
    return Straight(database, "things", ReadConcern("majority"), concern).put


def usual(database, concern=MAJORITY):
    return database.get_collection("things", write_concern=concern).insert_many


BOTH = pytest.mark.parametrize("inserting", [straight, usual])


def ids(database):
    return sorted(each["_id"] for each in database["things"].find({}, {"_id": 1}))


@BOTH
def test_what_is_put_in_is_there_in_order(database, inserting):
    inserting(database)([{"_id": "a", "n": [1]}, {"_id": "b"}])
    assert [{"_id": "a", "n": [1]}, {"_id": "b"}] == list(database["things"].find().sort("_id", 1))


@BOTH
def test_of_what_is_there_already_the_first_is_told_and_nothing_behind_it_is_written(database, inserting):
    database["things"].insert_one({"_id": "b"})
    with pytest.raises(BulkWriteError) as refused:
        inserting(database)([{"_id": each} for each in "abc"])
    told = refused.value.details
    assert [(1, 11000)] == [(each["index"], each["code"]) for each in told["writeErrors"]]
    assert "_id_" in told["writeErrors"][0]["errmsg"]
    assert (1, []) == (told["nInserted"], told["writeConcernErrors"])
    assert ["a", "b"] == ids(database)


@BOTH
def test_what_too_few_keep_is_an_error_though_it_is_written(database, inserting):
    with pytest.raises(BulkWriteError) as refused:
        inserting(database, WriteConcern(9, j=True))([{"_id": "a"}])
    told = refused.value.details
    assert ([], [100]) == (told["writeErrors"], [each["code"] for each in told["writeConcernErrors"]])


@BOTH
def test_more_than_a_command_holds_is_written_all_the_same(database, inserting):
    inserting(database)([{"_id": each, "text": LARGE} for each in "abc"])
    assert ["a", "b", "c"] == ids(database)


@BOTH
def test_what_no_document_holds_is_refused(database, inserting):
    with pytest.raises(PyMongoError):
        inserting(database)([{"_id": "a", "text": LARGE + LARGE}])
    assert [] == ids(database)


def test_what_is_rolled_back_with_its_transaction_is_not_there(database):
    database.create_collection("things")
    collection = Straight(database, "things", ReadConcern("majority"), MAJORITY)
    with database.client.start_session() as session, session.start_transaction():
        collection.insert_many([{"_id": "a"}], session=session)
        session.abort_transaction()
    assert [] == ids(database)
