"""demo: watch the shared record do its work.

May live here: starting a sandbox in a process of its own, and raising the curtain. May not know: the scenes.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from fhir_server.settings import PREFIX
from fhir_server.store.connection import EngineFault

_PATIENCE = 60


@click.command()
@click.option("--exit", "leave", is_flag=True, help="Stop the server afterwards, in a terminal too.")
@click.option("--port", type=int, default=8080, show_default=True, help="Port to serve on; another if it is taken.")
@click.option(
    "--against",
    metavar="ORIGIN",
    help="Play against a sandbox that runs already and was not played with, such as http://127.0.0.1:8080.",
)
def demo(*, leave: bool, port: int, against: str | None) -> None:
    """Play the main job on real input, over HTTP, and say what was expected and what came.

    A hospital deposits a letter of discharge, the family doctor reads it, a professional without authorisation finds
    no trace of it, the holder decides and sees who looked. The data is synthetic and thrown away. In a terminal the
    server is left up to look around, until Ctrl-C; otherwise, or with --exit, it is stopped. The exit status is 0
    when everything came as expected.
    """
    console = Console()
    if against:
        origin = against.rstrip("/")
        _is_a_sandbox(origin)
        status = _play(origin, console)
        if status:
            console.print(
                f"a sandbox that was played with is as new after: curl -X POST {origin}/sandbox/reset", soft_wrap=True
            )
        sys.exit(status)
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal must not leave a server and its data behind
        signal.signal(number, lambda told, _: sys.exit(128 + told))
    stays = sys.stdin.isatty() and sys.stdout.isatty() and not leave
    with _sandbox(port, console) as origin:
        status = _play(origin, console)
        if stays:
            console.print(f"\nThe server is up: [bold]{origin}/sandbox[/]   (Ctrl-C stops it)")
            try:
                signal.pause()
            except KeyboardInterrupt:
                console.print("stopping")
    sys.exit(status)


def _play(origin: str, console: Console) -> int:
    from fhir_server.sandbox.play import Stage
    from fhir_server.sandbox.scenes import perform

    begun = time.monotonic()
    stage = Stage(origin, console)
    try:
        perform(stage)
    except Exception as cause:  # noqa: BLE001 - whatever broke the play off, it did not come as expected
        stage.failed += 1
        console.print(f"[red]the play broke off: {type(cause).__name__}: {cause}", highlight=False, soft_wrap=True)
    told = f"{stage.told} steps in {time.monotonic() - begun:.1f} s"
    console.print(
        f"\n[red]{stage.failed} of {told} did not come as expected"
        if stage.failed
        else f"\n[green]{told}, all as expected"
    )
    return 1 if stage.failed else 0


def _is_a_sandbox(origin: str) -> None:
    """ClickException unless a sandbox answers at `origin`."""
    import requests

    try:
        answers = requests.get(f"{origin}/sandbox.json", timeout=20).ok
    except (requests.RequestException, ValueError) as cause:
        raise click.ClickException(
            f"nothing answers at `{origin}`: start one with `fhir-server serve --sandbox`"
        ) from cause
    if not answers:
        raise click.ClickException(f"what answers at `{origin}` is no sandbox: start one with `--sandbox`")


@contextmanager
def _sandbox(port: int, console: Console) -> Iterator[str]:
    """A sandbox on data of its own; its origin, once it is ready."""
    chosen = _free(port)
    origin = f"http://127.0.0.1:{chosen}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with tempfile.TemporaryDirectory(prefix="dmp-") as data:
        log = Path(data) / "server.log"
        command = [sys.executable, "-c", "from fhir_server.commands import main; main()", "serve", "--sandbox"]
        with log.open("wb") as said:
            # a session of its own: Ctrl-C here ends the demonstration, which then stops the server
            server = subprocess.Popen(
                [*command, "--port", str(chosen), "--data", data],
                env=environ, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        try:
            with console.status(f"starting a sandbox on {origin}"):
                _await_ready(origin, server, log)
            yield origin
        finally:
            server.terminate()
            server.wait(60)


def _await_ready(origin: str, server: subprocess.Popen[bytes], log: Path) -> None:
    import requests

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if requests.get(f"{origin}/health/ready", timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    said = log.read_text("utf-8", "replace").strip()
    raise EngineFault(f"the sandbox did not start: run `fhir-server doctor`; it said:\n{said[-2000:]}")


def _free(wanted: int) -> int:
    """`wanted` if it is free, else another port."""
    for number in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise EngineFault("no free port on 127.0.0.1: close what listens there")
