"""The stage of a workload: an embedded MongoDB that is filled first, and one server on it, run as `serve` runs it.

May live here: what is started and ended. May not know: what is asked of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fhir_server.app import build_house, build_smart, close_house, open_house
from fhir_server.commands.bench import DATABASE, ROOT, await_port, end_program, free_port, start_program
from fhir_server.interactions.house import House
from fhir_server.settings import PREFIX, Settings
from fhir_server.smart.server import Smart
from fhir_server.store.connection import connect
from fhir_server.store.engine import Engine


@contextlib.contextmanager
def served(workers: int, threads: int, fill: Callable[[House], None]) -> Iterator[tuple[int, Smart]]:
    """The port of a server on a store that `fill` filled, and who gives tokens; all of it is gone afterwards."""
    with contextlib.ExitStack() as ending:
        data = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="dmp-", ignore_cleanup_errors=True)))
        engine = Engine.start(data)
        ending.callback(engine.stop)
        with house_on(engine.uri, DATABASE) as house:
            fill(house)
        yield ending.enter_context(serving(engine.uri, DATABASE, workers, threads, data / "server.log"))


@contextlib.contextmanager
def house_on(uri: str, name: str) -> Iterator[House]:
    """An open house on a database of that name, to fill it."""
    with connect(uri) as client:
        house = build_house(client[name], Settings.read({}, database=name))
        open_house(house)
        try:
            yield house
        finally:
            close_house(house)


@contextlib.contextmanager
def serving(uri: str, name: str, workers: int, threads: int, log: Path) -> Iterator[tuple[int, Smart]]:
    """The port of a server on that database, and who gives tokens for it."""
    port = free_port()
    with contextlib.ExitStack() as ending:
        settings = Settings.read({}, port=port, workers=workers, threads=threads, database=name)
        database = ending.enter_context(connect(uri))[name]
        house = build_house(database, settings)
        open_house(house)
        ending.callback(close_house, house)
        smart = build_smart(house, replace(settings, mongo_uri=uri), database, None)
        ending.callback(smart.close)
        smart.prepare()
        environ = {each: value for each, value in os.environ.items() if not each.startswith(PREFIX)}
        environ |= {**settings.to_environment(), f"{PREFIX}MONGO_URI": uri, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", "from fhir_server.commands import main; main()", "serve"]
        started = start_program(command, environ, log)
        ending.callback(end_program, started)
        await_port(port, started, log)
        yield port, smart
