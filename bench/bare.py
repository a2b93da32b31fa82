"""The bare twin: what a Flask view costs that does the same errand with no record around it.

May live here: a `find_one` by id, a page of twenty, one majority insert. No token, no consent, no validation, no trace:
it is the floor that the server is measured against (decisions on speed in docs/performance.md).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

from flask import Flask, Response, request
from pymongo import DESCENDING, MongoClient
from pymongo.write_concern import WriteConcern

JSON = "application/fhir+json; charset=utf-8"
PAGE = 20


def create_app(check: Callable[[str | None, str], None] | None = None) -> Flask:
    """The three views over the database that the environment names; `check` is done before a read."""
    app = Flask("bare", static_folder=None)
    database = MongoClient(os.environ["BARE_MONGO_URI"])[os.environ["BARE_DATABASE"]]
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
