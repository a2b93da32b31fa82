"""The cast of the main job, put into a world: the CHU, two doctors, and Léa Martin; and her record, open."""

from __future__ import annotations

from tests.kit import people
from tests.kit.clinical import MASKED, observation
from tests.kit.world import World, opening, patient, practitioner


def told_of_the_cast(world: World) -> None:
    identifier = {"system": "https://finess.esante.gouv.fr", "value": "750712184"}
    world.put({"resourceType": "Organization", "id": "chu", "name": "CHU", "identifier": [identifier]})
    world.put(practitioner("bernard", "10000000001", "Bernard"))
    world.put(practitioner("diallo", "10000000002", "Diallo"))
    world.put(patient())


def opened(world: World) -> None:
    """Léa Martin's record, open: Dr Bernard is her médecin traitant, Dr Diallo may consult; and the CHU."""
    told_of_the_cast(world)
    answers = opening(treatingPhysician="Practitioner/bernard", authorized=["Practitioner/diallo"])
    answered = world.ask(people.holder(), "POST", "Patient/lea/$open-record", answers)
    assert answered.status == 200, answered.json


def observed(world: World) -> None:
    """Three observations in it, one of them masked to professionals."""
    opened(world)
    world.put(observation("o1", "2026-01-10"))
    world.put(observation("o2", "2026-02-10"))
    world.put(observation("o3", "2026-03-10", meta=MASKED))
