"""Led: what a search asked on the way to its answer, through the links of its chains, and what stays on record of it.

May live here: the records that links were asked in, and how the trace of a match hides with what led to it. May not
know: how a link is followed (`chained.py`), who is answered what.

A chained search tells something of every record it asked, whatever it shows: so each of them has a trace, which says
nothing of what was found. Where a record was asked only because of what the asker wrote there, its trace would tell
that this is there: it hides with it (decisions 16 and 20).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.consent.decision import Deny
from fhir_server.store.documents import LISTS, Stored, mention


@dataclass(frozen=True, slots=True)
class Led:
    """One link, followed: the records it was asked in, and of these the ones it `named` itself.

    `written` are those asked only because the asker wrote there what was asked for, `shut` the refusals, `passed` what
    it led through, without the bodies.
    """

    patients: tuple[str, ...]
    named: frozenset[str]
    written: frozenset[str]
    shut: Mapping[str, Deny]
    passed: Sequence[Stored] = field(repr=False)


def told(links: Iterable[Led]) -> Iterator[str]:
    """The records that a chained search tells of whatever it found there."""
    for link in links:
        for patient in link.patients:
            if patient in link.named or not (patient in link.written or patient in link.shut):
                yield patient


def refused(links: Iterable[Led]) -> dict[str, Deny]:
    """Why the records that links named themselves stayed shut, by record."""
    return {patient: deny for link in links for patient, deny in link.shut.items() if patient in link.named}


def because_of_what_is_there(links: Iterable[Led]) -> list[Stored]:
    """What links led through in records that they asked only because of what the asker wrote there."""
    return [
        each
        for link in links
        for each in link.passed
        if any(patient in link.written or patient in link.shut for patient in each.facts.get("patients", ()))
    ]


def facts_of(version: Stored, patient: str | None, links: Sequence[Led]) -> dict[str, Any]:
    """The access facts of what is shown, with copies of what led to it in that record: it is known by one of these."""
    facts = {"id": version.id, **version.facts}
    for link in reversed(links):
        by = [mention(each.id, each.facts, (), item=True) for each in link.passed if _is_of(each, patient)]
        if by:
            return {**facts, "mentions" if version.type in LISTS else "held": by}
    return facts


def _is_of(version: Stored, patient: str | None) -> bool:
    return version.id != f"Patient/{patient}" and patient in version.facts.get("patients", ())
