"""A shelf on the test's own database."""

from __future__ import annotations

import pytest

from fhir_server.store.shelf import Shelf


@pytest.fixture
def shelf(database):
    made = Shelf(database)
    made.prepare()
    return made
