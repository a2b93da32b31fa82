"""Act: one thing that time does to one record, in one transaction with its trace and its notices.

May live here: what a round works with, in whose name it acts, how an act is committed. May not know: any single round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fhir_server.foundation.predicate import EVERYTHING, Has, Predicate
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.interactions.entry import Entry
from fhir_server.interactions.house import House
from fhir_server.store.changes import Unit
from fhir_server.store.turn import Turn
from fhir_server.store.visible import VisibleStore

SERVER = Principal(
    kind=Kind.OPERATOR,
    subject="rounds",
    client="fhir-server",
    name="Service du DMP",
    purpose=Purpose.ADMINISTRATION,
)
"""Who acts where nobody asks: the house itself, as an operator."""

BATCH = 200


@dataclass(frozen=True, slots=True)
class Means:
    """What a round works with. `base` is the FHIR base URL, `revoke` ends the grants and sign-ins of `Type/id`."""

    house: House
    turn: Turn
    base: str
    revoke: Callable[[str], int]


def door(means: Means, what: Predicate = EVERYTHING, unit: Unit | None = None) -> VisibleStore:
    """The door of who keeps the house, narrowed to `what`."""
    return VisibleStore(means.house.shelf, EVERYTHING, what, unit.session if unit else None)


def record_door(means: Means, patient: str, unit: Unit | None = None) -> VisibleStore:
    """The same, to one record."""
    return door(means, Has("patients", patient), unit)


def committed(means: Means, work: Callable[[Unit, Entry], bool]) -> bool:
    """Do an act, its ledger entry and its notices in one transaction; False where `work` finds nothing to be done.

    INVARIANT (once): `work` looks in its own transaction whether the act is still to be done.
    """
    house = means.house
    entry = Entry(house, SERVER, "", "", means.base, house.ids())
    start = entry.mark()

    def attempt(unit: Unit) -> object:
        entry.rewind(start)
        if not work(unit, entry):
            return None
        unit.flush()
        return entry.carry(unit)

    carried = house.changes.atomically(attempt)
    if carried is None:
        return False
    entry.landed(carried)  # type: ignore[arg-type]
    return True
