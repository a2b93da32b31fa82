"""Place: the database that a command works on, whether or not the server runs.

May live here: reaching the embedded engine through the address it left, or starting it for the time of one errand.
May not know: what the errand does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fhir_server.settings import Settings
from fhir_server.store.engine import Database, Engine, EngineFault, address_of, connect, home_of


@dataclass(frozen=True, slots=True)
class Place:
    """A database that answers: its URI, with its secret, and the database itself."""

    uri: str = field(repr=False)
    database: Database


@contextmanager
def reach(settings: Settings) -> Iterator[Place]:
    """The place of `settings`: the operator's own, the running embedded one, or the embedded one started for now.

    EngineFault when there is nothing in the data directory: an errand on an empty database is a mistyped `--data`.
    """
    engine: Engine | None = None
    uri = settings.mongo_uri
    if not uri:
        address = address_of(settings.data_dir)
        if address is None:
            if not (home_of(settings.data_dir) / "ready").exists():
                raise EngineFault(
                    f"there is no database under `{settings.data}`: give the directory of the server with `--data`, "
                    "or start one with `fhir-server serve`"
                )
            engine = Engine.start(settings.data_dir)
            address = engine.address
        uri = address.uri
    try:
        client = connect(uri)
        try:
            yield Place(uri, client[settings.database])
        finally:
            client.close()
    finally:
        if engine is not None:
            engine.stop()
