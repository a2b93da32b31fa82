"""Clients, validators and tools that others wrote, against a served sandbox; collected by `make interop` alone.

They come from PyPI, npm and Maven, and `make test` needs none of them: nothing here is collected unless INTEROP is set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from rich.console import Console

from fhir_server.sandbox.browser import walk
from fhir_server.sandbox.play import Stage
from tests.kit.served import Served

HERE = Path(__file__).parent
OPERATOR = ("operateur", "user/*.cruds")
collect_ignore_glob = [] if os.environ.get("INTEROP") else ["test_*.py"]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One sandbox for all clients; each makes what it needs."""
    with Served(tmp_path_factory.mktemp("interop") / "data", "--workers", "1") as running:
        yield running


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Another sandbox, of which nobody has asked thousands of drawn questions."""
    with Served(tmp_path_factory.mktemp("untouched") / "data", "--workers", "1") as running:
        yield running


@pytest.fixture
def operator(served: Served) -> str:
    """The access token of somebody with every right."""
    return served.token(*OPERATOR)


@pytest.fixture
def stage(served: Served) -> Stage:
    """The sandbox's people and what they are sent."""
    return Stage(served.origin, Console(file=StringIO()))


@pytest.fixture
def signed_in(stage: Stage):
    """What the browser brings back to an app, when this person signs in at this address and allows everything."""

    def walked(login: str, address: str, back: str) -> str:
        password = stage.person(login)["password"]
        return f"{back}?{urlencode(walk(address, back, login, password, lambda: stage.code_for(login)))}"

    return walked
