"""What is hidden against what is absent, by the clock: `python -m bench.twins`.

A doctor of a record asks in turn for what the holder masked there, or what belongs to a record that is not open to the
doctor, and for what there never was, under ids of equal length. The medians must lie within 5 %: who can tell them
apart by time has been told what the answer does not say (decisions 16). The lengths of answers are compared too.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from bench import town
from bench.drive import Wire
from bench.stage import served
from bench.workloads import Ask
from fhir_server.commands.machine import facts_line, machine
from fhir_server.interactions.house import House

RECORDS = 40
GOAL = 1.05
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
MASKED, OTHER, NEVER = "m", "d", "x"
"""What ids begin with: masked in the doctor's record; in a record that is shut to the doctor; nowhere."""


@dataclass(frozen=True, slots=True)
class Twin:
    """Two addresses that must not be told apart, for the n-th record and the which-th of its documents."""

    name: str
    hidden: Callable[[int, int], str]
    absent: Callable[[int, int], str]
    expect: tuple[int, ...] = (404,)


def _masked(number: int, which: int) -> str:
    return f"{MASKED}{number:07d}-{which:02d}"


def _never(number: int, which: int) -> str:
    return f"{NEVER}{number:07d}-{which:02d}"


def _elsewhere(number: int, which: int) -> str:
    return town.document_id((number + 4) % RECORDS, which)  # its doctors are others: town.record names three in a row


def _pair(name: str, path: str, hidden: Callable[[int, int], str] = _masked, expect: int = 404) -> Twin:
    def at(id_: Callable[[int, int], str]) -> Callable[[int, int], str]:
        return lambda number, which: path.format(id=id_(number, which), patient=town.patient_id(number))

    return Twin(name, at(hidden), at(_never), (expect,))


TWINS = (
    _pair("read, masked", "DocumentReference/{id}"),
    _pair("read, of a record that is shut", "DocumentReference/{id}", _elsewhere),
    _pair("vread, masked", "DocumentReference/{id}/_history/1"),
    _pair("history, masked", "DocumentReference/{id}/_history"),
    _pair("search by _id, masked", "DocumentReference?patient={patient}&_id={id}", expect=200),
    _pair("search by what points at it, masked", "DocumentReference?patient={patient}&relatesto=DocumentReference/{id}",
          expect=200),
    _pair("search by identifier, masked", "DocumentReference?patient={patient}&identifier={id}", expect=200),
)  # fmt: skip


@click.command()
@click.option("--rounds", default=1000, show_default=True, type=click.IntRange(10), help="Of each, in turn.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def twins(*, rounds: int, as_json: bool) -> None:
    """Time what is hidden and what is absent in turn; the exit status is 1 when an answer was not the expected one."""
    console = Console(stderr=as_json, highlight=False)
    with served(1, 4, _fill) as (port, smart):
        town.register(smart)
        tokens = [
            town.token(smart, town.professional(number + 1), town.SCOPES, town.patient_id(number))
            for number in range(RECORDS)
        ]
        told, wrong = {}, {}
        for twin in TWINS:
            with console.status(f"{twin.name}: {rounds} of each"):
                told[twin.name], failed = asyncio.run(_timed(twin, port, tokens, rounds))
                wrong |= {f"{twin.name}: {what}": many for what, many in failed.items() if many}
    facts = machine(rounds=rounds)
    if as_json:
        print(json.dumps({"twins": told, "wrong": wrong, "goal": GOAL, "machine": facts}, indent=1))
    else:
        _show(told, wrong, console)
        console.print(facts_line(facts))
    sys.exit(1 if wrong else 0)


def _show(told: dict[str, dict[str, float]], wrong: dict[str, int], console: Console) -> None:
    table = Table(title="hidden / absent, one client, in turn")
    for column in ("", "hidden ms", "absent ms", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name, each in told.items():
        far = max(each["ratio"], 1 / each["ratio"]) > GOAL
        ratio = f"[{'yellow' if far else 'green'}]{each['ratio']:.3f}[/]"
        table.add_row(name, f"{each['hidden']:.3f}", f"{each['absent']:.3f}", ratio)
    console.print(table)
    for what, many in wrong.items():
        console.print(f"[red]{what} × {many}")


async def _timed(twin: Twin, port: int, tokens: Sequence[str], rounds: int) -> tuple[dict[str, float], Counter[str]]:
    """Medians in ms and their ratio; how many answers were wrong, and how. Which goes first is drawn."""
    rng = random.Random(twin.name)
    times: dict[str, list[float]] = {"hidden": [], "absent": []}
    wires = [Wire(port, token) for token in tokens]
    wrong: Counter[str] = Counter()
    for turn in range(-20, rounds):
        number, which = rng.randrange(len(tokens)), rng.randrange(town.DOCUMENTS)
        pair = [("hidden", twin.hidden(number, which)), ("absent", twin.absent(number, which))]
        rng.shuffle(pair)
        bodies: list[int] = []
        for whose, path in pair:
            begun = time.perf_counter()
            answer = await wires[number].ask(Ask(twin.name, "GET", path))
            spent = time.perf_counter() - begun
            wrong[str(answer.status)] += answer.status not in twin.expect
            bodies.append(len(answer.body))
            if turn >= 0:
                times[whose].append(spent)
        wrong["unlike"] += bodies[0] != bodies[1]
    for wire in wires:
        wire.close()
    medians = {whose: round(statistics.median(found) * 1000, 3) for whose, found in times.items()}
    return medians | {"ratio": round(medians["hidden"] / medians["absent"], 3)}, wrong


def _fill(house: House) -> None:
    town.found_the_town(house)
    town.fill(house, 0, RECORDS, _masked_documents)


def _masked_documents(number: int, rng: random.Random) -> list[dict[str, object]]:
    """As many documents again, masked to professionals; the holder's system alone can lift that."""
    found: list[dict[str, object]] = []
    for which in range(town.DOCUMENTS):
        made = town.document(number, which, rng, datetime(2026, 1, 1, tzinfo=UTC))
        label = {"coding": [{"system": VISIBILITY, "code": "MASQUE_PS"}]}
        name = _masked(number, which)
        # an author sees what is his whatever is masked
        made["contained"][1]["identifier"][0]["value"] = f"8{town.rpps((number + 5) % town.PRACTITIONERS)}"
        about = [{"code": "appends", "target": {"reference": f"DocumentReference/{name}"}}] if which else []
        found.append(
            {
                **made,
                "id": name,
                "masterIdentifier": {"value": name},
                "securityLabel": [*made["securityLabel"], label],
                **({"relatesTo": about} if about else {}),
            }
        )
    return found


if __name__ == "__main__":
    twins()
