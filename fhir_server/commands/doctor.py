"""doctor: what is wrong on this machine, and how to mend it.

May live here: one small function per thing that must hold for the server to run. May not change anything.
"""

from __future__ import annotations

import ctypes
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

import click
from cryptography import x509
from rich.console import Console
from rich.table import Table

from fhir_server.commands.options import chosen, setting_options
from fhir_server.settings import Settings, SettingsFault
from fhir_server.store.engine import EngineFault, address_of, connect, find_mongod

GB = 2**30
_RELEASED = 1_795_000_000
"""A clock before 18 November 2026 is wrong: this version did not exist."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, what was seen, and how to mend it when it is not well."""

    name: str
    state: Literal["well", "doubtful", "broken"]
    seen: str
    mend: str = ""


@click.command()
@setting_options()
def doctor(**flags: Any) -> None:
    """Say what keeps the server from running here, and how to mend it.

    Takes the flags of `serve` and looks at what they name. The exit status is 0 when nothing is broken, 1 otherwise.
    """
    console = Console()
    try:
        settings = chosen(**flags)
    except SettingsFault as fault:
        findings = [Finding("settings", "broken", str(fault), "mend the flag or the variable"), *examine(Settings())]
    else:
        findings = [Finding("settings", "well", "they fit together"), *examine(settings)]
    table = Table(box=None, pad_edge=False)
    for heading in ("", "what", "seen", "to mend it"):
        table.add_column(heading, overflow="fold")
    marks = {"well": "[green]ok", "doubtful": "[yellow]?", "broken": "[red]no"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.name, finding.seen, finding.mend)
    console.print(table)
    broken = [finding for finding in findings if finding.state == "broken"]
    console.print("[red]it will not run: mend what is marked `no`" if broken else "[green]it will run")
    sys.exit(1 if broken else 0)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding about this machine for `settings`, in the order in which one would mend them."""
    yield python()
    yield packages()
    if settings.mongo_uri:
        yield replica_set(settings.mongo_uri)
    else:
        yield from mongod()
    if settings.tls_cert:
        yield certificate(settings.tls_cert, settings.tls_key)
    yield port(settings.host, settings.port, settings.data_dir)
    yield data(settings.data_dir)
    yield disk(settings.data_dir)
    yield memory()
    yield files()
    yield clock()


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Python 3.11 or later."""
    seen = ".".join(map(str, version))
    if version >= (3, 11):
        return Finding("Python", "well", seen)
    return Finding("Python", "broken", seen, "install Python 3.11 or later and run `make install` again")


def packages(needed: tuple[str, ...] = ("flask", "pymongo", "granian", "joserfc", "argon2-cffi", "lxml")) -> Finding:
    """The libraries we stand on are installed."""
    missing = []
    for name in needed:
        try:
            distribution(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("libraries", "broken", f"missing: {', '.join(missing)}", "run `make install`")
    return Finding("libraries", "well", "installed")


def mongod(find: Callable[[], Path] = find_mongod) -> Iterator[Finding]:
    """A `mongod` that runs here, with the libraries it needs, of version 6 or later."""
    try:
        binary = find()
    except EngineFault as fault:
        yield Finding("mongod", "broken", "none found", str(fault).split(": ", 1)[1])
        return
    missing = _missing_libraries(binary)
    if missing:
        yield Finding("mongod libraries", "broken", f"missing: {', '.join(missing)}", _packages_for(missing))
        return
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError) as cause:
        yield Finding("mongod", "broken", f"{binary} does not run ({cause})", "install MongoDB, or give `--mongo-uri`")
        return
    found = re.search(r"db version v(\d+)\.(\S+)", said)
    if not found:
        yield Finding("mongod", "broken", f"{binary} does not say its version", "install MongoDB 6 or later")
    elif int(found[1]) < 6:
        yield Finding("mongod", "broken", f"{binary} is {found[1]}.{found[2]}", "install MongoDB 6 or later")
    else:
        yield Finding("mongod", "well", f"{found[1]}.{found[2]} at {binary}")


def replica_set(uri: str) -> Finding:
    """The operator's own MongoDB answers and has transactions."""
    try:
        client = connect(uri)
    except EngineFault as fault:
        seen, _, mend = str(fault).partition(": ")
        return Finding("MongoDB", "broken", seen, mend)
    version = client.server_info()["version"]
    client.close()
    return Finding("MongoDB", "well", f"a replica set of version {version} answers")


