"""The whole application over Flask's client: an app on a database of its own, and tokens as good or bad as one likes."""

from __future__ import annotations

import atexit
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from joserfc import jwt

from fhir_server.app import close_house, create_app
from fhir_server.settings import Settings
from fhir_server.smart.claims import ACCESS_TOKEN, claims_of
from tests.kit import people
from tests.kit.databases import given_back, lent
from tests.kit.world import submission

FHIR_JSON = "application/fhir+json"
READER = "tests"
DEMONSTRATION = "urn:oid:1.2.250.1.213.1.4.11"
"""The INS system of the sandbox's people."""


@contextmanager
def application(mongo_uri: str, mongo_client: Any, **flags: Any) -> Iterator[Flask]:
    """An application, a sandbox unless told otherwise; closed, and its database emptied, afterwards."""
    database = lent(mongo_client)
    app = create_app(Settings.read({}, mongo_uri=mongo_uri, database=database.name, **{"sandbox": True, **flags}))
    yield app
    app.extensions["rounds"].stop()
    atexit.unregister(close_house)
    close_house(app.extensions["house"])
    app.extensions["smart"].close()
    for client in app.extensions["clients"]:
        client.close()
    given_back(database)


def granted(app: Flask, scopes: str = "system/*.cruds") -> str:
    """A grant of these scopes to an operator, kept as the server keeps them; its key."""
    smart = app.extensions["smart"]
    key = uuid.uuid4().hex
    now = datetime.now(UTC)
    if smart.clients.find(READER) is None:
        smart.clients.add(
            "public", client_id=READER, name="tests", redirect_uris=("http://127.0.0.1/cb",), scope="user/*.cruds"
        )
    made = smart.records.grants.insert(
        key=key, client=READER, person={"kind": "operator"}, scope=scopes.split(), purpose="HSYSADMIN", launch={},
        authenticated=now, made=now, expires=now + timedelta(hours=1),
    )  # fmt: skip
    assert made is not None
    return key


def claims(app: Flask, scopes: str = "system/*.cruds", *, grant: str | None = None, **changes: Any) -> dict[str, Any]:
    """The claims of an operator's access token; `changes` alter them, None takes one away."""
    config = app.extensions["smart"].config
    operator = replace(
        people.operator(),
        client=READER,
        issuer=config.issuer,
        token=f"{grant or granted(app, scopes)}.{uuid.uuid4().hex[:8]}",
        scopes=tuple(scopes.split()),
    )
    made = claims_of(operator, fhir_base=config.fhir_base, now=datetime.now(UTC), lifetime=timedelta(minutes=5))
    made |= changes
    return {name: value for name, value in made.items() if value is not None}


def signed(app: Flask, told: dict[str, Any], *, alg: str = "ES256", typ: str = ACCESS_TOKEN) -> str:
    """These claims, signed by the server's own key."""
    kid, key = app.extensions["smart"].keys.signing(alg)
    return jwt.encode({"alg": alg, "typ": typ, "kid": kid}, told, key, algorithms=[alg])


def bearer(app: Flask, scopes: str = "system/*.cruds", **changes: Any) -> dict[str, str]:
    """The Authorization header of an operator with these scopes."""
    return {"Authorization": f"Bearer {signed(app, claims(app, scopes, **changes))}"}


def deposit(patient: str = "181096912300276", unique: str | None = None, **more: Any) -> dict[str, Any]:
    """An ITI-65 transaction of one letter into a sandbox's record (Paul's, unless told by INS), with a uniqueId of its own."""
    made = submission(unique or f"urn:uuid:{uuid.uuid4()}", ins=patient, **more)
    text = (
        json.dumps(made)
        .replace(people.INS_SYSTEM, DEMONSTRATION)
        .replace("Organization/chu", "Organization/hopital-vallee")
    )
    read: dict[str, Any] = json.loads(text)
    return read


def until(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
