"""Databases of their own for worlds that are compared."""

from __future__ import annotations

import uuid

import pytest

from tests.kit.trips import counted


@pytest.fixture(scope="session")
def counting_client(mongo_uri):
    with counted(mongo_uri) as client:
        yield client


@pytest.fixture
def databases(counting_client):
    names: list[str] = []

    def make():
        names.append(f"w{uuid.uuid4().hex[:12]}")
        return counting_client[names[-1]]

    yield make
    for name in names:
        counting_client.drop_database(name)
