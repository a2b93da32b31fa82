"""The workloads of public benches of FHIR servers, closed loop: each client asks, waits for the answer, asks again.

crud         creates nine types that refer to each other, reads the nine, updates them, deletes them in reverse
search       about thirty shapes in turn, their values drawn anew each time, pages of twenty
transaction  two entries: a patient, and an observation of them
import       a patient with a history of twenty resources or more, as one transaction

May live here: what is asked next, given what was answered. May not know: sockets, clocks, how it is counted.
The shapes follow the workloads that the makers of other servers publish; the data is `bench/clinic.py`'s.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bench import clinic, town


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: `name` is what it is counted under, `weight` how many resources it brings or returns at most."""

    name: str
    method: str
    path: str
    body: bytes = b""
    expect: tuple[int, ...] = (200,)
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: the status, the `Location` header, the body."""

    status: int
    location: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Stock:
    """What the store holds when a workload begins: so many patients of the town, histories of `size` resources."""

    patients: int
    size: int = 20


Workload = Generator[Ask, Answer, None]


def crud(rng: random.Random, _stock: Stock) -> Workload:
    """Rounds of 36 requests: create, read, update and delete of nine types."""
    while True:
        ids: dict[str, str] = {}
        there: dict[str, clinic.Resource] = {}
        for type_ in clinic.ROUND:
            made = clinic.made(type_, rng, ids)
            answer = yield Ask(f"create {type_}", "POST", type_, _text(made), (201,))
            key = answer.location.rpartition("/_history/")[0].rpartition("/")[2]
            if not key:
                break
            ids[type_] = f"{type_}/{key}"
            there[type_] = {**made, "id": key}
        for type_, at in ids.items():
            yield Ask(f"read {type_}", "GET", at)
        for type_, at in ids.items():
            yield Ask(f"update {type_}", "PUT", at, _text(clinic.changed(there[type_], rng)))
        for type_, at in reversed(ids.items()):
            yield Ask(f"delete {type_}", "DELETE", at, expect=(200, 204))


def search(rng: random.Random, stock: Stock) -> Workload:
    """The shapes in an order drawn for each client, over and over."""
    shapes = list(SHAPES)
    rng.shuffle(shapes)
    while True:
        for shape in shapes:
            type_, pairs = shape(rng, stock)
            name = f"{type_}?{'&'.join(key for key, _ in pairs)}"
            query = "&".join(f"{key}={quote(value, safe='')}" for key, value in (*pairs, ("_count", "20")))
            yield Ask(name, "GET", f"{type_}?{query}")


def transaction(rng: random.Random, _stock: Stock) -> Workload:
    """A patient and an observation, atomically."""
    while True:
        yield Ask("transaction", "POST", "", _text(clinic.pair(rng)), weight=2)


def import_(rng: random.Random, stock: Stock) -> Workload:
    """A patient with a history, atomically; the weight is the entries."""
    while True:
        made = clinic.bundle(rng, stock.size)
        yield Ask("bundle", "POST", "", _text(made), weight=len(made["entry"]))


WORKLOADS: Mapping[str, Callable[[random.Random, Stock], Workload]] = {
    "crud": crud,
    "search": search,
    "transaction": transaction,
    "import": import_,
}

Pairs = Sequence[tuple[str, str]]
Shape = Callable[[random.Random, Stock], tuple[str, Pairs]]


def _text(resource: Mapping[str, Any]) -> bytes:
    return json.dumps(resource, ensure_ascii=True, separators=(",", ":")).encode()


def _who(rng: random.Random, stock: Stock) -> str:
    return f"Patient/{town.patient_id(rng.randrange(stock.patients))}"


def _day(rng: random.Random) -> str:
    return f"{rng.randint(2016, 2025)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def _born(rng: random.Random) -> str:
    return f"{rng.randint(1930, 2000)}-{rng.randint(1, 12):02d}"


def _code(rng: random.Random) -> str:
    return f"{town.LOINC}|{rng.choice(clinic.MEASURES)[0]}"


def _ill(rng: random.Random) -> str:
    return f"{clinic.SNOMED}|{rng.choice(clinic.CONDITIONS)[0]}"


def _above(rng: random.Random) -> tuple[str, str]:
    """A code, and a value in the upper half of what it takes."""
    code, _, unit, low, high = rng.choice(clinic.MEASURES)
    return f"{town.LOINC}|{code}", f"gt{rng.randint((low + high) // 2, high)}|{clinic.UCUM}|{unit}"


def _uncounted(_: random.Random) -> tuple[str, str]:
    return "_total", "none"


def _of_patient(type_: str, name: str, *more: Callable[[random.Random], tuple[str, str]]) -> Shape:
    return lambda rng, stock: (type_, [(name, _who(rng, stock)), *(each(rng) for each in more)])


def _of_all(type_: str, *pairs: Callable[[random.Random], tuple[str, str]]) -> Shape:
    return lambda rng, _: (type_, [each(rng) for each in pairs])


def _valued(rng: random.Random, _stock: Stock) -> tuple[str, Pairs]:
    code, value = _above(rng)
    return "Observation", [("code", code), ("value-quantity", value)]


def _composed(rng: random.Random, _stock: Stock) -> tuple[str, Pairs]:
    code, value = _above(rng)
    return "Observation", [("code-value-quantity", f"{code}${value}")]


def _two(rng: random.Random, stock: Stock) -> tuple[str, Pairs]:
    return "Observation", [("subject", f"{_who(rng, stock)},{_who(rng, stock)}")]


def _by_ins(rng: random.Random, stock: Stock) -> tuple[str, Pairs]:
    return "Patient", [("identifier", f"{town.INS}|{town.ins(rng.randrange(stock.patients))}")]


def _by_id(*more: tuple[str, str]) -> Shape:
    return lambda rng, stock: ("Patient", [("_id", _who(rng, stock).partition("/")[2]), *more])


SHAPES: tuple[Shape, ...] = (
    _by_ins,
    _by_id(),
    _by_id(("_revinclude", "Encounter:subject")),
    _of_all("Patient", lambda rng: ("name", rng.choice(town.FAMILIES)[:4])),
    _of_all("Patient", lambda rng: ("family:exact", rng.choice(town.FAMILIES))),
    _of_all("Patient", lambda rng: ("given:contains", rng.choice(town.GIVEN)[1:3])),
    _of_all("Patient", lambda rng: ("birthdate", _born(rng))),
    _of_all("Patient", lambda rng: ("birthdate", "gt" + _born(rng)), lambda _: ("gender", "female")),
    _of_all("Patient", lambda rng: ("_has:Condition:patient:code", _ill(rng)), lambda rng: ("birthdate", _born(rng))),
    _two,
    _valued,
    _composed,
    _of_patient("Observation", "subject"),
    _of_patient("Observation", "patient", lambda rng: ("code", _code(rng))),
    _of_patient("Observation", "patient", lambda rng: ("date", "ge" + _day(rng))),
    _of_patient("Observation", "patient", lambda rng: ("value-quantity", _above(rng)[1])),
    _of_patient("Observation", "patient", lambda _: ("_sort", "-date")),
    _of_patient("Observation", "subject", lambda _: ("_include", "Observation:subject")),
    _of_all("Observation", lambda rng: ("date", _day(rng))),
    _of_all("Observation", lambda rng: ("code", _code(rng)), lambda rng: ("date", _day(rng)[:7])),
    _of_all("Observation", lambda rng: ("code", _code(rng)), lambda _: ("_sort", "-date"), _uncounted),
    _of_patient("Encounter", "patient", lambda _: ("status", "finished")),
    _of_all("Encounter", lambda rng: ("date", _day(rng))),
    _of_all("Encounter", lambda rng: ("date", "ge" + _day(rng)), _uncounted),
    _of_patient("Condition", "patient"),
    _of_all("Condition", lambda rng: ("code", _ill(rng)), lambda rng: ("onset-date", _day(rng)[:7])),
    _of_patient("MedicationRequest", "patient", lambda _: ("status", "active")),
    _of_all("MedicationRequest", lambda rng: ("code", f"{clinic.ATC}|{rng.choice(clinic.MEDICINES)[0]}"),
            lambda rng: ("authoredon", _day(rng)[:7])),
    _of_patient("Immunization", "patient"),
    _of_patient("DocumentReference", "patient", lambda rng: ("type", f"{town.LOINC}|{rng.choice(town.KINDS)[0]}")),
    _of_patient("Condition", "patient", lambda _: ("subject:Patient.birthdate", "lt2010")),
)  # fmt: skip
"""What a blended search asks: half within a record, half over all of them."""
