"""Whether latency grows with the record: `python -m bench.ladder --patients 1000 --times 64`.

Two stores in one embedded MongoDB, one so many times the other, each with a server of its own, and one client that asks
both in turn: what disturbs the machine disturbs both. A rung is the median in the large store by that in the small one
(goal 1.5), and what MongoDB's profiler saw of its queries: no collection scan, and at most twice as many documents
examined as returned (decisions 25).

May live here: filling both, asking in turn, the table. May not know: how one is served (`stage.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bson
import click
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.write_concern import WriteConcern
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import town
from bench.drive import Wire
from bench.stage import house_on, serving
from bench.workloads import Ask
from fhir_server.commands.machine import facts_line, machine
from fhir_server.store.connection import connect
from fhir_server.store.engine import Engine

GOAL = 1.5
EXAMINED = 2.0
STEP = 256
"""Records that one process stores in one go, and that differ in more than their numbers: every STEP-th is alike.

A multiple of the town's practitioners, so that who treats a patient treats those who are alike.
"""
ASKED = 64
"""Records that are asked about, spread over the whole of a store."""
PROFILED = 8
SOME = 32
"""Records that are stored by one command."""
SORTING = 4096
"""Megabytes MongoDB may sort the keys of new indexes in. With its 200 it made 270,000 spills of a store of 1.8 million
resources, and was still merging them when it was stopped."""
COLLECTIONS = ("resources", "history", "ledger")


@dataclass(frozen=True, slots=True)
class Rung:
    """One shape of request for the n-th record, by the treating physician; `which` is one of its documents."""

    name: str
    path: Callable[[int, int], str]
    method: str = "GET"
    expect: int = 200


def _document(number: int, which: int) -> str:
    return f"DocumentReference/{town.document_id(number, which)}"


def _of_record(more: str) -> Callable[[int, int], str]:
    return lambda number, _: f"DocumentReference?patient={town.patient_id(number)}{more}"


def _identified(number: int, which: int) -> str:
    return f"DocumentReference?identifier={quote(f'urn:ietf:rfc:3986|{town.master_identifier(number, which)}')}"


RUNGS = (
    Rung("read", _document),
    Rung("history of one", lambda number, which: f"{_document(number, which)}/_history"),
    Rung("search: a page of 20", _of_record("")),
    Rung("search: by type", _of_record(f"&type={quote(town.LOINC + '|34133-9')}")),
    Rung("search: by date, sorted", _of_record("&date=ge2020&_sort=-date")),
    Rung("search: by identifier, of no named record", _identified),
    Rung("search: a holder by INS", lambda number, _: f"Patient?identifier={quote(f'{town.INS}|{town.ins(number)}')}"),
    Rung("search: a chain", _of_record("&authenticator.identifier=x")),
    Rung("search: with includes", _of_record("&_count=5&_include=DocumentReference:patient")),
    Rung("create", lambda *_: "Observation", "POST", 201),
)


@click.command()
@click.option(
    "--patients", default=1000, show_default=True, type=click.IntRange(ASKED), help="Records of the small one."
)
@click.option("--times", default=64, show_default=True, type=click.IntRange(2), help="So many times them in the large.")
@click.option("--rounds", default=300, show_default=True, type=click.IntRange(10), help="Of each shape, in turn.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def ladder(*, patients: int, times: int, rounds: int, as_json: bool) -> None:
    """Time the same requests in a store and in one so many times as large; the exit status is 1 for a wrong answer."""
    console = Console(stderr=as_json, highlight=False)
    with _both(patients, times, console) as sides:
        begun = os.getloadavg()[0]
        found = {rung.name: _measured(rung, sides, rounds, console) for rung in RUNGS}
        facts = machine(patients=patients, times=times, rounds=rounds, load=begun)
    if as_json:
        print(json.dumps({"rungs": found, "goal": GOAL, "machine": facts}, indent=1))
    else:
        _show(found, console)
        console.print(facts_line(facts))
    sys.exit(any(each["wrong"] or each["scans"] for each in found.values()))


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its server's port, its database, and the records asked about with a token for each."""

    port: int
    database: Database[dict[str, Any]]
    askers: Mapping[int, str]


