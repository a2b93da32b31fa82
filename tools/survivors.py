"""Survivors: the mutants that no test notices, each with its reason; `docs/reference/mutants.md` is made from them.

May live here: `survivors.json`, and its comparison with what a run found. May not know: how mutants are made or asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("survivors.json")
GOAL = 95.0
Found = Mapping[str, Mapping[str, str]]
"""By the name of a mutant: `said` (killed, survived, timeout) and `change`, two lines of a diff."""


def read() -> dict[str, Any]:
    """`rooms`: the figures of the last whole run; `kept`: reasons, each with the changes it speaks of."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def waiting() -> list[list[str]]:
    """The function and the change of each survivor that has no reason yet."""
    return [change for each in read()["kept"] if not each["because"] for change in each["changes"]]


def share() -> float:
    """How many of a hundred are noticed."""
    rooms = read()["rooms"].values()
    return 100 - 100 * sum(row.get("survived", 0) for row in rooms) / sum(sum(row.values()) for row in rooms)


def write(found: Found) -> None:
    """Keep the figures of a whole run; reasons stay with what still survives, and what has none waits for one."""
    told, left = read(), dict.fromkeys(_survived(found))
    for each in [each for each in told["kept"] if each["because"]]:
        each["changes"] = [[*key] for key in map(tuple, each["changes"]) if key in left]
        for function, change in each["changes"]:
            left.pop((function, change), None)
    kept = [each for each in told["kept"] if each["because"] and each["changes"]]
    if left:
        kept.append({"because": "", "changes": [[*key] for key in left]})
    told = {"rooms": _figures(found), "kept": kept}
    FILE.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8")


def page(made: str) -> str:
    """The figures by room, and each survivor under its reason."""
    told = read()
    rows = [
        (room, *(row.get(each, 0) for each in ("killed", "timeout", "survived"))) for room, row in told["rooms"].items()
    ]
    asked, noticed = sum(sum(row[1:]) for row in rows), sum(row[1] + row[2] for row in rows)
    lines = [
        "# Mutants",
        "",
        f"{made} `make mutants` has mutmut change `fhir_server/consent` in every way it knows, a function at a",
        "time, and asks the pure tests of each mutant ([ADR 33](../adr/0033-how-the-rules-are-proved.md)). At least",
        f"{GOAL:.0f} % are to be noticed, and each that is not stands here with its reason.",
        "",
        f"Of {asked:,} mutants {noticed:,} are noticed: {share():.1f} %. One that runs out of time is noticed: the",
        "tests would not end.",
        "",
        "| room | noticed | ran out of time | not noticed |",
        "|---|---|---|---|",
        *(f"| `{room}` | {killed:,} | {late} | {left} |" for room, killed, late, left in rows),
    ]
    for each in told["kept"]:
        lines += ["", f"## {each['because']}", "", "| function | was | is |", "|---|---|---|"]
        lines += [
            f"| `{function}` | {_cell(change, '-')} | {_cell(change, '+')} |" for function, change in each["changes"]
        ]
    return "\n".join(lines) + "\n"


def _survived(found: Found) -> Iterable[tuple[str, str]]:
    return [(_function(name), row["change"]) for name, row in sorted(found.items()) if row["said"] == "survived"]


def _function(name: str) -> str:
    """`room.Class.method` of a mutant's name."""
    _, _, rest = name.partition("fhir_server.consent.")
    room, _, inner = rest.partition(".")
    inner = inner.rpartition("__mutmut_")[0]
    inner = inner.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in inner else inner.removeprefix("x_")
    return f"{room}.{inner}"


def _figures(found: Found) -> dict[str, dict[str, int]]:
    rooms: dict[str, dict[str, int]] = {}
    for name, row in sorted(found.items()):
        told = rooms.setdefault(_function(name).partition(".")[0], {})
        told[row["said"]] = told.get(row["said"], 0) + 1
    return rooms


def _cell(change: str, side: str) -> str:
    text = "<br>".join(f"`{line[1:].strip()}`" for line in change.splitlines() if line.startswith(side))
    return text.replace("|", "\\|") or "(nothing)"
