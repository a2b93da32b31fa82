"""Build: what the application calls to become a sandbox; without `--sandbox` this package is never imported.

May live here: construction. A Sandbox is made before the rooms, which need its clock and its identity provider, and
registered after them.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.interactions.house import House
from fhir_server.interactions.operations import published
from fhir_server.rounds.going import Rounds
from fhir_server.sandbox import identity_provider, initial, pages, short_cuts, sign_ons
from fhir_server.sandbox.clock import SandboxClock
from fhir_server.sandbox.guard import guard
from fhir_server.sandbox.mark import claim
from fhir_server.settings import Settings
from fhir_server.smart.psc import Provider
from fhir_server.smart.server import Smart
from fhir_server.store.connection import Database
from fhir_server.store.freshness import Freshness

ROUNDS_PATIENCE = 60.0
"""Seconds for which a moved clock waits for another worker that goes the rounds."""

Authenticate = Callable[[str | None], Principal]


class Sandbox:
    """A sandbox over an empty database or one of its own; EngineFault for any other.

    `clock` is the domain clock, which can be moved; `provider` plays Pro Santé Connect, unless a real one is set.
    """

    def __init__(self, settings: Settings, database: Database, freshness: Freshness) -> None:
        claim(database)
        self._database = database
        self.clock = SandboxClock(database, freshness)
        self.clock.read()
        self.provider = (
            Provider(settings.psc_issuer, settings.psc_client_id, settings.psc_client_secret)
            if settings.psc_issuer
            else identity_provider.connection(database, settings.base_url)
        )

    def register(self, app: Flask, house: House, smart: Smart, rounds: Rounds, settings: Settings) -> Authenticate:
        """Load the initial state, put up the pages, and give what says who asks at the FHIR base."""
        database = self._database

        def load() -> None:
            published.lay(house)
            initial.load(database, house.changes, sign_ons=lambda: sign_ons.register(smart, database))

        def reset() -> None:
            initial.empty(database, house.freshness)
            self.clock.reset()
            load()

        load()
        house.freshness.on("reset", lambda _: house.outbox.forget())
        house.freshness.on("reset", lambda _: house.ledger.begin_anew())
        guard(app)
        app.register_blueprint(identity_provider.blueprint(database, settings.base_url))
        desk = pages.Desk(
            base_url=settings.base_url,
            clock=self.clock,
            rounds=lambda: rounds.go(patience=ROUNDS_PATIENCE),
            clients=lambda: sign_ons.cards(database),
            outbox=house.outbox.recent,
            token=lambda asked: short_cuts.token(smart, asked),
            launch=lambda asked: short_cuts.launch(smart, asked),
            reset=reset,
        )
        app.register_blueprint(pages.blueprint(desk))
        return opened(smart.bearer.principal, settings) if settings.open else smart.bearer.principal


def opened(authenticate: Authenticate, settings: Settings) -> Authenticate:
    """A request without a token is an operator's with every right; one with a token is what its token says."""
    operator = Principal(
        kind=Kind.OPERATOR,
        subject="sandbox",
        client="sandbox",
        name="Bac à sable ouvert",
        purpose=Purpose.ADMINISTRATION,
        scopes=("system/*.cruds",),
        issuer=settings.issuer,
    )
    return lambda header: authenticate(header) if header else operator