@contextlib.contextmanager
def _both(patients: int, times: int, console: Console) -> Iterator[tuple[Side, Side]]:
    with contextlib.ExitStack() as ending:
        data = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="dmp-", ignore_cleanup_errors=True)))
        engine = Engine.start(data)
        ending.callback(engine.stop)
        with connect(engine.uri) as client:
            client.admin.command("setParameter", 1, maxIndexBuildMemoryUsageMegabytes=SORTING)
        sides = []
        sizes = {"small": patients, "large": patients * times}
        for name, many in sizes.items():
            _fill(engine.uri, name, many, console)
        for name, many in sizes.items():  # a token lasts a quarter of an hour, filling longer
            port, smart = ending.enter_context(serving(engine.uri, name, 1, 4, data / f"{name}.log"))
            town.register(smart)
            numbers = range(0, many, many // ASKED)[:ASKED]
            askers = zip(numbers, town.askers(smart, numbers), strict=True)
            database = ending.enter_context(connect(engine.uri))[name]
            sides.append(Side(port, database, {number: asker.token for number, asker in askers}))
        yield sides[0], sides[1]


def _fill(uri: str, name: str, many: int, console: Console) -> None:
    """Store the records with all cores: the town is the same whoever stores it. Indexes are made once all is there."""
    with house_on(uri, name) as house:
        town.found_the_town(house)
        house.shelf.resources.drop_indexes()
    steps = [(uri, name, first, min(first + STEP, many)) for first in range(0, many, STEP)]
    with (
        Progress(console=console, transient=True) as progress,
        ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool,
    ):
        bar = progress.add_task(f"{name}: {many} records of {town.DOCUMENTS} documents", total=many)
        for each in as_completed([pool.submit(_stored, *step) for step in steps]):
            progress.advance(bar, each.result())
    with console.status(f"{name}: indexes"), house_on(uri, name):
        pass


def _stored(uri: str, name: str, first: int, last: int) -> int:
    """In a process of its own: store some records; how many."""
    with connect(uri) as client:
        resources = client[name].get_collection("resources", write_concern=WriteConcern(1))
        for begun in range(0, last - first, SOME):
            several = range(begun, min(begun + SOME, last - first))
            resources.insert_many([each for n in several for each in _renumbered(n, first + n)], ordered=False)
    return last - first


@cache
def _composed(number: int) -> list[bytes]:
    """A record as it is stored, made by the server's own code once in each process."""
    now = datetime.now(UTC)
    made = town.record(number, random.Random(f"{town.SEED}-{number}"), now)
    return [bson.encode(each) for each in town.envelopes(made, now)]


def _renumbered(number: int, as_: int) -> Iterator[RawBSONDocument]:
    """The same record of another patient: all that is the patient's own is a number, and as long for each."""
    swaps = [
        (town.ins(number), town.ins(as_)),
        *((f"{before}{number:07d}", f"{before}{as_:07d}") for before in "1pdcb"),
    ]
    for document in _composed(number):
        made = document
        for old, new in swaps:
            made = made.replace(old.encode(), new.encode())
        yield RawBSONDocument(made)


def _measured(rung: Rung, sides: tuple[Side, Side], rounds: int, console: Console) -> dict[str, Any]:
    with console.status(f"{rung.name}: {rounds} of each"):
        medians, wrong = asyncio.run(_timed(rung, sides, rounds))
        examined, scans = _looked_at(rung, sides[1])
    return {
        "small": medians[0], "large": medians[1], "ratio": round(medians[1] / (medians[0] or 1), 3),
        "examined": examined, "scans": scans, "wrong": wrong,
    }  # fmt: skip


async def _timed(rung: Rung, sides: Sequence[Side], rounds: int) -> tuple[list[float], dict[str, int]]:
    """Medians in ms of the small and the large one; which goes first is drawn. Each record is asked once before."""
    rng = random.Random(rung.name)
    times: list[list[float]] = [[], []]
    wrong: Counter[str] = Counter()
    wires = [{number: Wire(side.port, token) for number, token in side.askers.items()} for side in sides]
    try:
        for turn in range(-ASKED, rounds):
            order = [0, 1]
            rng.shuffle(order)
            for which in order:
                numbers = list(wires[which])
                number = numbers[turn + ASKED] if turn < 0 else rng.choice(numbers)
                ask = _ask(rung, number, rng)
                begun = time.perf_counter()
                answer = await wires[which][number].ask(ask)
                spent = time.perf_counter() - begun
                if answer.status != rung.expect:
                    wrong[str(answer.status)] += 1
                elif turn >= 0:
                    times[which].append(spent)
    finally:
        for wire in (each for side in wires for each in side.values()):
            wire.close()
    return [round(statistics.median(each or [0.0]) * 1000, 3) for each in times], dict(wrong)


def _ask(rung: Rung, number: int, rng: random.Random) -> Ask:
    body = b""
    if rung.method == "POST":
        body = json.dumps(town.observation(number, rng, datetime.now(UTC))).encode()
    return Ask(rung.name, rung.method, rung.path(number, rng.randrange(town.DOCUMENTS)), body)


def _looked_at(rung: Rung, side: Side) -> tuple[float, list[str]]:
    """Documents examined by documents returned in the worst query, and the plans that scanned a collection.

    Plans are made anew: MongoDB remembers one by the shape of a query, so that a rare value may be sought for a while
    by the plan that a common one was given. That stays within the documents of one record.
    """
    side.database.command("profile", 0)
    for name in COLLECTIONS:
        side.database.command("planCacheClear", name)
    side.database["system.profile"].drop()
    side.database.command("profile", 2)
    try:
        asyncio.run(_asked(rung, side))
    finally:
        side.database.command("profile", 0)
    worst, scans = 0.0, []
    for each in side.database["system.profile"].find({"op": {"$in": ["query", "command"]}}):
        if each["ns"].partition(".")[2] not in COLLECTIONS or not each.get("planSummary"):
            continue
        if "COLLSCAN" in each["planSummary"]:
            scans.append(each["planSummary"])
        if "aggregate" not in each["command"]:  # an exact total reads every match, by an index
            worst = max(worst, each["docsExamined"] / max(1, each.get("nreturned", 0)))
    return worst, scans


async def _asked(rung: Rung, side: Side) -> None:
    rng = random.Random(rung.name)
    for number in rng.sample(list(side.askers), PROFILED):
        wire = Wire(side.port, side.askers[number])
        await wire.ask(_ask(rung, number, rng))
        wire.close()


def _show(found: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    table = Table(title="one client, in turn; medians")
    for column in ("", "small ms", "large ms", "ratio", "examined / returned"):
        table.add_column(column, justify="right" if column else "left")
    for name, each in found.items():
        good = each["ratio"] <= GOAL, each["examined"] <= EXAMINED
        ratio, examined = (
            f"[{'green' if fine else 'yellow'}]{said}[/]"
            for fine, said in zip(good, (f"{each['ratio']:.2f}", f"{each['examined']:.1f}"), strict=True)
        )
        table.add_row(name, f"{each['small']:.2f}", f"{each['large']:.2f}", ratio, examined)
    console.print(table)
    for name, each in found.items():
        for what in (*each["scans"], *(f"{status} × {many}" for status, many in each["wrong"].items())):
            console.print(f"[red]{name}: {what}")


if __name__ == "__main__":
    ladder()
