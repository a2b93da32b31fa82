"""Health: `/health/live` says the process runs, `/health/ready` that its database takes writes and its lease holds.

May live here: those two. May not tell: anything of what is stored.
"""

from __future__ import annotations

from flask import Response, jsonify
from flask_smorest import Blueprint

from fhir_server.interactions.house import House
from fhir_server.store.connection import DatabaseFault


def blueprint(house: House) -> Blueprint:
    """The two routes; neither says anything of what is stored."""
    made = Blueprint("health", __name__, url_prefix="/health")

    @made.get("/live")
    def live() -> Response:
        """Whether the process runs."""
        return jsonify(status="live")

    @made.get("/ready")
    def ready() -> tuple[Response, int]:
        """Whether the database takes writes, without which nothing is on record, and the lease holds."""
        try:
            house.freshness.check()
            writes = house.shelf.database.command("hello").get("isWritablePrimary")
        except DatabaseFault:
            return jsonify(status="unready", why="the database does not answer"), 503
        if not writes:
            return jsonify(status="unready", why="the database takes no writes yet"), 503
        return jsonify(status="ready"), 200

    return made
