"""The bare twin: what a Flask view costs that does the same errand with no record around it.

May live here: a `find_one` by id, a page of twenty, one majority insert. No token, no consent, no validation, no trace:
it is what the server is measured against (docs/performance.md). The same three under `/traced` have the server's own
ledger keep a record of it too: what a durable trace alone costs whoever keeps one.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

from flask import Flask, Response, request
from pymongo import DESCENDING, MongoClient
from pymongo.write_concern import WriteConcern

from fhir_server.audit_event.ledger import Along, Ledger
from fhir_server.commands.processors import keep_to_one
from fhir_server.store.collections import make_collections

JSON = "application/fhir+json; charset=utf-8"
PAGE = 20


def create_app(check: Callable[[str | None, str], None] | None = None) -> Flask:
    """The three views over the database that the environment names; `check` is done before a read."""
    if "BARE_KEPT" in os.environ:
        keep_to_one(int(os.environ["BARE_KEPT"]), str(os.getppid()))
    app = Flask("bare", static_folder=None)
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["BARE_MONGO_URI"])
    database = client[os.environ["BARE_DATABASE"]]
    resources = database["resources"]
    inserted = database.get_collection("bare", write_concern=WriteConcern("majority", j=True))

    @app.get("/nothing")
    def nothing() -> Response:
        return Response(b"{}", content_type=JSON)

    @app.get("/fhir/<type_>/<id_>")
    def read(type_: str, id_: str) -> Response:
        if check is not None:
            check(request.environ.get("HTTP_AUTHORIZATION"), type_)
        found = resources.find_one({"_id": f"{type_}/{id_}"}, {"body": 1})
        return Response(found["body"], content_type=JSON) if found else Response(status=404)

    starting = threading.Lock()

    @cache
    def ledger() -> Ledger:
        """One of the bench's own, in the same database, so that a document can go along with its record."""
        made = Ledger(client["bare-ledger"], writer="bare")
        made.prepare()
        make_collections(client["bare-ledger"], ("bare",))
        made.start()
        return made

    @cache
    def record_of(interaction: str) -> dict[str, Any]:
        """A record that the server made of such an interaction, to keep anew."""
        told = {"body": {"$regex": f'"code":"{interaction}'}}
        record = database["ledger"].find_one(told, {"_id": 0, "chain": 0})
        if record is None:
            raise LookupError(f"the server has answered no {interaction} yet")
        return record

    def trace(interaction: str, along: Along = ()) -> None:
        with starting:
            keeping, record = ledger(), record_of(interaction)
        keeping.settle([{"_id": f"AuditEvent/{uuid.uuid4()}", **record}], along=along)

    @app.get("/traced/<type_>/<id_>")
    def traced_read(type_: str, id_: str) -> Response:
        answered = read(type_, id_)
        trace("read")
        return answered

    @app.get("/fhir/<type_>")
    def search(type_: str) -> Response:
        where = {"facts.patient": request.args["patient"], "type": type_}
        found = resources.find(where, {"body": 1}).sort([("updated", DESCENDING), ("_id", DESCENDING)]).limit(PAGE)
        joined = ",".join(f'{{"resource":{each["body"]}}}' for each in found)
        return Response(f'{{"resourceType":"Bundle","type":"searchset","entry":[{joined}]}}', content_type=JSON)

    @app.post("/fhir/<type_>")
    def create(type_: str) -> Response:
        body = request.get_data(as_text=True)
        inserted.insert_one({"_id": f"{type_}/{uuid.uuid4()}", "body": body})
        return Response(body, status=201, content_type=JSON)

    @app.get("/traced/<type_>")
    def traced_search(type_: str) -> Response:
        answered = search(type_)
        trace("search")
        return answered

    @app.post("/traced/<type_>")
    def traced_create(type_: str) -> Response:
        body = request.get_data(as_text=True)
        trace("create", [("bare", {"_id": f"{type_}/{uuid.uuid4()}", "body": body})])
        return Response(body, status=201, content_type=JSON)

    return app


def main() -> None:
    """Serve it as the server is served."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    Granian(
        "bench.bare:create_app",
        factory=True,
        address="127.0.0.1",
        port=int(os.environ["BARE_PORT"]),
        interface=Interfaces.WSGI,
        workers=int(os.environ["BARE_WORKERS"]),
        blocking_threads=int(os.environ["BARE_THREADS"]),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=5,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    main()
