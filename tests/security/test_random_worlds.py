"""The twin-store law in random worlds (decisions 16): records, actors, Consents and letters drawn at random.

A hundred small worlds, each told twice, with and without what one asker may not see; then a hand of the battery.
"""

from __future__ import annotations

import uuid

import pytest
from hypothesis import HealthCheck, given, settings

from tests.kit.battery import battery
from tests.kit.drawn import ASKERS, RECORDS, WORLD, log_of, opened
from tests.kit.hands import dealt
from tests.kit.oracle import Oracle
from tests.kit.twin import NOTHING, apart, new_world, tell


def kept_of(shelf):
    """The collections in which an example leaves anything that the next could notice."""
    return shelf.resources, shelf.history, shelf.ledger, shelf.outbox


class Pair:
    """Two worlds that are taken back to the same beginning between one example and the next."""

    def __init__(self, databases) -> None:
        self.worlds = [new_world(each) for each in databases]
        self.kept = []
        for world, numbers in self.worlds:
            self.kept.append({})
            for record in dict.fromkeys(RECORDS):
                self._back(world, {})
                tell(world, numbers, opened(record).steps)
                world.house.ledger.adopt()
                kept = {each.name: list(each.find()) for each in kept_of(world.house.shelf)}
                self.kept[-1][record] = kept

    def again(self, record) -> None:
        for (world, _), kept in zip(self.worlds, self.kept, strict=True):
            self._back(world, kept[record])

    def _back(self, world, kept) -> None:
        shelf = world.house.shelf
        world.house.ledger.adopt()  # nothing of the last example is still on its way
        shelf.carried.delete_many({})
        for collection in kept_of(shelf):
            name = collection.name
            collection.delete_many({})
            if kept.get(name):
                collection.insert_many(kept[name])
        world.house.records.forget("")

    def beside(self):
        """What stands in Paul's record, in both worlds."""
        return [
            {each["_id"]: each["version"] for each in world.house.shelf.resources.find({"facts.patients": "paul"})}
            for world, _ in self.worlds
        ]

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


def asked(pair, drawn):
    """Where the two worlds answer differently."""
    log, who, begun = log_of(drawn), ASKERS[drawn["asker"]], len(opened(drawn["record"]).steps)
    pair.again(drawn["record"])
    (world, numbers), (twin, others) = pair.worlds
    tell(world, numbers, log.steps, NOTHING, start=begun)
    oracle = Oracle(world, who)
    without = oracle.left_out(drawn, log)
    tell(twin, others, log.steps, without, start=begun)
    unseen = [where for where in log.names.values() if where not in oracle.stored or not oracle.sees(where)]
    seen = [where for where in log.names.values() if where not in unseen]
    probes = battery(who, seen, unseen)
    asked = [*dealt(probes, drawn["seed"]), *probes[-11:-9]]
    wrote = oracle.wrote_unseen()

    def counts(step, answered):
        """Round trips: not of a write that was carried out, nor before who knows what he wrote in a record now shut."""
        return not wrote and not (step.writes and answered.status < 300)

    beside = pair.beside()
    found = apart(pair.worlds, asked, len(log.steps), 3, counts)
    return found if pair.beside() == beside else [*found, "something was changed in the record beside it"]


# MongoDB's driver draws from `random` in threads of its own while an example is made; nothing here depends on that
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=WORLD)
def test_no_random_world_tells_of_what_is_hidden_in_it(pair, drawn):
    found = asked(pair, drawn)

    assert [] == found, "\n\n".join(found)
