"""Twins: one log of writes, told to two worlds, in one of them without what is hidden from the asker (decisions 16).

Ids, clock and cursor key are functions of the place in the log, so that leaving entries out shifts nothing else. What
an entry exists because of is named in it; an entry that exists only because of what is left out is left out too, and
one that merely mentions it is written without the mention.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from fhir_server.foundation.principal import Principal
from tests.kit import people
from tests.kit.trips import TRIPS
from tests.kit.world import BASE, Answer, World, submission

Without = frozenset[str]
NOTHING: Without = frozenset()
TAGS = "urn:x-names"
"""Each letter, and what is about one, has a tag of its own: what is in use tells which of them are seen."""
_BUNDLE_ID = re.compile(rb'("resourceType":"Bundle","id":")[^"]*')


class Numbers:
    """Ids that say where they were made: the entry of the log, and the how-manieth of it."""

    def __init__(self) -> None:
        self.at(0)

    def at(self, step: int, skipped: Iterable[int] = ()) -> None:
        self._step, self._next, self._skipped = step, 0, frozenset(skipped)

    def __call__(self) -> str:
        while self._next in self._skipped:
            self._next += 1
        made = id_at(self._step, self._next)
        self._next += 1
        return made


def id_at(step: int, number: int) -> str:
    return f"{step:08d}-0000-7000-8000-{number:012d}"


@dataclass(frozen=True)
class Step:
    """One request. `body` and `skipped` (ids that its left-out parts would have taken) may depend on what is left out.

    `because` names all it exists because of; with all of them left out, so is the request. A request with `pages`
    goes on by its next links to the end.
    """

    who: Principal
    method: str
    url: str
    body: Any = None
    because: frozenset[str] = frozenset()
    skipped: Callable[[Without], Iterable[int]] = lambda _: ()
    pages: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def left_out(self, without: Without) -> bool:
        return bool(self.because) and self.because <= without

    @property
    def writes(self) -> bool:
        """Whether something is to be written, by itself or by an entry of a bundle."""
        entries = self.body.get("entry", ()) if isinstance(self.body, dict) and not self.url else ()
        asked = [each["request"]["method"] for each in entries] if entries else [self.method]
        return any(each not in ("GET", "HEAD") for each in asked) and not self.url.endswith("/_search")

    def __str__(self) -> str:
        return f"{self.who.subject}: {self.method} {self.url} {self.more or ''}".strip()


@dataclass(frozen=True)
class Letter:
    """What a document is deposited with: `labels` are codes of the French label system, `more` alters it."""

    name: str
    labels: tuple[str, ...] = ()
    more: Callable[[Without], dict[str, Any]] = lambda _: {}


class Log:
    """The writes, in order; what each made is known before it is made."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.names: dict[str, str] = {}

    def ask(
        self, who: Principal, method: str, url: str, body: Any = None, *, because: Iterable[str] = (), **more: Any
    ) -> int:
        self.steps.append(Step(who, method, url, body, frozenset(because), more=more))
        return len(self.steps) - 1

    def put(self, resource: Any, *, because: Iterable[str] = (), at: str | None = None) -> str:
        """A resource as the operator puts it; a function of what is left out when it mentions something."""
        whole = resource(NOTHING) if callable(resource) else resource
        reference = at or f"{whole['resourceType']}/{whole['id']}"
        self.ask(people.operator(), "PUT", reference, resource, because=because)
        return reference

    def deposit(self, *letters: Letter, who: Principal | None = None, patient: str = people.INS) -> str:
        """A submission; `names[letter]` is its document, `names[letter + ".content"]` its Binary; the List's name.

        It stands in `names` as the letters joined by `+`, and `.set`.
        """
        step = len(self.steps)
        for index, letter in enumerate(letters):
            self.names[letter.name] = f"DocumentReference/{id_at(step, 2 + 2 * index)}"
            self.names[f"{letter.name}.content"] = f"Binary/{id_at(step, 3 + 2 * index)}"
        self.steps.append(
            Step(
                who or people.hospital(),
                "POST",
                "",
                lambda without: _bundle(letters, without, patient),
                frozenset(each.name for each in letters),
                lambda without: [
                    number
                    for index, each in enumerate(letters)
                    if each.name in without
                    for number in (2 + 2 * index, 3 + 2 * index)
                ],
            )
        )
        name = f"List/{id_at(step, 1)}"
        self.names[f"{'+'.join(each.name for each in letters)}.set"] = name
        return name


def _bundle(letters: Sequence[Letter], without: Without, ins: str) -> dict[str, Any]:
    bundle: dict[str, Any] = {}
    for index, letter in enumerate(letters):
        if letter.name in without:
            continue
        one = submission(
            unique=f"urn:oid:1.2.250.1.999.{index}.{sum(letter.name.encode())}.{len(letter.name)}",
            content=f"%PDF-1.4 {letter.name}".encode(),
            ins=ins,
        )
        list_, document, binary = one["entry"]
        document["fullUrl"] = f"urn:uuid:00000000-0000-4000-8000-1{index:011d}"
        binary["fullUrl"] = f"urn:uuid:00000000-0000-4000-8000-2{index:011d}"
        resource = document["resource"]
        resource["content"][0]["attachment"]["url"] = binary["fullUrl"]
        resource["description"] = f"lettre {letter.name}"
        resource["meta"]["tag"] = [{"system": TAGS, "code": letter.name}]
        resource["securityLabel"] += [
            {
                "coding": [
                    {
                        "system": "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument",
                        "code": code,
                    }
                ]
            }
            for code in letter.labels
        ]
        altered = letter.more(without)
        resource.update(altered)
        if not bundle:
            bundle = one
            list_["resource"]["entry"] = []
        else:
            bundle["entry"] += [document, binary]
        bundle["entry"][0]["resource"]["entry"].append({"item": {"reference": document["fullUrl"]}})
    return bundle


