"""Databases of tests: what one leaves behind is not met by the next that borrows the same."""

from __future__ import annotations

from tests.kit import databases


def test_a_database_is_lent_again_without_what_a_test_stored_in_it_or_demanded_of_it(mongo_client):
    first = databases.lent(mongo_client)
    first["plain"].insert_one({"_id": 1})
    first["strict"].insert_one({"_id": 1})
    first.command("collMod", "strict", validator={"absent": {"$exists": True}}, validationLevel="strict")
    databases.given_back(first)

    others = []  # who waited longest is lent first
    while (again := databases.lent(mongo_client)).name != first.name:
        others.append(again)
        assert len(others) <= databases.POOL
    for each in others:
        databases.given_back(each)
    again["strict"].insert_one({"_id": 2})
    assert [0, 1] == [again[name].count_documents({}) for name in ("plain", "strict")]
    databases.given_back(again)
