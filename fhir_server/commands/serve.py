"""serve: answer requests, with an engine of our own if none was given.

May live here: starting the engine, the processes that answer, and stopping both in the right order.
May not know: what is answered; every process builds the application from the environment.
https://github.com/emmett-framework/granian, fallback https://gunicorn.org
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import ctypes
import gc
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from fhir_server.commands.options import chosen, setting_options, variables
from fhir_server.commands.processors import keep_to_one
from fhir_server.settings import Settings
from fhir_server.store.engine import Engine, EngineFault, connect

PARENT = "FHIR_PARENT_PID"
"""The variable by which a process knows who started it."""
FACTORY = "fhir_server.commands.serve:application"
GARBAGE = (20_000, 10, 20)
"""Objects more than were freed before the collector looks, and how many looks until it looks at older ones as well."""
_PR_SET_PDEATHSIG = 1
_STOPS = (signal.SIGTERM, signal.SIGINT)
_REVIVALS = 3
"""How often in a minute a dead engine is started again before the server gives up."""


@click.command(epilog="Only variables, since flags can be read by others: " + ", ".join(variables()) + ".")
@setting_options()
def serve(**flags: Any) -> None:
    """Serve the FHIR API, the OAuth server and the pages for people.

    \b
    Try it:      fhir-server serve --sandbox
    An office:   fhir-server serve --data /srv/dmp --host 0.0.0.0 --base-url https://dmp.example.org \\
                   --tls-cert fullchain.pem --tls-key key.pem
    Production:  fhir-server serve --mongo-uri 'mongodb://a,b,c/?replicaSet=rs0' --workers 8 --behind-proxy \\
                   --base-url https://dmp.example.org

    The embedded MongoDB is for trying, testing and small offices. SIGTERM or Ctrl-C stops taking requests, lets those
    in flight finish (--drain), then stops the engine.
    """  # noqa: D301 - click's own mark for lines it must not join
    sys.exit(run(chosen(**flags), Console(stderr=True)))


def run(settings: Settings, console: Console) -> int:
    """Serve until told to stop; the exit status is 0 for a stop that was asked for."""
    _port_free(settings)
    _certificate_fits(settings)
    _stoppable()
    loading = threading.Thread(target=import_module, args=("fhir_server.app",), daemon=True)
    loading.start()  # meanwhile; the processes that answer are forked with what takes most of their start
    engine: Engine | None = None
    if settings.mongo_uri:
        console.print("data        in your MongoDB replica set", highlight=False)
    else:
        with console.status("starting the embedded MongoDB"):
            engine = Engine.start(settings.data_dir)
        console.print(f"data        {engine.home}", highlight=False, soft_wrap=True)
    try:
        _not_a_sandbox(engine.uri if engine else settings.mongo_uri, settings)
        os.environ.update(settings.to_environment() | ({"FHIR_SERVER_MONGO_URI": engine.uri} if engine else {}))
        os.environ[PARENT] = str(os.getpid())
        console.print(f"FHIR        {settings.fhir_base}", highlight=False, soft_wrap=True)
        if settings.sandbox:
            console.print(
                f"sandbox     {settings.base_url}/sandbox   (synthetic data only)", highlight=False, soft_wrap=True
            )
        failed = threading.Event()
        if engine is not None:
            threading.Thread(target=_tend, args=(engine, failed, console), daemon=True).start()
        loading.join()
        _answer(settings)
        return 1 if failed.is_set() else 0
    finally:
        if engine is not None:
            engine.stop()
            console.print("stopped", highlight=False)


def application() -> Callable[..., Any]:
    """What one process of granian answers with, built from the environment."""
    if _stoppable():  # not before: the handlers that came with the fork are the parent's
        # INVARIANT (a stop is heard): every thread made from here on inherits that it takes no such signal. One that
        # does would only note it for the main thread, which sleeps until the server is over and never looks
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        threading.Thread(target=_heed, name="stop", daemon=True).start()
    # a process made by multiprocessing ends without atexit before Python 3.13: what is open is closed all the same
    Finalize(None, atexit._run_exitfuncs, exitpriority=0)  # noqa: SLF001 - there is no public name for it
    return _built()


def _stoppable() -> bool:
    """Let a stop during the start unwind what was begun, until granian takes the signals; whether they are ours."""
    ours = threading.current_thread() is threading.main_thread()
    for number in _STOPS if ours else ():
        signal.signal(number, _give_up)
    return ours


def _give_up(*_: Any) -> None:
    sys.exit(0)


def _heed() -> None:
    """Wait for the first signal to stop, and do what is to be done at it; another one changes nothing."""
    number = signal.Signals(signal.sigwait(_STOPS))
    told = signal.getsignal(number)
    if callable(told) and told is not _give_up:
        told(number, None)
    else:  # still starting: the main thread is awake, and looks
        _thread.interrupt_main(number)


def _built() -> Callable[..., Any]:
    """The application; the process ends with the one that started it."""
    parent = int(os.environ.pop(PARENT, "0"))
    if sys.platform == "linux" and parent:
        # a killed server must not leave processes behind that answer without anybody tending the engine
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    settings = Settings.read()
    if parent and not settings.unpinned:
        keep_to_one(settings.workers, str(parent))
    from fhir_server.app import create_app
    from fhir_server.store.connection import DatabaseFault

    try:
        app: Callable[..., Any] = create_app()
    except (EngineFault, DatabaseFault) as cause:
        # the server starts another process in this one's place: a line each time, slowly, instead of a page
        sys.stderr.write(
            f"a worker did not start: {cause if isinstance(cause, EngineFault) else type(cause).__name__}\n"
        )
        sys.stderr.flush()
        time.sleep(1)
        os._exit(1)
    _settle_down()
    return app


def _settle_down() -> None:
    """What was built stays: the collector looks at it no more, and more rarely at what requests leave behind.

    https://docs.python.org/3.11/library/gc.html#gc.freeze
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _port_free(settings: Settings) -> None:
    """EngineFault if somebody listens there already, before anything is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host.strip("[]"), settings.port))
        except OSError as cause:
            raise EngineFault(
                f"port {settings.port} of `{settings.host}` cannot be had ({cause.strerror}): stop what listens there, "
                "or give another with `--port`"
            ) from cause


def _certificate_fits(settings: Settings) -> None:
    """EngineFault if the certificate and the key are not of one pair, before anything is started."""
    if not settings.tls_cert:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key, "")
    except (OSError, ValueError) as cause:
        raise EngineFault(
            "`--tls-cert` and `--tls-key` do not fit together: give PEM files of one pair, the key without a password"
        ) from cause


def _not_a_sandbox(uri: str, settings: Settings) -> None:
    """EngineFault if a server that is no sandbox would let in people and clients whose secrets are public."""
    with connect(uri) as client:
        marked = "sandbox" in client[settings.database].list_collection_names()
    if marked and not settings.sandbox:
        raise EngineFault(
            "this database is a sandbox's, whose passwords everybody knows: add `--sandbox`, "
            "or give another `--data` or `--database`"
        )


def _tend(engine: Engine, failed: threading.Event, console: Console) -> None:
    """Watch the engine; start it again at its address when it dies, and stop the server if it keeps dying."""
    deaths: list[float] = []
    while True:
        time.sleep(0.25)
        with contextlib.suppress(EngineFault):
            engine.address  # noqa: B018 - raises once we stopped it ourselves
            if engine.alive():
                continue
            deaths = [at for at in deaths if time.monotonic() - at < 60] + [time.monotonic()]
            if len(deaths) <= _REVIVALS:
                console.print("[yellow]the embedded MongoDB died: starting it again")
                with contextlib.suppress(EngineFault):
                    engine.revive()
                continue
            console.print(f"[red]the embedded MongoDB keeps dying: read {engine.home / 'mongod.log'}")
            failed.set()
            os.kill(os.getpid(), signal.SIGTERM)
        return


def _answer(settings: Settings) -> None:
    """Answer with granian, or with gunicorn where granian does not run; returns once drained."""
    try:
        from granian import Granian
        from granian.constants import Interfaces, SSLProtocols
        from granian.log import LogLevels
    except ImportError:
        _answer_with_gunicorn(settings)
        return
    # it finds more threads than processors strange; ours wait for the database most of the time (docs/performance.md)
    logging.getLogger("_granian").addFilter(lambda record: "Python threads" not in record.getMessage())
    Granian(
        FACTORY,
        factory=True,
        address=settings.host.strip("[]"),
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.drain or 1,
        log_level=LogLevels.info if settings.access_log else LogLevels.warning,
        log_access=settings.access_log,
        log_access_format="%(method)s %(status)d %(dt_ms).1f ms",
        ssl_cert=Path(settings.tls_cert) if settings.tls_cert else None,
        ssl_key=Path(settings.tls_key) if settings.tls_key else None,
        ssl_protocol_min=SSLProtocols.tls12,
    ).serve()


def _nothing_older(_: Any, made: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """The context of gunicorn, for TLS 1.2 and above whatever the machine's own policy is."""
    context = made()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _answer_with_gunicorn(settings: Settings) -> None:
    """The fallback: the same processes and threads, TLS included."""
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped,unused-ignore]

    class Served(BaseApplication):  # type: ignore[misc,unused-ignore] # gunicorn is untyped
        def load_config(self) -> None:
            for name, value in {
                "bind": f"{settings.host}:{settings.port}",
                "workers": settings.workers,
                "threads": settings.threads,
                "worker_class": "gthread",
                "graceful_timeout": settings.drain,
                "certfile": settings.tls_cert or None,
                "keyfile": settings.tls_key or None,
                "ssl_context": _nothing_older,
                "limit_request_line": 8190 if settings.max_url < 8_100 else 0,  # ours says 414 and why
                "loglevel": "warning",
            }.items():
                self.cfg.set(name, value)

        def load(self) -> Callable[..., Any]:
            return _built()

    with contextlib.suppress(SystemExit):
        Served().run()
