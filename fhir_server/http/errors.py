"""Errors: a Problem becomes an OperationOutcome, and nothing that went wrong becomes anything else.

May live here: that, for every route. May not know: why. Neither the answer nor the log carries what was in the request
(https://hl7.org/fhir/R4/http.html#Status-Codes).
"""

from __future__ import annotations

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from fhir_server.foundation.problem import Issue, Problem, problem
from fhir_server.interactions.answers import JSON, outcome_bytes
from fhir_server.store.connection import DatabaseFault, TooSlow

LOG = logging.getLogger("fhir_server")

_WORDS = {
    400: ("invalid", "the request cannot be read"),
    404: ("not-found", "nothing is here"),
    405: ("not-supported", "the method is not supported here"),
    413: ("too-long", "the request is too large"),
    414: ("too-long", "the address is too long"),
    415: ("not-supported", "this content type is not supported"),
}


def outcome(refused: Problem) -> Response:
    """The OperationOutcome of a Problem, with its status and headers."""
    return Response(outcome_bytes(refused.issues), refused.status, dict(refused.headers), content_type=JSON)


def register(app: Flask) -> None:
    """Give the application one answer for each way of failing."""

    @app.errorhandler(Problem)
    def _problem(refused: Problem) -> Response:
        return outcome(refused)

    @app.errorhandler(HTTPException)
    def _http(refused: HTTPException) -> Response:
        status = refused.code or 500
        code, text = _WORDS.get(status, ("processing", "the request cannot be served"))
        answered = outcome(problem(status, code, text))
        for name, value in refused.get_headers():
            if name.lower() in ("allow", "retry-after", "location"):
                answered.headers[name] = value
        return answered

    @app.errorhandler(TooSlow)
    def _costly(_: TooSlow) -> Response:
        return outcome(Problem(400, (Issue("error", "too-costly", "this search takes too long; narrow it"),)))

    @app.errorhandler(DatabaseFault)
    def _database(failed: DatabaseFault) -> Response:
        LOG.error("the database did not answer: %s (request %s)", type(failed).__name__, _number())
        return outcome(problem(503, "transient", "the record cannot be reached now; try again", Retry_After="2"))

    @app.errorhandler(Exception)
    def _unexpected(failed: Exception) -> Response:
        where = failed.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else "-"
        LOG.error("%s at %s (%s, request %s)", type(failed).__name__, place, request.method, _number())
        return outcome(problem(500, "exception", "something went wrong here; the request changed nothing"))


def _number() -> str:
    """What the request is called in its answer, where it has come as far as that."""
    return getattr(request, "request_id", "") or "-"
