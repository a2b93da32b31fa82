"""The cast of the main job, put into a world: the CHU, two doctors, and Léa Martin, whose record is not open."""

from __future__ import annotations

from tests.kit.world import World, patient, practitioner


def told_of_the_cast(world: World) -> None:
    identifier = {"system": "https://finess.esante.gouv.fr", "value": "750712184"}
    world.put({"resourceType": "Organization", "id": "chu", "name": "CHU", "identifier": [identifier]})
    world.put(practitioner("bernard", "10000000001", "Bernard"))
    world.put(practitioner("diallo", "10000000002", "Diallo"))
    world.put(patient())
