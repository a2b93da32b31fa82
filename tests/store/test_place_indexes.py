"""A search by distance reads what is within it, by an index; places are few among all that is stored."""

from __future__ import annotations

import pytest

from fhir_server.foundation.predicate import EVERYTHING
from fhir_server.search.parse import parse
from fhir_server.store.documents import envelope
from fhir_server.store.shelf import Shelf
from fhir_server.store.visible import VisibleStore
from tests.store.test_number_indexes import stages

ROWS, COLUMNS = 40, 30


def location(row, column):
    position = {"longitude": -1 + column * 0.1, "latitude": 45 + row * 0.1}
    return {"resourceType": "Location", "id": f"l{row}-{column}", "position": position}


@pytest.fixture(scope="module")
def shelf(mongo_client):
    database = mongo_client["places"]
    made = Shelf(database)
    made.prepare()
    places = [location(row, column) for row in range(ROWS) for column in range(COLUMNS)]
    nowhere = [{"resourceType": "Location", "id": f"n{each}", "name": "x"} for each in range(300)]
    made.resources.insert_many(
        envelope(each, version=1, updated=number, submitter=(), neighbours={})
        for number, each in enumerate([*places, *nowhere])
    )
    yield made
    mongo_client.drop_database("places")


@pytest.mark.parametrize(
    ("near", "expected"), [("46.02|0.02|6|km", 1), ("46|0|12|km", 5), ("46|0", 3), ("46|0|1|m", 1), ("-46|0|50", 0)]
)
def test_no_more_is_read_than_lies_in_the_circle_and_a_little_around(shelf, near, expected):
    query = parse("Location", [("near", near)], lenient=False, base="")
    door = VisibleStore(shelf, EVERYTHING)
    plan = door.explain("Location", query.where, query.order, 20)
    found = stages(plan["queryPlanner"]["winningPlan"])

    assert expected == door.count("Location", query.where)
    assert "COLLSCAN" not in {name for name, _ in found}, found
    assert "place_2dsphere" in {index for _, index in found}, found
    assert plan["executionStats"]["totalDocsExamined"] <= 2 * expected + 8
