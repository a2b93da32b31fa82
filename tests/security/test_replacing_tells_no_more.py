"""A document that says that it replaces another does not tell whether something hidden stands there (DMP-136)."""

from __future__ import annotations

import pytest

from fhir_server.definitions.library import profile_json
from tests.kit import people
from tests.kit.family import UNAUTHORISED, begun, emergency
from tests.kit.replacing import alone, patching, replaces, sent, with_patch
from tests.kit.trips import TRIPS
from tests.kit.twin import Letter, Step, differences, told

WISHES = {"coding": [{"system": profile_json("dmp/document-types.json")["systems"]["A05"], "code": "EXPPAT_3"}]}
HOLDERS = {"author": [{"reference": "Patient/lea"}], "type": WISHES, "category": []}
"""What a holder may deposit."""


def tries(who, target):
    """Each way to say that what one deposits replaces something, and what may be sent along."""

    number = next((each.removeprefix("ps:") for each in who.identities if each.startswith("ps:")), "-")

    def document(name=target, *more):
        made = alone(replaces(name, *more), number)
        made |= HOLDERS if who.kind.value == "holder" else {}
        return {name: each for name, each in made.items() if name != "meta" and each != []}

    entry = {"resource": document(), "request": {"method": "POST", "url": "DocumentReference"}}
    bundle = {"resourceType": "Bundle", "entry": [entry]}
    reading = {"request": {"method": "GET", "url": target}}
    return [
        Step(who, "POST", "DocumentReference", document()),
        Step(who, "POST", "DocumentReference", document(f"{target}/_history/1")),
        Step(who, "POST", "DocumentReference", document(f"DocumentReference?_id={target.partition('/')[2]}")),
        Step(who, "POST", "DocumentReference", document(target, target)),
        Step(who, "PUT", "DocumentReference?identifier=urn:x|none", document()),
        Step(who, "POST", "", {**bundle, "type": "batch"}),
        Step(who, "POST", "", {**bundle, "type": "transaction"}),
        Step(who, "POST", "", with_patch({**bundle, "type": "transaction"}, patching(target))),
        Step(who, "POST", "", with_patch({**bundle, "type": "transaction"}, reading)),
        Step(who, "POST", "", sent(replaces(target), number)),
    ]


ASKERS = [
    pytest.param(people.radiologist(), "MASQUE_PS", 404, id="authorised"),
    pytest.param(people.radiologist(patient="lea"), "MASQUE_PS", 404, id="authorised, in a launch"),
    pytest.param(people.holder(), "INVISIBLE_PATIENT", 404, id="holder"),
    pytest.param(UNAUTHORISED, "MASQUE_PS", 404, id="nobody of the record"),
    pytest.param(emergency(), "MASQUE_PS", 404, id="bris de glace"),
    pytest.param(people.radiologist(scopes=("user/DocumentReference.cs",)), "MASQUE_PS", 403, id="by a small token"),
]


@pytest.mark.parametrize(("who", "label", "status"), ASKERS)
def test_what_is_hidden_is_replaced_as_little_as_what_is_absent_and_at_the_same_cost(databases, who, label, status):
    """Decisions 16, 17: answered as in a world in which it was never written, in the same round trips."""
    log = begun()
    log.deposit(Letter("shown"))
    log.deposit(Letter("hidden", (label,)))
    log.deposit(Letter("old", (label,)))
    superseded = [{"op": "replace", "path": "/status", "value": "superseded"}]
    log.ask(people.hospital(), "PATCH", log.names["old"], superseded, because=["old"])
    probes = [each for name in ("hidden", "old", "shown") for each in tries(who, log.names[name])]

    found = differences(databases, log.steps, frozenset({"hidden", "old"}), probes)

    assert [] == found, "\n\n".join(found)
    world, _ = told(databases(), log.steps)
    try:
        got = [world.ask(who, probe.method, probe.url, probe.body) for probe in tries(who, log.names["hidden"])]
    finally:
        world.close()
    assert {status} >= {each.status for each in got[:2]}, [each.json for each in got]


def test_what_is_superseded_without_its_patch_costs_what_it_costs_with_it(databases):
    log, costs = begun(), []
    log.deposit(Letter("one"))
    log.deposit(Letter("two"))
    world, _ = told(databases(), log.steps)
    try:
        for target, entries in ((log.names["one"], ()), (log.names["two"], (patching(log.names["two"]),))):
            world.settle()
            world.house.records.record("lea")
            TRIPS.forget()
            made = world.ask(people.hospital(), "POST", "", with_patch(sent(replaces(target)), *entries))
            costs.append(TRIPS.told())
            assert 200 == made.status, made.json
    finally:
        world.close()
    assert costs[0] == costs[1] != []