def port(host: str, number: int, directory: Path) -> Finding:
    """The port is free, or taken by our own running server."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), number))
        except OSError as cause:
            if address_of(directory):
                return Finding("port", "well", f"{number} is taken, and a server runs on this data already")
            mend = "stop what listens there, or give another with `--port`"
            return Finding("port", "broken", f"{host}:{number} cannot be had ({cause.strerror})", mend)
    return Finding("port", "well", f"{host}:{number} is free")


def certificate(cert: str, key: str) -> Finding:
    """The certificate and its key belong together, and its time has not run out."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, "")
        ends = x509.load_pem_x509_certificate(Path(cert).read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return Finding("certificate", "broken", "it and its key do not fit together", "give the PEM files of one pair")
    mend = "renew it, then start the server again"
    left = ends - datetime.now(UTC)
    if left < timedelta():
        return Finding("certificate", "broken", f"it ended on {ends:%Y-%m-%d}", mend)
    if left < timedelta(days=14):
        return Finding("certificate", "doubtful", f"it ends on {ends:%Y-%m-%d}", mend)
    return Finding("certificate", "well", f"good until {ends:%Y-%m-%d}")


def data(directory: Path) -> Finding:
    """The data directory, or the nearest one above it that exists, can be written and locked."""
    there = _existing(directory)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as cause:
        mend = "give a directory of yours with `--data`, or mend its permissions"
        return Finding("data directory", "broken", f"{there} cannot be written ({cause.strerror})", mend)
    return Finding("data directory", "well", f"{directory} can be written")


def disk(directory: Path) -> Finding:
    """Enough room: the engine alone takes 300 MB and refuses to start when it has none."""
    free = shutil.disk_usage(_existing(directory)).free
    seen = f"{free / GB:.1f} GB free"
    if free < GB:
        return Finding("disk", "broken", seen, "free at least 1 GB, or give another directory with `--data`")
    if free < 5 * GB:
        return Finding("disk", "doubtful", seen, "enough to try it; keep 5 GB free for more")
    return Finding("disk", "well", seen)


def memory(path: Path = Path("/proc/meminfo")) -> Finding:
    """Enough memory: about 130 MB for the engine and as much for each process that answers."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", path.read_text("utf-8"))
    except OSError:
        found = None
    if not found:
        return Finding("memory", "doubtful", "cannot be read here", "keep 1 GB free")
    free = int(found[1]) * 1024
    seen = f"{free / GB:.1f} GB available"
    if free < GB // 2:
        return Finding("memory", "broken", seen, "free at least 0.5 GB, or give fewer `--workers`")
    if free < GB:
        return Finding("memory", "doubtful", seen, "enough to try it; 1 GB is better")
    return Finding("memory", "well", seen)


def files() -> Finding:
    """Enough open files for the engine and its clients."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft != resource.RLIM_INFINITY and soft < 1024:
        return Finding("open files", "broken", f"{soft} allowed", "run `ulimit -n 65536` first")
    if soft != resource.RLIM_INFINITY and soft < 16_000:
        return Finding("open files", "doubtful", f"{soft} allowed", "for many clients run `ulimit -n 65536` first")
    return Finding("open files", "well", f"{soft} allowed")


def clock(now: float | None = None) -> Finding:
    """The clock is right: tokens live for minutes, and the access history is read by people."""
    now = time.time() if now is None else now
    seen = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < _RELEASED:
        return Finding("clock", "broken", seen, "set the clock, and keep it with NTP (chrony, systemd-timesyncd)")
    if sys.platform == "linux" and _unsynchronised():
        return Finding("clock", "doubtful", f"{seen}, not synchronised", "keep it with NTP (or the host does already)")
    return Finding("clock", "well", seen)


def _unsynchronised() -> bool:
    """Whether the kernel says that nobody keeps its clock (adjtimex answers TIME_ERROR)."""
    return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) == 5)


def _existing(directory: Path) -> Path:
    """`directory`, or the nearest one above it that exists."""
    return next(place for place in (directory, *directory.parents) if place.is_dir())


def _missing_libraries(binary: Path) -> list[str]:
    """The shared libraries that the loader cannot find for `binary`; empty where there is no `ldd` to ask."""
    ldd = shutil.which("ldd")
    if not ldd:
        return []
    said = subprocess.run([ldd, binary], capture_output=True, text=True, timeout=20, check=False).stdout
    return re.findall(r"(\S+) => not found", said)


def _packages_for(libraries: list[str]) -> str:
    """How to install `libraries` on Debian and Ubuntu."""
    known = {
        "libcurl.so.4": "libcurl4",
        "libssl.so.3": "libssl3",
        "libcrypto.so.3": "libssl3",
        "liblzma.so.5": "liblzma5",
    }
    names = sorted({known.get(library, library) for library in libraries})
    return f"install {' '.join(names)} (Debian, Ubuntu: `apt-get install {' '.join(names)}`), or give `--mongo-uri`"
