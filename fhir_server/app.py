"""The application: the only module that knows everybody. It wires the rooms and returns Flask.

May live here: construction and the order of starting and stopping. May not live here: a decision of any kind.
"""

from __future__ import annotations

import atexit
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from pymongo.database import Database

from fhir_server.audit_event.ledger import Ledger
from fhir_server.consent.directives import Records
from fhir_server.consent.matrix import Matrix
from fhir_server.foundation.uuid7 import uuid7
from fhir_server.http import errors, fhir, health
from fhir_server.interactions.house import House, Limits
from fhir_server.notices.mail import Mail
from fhir_server.notices.outbox import Outbox, Way
from fhir_server.notices.text import Text
from fhir_server.settings import Settings
from fhir_server.store.changes import Changes
from fhir_server.store.connection import connect
from fhir_server.store.documents import Shelf
from fhir_server.store.freshness import Freshness
from fhir_server.store.secret_keys import secret_key

Clock = Callable[[], datetime]


def now() -> datetime:
    """The domain clock of a server that is no sandbox: real time."""
    return datetime.now(UTC)


def build_house(
    database: Database[dict[str, Any]],
    settings: Settings,
    *,
    clock: Clock = now,
    ids: Callable[[], str] = uuid7,
    freshness: Freshness | None = None,
) -> House:
    """The House over a database, prepared but not started (`open_house`)."""
    shelf = Shelf(database)
    fresh = freshness or Freshness(database, f"{os.getpid()}-{uuid.uuid4().hex[:8]}")
    shelf.prepare()
    fresh.prepare()
    ledger = Ledger(database)
    ledger.prepare()
    outbox = Outbox(database, _ways(settings), sandbox=settings.sandbox)
    outbox.prepare()
    return House(
        shelf=shelf,
        changes=Changes(shelf, fresh, clock, ids),
        freshness=fresh,
        records=Records(shelf, fresh),
        matrix=Matrix.load(),
        ledger=ledger,
        outbox=outbox,
        clock=clock,
        ids=ids,
        seal_key=secret_key(database, "cursor"),
        limits=Limits(entries=settings.max_entries, page=settings.max_count),
    )


def _ways(settings: Settings) -> dict[str, Way]:
    """The ways out that are configured; a channel without one keeps its notices in the outbox."""
    ways: dict[str, Way] = {}
    if settings.smtp_url:
        ways["mail"] = Mail(settings.smtp_url, settings.mail_from)
    if settings.text_gateway:
        ways["text"] = Text(settings.text_gateway)
    return ways


def open_house(house: House) -> None:
    """Start what runs beside the requests; the ledger first takes in what was carried."""
    house.freshness.start()
    house.ledger.start()
    house.outbox.start()


def close_house(house: House) -> None:
    """Drain and stop, in the opposite order."""
    house.outbox.stop()
    house.ledger.stop()
    house.freshness.stop()


def create_app(settings: Settings | None = None, database: Database[dict[str, Any]] | None = None) -> Flask:
    """The WSGI application of one process; without arguments, everything comes from the environment."""
    chosen = settings or Settings.read()
    base = database if database is not None else connect(chosen.mongo_uri)[chosen.database]
    app = Flask("fhir_server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = chosen.max_body
    errors.register(app)
    freshness = Freshness(base, f"{os.getpid()}-{uuid.uuid4().hex[:8]}")
    clock: Clock = now
    if chosen.sandbox:
        from fhir_server.sandbox import build as sandbox

        clock = sandbox.clock(base, freshness)
    house = build_house(base, chosen, clock=clock, freshness=freshness)
    smart = sign_on.build(house, chosen, base)
    authenticate = smart.bearer.principal
    if chosen.sandbox:
        authenticate = sandbox.register(app, house, smart, chosen, base)
    app.register_blueprint(fhir.blueprint(house, authenticate, chosen.fhir_base))
    app.register_blueprint(health.blueprint(house))
    sign_on.register(app, smart, chosen)
    open_house(house)
    atexit.register(close_house, house)
    app.extensions["house"] = house
    app.extensions["smart"] = smart
    return app
