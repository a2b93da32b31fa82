"""Table: every round, what is due in it and what is done.

May live here: ROUNDS, and the table the documentation prints. May not know: when they are gone (`going.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fhir_server.rounds import announcement, contents, directives, majority, retention
from fhir_server.rounds.act import Means


@dataclass(frozen=True, slots=True)
class Round:
    """One row. `due` gives a key for each act that is due, `act` does it and says whether it was still to be done.

    An act is one transaction with its trace and its notices, and may be begun again. `daily`: by the day is enough.
    """

    name: str
    when: str
    done: str
    cites: str
    due: Callable[[Means], Iterator[str]]
    act: Callable[[Means, str], bool]
    daily: bool = False


ROUNDS: tuple[Round, ...] = (
    Round(
        "announcement.remind",
        "two weeks after the deposit of what is hidden from the holder, if it still is",
        "one notice to the holder (and who represents him): the record was updated, see a professional; nothing else",
        "DMP-134",
        announcement.to_remind,
        announcement.remind,
    ),
    Round(
        "announcement.show",
        "one month after that deposit",
        "the label is taken away, in a new version; other labels stay; the holder is told that a document is visible",
        "DMP-81, DMP-134",
        announcement.to_show,
        announcement.show,
    ),
    Round(
        "majority",
        "on the eighteenth birthday, where somebody represents the holder and no protection measure keeps them",
        "what they were granted is revoked; the young adult is told, at an address that is not one of theirs",
        "DMP-142",
        majority.due,
        majority.pass_on,
        daily=True,
    ),
    Round(
        "directives",
        "each year after the deposit of advance directives",
        "a notice to the holder that they are there",
        "DMP-109",
        directives.due,
        directives.remind,
        daily=True,
    ),
    Round(
        "retention",
        "ten years after a record was closed",
        "the record is destroyed: nothing is left but that it was",
        "DMP-104",
        retention.due,
        retention.destroy,
        daily=True,
    ),
    Round(
        "contents",
        "an hour after the content of a document was sent whose deposit was refused, or never ended",
        "the content, which belongs to no record, is removed",
        "DMP-131",
        contents.due,
        contents.remove,
        daily=True,
    ),
)
NAMES = tuple(each.name for each in ROUNDS)


def rounds_table() -> str:
    """The table of `docs/reference/rounds.md`."""
    lines = ["| round | due | done | requirements | looked for |", "|---|---|---|---|---|"]
    for each in ROUNDS:
        often = "once a day" if each.daily else "each minute"
        lines.append(f"| `{each.name}` | {each.when} | {each.done} | {each.cites} | {often} |")
    return "\n".join(lines)
