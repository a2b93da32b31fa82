"""The sandbox's pages and addresses, exactly as decision 4 has them.

May live here: HTTP of `/sandbox`. May not know: how a token is made, a notice sent or a clock moved; it asks `Desk`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request

from fhir_server.foundation.moment import instant
from fhir_server.foundation.problem import Problem, bad_request
from fhir_server.sandbox import clock as clocks
from fhir_server.sandbox import dossier
from fhir_server.sandbox.clock import SandboxClock
from fhir_server.smart.exchange import NO_STORE

CANONICAL = "https://dmp-on-fhir.example"
"""The base of our profiles and code systems, never that of the host that answers (decisions 15)."""
_TOKEN = frozenset({"as", "client_id", "scope", "patient", "purpose", "reason", "secret_session"})
_LAUNCH = frozenset({"as", "client_id", "patient", "encounter"})


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages ask for. `token` and `launch` take the body's members and answer (status, JSON)."""

    base_url: str
    clock: SandboxClock
    rounds: Callable[[], object]
    clients: Callable[[], list[dict[str, Any]]]
    outbox: Callable[[str | None], list[dict[str, Any]]]
    token: Callable[[Mapping[str, str]], tuple[int, dict[str, Any]]]
    launch: Callable[[Mapping[str, str]], tuple[int, dict[str, Any]]]
    reset: Callable[[], None]


def blueprint(desk: Desk) -> Blueprint:
    """`/sandbox` and what is below it."""
    pages = Blueprint("sandbox", __name__, template_folder="templates")

    def told() -> dict[str, Any]:
        return {
            "fhir": f"{desk.base_url}/fhir",
            "clients": desk.clients(),
            "people": [person.card() for person in dossier.people().values()],
            "records": dossier.records(),
            "canonical": CANONICAL,
        }

    @pages.get("/")
    def origin() -> Any:
        """Where a person lands who types the address that `serve` printed."""
        return redirect("/sandbox")

    @pages.get("/sandbox")
    def page() -> str:
        """Who and what is here, for people."""
        return render_template("sandbox.html", now=instant(desk.clock()), **told())

    @pages.get("/sandbox.json")
    def as_json() -> Response:
        """The same, for programs."""
        return jsonify(told())

    @pages.get("/sandbox/outbox")
    def outbox_page() -> str:
        """What was sent, for people."""
        to = request.args.get("to") or None
        return render_template("outbox.html", sent=desk.outbox(to), to=to)

    @pages.get("/sandbox/outbox.json")
    def outbox() -> Response:
        """The same, for programs."""
        return jsonify(desk.outbox(request.args.get("to") or None))

    @pages.post("/sandbox/token")
    def token() -> Response:
        """The token that this person would have got through the browser."""
        return _oauth(*desk.token(_members(_TOKEN, ("as", "scope"))))

    @pages.post("/sandbox/launch")
    def launch() -> Response:
        """A launch from this person's own software."""
        return _oauth(*desk.launch(_members(_LAUNCH, ("as", "client_id", "patient"))))

    @pages.post("/sandbox/clock")
    def clock() -> Response:
        """Move the domain clock, for all workers; what time brings by then is done before the answer."""
        desk.clock.move(clocks.asked(request.get_json(silent=True), desk.clock()))
        desk.rounds()
        return jsonify(now=instant(desk.clock()))

    @pages.post("/sandbox/reset")
    def reset() -> Response:
        """Back to the initial state."""
        desk.reset()
        return jsonify(reset=True)

    @pages.errorhandler(Problem)
    def refused(problem: Problem) -> Response:
        """A refusal of the sandbox itself, in the manner of OAuth."""
        return _oauth(problem.status, {"error": "invalid_request", "error_description": str(problem)})

    return pages


def _members(allowed: frozenset[str], needed: tuple[str, ...]) -> Mapping[str, str]:
    """The members of the JSON body; Problem 400 for one that is missing, unknown or no text."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise bad_request("the body must be a JSON object, with `Content-Type: application/json`")
    for name, value in body.items():
        if name not in allowed:
            raise bad_request(f"`{name}` is not known here")
        if not isinstance(value, str):
            raise bad_request(f"`{name}` must be a text")
    for name in needed:
        if not body.get(name):
            raise bad_request(f"`{name}` is missing")
    if body["as"] not in dossier.people():
        raise bad_request("nobody of the sandbox has this login: see `/sandbox.json`")
    return body


def _oauth(status: int, body: dict[str, Any]) -> Response:
    answer = make_response(jsonify(body), status)
    answer.headers.update(dict(NO_STORE))
    return answer
