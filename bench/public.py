"""The public workloads on this machine: `python -m bench.public [crud search transaction import] --patients 1000`.

May live here: a store filled to the size asked for, one server on it, the driver, and what is printed. The server runs
as `serve` runs it, and writes a trace of all it shows; the workloads ask as an operator, for whom consent is a short
question: what consent costs is what `fhir-server bench` measures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import clinic, town
from bench.stage import served
from bench.workloads import WORKLOADS
from fhir_server.commands.bench import ROOT
from fhir_server.commands.machine import facts_line, machine
from fhir_server.interactions.house import House
from fhir_server.smart.server import Smart
from fhir_server.store.connection import EngineFault

SCOPES = "user/*.cruds"
STEP = 200
"""Records between two moves of the progress bar."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(WORKLOADS)))
@click.option("--patients", default=1000, show_default=True, type=click.IntRange(1), help="Records in the store.")
@click.option("--size", default=20, show_default=True, type=click.IntRange(1), help="Resources of an imported history.")
@click.option("--seconds", default=20, show_default=True, type=click.IntRange(1), help="Per workload.")
@click.option("--clients", default=32, show_default=True, type=click.IntRange(1, 1000), help="Closed-loop clients.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes of the server.")
@click.option("--threads", default=16, show_default=True, type=click.IntRange(2), help="Threads of each process.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def public(
    *,
    names: tuple[str, ...],
    patients: int,
    size: int,
    seconds: int,
    clients: int,
    workers: int,
    threads: int,
    as_json: bool,
) -> None:
    """Run the workloads, all or those NAMED; the exit status is 1 when any answer was not the expected one."""
    console = Console(stderr=as_json, highlight=False)
    begun = os.getloadavg()[0]
    asked = {"seconds": seconds, "clients": clients, "patients": patients, "size": size, "seed": town.SEED}
    with served(workers, threads, lambda house: _fill(house, patients, console)) as (port, smart):
        at = {"port": port, "token": _token(smart)}
        told = {}
        for name in names or WORKLOADS:
            with console.status(f"{name}: {seconds} s, {clients} clients"):
                told[name] = _driven({**asked, "workload": name, **at})
            if not as_json:
                show(name, told[name], console)
    facts = machine(workers=workers, threads=threads, clients=clients, patients=patients, load=begun)
    if as_json:
        print(json.dumps({**told, "machine": facts}, indent=1))
    else:
        console.print(facts_line(facts))
    sys.exit(any(each["wrong"] for found in told.values() for each in found["asked"].values()))


def show(name: str, found: Mapping[str, Any], console: Console) -> None:
    """A table of one workload, a line for each kind of request."""
    done = sum(each["done"] for each in found["asked"].values())
    weight = sum(each["weight"] for each in found["asked"].values())
    rate = f"{done / found['seconds']:.0f} requests/s"
    table = Table(title=f"{name}: {rate}" + (f", {weight / found['seconds']:.0f} resources/s" if weight > done else ""))
    for column in ("", "/s", "p50 ms", "p95", "p99", "wrong"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for asked, each in found["asked"].items():
        times = (f"{each[f'p{share}']:.1f}" for share in (50, 95, 99))
        wrong = ", ".join(f"{count} × {what}" for what, count in each["wrong"].items())
        table.add_row(asked, f"{each['done'] / found['seconds']:.1f}", *times, f"[red]{wrong}[/]" if wrong else "")
    console.print(table)


def clinical(number: int, rng: Random) -> Iterator[clinic.Resource]:
    """A history of twenty resources of the n-th patient of the town, under ids of their own."""
    ids = {
        "Patient": f"Patient/{town.patient_id(number)}",
        "Practitioner": f"Practitioner/{town.practitioner_id(number)}",
    }
    for place, each in enumerate(clinic.history(rng, ids)):
        yield {**each, "id": f"h{number:07d}-{place:02d}"}


def _fill(house: House, patients: int, console: Console) -> None:
    town.found_the_town(house)
    with Progress(console=console, transient=True) as progress:
        for first in progress.track(range(0, patients, STEP), description=f"writing {patients} records"):
            town.fill(house, first, min(first + STEP, patients), clinical)


def _driven(order: Mapping[str, Any]) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-m", "bench.drive"], input=json.dumps(order) + "\n", cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if told.returncode:
        raise EngineFault(f"the driver ended: {told.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def _token(smart: Smart) -> str:
    smart.clients.add(
        "public", client_id=town.CLIENT, name="bench", redirect_uris=("http://127.0.0.1/callback",), scope=SCOPES
    )
    return town.token(smart, town.operator(), SCOPES)


if __name__ == "__main__":
    public()
