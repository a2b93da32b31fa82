"""Databases of their own for worlds that are compared."""

from __future__ import annotations

import pytest

from tests.kit.databases import given_back, lent
from tests.kit.trips import counted

# what several tests share asserts as they do
pytest.register_assert_rewrite("decision_asks", "decision_records")


@pytest.fixture(scope="session")
def counting_client(mongo_uri):
    with counted(mongo_uri) as client:
        yield client


@pytest.fixture
def databases(counting_client):
    made = []

    def make():
        made.append(lent(counting_client))
        return made[-1]

    yield make
    for each in made:
        given_back(each)
