"""What a decision costs: `decide` alone, in one process, with few directives and with many.

May live here: requests and directives made up, and the clock around them. May not know: the store, HTTP. `python -m
bench.decide` prints the median of many rounds in microseconds; nothing else should run meanwhile.
"""

from __future__ import annotations

import json
import statistics
import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fhir_server.consent.decision import decide
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.resources import consent_patterns

KINDS = (
    ("ps-autorisation", "permit"),
    ("ps-blocage", "deny"),
    ("etablissement", "permit"),
    ("alimentation", "deny"),
    ("urgence-bris-de-glace", "deny"),
    ("urgence-samu", "deny"),
)
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
ROUNDS, TIMES = 301, 50


def consent(index: int, kind: str, actor: str, type_: str) -> dict[str, Any]:
    """A Consent of ours that names one actor, for two years."""
    period = {"start": "2026-01-01", "end": "2027-12-31"}
    made = consent_patterns.consent(
        kind, "Patient/lea", NOW.isoformat(), permit=type_ == "permit", actor=actor, period=period
    )
    return {**made, "id": f"c{index}"}


def directives(count: int) -> Directives:
    """One that names who asks, the others somebody else, of every kind."""
    named = [consent(0, "ps-autorisation", "Practitioner/diallo", "permit")]
    named += [
        consent(each, KINDS[each % 6][0], f"Practitioner/x{each}", KINDS[each % 6][1]) for each in range(1, count)
    ]
    return Directives(tuple(found for each in named if (found := parse(each)) is not None))


def request(verb: Any, purpose: Purpose) -> AccessRequest:
    """A radiologist's, who may consult."""
    who = Principal(
        kind=Kind.PROFESSIONAL,
        subject="diallo",
        client="bench",
        reference="Practitioner/diallo",
        identities=frozenset({"Practitioner/diallo", "ps:810000000011"}),
        organizations=frozenset({"Organization/cabinet", "org:1750000011"}),
        profession="10",
        sector="SA07",
        purpose=purpose,
        reason="risque immédiat",
    )
    return AccessRequest(
        principal=who, verb=verb, type="DocumentReference", patient="lea", now=NOW, standing="open", birth="1984-05-12"
    )


def microseconds(work: Callable[[], object]) -> float:
    """The median over rounds of one run of the work."""
    work()
    return statistics.median(timeit.repeat(work, number=TIMES, repeat=ROUNDS)) / TIMES * 1e6


def main() -> int:
    """Print the table, or JSON with `--json`."""
    matrix, asks = (
        Matrix.load(),
        (("search", Purpose.TREATMENT), ("search", Purpose.BREAK_GLASS), ("create", Purpose.TREATMENT)),
    )
    rows = []
    for verb, purpose in asks:
        asked = request(verb, purpose)
        few, many = directives(20), directives(1000)
        # in turns, so that what else the machine does is shared out
        costs = [
            (microseconds(lambda: decide(asked, few, matrix)), microseconds(lambda: decide(asked, many, matrix)))  # noqa: B023
            for _ in range(3)
        ]
        least, most = min(each for each, _ in costs), min(each for _, each in costs)
        rows.append({"verb": verb, "purpose": purpose.value, "20": least, "1000": most, "ratio": most / least})
    if "--json" in sys.argv:
        print(json.dumps(rows))
        return 0
    for row in rows:
        costs_ = f"{row['20']:6.1f} µs with 20, {row['1000']:6.1f} with 1,000: {row['ratio']:.2f}"
        print(f"{row['verb']:8} {row['purpose']:8} {costs_}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
