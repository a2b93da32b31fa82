"""Rounds of a world: what a serving process goes through each minute, at the world's own clock."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.rounds.act import Means
from fhir_server.rounds.going import Gone, Rounds
from fhir_server.rounds.table import NAMES
from fhir_server.store.turn import Turn
from tests.kit.world import BASE, World


def means(world: World, revoke: Callable[[str], int] = lambda _: 0) -> Means:
    turn = Turn(world.house.shelf.database)
    turn.prepare()
    return Means(world.house, turn, BASE, revoke)


def go(world: World, *names: str, revoke: Callable[[str], int] = lambda _: 0) -> Gone:
    """All rounds, or those named; nothing may fail."""
    gone = Rounds(means(world, revoke)).go(names or NAMES)
    assert gone is not None
    assert not gone.failed
    return gone
