"""bench: what the record costs, as a ratio to a bare Flask view that does the same errand without one.

May live here: starting both servers on one embedded MongoDB, alternating between them in short slices, and the ratios.
May not live here: the twin, the load and the data; they are `bench/`, in the project's root.

A ratio is throughput of the bare view by throughput of the server, both with the same processes and threads, at the
same number of closed-loop clients; 1.0 would be a record for nothing. Slices alternate so that noise hits both.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fhir_server.commands import bench_token
from fhir_server.commands.machine import facts_line, machine
from fhir_server.settings import PREFIX, Settings
from fhir_server.store.connection import EngineFault, connect
from fhir_server.store.engine import Engine

ROOT = Path(__file__).parents[2]
GOALS: Mapping[str, float] = {"read": 1.25, "search": 1.5, "create": 2.0}
"""At most these ratios at 32 clients (decisions on speed: docs/performance.md)."""
ONE_CLIENT_GOAL = 2.0
TRACED: Mapping[str, str] = {f"traced {errand}": errand for errand in GOALS}
"""Each bare view with the server's ledger and nothing else: what any server pays that keeps a durable trace of it."""
KEPT: Mapping[str, str] = {f"{errand} kept": errand for errand in GOALS}
"""Each against the bare view whose processes keep to a processor each, as the server's do (docs/adr/0047)."""
ANEW = "search anew"
"""Searches of which none is the last one that its asker made, so that nothing of a page is kept (docs/adr/0046)."""
SIZES = (20, 21)
"""Two sizes of a page on which all of a record stands: asked in turn, each is another question than the last."""
DATABASE = "bench"
ORDER_AT_MOST = 4
"""Records that one client goes through."""
_SLICE = 1.0
_SETTLE = 0.1
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice of load found: answers a second that were right, answers that were not, median in ms."""

    rate: float
    errors: int
    p50: float
    wrong: Mapping[str, int]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Slice:
        """A slice from a line of `bench/load.py`."""
        return cls(found["done"] / found["seconds"], found["errors"], found["p50"], found["wrong"])


@dataclass(frozen=True, slots=True)
class Pair:
    """A slice of the bare view and, right after it, one of the server."""

    bare: Slice
    server: Slice


@dataclass(frozen=True, slots=True)
class Finding:
    """One shape of request: its pairs at many clients and at one."""

    shape: str
    many: tuple[Pair, ...]
    one: tuple[Pair, ...]

    @property
    def ratios(self) -> list[float]:
        """Bare throughput by server throughput of each pair, in order of size; infinite where nothing was answered."""
        return sorted(each.bare.rate / each.server.rate if each.server.rate else float("inf") for each in self.many)

    @property
    def ratio(self) -> float:
        """The median pair's."""
        return statistics.median(self.ratios)

    @property
    def p50(self) -> dict[str, float]:
        """Medians at one client, in ms, and their ratio."""
        bare = statistics.median(each.bare.p50 for each in self.one)
        server = statistics.median(each.server.p50 for each in self.one)
        return {"bare": round(bare, 3), "server": round(server, 3), "ratio": round(server / bare, 3) if bare else 0.0}

    def rate(self, whose: str) -> float:
        """The median rate of `bare` or `server` at many clients."""
        return float(statistics.median(getattr(each, whose).rate for each in self.many))

    @property
    def errors(self) -> dict[str, int]:
        """Wrong answers, by whose and by what they were."""
        found: dict[str, int] = {}
        for pair in (*self.many, *self.one):
            for whose, each in (("bare", pair.bare), ("server", pair.server)):
                for what, count in each.wrong.items():
                    found[f"{whose} {what}"] = found.get(f"{whose} {what}", 0) + count
        return found


