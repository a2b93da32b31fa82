"""The house: everything an interaction works with, wired once by `app.py`.

May live here: that one record. May not know: how its members are made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir_server.audit_event.ledger import Ledger
from fhir_server.consent.directives import Records
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.memory import Memory
from fhir_server.interactions.request import FhirResponse
from fhir_server.notices.outbox import Outbox
from fhir_server.store.changes import Changes
from fhir_server.store.freshness import Freshness
from fhir_server.store.given import Given
from fhir_server.store.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Limits:
    """Standing limits: entries of a bundle, matches of a page, included resources, records one search may span,
    values of one parameter, links of a chain and what each may lead through (`linked`), bytes of an address
    (docs/reference/limits.md).
    """  # noqa: D205 - the sentence is the summary

    entries: int = 1000
    page: int = 1000
    default_page: int = 20
    records: int = 100
    values: int = 500
    chain_depth: int = 5
    linked: int = 5_000
    included: int = 1000
    url: int = 8000


@dataclass(frozen=True, slots=True)
class House:
    """One per process.

    `clock` is the domain clock (decisions 11), `ids` the source of resource ids (UUIDv7), `run` what runs each
    interaction (`registry.RUN`), `memory` decides by the matrix. `partings` are what else forgets the people of a
    record (patient id) that is destroyed. `sights` is what is remembered of the doors that were opened (`at_hand.py`),
    and `given` bounds what they keep of the pages they gave.
    """

    shelf: Shelf
    changes: Changes
    freshness: Freshness
    records: Records
    matrix: Matrix
    memory: Memory
    ledger: Ledger
    outbox: Outbox
    clock: Callable[[], datetime]
    ids: Callable[[], str]
    seal_key: bytes
    limits: Limits = Limits()
    run: Mapping[str, Callable[[Any], FhirResponse]] = field(default_factory=dict)
    announced: set[tuple[str, str]] = field(default_factory=set)
    partings: list[Callable[[str], None]] = field(default_factory=list)
    sights: dict[Hashable, Any] = field(default_factory=dict)
    given: Given = field(default_factory=lambda: Given(0))
    canonical: str = "https://dmp-on-fhir.example"
