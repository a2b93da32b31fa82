"""A served sandbox as a process group of its own: started, killed with or without its engine, started again, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import requests

from fhir_server.store.engine import address_of

PROGRAM = [sys.executable, "-c", "from fhir_server.commands import main; main()"]


class Served:
    """`serve --sandbox` on a data directory and port of its own; usable as a context."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.data, self.flags, self.port = data, flags, free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def fhir(self) -> str:
        return f"{self.origin}/fhir"

    def start(self, seconds: float = 90) -> Self:
        """Start it and wait until it is ready."""
        with (self.data.parent / f"{self.data.name}.log").open("ab") as said:
            self.process = subprocess.Popen(
                [*PROGRAM, "serve", "--sandbox", "--data", str(self.data), "--port", str(self.port), *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.until_ready(seconds)
        return self

    def until_ready(self, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            assert self.process is not None
            assert self.process.poll() is None, self.log()[-2000:]
            assert time.monotonic() < deadline, self.log()[-2000:]
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.origin}/health/ready", timeout=2).ok
        except requests.RequestException:
            return False

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text("utf-8", "replace")

    def engine_pid(self) -> int | None:
        address = address_of(self.data)
        return address.pid if address else None

    def kill_engine(self) -> None:
        pid = self.engine_pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def kill_server(self) -> None:
        """SIGKILL the server and its workers, which share a process group; the engine has one of its own."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Stop what runs, and leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill_server()
        with contextlib.suppress(ProcessLookupError):
            self.kill_engine()

    def token(self, login: str, scope: str, **asked: str) -> str:
        """The access token of somebody of the sandbox."""
        made = requests.post(f"{self.origin}/sandbox/token", json={"as": login, "scope": scope, **asked}, timeout=20)
        assert made.status_code == 200, made.text
        return str(made.json()["access_token"])

    def raw(self, *parts: bytes | float, wait: float = 5) -> bytes:
        """What comes back for these bytes on one connection; a number among them is a pause in seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as wire:
            for part in parts:
                if isinstance(part, bytes):
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        wire.sendall(part)
                else:
                    time.sleep(part)
            return _all_of(wire)


def _all_of(wire: Any) -> bytes:
    came = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while got := wire.recv(65536):
            came += got
            if came.endswith(b"0\r\n\r\n") or _is_whole(came):
                break
    return came


def _is_whole(came: bytes) -> bool:
    head, end, body = came.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(end) and len(body) >= int(line.partition(b":")[2])
    return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
