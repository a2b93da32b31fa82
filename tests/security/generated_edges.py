"""Generated edges: the first and the last second of each period, and a second beyond; ages to the day.

May live here: cases as those of `generated_cases.py`, about time. May not know: how a case is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from generated_cases import GUARD, LAW, Case, case, writes


def every() -> list[Case]:
    """All of them."""
    return [*edges_of_periods(), *edges_of_age()]


SECOND = timedelta(seconds=1)


def edges_of_periods() -> Iterator[Case]:
    """A second before, at, and after both ends; whole days, whole months, instants, open ends."""
    day = "2026-11-{:02}T{}+00:00"
    spans = (
        ("un jour entier", {"start": "2026-11-10", "end": "2026-11-10"}, day.format(10, "00:00:00"), day.format(10, "23:59:59")),
        ("plusieurs jours", {"start": "2026-11-10", "end": "2026-11-12"}, day.format(10, "00:00:00"), day.format(12, "23:59:59")),
        ("un mois entier", {"start": "2026-11", "end": "2026-11"}, day.format(1, "00:00:00"), day.format(30, "23:59:59")),
        ("une année entière", {"start": "2026", "end": "2026"}, "2026-01-01T00:00:00+00:00", "2026-12-31T23:59:59+00:00"),
        (
            "deux instants",
            {"start": "2026-11-10T08:30:00Z", "end": "2026-11-10T09:30:00Z"},
            day.format(10, "08:30:00"),
            day.format(10, "09:30:00"),
        ),
        ("sans fin", {"start": "2026-11-10"}, day.format(10, "00:00:00"), None),
        ("sans début", {"end": "2026-11-10"}, None, day.format(10, "23:59:59")),
    )  # fmt: skip
    kinds = (
        ("authorisation", "Practitioner/diallo", {}, {"sees": ["cr"]}, {"hides": ["cr"]}),
        ("establishment", "Organization/cabinet", {}, {"sees": ["cr"]}, {"hides": ["cr"]}),
        ("treatingPhysician", "Practitioner/diallo", {}, {"sees": ["masque"]}, {"hides": ["masque"]}),
        ("block", "Practitioner/diallo", {"deny": True}, {"refused": "party.blocked"}, {"sees": ["sien"]}),
    )
    for said, period, first, last in spans:
        for name, actor, more, within, without in kinds:
            given = [{"type": LAW["consents"][name], "actor": actor, "period": period, **more}]
            asks = [
                {"as": "diallo", "now": now, "expect": within if there else without}
                for now, there in around(first, last)
            ]
            title = f"{LAW['consents'][name]}, {said}: du premier au dernier instant"
            documents = ["sien"] if name == "block" else ["cr", "masque"]
            rule = "blocked" if name == "block" else "authorised_professional"
            yield case(title, rule, "DMP-120 DMP-125", asks, consents=given, documents=documents)
        for word, mode in (("BTG", "emergency"), ("ETREAT", "emergency")):
            row, who = LAW["emergency"][word], "regulateur" if word == "ETREAT" else "diallo"
            given = [{"type": row["type"], "deny": True, "period": period}]
            granted = {"granted": "emergency.break-glass" if word == "BTG" else "emergency.dispatch"}
            asks = [
                {"as": who, "purpose": word, "reason": "risque", "now": now,
                 "expect": {"refused": "emergency.opposed"} if there else granted}
                for now, there in around(first, last)
            ]  # fmt: skip
            yield case(f"{row['type']}, {said}: du premier au dernier instant", mode, "DMP-73", asks, consents=given)
        given = [{"type": LAW["consents"]["feeding"], "deny": True, "period": period}]
        asks = [
            writes("diallo", "DocumentReference", {"type": "11488-4"}, now=now, allowed=not there)
            for now, there in around(first, last)
        ]
        title = f"{LAW['consents']['feeding']}, {said}: du premier au dernier instant"
        yield case(title, "feeding_opposed", "K11", asks, consents=given)


def around(first: str | None, last: str | None) -> list[tuple[str, bool]]:
    """Moments, and whether each lies within."""
    found = []
    if first is not None:
        start = datetime.fromisoformat(first)
        found += [(start - SECOND, False), (start, True)]
    else:
        found.append((datetime.fromisoformat("1990-01-01T00:00:00+00:00"), True))
    if last is not None:
        end = datetime.fromisoformat(last)
        found += [(end, True), (end + SECOND, False)]
    else:
        found.append((datetime.fromisoformat("2199-01-01T00:00:00+00:00"), True))
    return [(each.isoformat(), there) for each, there in found]


def edges_of_age() -> Iterator[Case]:
    """The last second of childhood, the first of age, a year before and after; a holder born on the 29th of February."""
    years = LAW["ages"]["majority"]
    for birth, of_age in (("{}-11-23", "2026-11-23"), ("{}-11-24", "2026-11-24")):
        at = datetime.fromisoformat(f"{of_age}T00:00:00+00:00")
        born = birth.format(2026 - years)
        asks = [
            {"as": "paul", "now": (at - SECOND).isoformat(), "expect": {"sees": ["cr"]}},
            {"as": "paul", "now": at.isoformat(), "expect": {"hides": ["cr"]}},
        ]
        world = {"record": {"birth": born}, "related": [GUARD], "documents": ["cr"]}
        title = f"Le représentant d'un enfant né le {born} voit jusqu'à la veille de ses {years} ans"
        yield case(title, "legal_representative", "DMP-142", asks, **world)
    day = {"period": {"start": "2026-11-10", "end": "2026-11-22"}}
    asks = [
        {"as": "paul", "now": f"2026-11-{at}+00:00", "expect": {"sees" if there else "hides": ["cr"]}}
        for at, there in (
            ("09T23:59:59.999999", False),
            ("10T00:00:00", True),
            ("22T23:59:59.999999", True),
            ("23T00:00:00", False),
        )
    ]
    world = {"record": {"birth": "2015-03-01"}, "related": [{**GUARD, **day}], "documents": ["cr"]}
    yield case("Une représentation vaut du premier au dernier instant", "legal_representative", "DMP-91", asks, **world)
    leap = {"record": {"birth": "2008-02-29"}, "related": [GUARD], "documents": ["cr"]}
    asks = [
        {"as": "paul", "now": "2026-02-28T23:59:59+00:00", "expect": {"sees": ["cr"]}},
        {"as": "paul", "now": "2026-03-01T00:00:00+00:00", "expect": {"hides": ["cr"]}},
    ]
    yield case("Né un 29 février, majeur le 1er mars", "legal_representative", "DMP-142", asks, **leap)
