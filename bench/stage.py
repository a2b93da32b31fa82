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
    port = free_port()
    with contextlib.ExitStack() as ending:
        data = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="dmp-", ignore_cleanup_errors=True)))
        engine = Engine.start(data)
        ending.callback(engine.stop)
        settings = Settings.read({}, port=port, workers=workers, threads=threads, database=DATABASE)
        database = ending.enter_context(connect(engine.uri))[DATABASE]
        house = build_house(database, settings)
        open_house(house)
        ending.callback(close_house, house)
        fill(house)
        smart = build_smart(house, replace(settings, mongo_uri=engine.uri), database, None)
        ending.callback(smart.close)
        smart.prepare()
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environ |= {**settings.to_environment(), f"{PREFIX}MONGO_URI": engine.uri, "PYTHONPATH": str(ROOT)}
        log = data / "server.log"
        command = [sys.executable, "-c", "from fhir_server.commands import main; main()", "serve"]
        started = start_program(command, environ, log)
        ending.callback(end_program, started)
        await_port(port, started, log)
        yield port, smart
