"""The public workloads: what they ask is valid, in order, and enough; the measuring itself needs a machine."""

from __future__ import annotations

import json
import random
from itertools import islice

import pytest

from bench import clinic, drive
from bench.public import clinical
from bench.workloads import SHAPES, WORKLOADS, Answer, Stock
from fhir_server.resources import validation
from fhir_server.resources.json_text import read, write
from fhir_server.search.supported import supported

STOCK = Stock(10)
RNG = random.Random(1)


def errors(resource):
    issues = validation.check(read(write(resource)))
    return [issue for issue in issues if issue.severity in ("error", "fatal")]


def asked(name, answers=(), many=100):
    """What a workload asks, the n-th request answered by `answers(n, ask)`."""
    workload = WORKLOADS[name](random.Random(2), STOCK)
    ask, found = next(workload), []
    for number in range(many):
        found.append(ask)
        ask = workload.send(answers(number, ask) if answers else Answer(200, "", b""))
    return found


def test_a_round_creates_reads_updates_and_deletes_nine_types_in_the_order_that_references_need():
    def created(number, ask):
        return Answer(201, f"http://127.0.0.1/fhir/{ask.path}/x{number}/_history/1", b"")

    found = asked("crud", created, 36)

    types = list(clinic.ROUND)
    assert [f"create {each}" for each in types] == [each.name for each in found[:9]]
    assert [f"{each}/x{place}" for place, each in enumerate(types)] == [each.path for each in found[9:18]]
    assert [("PUT", each.path) for each in found[9:18]] == [(each.method, each.path) for each in found[18:27]]
    assert [each.path for each in reversed(found[9:18])] == [each.path for each in found[27:]]
    claim, explanation = (json.loads(each.body) for each in found[7:9])
    assert "Patient/x0" == claim["patient"]["reference"]
    assert "Claim/x7" == explanation["claim"]["reference"]
    for ask in found[:9]:
        assert [] == errors(json.loads(ask.body))
    for before, after in zip(found[:9], found[18:27], strict=True):
        old, new = json.loads(before.body), json.loads(after.body)
        assert old != {name: value for name, value in new.items() if name != "id"}
        assert [] == errors(new)


def test_a_round_begins_anew_after_a_create_that_failed():
    found = asked("crud", lambda number, ask: Answer(503, "", b""), 3)

    assert ["create Patient"] * 3 == [each.name for each in found]


def test_some_thirty_shapes_are_asked_of_parameters_that_there_are():
    assert 30 <= len(SHAPES)
    for shape in SHAPES:
        type_, pairs = shape(RNG, STOCK)
        for name, _ in pairs:
            code = name.partition(":")[0].partition(".")[0]
            assert code.startswith("_") or code in supported(type_), name


@pytest.mark.parametrize("name", ["transaction", "import"])
def test_a_transaction_says_how_many_resources_it_brings_and_each_is_valid(name):
    for ask in asked(name, many=3):
        entries = json.loads(ask.body)["entry"]
        assert ask.weight == len(entries)
        assert len(entries) == len({each["fullUrl"] for each in entries})
        for each in entries:
            assert [] == errors(each["resource"])


def test_a_history_has_twenty_valid_resources_under_ids_of_its_own():
    found = [*clinical(3, random.Random(3)), *clinical(4, random.Random(4))]

    assert 40 == len({(each["resourceType"], each["id"]) for each in found})
    for each in found:
        assert [] == errors(each)


def test_the_same_seed_asks_the_same():
    first, second = ([(each.path, each.body) for each in asked("search")] for _ in range(2))

    assert first == second
    assert len({path for path, _ in islice(first, len(SHAPES))}) == len(SHAPES)


def test_times_are_those_of_right_answers_alone():
    tally = drive.Tally(times=[0.002, 0.001, 0.003], weight=3)
    tally.wrong["400"] += 1

    assert {"done": 3, "weight": 3, "wrong": {"400": 1}, "p50": 2.0, "p95": 3.0, "p99": 3.0} == tally.told()