def new_world(database: Any) -> tuple[World, Numbers]:
    """A world that was told nothing yet."""
    numbers = Numbers()
    world = World(database, numbers)
    world.house = replace(world.house, seal_key=b"one and the same key for cursors")
    return world, numbers


def tell(world: World, numbers: Numbers, log: Sequence[Step], without: Without = NOTHING, start: int = 0) -> None:
    """Tell a world the log, from an entry on, without something; every entry must succeed."""
    for index, step in enumerate(log[start:], start):
        if step.left_out(without):
            continue
        answered = one(world, numbers, index, step, without)
        if answered.status >= 300:
            raise RuntimeError(f"{step}: {answered.status} {answered.json}")


def told(database: Any, log: Sequence[Step], without: Without = NOTHING) -> tuple[World, Numbers]:
    """A world that was told the log without something."""
    world, numbers = new_world(database)
    try:
        tell(world, numbers, log, without)
    except Exception:
        world.close()
        raise
    return world, numbers


def one(world: World, numbers: Numbers, index: int, step: Step, without: Without) -> Answer:
    numbers.at(index, step.skipped(without))
    world.now = datetime.fromisoformat("2026-11-23T10:00:00+00:00") + timedelta(seconds=index)
    body = step.body(without) if callable(step.body) else step.body
    return world.ask(step.who, step.method, step.url, body, **step.more)


def answer(world: World, numbers: Numbers, index: int, probe: Step) -> tuple[list[Answer], list[list[str]]]:
    """What a world answers to a probe, all its pages, and the round trips that each of them took."""
    trips: list[list[str]] = []
    got = [_counted(world, trips, lambda: one(world, numbers, index, probe, NOTHING))]
    while probe.pages and got[-1].status == 200 and len(got) < 50:
        link = next((each["url"] for each in got[-1].json.get("link", ()) if each["relation"] == "next"), None)
        if link is None:
            break
        following = link.removeprefix(f"{BASE}/")
        got.append(_counted(world, trips, lambda url=following: world.ask(probe.who, "GET", url)))
    return got, trips


def _counted(world: World, trips: list[list[str]], ask: Callable[[], Answer]) -> Answer:
    # the first question about a record after a change of it reads its Consents (docs/security.md, time): not this one
    world.settle()
    for patient in world.patients:
        world.house.records.record(patient)
    TRIPS.forget()
    answered = ask()
    trips.append(TRIPS.told())
    return answered


def told_of(answer: Answer) -> tuple[Any, ...]:
    """Everything an asker can hold against another answer; a Bundle's own id is its own (decisions 16)."""
    body: Any = _BUNDLE_ID.sub(rb"\1-", answer.body) if answer.body else answer.json
    return answer.status, sorted(answer.headers.items()), answer.content_type, body


def differences(
    databases: Callable[[], Any],
    log: Sequence[Step],
    without: Without,
    probes: Sequence[Step],
    enough: int | None = None,
) -> list[str]:
    """Where the world that holds something hidden answers other than the one that never held it; at most `enough`."""
    worlds: list[tuple[World, Numbers]] = []
    try:
        for missing in (NOTHING, without):
            worlds.append(told(databases(), log, missing))
        return apart(worlds, probes, len(log), enough)
    finally:
        for world, _ in worlds:
            world.close()


def apart(
    worlds: Sequence[tuple[World, Numbers]],
    probes: Sequence[Step],
    start: int,
    enough: int | None = None,
    counts: Callable[[Step, Answer], bool] = lambda *_: True,
) -> list[str]:
    """Where two worlds answer differently, or in other round trips where those `counts`; at most `enough`."""
    found: list[str] = []
    heard = 0
    TRIPS.unbounded.clear()
    for offset, probe in enumerate(probes):
        (full, trips), (twin, others) = (answer(world, numbers, start + offset, probe) for world, numbers in worlds)
        heard += sum(map(len, trips))
        if [told_of(each) for each in full] != [told_of(each) for each in twin]:
            found.append(f"{probe}\n{_apart(full, twin)}")
        elif trips != others and counts(probe, full[0]):
            found.append(f"{probe}\n{_longer(trips, others)}")
        if enough is not None and len(found) >= enough:
            break
    if TRIPS.unbounded:
        raise RuntimeError(f"not bounded in time: {sorted(set(TRIPS.unbounded))}")
    if not heard:
        raise RuntimeError("nobody counts the round trips: the worlds' client is not one of `trips.counted`")
    return found


def _longer(trips: list[list[str]], others: list[list[str]]) -> str:
    """The round trips of the first page that took others, those beyond the twin's and those that it took alone."""
    page, (one, other) = next(
        (at, each) for at, each in enumerate(zip(trips, others, strict=True)) if each[0] != each[1]
    )
    more, less = Counter(one) - Counter(other), Counter(other) - Counter(one)
    return f"  round trips of page {page + 1}: {dict(more)} more, {dict(less)} less"


def _apart(one: list[Answer], other: list[Answer], width: int = 220) -> str:
    """Both answers from shortly before the first character in which they differ."""
    texts = [_text(each) for each in (one, other)]
    at = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(0, at - width // 2)
    return "\n".join(f"  {text[:40]} … {text[start : at + width]}" for text in texts)


def _text(got: list[Answer]) -> str:
    return " | ".join(" ".join(map(str, told_of(each))) for each in got)
