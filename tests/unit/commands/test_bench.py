"""bench: what is made of the slices; the measuring itself needs a machine."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime

import pytest
from rich.console import Console

from bench import load, town
from fhir_server.commands.bench import (
    ANEW,
    GOALS,
    KEPT,
    TRACED,
    Finding,
    Pair,
    Slice,
    rendered,
    report,
    shared_out,
    show,
)
from fhir_server.resources import validation
from fhir_server.resources.json_text import read, write

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
FACTS = {"clients": 32, "workers": 2, "cpu": "abacus"}


def slice_(rate=1000.0, p50=1.0, wrong=None):
    return Slice(rate, sum((wrong or {}).values()), p50, wrong or {})


def finding(shape="read", rates=((1200, 1000), (1500, 1000), (900, 1000)), wrong=None):
    many = tuple(Pair(slice_(bare), slice_(ours, wrong=wrong)) for bare, ours in rates)
    return Finding(shape, many, (Pair(slice_(p50=0.5), slice_(p50=1.5)), Pair(slice_(p50=0.7), slice_(p50=1.3))))


def told(**more):
    return report([finding(shape, **more) for shape in (*GOALS, ANEW, *KEPT, *TRACED)], FACTS, 9000.4)


def test_a_ratio_is_the_median_of_the_pairs_so_that_one_noisy_slice_does_not_make_it():
    assert 1.2 == finding().ratio
    assert [0.9, 1.2, 1.5] == finding().ratios


def test_a_server_that_answered_nothing_has_an_infinite_ratio():
    assert float("inf") == finding(rates=((1200, 0),)).ratio


def test_the_p50_at_one_client_is_compared_as_the_median_of_its_slices():
    assert {"bare": 0.6, "server": 1.4, "ratio": 2.333} == finding().p50


def test_wrong_answers_are_told_with_what_they_were_and_whose():
    assert {"server 503": 6} == finding(wrong={"503": 2}).errors
    assert {} == finding().errors
    assert {*GOALS, ANEW, *KEPT, *TRACED} == set(told(wrong={"503": 1})["errors"])


def test_the_json_has_the_ratios_among_its_keys():
    found = told()

    assert {"read": 1.2, "search": 1.2, "create": 1.2} == {name: found[name] for name in ("read", "search", "create")}
    assert {"read": [0.9, 1.5]}.items() <= found["spread"].items()
    assert FACTS == found["machine"]
    assert 9000 == found["load_at_most"]


def test_people_see_the_ratios_the_errors_and_the_machine():
    console = Console(record=True, width=140, file=io.StringIO())
    show(told(wrong={"503": 1}), console)
    shown = console.export_text()

    for each in ("1.20", "≤ 1.25", "0.90 to 1.50", "server 503", "abacus", "9000 requests/s"):
        assert each in shown


def test_every_client_gets_requests_and_no_two_records_are_asked_by_two_clients_while_there_are_enough():
    records = [[f"{place}"] for place in range(8)]

    assert [["0", "4"], ["1", "5"], ["2", "6"], ["3", "7"]] == shared_out(records, 4)
    assert [["0"], ["0"], ["0"]] == shared_out(records[:1], 3)
    assert 4 == max(len(each) for each in shared_out([["x"]] * 100, 2))


def test_a_request_is_rendered_as_it_goes_over_the_wire():
    head, _, body = rendered("POST", "/fhir/Observation", 80, "abc", b"{}").partition("\r\n\r\n")

    assert "{}" == body
    assert "POST /fhir/Observation HTTP/1.1" == head.split("\r\n")[0]
    assert {"Authorization: Bearer abc", "Content-Length: 2"} <= set(head.split("\r\n"))


def test_the_load_reads_the_length_of_an_answer_and_refuses_one_without():
    assert 12 == load.length_of(b"HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-length: 12")
    with pytest.raises(SystemExit):
        load.length_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")


def test_the_load_tells_percentiles_in_milliseconds():
    times = [each / 1000 for each in range(1, 101)]

    assert (51.0, 100.0, 0.0) == (load.at(times, 50), load.at(times, 99), load.at([], 50))


def test_the_town_is_the_same_every_time_and_valid():
    def everybody():
        return [*town.shared(), *town.record(3, random.Random(3), NOW), town.observation(3, random.Random(3), NOW)]

    assert everybody() == everybody()
    for each in everybody():
        errors = [issue for issue in validation.check(read(write(each))) if issue.severity in ("error", "fatal")]
        assert [] == errors, each["resourceType"]
    assert town.DOCUMENTS == sum(each["resourceType"] == "DocumentReference" for each in everybody())


def test_every_ins_of_the_town_has_its_control_key():
    from fhir_server.definitions.identifiers import ins_is_valid

    assert all(ins_is_valid(town.ins(number)) for number in (0, 1, 99, 12_345, 999_999))
