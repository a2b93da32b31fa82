"""The twin-store law in random worlds (decisions 16): records, actors, Consents and letters drawn at random.

Some hundred small worlds, each told twice, with and without what one asker may not see; then a hand of the battery.
They are the same hundred in every run; `make worlds` draws others, twenty for each hand.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from fhir_server.foundation.predicate import NOTHING as NONE
from fhir_server.foundation.predicate import Span, rewrite
from fhir_server.interactions.announce import READERS
from fhir_server.smart.claims import grant_of
from fhir_server.store.visible import VisibleStore
from tests.kit import people
from tests.kit.battery import battery
from tests.kit.drawn import ASKERS, WORLD, log_of, opened
from tests.kit.hands import HANDS, dealt, kind_of
from tests.kit.oracle import Oracle
from tests.kit.twin import NOTHING, apart, new_world, tell

WORLDS = int(os.environ.get("WORLDS", "6"))
"""How many are drawn for each hand of the battery."""


def kept_of(shelf):
    """The collections in which an example leaves anything that the next could notice."""
    return shelf.resources, shelf.history, shelf.ledger, shelf.outbox


class Pair:
    """Two worlds that are taken back to the same beginning between one example and the next."""

    def __init__(self, databases) -> None:
        self.worlds = [new_world(each) for each in databases]
        self.kept = {}

    def again(self, record) -> None:
        if record not in self.kept:
            self.kept[record] = [self._told(*each, opened(record).steps) for each in self.worlds]
        for (world, _), kept in zip(self.worlds, self.kept[record], strict=True):
            self._back(world, kept)

    def _told(self, world, numbers, steps):
        self._back(world, {})
        tell(world, numbers, steps)
        world.house.ledger.adopt()
        return {each.name: list(each.find()) for each in kept_of(world.house.shelf)}

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
        world.house.announced.clear()

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


def connected(world, who):
    """What a first connection costs and tells is asked elsewhere (test_holes_in_traces.py): he has been here before.

    Nor is asked what a process thinks of once for each sign-in, in either world.
    """
    sign_in = grant_of(who.token)
    known = who.reference or who.subject
    for patient in ("lea", "paul"):
        for readers in ((), *((each,) for each in READERS)):
            world.house.outbox.first_connection(patient, "|".join((known, *readers)))
        for readers in (READERS, *((each,) for each in READERS)):
            world.house.announced.add((patient, "|".join((sign_in, *readers))))


def asked(pair, hand, drawn):
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
    asked = [*dealt(probes, hand, drawn["seed"]), *probes[-11:-9]]
    wrote = oracle.wrote_unseen()

    def counts(step, answered):
        """Round trips: not of a write that was carried out, nor before who knows what he wrote in a record now shut."""
        return not wrote and not (step.writes and answered.status < 300)

    for each, _ in pair.worlds:
        connected(each, who)
    beside = pair.beside()
    found = apart(pair.worlds, asked, len(log.steps), 3, counts)
    return found if pair.beside() == beside else [*found, "something was changed in the record beside it"]


# MongoDB's driver draws from `random` in threads of its own while an example is made; nothing here depends on that
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.slow
@pytest.mark.parametrize("hand", range(HANDS))
@settings(max_examples=WORLDS, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=WORLD)
def test_no_random_world_tells_of_what_is_hidden_in_it(pair, hand, drawn):
    found = asked(pair, hand, drawn)

    assert [] == found, "\n\n".join(found)


def test_every_request_of_the_battery_is_in_one_hand():
    """So each is asked in six worlds of a hundred, one of which is the simplest: a letter that is masked."""
    probes = battery(people.radiologist(), ["DocumentReference/lettre-d0"], ["List/classeur", "Provenance/w-d0"])

    hands = [[kind_of(each) for each in dealt(probes, hand, 0)] for hand in range(HANDS)]

    assert sorted(set(map(kind_of, probes))) == sorted(kind for hand in hands for kind in hand)
    assert all(hands)


LETTER_OF_OLD = {"label": None, "later": False, "remb": False, "author": None, "year": 2020, "stay": False}
LETTER_OF_OLD |= dict.fromkeys(("alone", "mentions", "told", "read", "after", "deleted"), False)
DENIED = {"kind": None, "deny": True, "actor": ["Practitioner/diallo"], "purpose": None, "period": None}
DENIED |= {"dates": {"end": "2021-01-01"}, "labels": (), "data": [], "nested": [], "unreadable": False}
OLD_LETTERS_DENIED = {
    "record": "adult",
    "asker": "authorised",
    "letters": [LETTER_OF_OLD, {**LETTER_OF_OLD, "year": 2026}],
    "consents": [{**DENIED, "state": "active"}],
    "seed": 0,
}
"""A world as one is drawn: the authorised one is denied what is of before 2021."""


def whatever_its_time(self):
    """The same door, blind to the time of the data."""
    guard = rewrite(self._residual, lambda node: NONE if isinstance(node, Span) else None)
    return VisibleStore(self._shelf, guard, self._scope, shared=self._shared)


honest_count, honest_page = VisibleStore.count, VisibleStore.page


def counts_what_is_of_another_time(self, type_, where):
    return honest_count(whatever_its_time(self), type_, where)


def goes_on_to_what_is_of_another_time(self, type_, where, order, limit, after=None, **more):  # noqa: PLR0917 - as it stands
    page = honest_page(self, type_, where, order, limit, after, placed=True)
    beyond = honest_page(whatever_its_time(self), type_, where, order, limit, after, **more)
    return replace(page, next=page.places[-1]) if beyond.next and page.entries else page


LEAKS = [
    pytest.param("count", counts_what_is_of_another_time, 4, id="a total that passes over the time of the data"),
    pytest.param("page", goes_on_to_what_is_of_another_time, 1, id="a cursor after which there is nothing"),
]
"""Each with a hand that asks for what it spoils."""


@pytest.mark.parametrize(("name", "mistake", "hand"), LEAKS)
def test_a_leak_of_what_a_consent_denies_is_caught(pair, monkeypatch, name, mistake, hand):
    monkeypatch.setattr(VisibleStore, name, mistake)

    assert asked(pair, hand, OLD_LETTERS_DENIED)


def test_an_honest_server_is_not_accused_of_it(pair):
    assert [] == asked(pair, 1, OLD_LETTERS_DENIED)
