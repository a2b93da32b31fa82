"""Databases of their own for worlds that are compared."""

from __future__ import annotations

import uuid

import pytest


@pytest.fixture
def databases(mongo_client):
    names: list[str] = []

    def make():
        names.append(f"w{uuid.uuid4().hex[:12]}")
        return mongo_client[names[-1]]

    yield make
    for name in names:
        mongo_client.drop_database(name)