@click.command()
@click.option("--seconds", default=10, show_default=True, type=click.IntRange(1), help="Per shape and server.")
@click.option("--clients", default=32, show_default=True, type=click.IntRange(1, 1000), help="Closed-loop clients.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes of each server.")
@click.option("--threads", default=16, show_default=True, type=click.IntRange(2), help="Threads of each process.")
@click.option(
    "--patients", default=200, show_default=True, type=click.IntRange(1), help="Records, of 20 documents each."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def bench(*, seconds: int, clients: int, workers: int, threads: int, patients: int, as_json: bool) -> None:
    """Measure reads, searches and creates against bare Flask views on this machine.

    \b
    read     a document by id: token, consent, durable trace      against one find_one
    search   a page of 20 documents of a patient, once more       against the same query
    create   a validated Observation by an authorised writer      against one majority insert

    The exit status is 1 when any answer was not the expected one; a ratio beyond its goal is shown, and fails nothing.
    """  # noqa: D301 - click's own mark for lines it must not join
    console = Console(stderr=as_json, highlight=False)
    if not (ROOT / "bench" / "load.py").exists():
        raise EngineFault("the bench is run from a clone of the project: its load and its data are in `bench/`")
    begun = os.getloadavg()[0]
    with _stage(workers, threads, patients, console) as stage:
        ceiling = stage.ceiling(clients)
        findings = [stage.measure(shape, seconds, clients) for shape in (*GOALS, ANEW, *KEPT, *TRACED)]
        token = stage.price(seconds)
        facts = machine(workers=workers, threads=threads, clients=clients, patients=patients, load=begun)
    told = {**report(findings, facts, ceiling), "token": token}
    if as_json:
        print(json.dumps(told, indent=1))
    else:
        show(told, console)
    sys.exit(1 if told["errors"] else 0)


def report(findings: Sequence[Finding], facts: Mapping[str, Any], ceiling: float) -> dict[str, Any]:
    """What `--json` prints; ratios to three digits, rates a second, times in ms."""
    told: dict[str, Any] = {each.shape: round(each.ratio, 3) for each in findings}
    told["spread"] = {each.shape: [round(each.ratios[0], 3), round(each.ratios[-1], 3)] for each in findings}
    told["goals"] = dict(GOALS)
    told["rates"] = {
        each.shape: {whose: round(each.rate(whose), 1) for whose in ("bare", "server")} for each in findings
    }
    told["p50"] = {each.shape: each.p50 for each in findings}
    told["errors"] = {each.shape: each.errors for each in findings if each.errors}
    told["load_at_most"] = round(ceiling)
    told["machine"] = dict(facts)
    return told


def show(told: Mapping[str, Any], console: Console) -> None:
    """The same for people."""
    facts = told["machine"]
    table = Table(title=f"bare Flask view / this server, {facts['clients']} clients, {facts['workers']} processes")
    for name in ("", "ratio", "goal", "slices", "bare /s", "server /s", "p50 at one client, ms", "ratio", "goal"):
        table.add_column(name, justify="left" if not name else "right")
    for shape, goal in GOALS.items():
        ratio, (low, high), p50, rates = (
            told[shape], told["spread"][shape], told["p50"][shape], told["rates"][shape],
        )  # fmt: skip
        table.add_row(
            shape,
            _coloured(ratio, goal),
            f"≤ {goal}",
            f"{low:.2f} to {high:.2f}",
            f"{rates['bare']:.0f}",
            f"{rates['server']:.0f}",
            f"{p50['bare']:.2f} / {p50['server']:.2f}",
            _coloured(p50["ratio"], ONE_CLIENT_GOAL),
            f"≤ {ONE_CLIENT_GOAL}",
        )
    console.print(table)
    traced = ", ".join(f"{errand} {told[shape]:.2f}" for shape, errand in TRACED.items())
    console.print(f"a bare view with a durable trace, and nothing else, by the bare view: {traced}")
    console.print(f"a search that is not the last one of its asker: {told[ANEW]:.2f}")
    kept = ", ".join(f"{errand} {told[shape]:.2f}" for shape, errand in KEPT.items())
    console.print(f"against a bare view whose processes keep to a processor each, as the server's do: {kept}")
    if "token" in told:
        console.print(bench_token.line(told["token"]))
    for shape, wrong in told["errors"].items():
        console.print(f"[red]{shape}: wrong answers: {wrong}")
    console.print(f"the load alone reaches {told['load_at_most']} requests/s; " + facts_line(facts))


def _coloured(ratio: float, goal: float) -> str:
    return f"[{'green' if ratio <= goal else 'yellow'}]{ratio:.2f}[/]"


def shared_out(requests: Sequence[Sequence[str]], clients: int) -> list[list[str]]:
    """What each client sends: the lists of several records each, so that every client has one and none has too many."""
    several = [requests[place::clients][:ORDER_AT_MOST] for place in range(min(clients, len(requests)))]
    mine = [[one for each in lists for one in each] for lists in several]
    return [mine[place % len(mine)] for place in range(clients)]


def rendered(method: str, path: str, port: int, token: str, body: bytes = b"") -> str:
    """An HTTP/1.1 request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: application/fhir+json"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/fhir+json", f"Content-Length: {len(body)}"]
    return "\r\n".join((*lines, "", body.decode()))


class Stage:
    """Both servers, the load, and what is asked; `price` is of verifying a token, over so many pairs of slices."""

    price: Callable[[int], dict[str, Any]]

    def __init__(self, town: Any, askers: Sequence[Any], ports: Mapping[str, int], load: Any) -> None:
        self._town, self._askers, self._ports, self._load = town, askers, ports, load

    def ceiling(self, clients: int) -> float:
        """Requests a second that the load reaches against a view that does nothing."""
        port = self._ports["bare"]
        return self._slice(port, 200, [[rendered("GET", "/nothing", port, "")]] * clients, _SLICE).rate

    def measure(self, shape: str, seconds: int, clients: int) -> Finding:
        """Warm up, then alternate."""
        errand, under = {**TRACED, **KEPT}.get(shape, shape), "traced" if shape in TRACED else "fhir"
        bare = self._ports["kept" if shape in KEPT else "bare"]
        ports = {"bare": bare, "server": bare if shape in TRACED else self._ports["server"]}
        places = {"bare": "fhir", "server": under}
        asked = {whose: self._requests(errand, port, places[whose]) for whose, port in ports.items()}
        expect = 201 if errand == "create" else 200

        def pair(several: int, length: float) -> Pair:
            found = []
            for whose in ("bare", "server"):
                requests = shared_out(asked[whose], several)
                found.append(self._slice(ports[whose], expect, requests, length))
                time.sleep(_SETTLE)
            return Pair(*found)

        pair(clients, _SLICE)
        many = tuple(pair(clients, _SLICE) for _ in range(seconds))
        return Finding(shape, many, tuple(pair(1, _SLICE / 2) for _ in range(max(2, seconds // 2))))

    def _requests(self, errand: str, port: int, under: str) -> list[list[str]]:
        town, found = self._town, []
        for number, each in enumerate(self._askers):
            if errand == "read":
                found.append(
                    [
                        rendered(
                            "GET", f"/{under}/DocumentReference/{town.document_id(number, which)}", port, each.token
                        )
                        for which in range(town.DOCUMENTS)
                    ]
                )
            elif errand == ANEW:
                asked = f"/{under}/DocumentReference?patient={each.patient}&_count="
                found.append([rendered("GET", f"{asked}{size}", port, each.token) for size in SIZES])
            elif errand == "search":
                found.append([rendered("GET", f"/{under}/DocumentReference?patient={each.patient}", port, each.token)])
            else:
                made = town.observation(number, random.Random(number), datetime.now(UTC))
                body = json.dumps(made, ensure_ascii=True).encode()
                found.append([rendered("POST", f"/{under}/Observation", port, each.token, body)])
        return found

    def _slice(self, port: int, expect: int, requests: Sequence[Sequence[str]], seconds: float) -> Slice:
        order = {"host": "127.0.0.1", "port": port, "seconds": seconds, "expect": expect, "clients": requests}
        self._load.stdin.write(json.dumps(order) + "\n")
        self._load.stdin.flush()
        line = self._load.stdout.readline()
        if not line:
            raise EngineFault("the load ended: run `python bench/load.py` to see why")
        return Slice.of(json.loads(line))


@contextlib.contextmanager
def _stage(workers: int, threads: int, patients: int, console: Console) -> Iterator[Stage]:
    """An embedded MongoDB with the town in it, the two servers, and the load; all ended afterwards."""
    from fhir_server.app import build_house, build_smart, close_house, open_house

    sys.path.insert(0, str(ROOT))
    town = importlib.import_module("bench.town")
    ports = {whose: free_port() for whose in ("server", "bare", "kept")}
    with contextlib.ExitStack() as ending:
        data = ending.enter_context(tempfile.TemporaryDirectory(prefix="dmp-", ignore_cleanup_errors=True))
        with console.status("starting the embedded MongoDB"):
            engine = Engine.start(Path(data))
        ending.callback(engine.stop)
        settings = Settings.read({}, port=ports["server"], workers=workers, threads=threads, database=DATABASE)
        database = ending.enter_context(connect(engine.uri))[DATABASE]
        house = build_house(database, settings)
        open_house(house)
        ending.callback(close_house, house)
        with console.status(f"writing {patients} records of {town.DOCUMENTS} documents"):
            town.found_the_town(house)
            town.fill(house, 0, patients)
        smart = build_smart(house, replace(settings, mongo_uri=engine.uri), database, None)
        ending.callback(smart.close)
        smart.prepare()
        town.register(smart)
        askers = town.askers(smart, range(min(patients, town.RECORDS)))
        log = Path(data) / "servers.log"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environ |= {**settings.to_environment(), f"{PREFIX}MONGO_URI": engine.uri, "PYTHONPATH": str(ROOT)}
        environ |= {"BARE_MONGO_URI": engine.uri, "BARE_DATABASE": DATABASE}
        environ |= {"BARE_WORKERS": str(workers), "BARE_THREADS": str(threads)}
        serve, bare = ["-c", "from fhir_server.commands import main; main()", "serve"], ["-m", "bench.bare"]
        for whose, command in (("server", serve), ("bare", bare), ("kept", bare)):
            own = {"BARE_PORT": str(ports[whose])} | ({"BARE_KEPT": str(workers)} if whose == "kept" else {})
            started = start_program([sys.executable, *command], {**environ, **own}, log)
            ending.callback(end_program, started)
            with console.status(f"starting {whose}"):
                await_port(ports[whose], started, log)
        load = subprocess.Popen(
            [sys.executable, str(ROOT / "bench" / "load.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ending.callback(end_program, load)
        with console.status("measuring"):
            stage = Stage(town, askers, ports, load)
            stage.price = lambda pairs: bench_token.price(smart, town, askers, (engine.uri, DATABASE), pairs)
            yield stage


def start_program(command: list[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server in the project's root; what it says goes to the end of `log`."""
    with log.open("ab") as said:
        return subprocess.Popen(
            command, env=dict(environ), cwd=ROOT, stdout=said, stderr=said, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip


def end_program(started: subprocess.Popen[Any]) -> None:
    """End a process of ours, and wait for it."""
    for stop in (signal.SIGTERM, signal.SIGKILL):
        if started.poll() is None:
            started.send_signal(stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(30)


def await_port(port: int, started: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it accepts connections; EngineFault with its last words when it does not."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and started.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise EngineFault(f"a server of the bench did not start; it said:\n{log.read_text('utf-8', 'replace')[-2000:]}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
