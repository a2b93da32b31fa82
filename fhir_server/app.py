"""The application: the only module that knows everybody. It wires the rooms and returns Flask.

May live here: construction and the order of starting and stopping. May not live here: a decision of any kind.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from fhir_server.audit_event.ledger import Ledger
from fhir_server.consent.directives import Records
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.memory import Memory
from fhir_server.foundation.principal import Principal
from fhir_server.foundation.uuid7 import uuid7
from fhir_server.http import documentation, errors, fhir, health, oauth, sign_in, swagger_ui
from fhir_server.http.application import Application
from fhir_server.http.browser import Browser
from fhir_server.interactions import at_hand, picker, tokens
from fhir_server.interactions.directory import StoredDirectory
from fhir_server.interactions.house import House, Limits
from fhir_server.interactions.operations import published
from fhir_server.interactions.pipeline import compile_criteria
from fhir_server.interactions.registry import RUN
from fhir_server.notices.mail import Mail
from fhir_server.notices.outbox import Outbox, Way
from fhir_server.notices.text import Letter, Text
from fhir_server.rounds.act import Means
from fhir_server.rounds.going import Rounds
from fhir_server.settings import Settings, SettingsFault
from fhir_server.smart.parting import forget
from fhir_server.smart.psc import Provider
from fhir_server.smart.registration import Vouching
from fhir_server.smart.server import Config, Smart, build
from fhir_server.store import own_parameters
from fhir_server.store.changes import Changes
from fhir_server.store.connection import Database, connect
from fhir_server.store.freshness import Freshness
from fhir_server.store.given import Given
from fhir_server.store.secret_keys import secret_key
from fhir_server.store.shelf import Shelf
from fhir_server.store.turn import Turn

if TYPE_CHECKING:
    from fhir_server.sandbox.build import Sandbox

Clock = Callable[[], datetime]


def now() -> datetime:
    """The domain clock of a server that is no sandbox: real time."""
    return datetime.now(UTC)


def build_house(
    database: Database,
    settings: Settings,
    *,
    clock: Clock = now,
    ids: Callable[[], str] = uuid7,
    freshness: Freshness | None = None,
    once: Database | None = None,
) -> House:
    """The House over a database, prepared but not started (`open_house`).

    `once` is the same database through a client that sends a write once, for the ledger, which keeps count itself.
    """
    ledger = Ledger(database if once is None else once)
    shelf = Shelf(database, settings.max_time_ms, settings.fhir_base, ledger.crowd)
    fresh = freshness or Freshness(database, f"{os.getpid()}-{uuid.uuid4().hex[:8]}")
    shelf.prepare()
    fresh.prepare()
    fresh.on(own_parameters.CHANGED, lambda _: own_parameters.load(shelf))
    own_parameters.load(shelf)
    ledger.prepare()
    outbox = Outbox(database, _ways(settings), sandbox=settings.sandbox)
    outbox.prepare()
    house = House(
        shelf=shelf,
        changes=Changes(shelf, fresh, clock, ids),
        freshness=fresh,
        records=Records(shelf, fresh),
        matrix=Matrix.load(),
        memory=Memory(Matrix.load()),
        ledger=ledger,
        outbox=outbox,
        clock=clock,
        ids=ids,
        seal_key=secret_key(database, "cursor"),
        run=RUN,
        given=Given(settings.kept_pages * 1_000_000),
        limits=Limits(
            entries=settings.max_entries,
            page=settings.max_count,
            values=settings.max_values,
            chain_depth=settings.chain_depth,
            linked=settings.max_linked,
            included=settings.max_included,
            url=settings.max_url,
        ),
    )
    fresh.on("record", lambda patient: at_hand.forget(house, patient))
    published.lay(house)
    return house


def _ways(settings: Settings) -> dict[str, Way]:
    """The ways out that are configured; a channel without one keeps its notices in the outbox."""
    ways: dict[str, Way] = {}
    if settings.smtp_url:
        ways["mail"] = Mail(settings.smtp_url, settings.mail_from)
    if settings.text_gateway:
        ways["text"] = Text(settings.text_gateway)
    if settings.letter_gateway:
        ways["post"] = Letter(settings.letter_gateway)
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


def build_smart(house: House, settings: Settings, database: Database, provider: Provider | None) -> Smart:
    """The OAuth room over the same database, asking this house who people are and who may have no token."""
    return build(
        Config(
            issuer=settings.issuer,
            fhir_base=settings.fhir_base,
            mongo_uri=settings.mongo_uri,
            database=database.name,
            provider=provider,
            alias=f"smart-{database.name}",
            vouching=Vouching(_statement_keys(settings), open=settings.sandbox),
        ),
        directory=StoredDirectory(house.shelf, house.clock),
        refuses=tokens.refuser(house),
        sees=tokens.seer(house),
        finds=picker.finder(house, settings.fhir_base),
        freshness=house.freshness,
        issued=tokens.told(house, settings.fhir_base),
        recorded=tokens.registered(house, settings.fhir_base),
        send_code=tokens.code_sender(house),
        compile_=compile_criteria,
    )


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application of one process; without settings, everything comes from the environment."""
    chosen = settings or Settings.read()
    clients = connect(chosen.mongo_uri), connect(chosen.mongo_uri, once=True)
    database, once = (client[chosen.database] for client in clients)
    app = Application("fhir_server", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=chosen.max_body,
        MAX_DEPTH=chosen.max_depth,
        MAX_CONTENT=chosen.max_content,
        MAX_URL=chosen.max_url,
        MAX_QUERY=chosen.max_query,
        CORS_ORIGINS=frozenset(chosen.cors_origins.split()),
    )
    if chosen.behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=0, x_host=0)  # type: ignore[method-assign]
    freshness = Freshness(database, f"{os.getpid()}-{uuid.uuid4().hex[:8]}")
    sandbox = _sandbox(chosen, database, freshness)
    house = build_house(
        database,
        chosen,
        clock=sandbox.clock if sandbox else now,
        freshness=freshness,
        once=once,
    )
    smart = build_smart(house, chosen, database, sandbox.provider if sandbox else _provider(chosen))
    smart.prepare()
    house.partings.append(lambda patient: forget(smart.records, smart.revocation, patient))
    open_house(house)
    rounds = Rounds(means(house, smart.sessions.end_all, chosen))
    rounds.start()
    authenticate: Callable[[str | None], Principal] = smart.bearer.principal
    if sandbox:
        authenticate = sandbox.register(app, house, smart, rounds, chosen)
    app.register_blueprint(fhir.blueprint(house, authenticate, chosen.fhir_base, smart.security.failed))
    documented = documentation.api(app, chosen.issuer)
    errors.register(app)
    documented.register_blueprint(health.blueprint(house))
    browser = Browser(smart, places=chosen.threads // 2)
    documented.register_blueprint(oauth.blueprint(smart, browser))
    app.register_blueprint(sign_in.blueprint(smart, browser))
    app.register_blueprint(swagger_ui.blueprint())
    documentation.complete(app, documented)
    _at_exit(house, rounds)
    app.extensions["house"] = house
    app.extensions["smart"] = smart
    app.extensions["rounds"] = rounds
    app.extensions["clients"] = clients
    return app


def means(house: House, revoke: Callable[[str], int], settings: Settings) -> Means:
    """What the rounds work with, prepared; `revoke` ends the grants and sign-ins of a person (`Type/id`)."""
    turn = Turn(house.shelf.database)
    turn.prepare()
    return Means(house, turn, settings.fhir_base, revoke)


def _at_exit(house: House, rounds: Rounds) -> None:
    """Have the rounds ended and the house closed with this process: a worker's end is not `atexit`'s."""
    if multiprocessing.parent_process() is None:
        atexit.register(close_house, house)
        atexit.register(rounds.stop)  # the last that was registered comes first
    else:
        Finalize(None, rounds.stop, exitpriority=101)
        Finalize(None, close_house, args=(house,), exitpriority=100)


def _statement_keys(settings: Settings) -> tuple[Mapping[str, Any], ...]:
    """The keys of who vouches for apps. Raises SettingsFault where they cannot be read."""
    if not settings.statement_keys:
        return ()
    try:
        keys = json.loads(Path(settings.statement_keys).read_text("utf-8"))["keys"]
        return tuple(dict(each) for each in keys)
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise SettingsFault("`--statement-keys` is no JWK set: give the public keys of who signs statements") from cause


def _provider(settings: Settings) -> Provider | None:
    """Pro Santé Connect, if it is configured."""
    if not settings.psc_issuer:
        return None
    return Provider(settings.psc_issuer, settings.psc_client_id, settings.psc_client_secret)


def _sandbox(settings: Settings, database: Database, freshness: Freshness) -> Sandbox | None:
    """The sandbox, of which nothing is imported without the flag (decisions 4)."""
    if not settings.sandbox:
        return None
    from fhir_server.sandbox.build import Sandbox

    return Sandbox(settings, database, freshness)
