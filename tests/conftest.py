"""One real mongod for the session (each xdist worker has its own), one database for each test that asks for one."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pymongo.database import Database

from fhir_server.store.connection import connect
from fhir_server.store.engine import Engine
from tests.kit import databases, recorder

recorder.listen()
# how long an example takes tells of the machine and of what else runs on it
# the same examples everywhere, so that a run tells of a change and not of its luck; `make worlds` draws anew
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("anew", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("same")

MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
FORGETS = {"setParameter": 1, "minSnapshotHistoryWindowInSeconds": 5}
"""What was deleted is let go after seconds: nobody reads the past, and for five minutes whoever reads a whole collection
would walk over all that the tests before him deleted."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long first, so that no process is left alone with it at the end."""
    items.sort(key=lambda each: each.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the garbage collector need not walk over it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mongod with its journal and majority writes, its files in memory where there is room: a disk only slows it."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        home = Path(tempfile.mkdtemp(prefix="dmp-", dir=MEMORY))
    else:
        home = tmp_path_factory.mktemp("mongo")
    engine = Engine.start(home)
    try:
        with connect(engine.uri) as client:
            client.admin.command(FORGETS)
        yield engine.uri
    finally:
        engine.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def mongo_client(mongo_uri: str) -> Iterator[Any]:
    client = connect(mongo_uri)
    yield client
    client.close()


@pytest.fixture
def database(mongo_client: Any) -> Iterator[Database[dict[str, Any]]]:
    made = databases.lent(mongo_client)
    yield made
    databases.given_back(made)
