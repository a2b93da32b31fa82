"""The twin-store law in random worlds (decisions 16): what is deposited, masked, mentioned, read and deleted at random.

A hundred small records, each told twice, with and without what one asker may not see; then a sample of the battery.
"""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit import people
from tests.kit.battery import battery
from tests.kit.family import DIETICIAN, appends, begun, emergency, masked, remb, without_items
from tests.kit.twin import NOTHING, Letter, apart, new_world, tell

ASKERS = {
    "authorised": (people.radiologist(), "MASQUE_PS"),
    "dietician": (DIETICIAN, "MASQUE_PS"),
    "emergency": (emergency(), "MASQUE_PS"),
    "holder": (people.holder(), "INVISIBLE_PATIENT"),
}
LABELS = (None, None, "MASQUE_PS", "INVISIBLE_PATIENT")


class Pair:
    """Two worlds that are taken back to the same beginning between one example and the next."""

    def __init__(self, databases) -> None:
        self.worlds = [new_world(each) for each in databases]
        self.begun = begun().steps
        self.kept = []
        for world, numbers in self.worlds:
            tell(world, numbers, self.begun)
            shelf = world.house.shelf
            self.kept.append({each.name: list(each.find()) for each in (shelf.resources, shelf.history, shelf.ledger)})

    def again(self) -> None:
        for (world, _), kept in zip(self.worlds, self.kept, strict=True):
            world.house.shelf.carried.delete_many({})
            for name, documents in kept.items():
                collection = world.house.shelf.database[name]
                collection.delete_many({})
                if documents:
                    collection.insert_many(documents)
            world.house.records.forget("")

    def close(self) -> None:
        for world, _ in self.worlds:
            world.close()


@pytest.fixture(scope="module")
def pair(counting_client):
    names = [f"r{uuid.uuid4().hex[:12]}" for _ in range(2)]
    made = Pair([counting_client[name] for name in names])
    yield made
    made.close()
    for name in names:
        counting_client.drop_database(name)


LETTER = st.fixed_dictionaries(
    {
        "label": st.sampled_from(LABELS),
        "later": st.booleans(),
        "remb": st.booleans(),
        "alone": st.booleans(),
        "mentions": st.booleans(),
        "read": st.booleans(),
        "deleted": st.sampled_from((False, False, False, True)),
    }
)


def written(letters):
    """The log of these letters: deposited together or alone, some relabelled after they were read, some deleted."""
    log, names, batch = begun(), [], []

    def flush():
        if batch:
            log.deposit(*batch)
            batch.clear()

    for index, each in enumerate(letters):
        name, target = f"d{index}", names[-1] if names and each["mentions"] else None
        if target is not None:
            flush()

        def more(without, each=each, target=target):
            told = {"type": {"coding": [remb()]}} if each["remb"] else {}
            return {**told, **appends(log.names[target])} if target is not None and target not in without else told

        batch.append(Letter(name, () if each["later"] or not each["label"] else (each["label"],), more))
        names.append(name)
        if each["alone"]:
            flush()
    flush()
    for name, each in zip(names, letters, strict=True):
        if each["read"]:
            for who in (people.doctor(), people.hospital()):
                log.ask(who, "GET", log.names[name], because=[name])
                log.ask(who, "GET", log.names[f"{name}.content"], because=[name], native=True)
        if each["later"] and each["label"]:
            masked(log, name, each["label"], people.hospital())
    log.put(without_items(log.names, *names), because=["classeur"])
    for name, each in zip(names, letters, strict=True):
        if each["deleted"]:
            log.ask(people.hospital(), "DELETE", log.names[name], because=[name])
    return log


def hidden_from(asker, letters):
    _, label = ASKERS[asker]
    hidden = {
        f"d{index}"
        for index, each in enumerate(letters)
        if each["label"] == label or (asker == "dietician" and each["remb"])
    }
    # a folder of nothing else is hidden with them
    return frozenset(hidden | ({"classeur"} if len(hidden) == len(letters) else set()))


# MongoDB's driver draws from `random` in threads of its own while an example is made; nothing here depends on that
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    letters=st.lists(LETTER, min_size=1, max_size=4),
    asker=st.sampled_from(sorted(ASKERS)),
    seed=st.integers(0, 2**16),
)
def test_no_random_world_tells_of_what_is_hidden_in_it(pair, letters, asker, seed):
    log, hidden = written(letters), hidden_from(asker, letters)
    pair.again()
    for (world, numbers), without in zip(pair.worlds, (NOTHING, hidden), strict=True):
        tell(world, numbers, log.steps, without, start=len(pair.begun))
    unseen = [where for name, where in log.names.items() if set(name.partition(".")[0].split("+")) <= hidden]
    seen = [where for where in log.names.values() if where not in unseen]
    probes = battery(ASKERS[asker][0], [*seen, "List/classeur"], unseen)
    chosen = sorted(random.Random(seed).sample(range(len(probes) - 11), 20))

    found = apart(pair.worlds, [*(probes[each] for each in chosen), *probes[-11:-9]], len(log.steps), enough=3)

    assert [] == found, "\n\n".join(found)
