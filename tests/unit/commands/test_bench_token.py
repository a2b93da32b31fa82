"""bench, the token's part: what is made of the slices; the measuring itself needs a machine."""

from __future__ import annotations

from fhir_server.commands import bench_token
from fhir_server.foundation.principal import Kind, Principal, Purpose

FOUND = [(0.0002, 0.00021), (0.0002, 0.00022), (0.0004, 0.0004)]


def test_the_ratio_is_the_median_pairs_and_times_are_in_microseconds():
    assert {
        "ratio": 1.05, "spread": [1.0, 1.1], "goal": 1.15, "bare": 200, "checked": 220, "first": 1000,
    } == bench_token.told(FOUND, 0.001)  # fmt: skip


def test_people_read_it_in_a_line():
    line = bench_token.line(bench_token.told(FOUND, 0.001))
    for each in ("200 µs", "1.05 times", "1.00 to 1.10", "≤ 1.15", "1000 µs"):
        assert each in line


def test_what_is_priced_is_the_bearer_and_the_scopes():
    asked = []

    class Bearer:
        def principal(self, header):
            asked.append(header)
            return Principal(Kind.PROFESSIONAL, "s", "c", purpose=Purpose.TREATMENT, scopes=("user/*.rs",), patient="p")

    bench_token.check_of(Bearer())("Bearer x", "DocumentReference")
    assert ["Bearer x"] == asked
