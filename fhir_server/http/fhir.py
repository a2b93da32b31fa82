"""The FHIR base: one catch-all route, its documentation made from `interactions.routes`.

May live here: Flask's request into a FhirRequest, a FhirResponse into Flask's. May not know: what either means.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Problem, bad_request, problem
from fhir_server.http import negotiation
from fhir_server.interactions import capabilities, pipeline
from fhir_server.interactions.house import House
from fhir_server.interactions.request import FhirRequest, FhirResponse, pairs
from fhir_server.resources import json_text

EXPOSED = "ETag, Location, Content-Location, Last-Modified, X-Request-Id, WWW-Authenticate"
ALLOWED = "Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, If-Modified-Since, X-Request-Id"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_REQUEST_ID = re.compile(r"[A-Za-z0-9\-_.:]{1,64}")
_ASIDE = frozenset({"_format", "_pretty"})


def blueprint(
    house: House,
    authenticate: Callable[[str | None], Principal],
    base: str,
    unsigned: Callable[[str, str], None],
) -> Blueprint:
    """The routes under `/fhir`; `authenticate` turns an Authorization header into a Principal or a Problem 401.

    `unsigned` is told of every 401: of what kind, and from which address (decisions 20).
    """
    made = Blueprint("fhir", __name__, url_prefix="/fhir")

    def serve(path: str = "") -> Response:
        g.request_id = _request_id()
        if path.strip("/") == "metadata" and request.method in ("GET", "HEAD"):
            return to_response(capabilities.answer(to_request(path, base), house.canonical))
        # nobody's body is read, and nothing is said of it, before it is known who sent it
        principal = who()
        try:
            asked = to_request(path, base)
        except Problem as unread:
            pipeline.unread(_unread(path, base), principal, house, unread)
            raise
        return to_response(pipeline.answer(asked, principal, house))

    def who() -> Principal:
        header = request.headers.get("Authorization")
        try:
            return authenticate(header)
        except Problem as refused:
            if refused.status == 401:
                unsigned("token refused" if header else "no token", request.remote_addr or "")
            raise

    made.add_url_rule("", "base", serve, methods=METHODS, strict_slashes=False, provide_automatic_options=False)
    made.add_url_rule("/", "root", serve, methods=METHODS, provide_automatic_options=False)
    made.add_url_rule("/<path:path>", "serve", serve, methods=METHODS, provide_automatic_options=False)
    made.add_url_rule("/<path:path>", "preflight", preflight, methods=["OPTIONS"])
    made.add_url_rule("", "preflight_base", preflight, methods=["OPTIONS"])
    made.add_url_rule("/", "preflight_root", preflight, methods=["OPTIONS"])
    made.after_request(laid_out)
    made.after_request(open_to_origins)
    return made


def to_request(path: str, base: str) -> FhirRequest:
    """Flask's request as a value. Raises Problem 400, 406, 413, 414, 415."""
    longest = current_app.config["MAX_QUERY"]
    if len(request.query_string) + len(path) > longest:
        raise problem(414, "too-long", f"an address has at most {longest} bytes")
    resource, patch, form = _body(path)
    query = (*_pairs(request.query_string), *form)
    format_ = next((value for name, value in query if name == "_format"), None)
    accept = request.headers.get("Accept")
    native = path.startswith("Binary/") and negotiation.wants_native(accept, format_)
    if not native:
        negotiation.speaks_json(accept, format_)
    preferred = negotiation.preferences(request.headers.get("Prefer"))
    return FhirRequest(
        method=request.method,
        path=path.strip("/"),
        base=base,
        query=tuple(pair for pair in query if pair[0] not in _ASIDE),
        resource=resource,
        patch=patch,
        content_type=request.content_type or "",
        returning=preferred.returning,
        lenient=preferred.lenient,
        native=native,
        if_match=request.headers.get("If-Match"),
        if_none_match=request.headers.get("If-None-Match"),
        if_modified_since=request.headers.get("If-Modified-Since"),
        if_none_exist=request.headers.get("If-None-Exist"),
        request_id=g.request_id,
        address=request.remote_addr or "",
    )


def _unread(path: str, base: str) -> FhirRequest:
    """What is known of a request that cannot be read."""
    return FhirRequest(request.method, path, base, request_id=g.request_id, address=request.remote_addr or "")


def to_response(answered: FhirResponse) -> Response:
    """Flask's response: the exact bytes, and every header a client may rely on."""
    made = Response(answered.body, answered.status, dict(answered.headers))
    if answered.body:
        made.headers["Content-Type"] = answered.content_type
    else:
        made.headers.pop("Content-Type", None)
    return made


def laid_out(response: Response) -> Response:
    """The answer as a person reads it, when `_pretty=true` asks for it; a Binary's content is nobody's to lay out."""
    ours = response.mimetype == "application/fhir+json" and "Content-Disposition" not in response.headers
    if ours and b"_pretty=true" in request.query_string.split(b"&"):
        response.set_data(negotiation.indented(response.get_data()))
    return response


def open_to_origins(response: Response) -> Response:
    """CORS for the origins that are set, all by default: a token, never a cookie, opens these routes (SMART 2.2)."""
    origins = current_app.config["CORS_ORIGINS"]
    if "*" in origins:
        response.headers["Access-Control-Allow-Origin"] = "*"
    else:
        response.headers["Vary"] = "Origin"
        if request.headers.get("Origin") in origins:
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = g.get("request_id", "")
    return response


def preflight(path: str = "") -> Response:  # noqa: ARG001 - Flask gives it
    """204 for a preflight, without a token."""
    answered = Response(status=204)
    answered.headers["Access-Control-Allow-Methods"] = ", ".join((*METHODS, "OPTIONS"))
    answered.headers["Access-Control-Allow-Headers"] = ALLOWED
    answered.headers["Access-Control-Max-Age"] = "600"
    return answered


def _body(path: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]] | None, tuple[tuple[str, str], ...]]:
    limit = current_app.config["MAX_CONTENT_LENGTH"]
    if request.method not in ("POST", "PUT", "PATCH"):
        return None, None, ()
    if request.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise problem(415, "not-supported", "a body is sent as it is, without a content coding")
    raw = _read(limit)
    kind = negotiation.media_type(request.content_type)
    if path.rstrip("/").endswith("_search"):
        if raw and kind != negotiation.FORM_TYPE:
            raise problem(415, "not-supported", f"a search is posted as {negotiation.FORM_TYPE}")
        if len(raw) > current_app.config["MAX_QUERY"]:
            raise problem(413, "too-long", f"a search has at most {current_app.config['MAX_QUERY']} bytes")
        return None, None, _pairs(raw)
    if request.method == "PATCH":
        if kind != negotiation.PATCH_TYPE:
            raise problem(415, "not-supported", f"send a patch as {negotiation.PATCH_TYPE}")
        return None, json_text.read_array(raw, current_app.config["MAX_DEPTH"]), ()
    if kind not in negotiation.JSON_TYPES:
        raise problem(415, "not-supported", "send the resource as application/fhir+json")
    return json_text.read(raw, current_app.config["MAX_DEPTH"]), None, ()


def _read(limit: int) -> bytes:
    """The body, of at most `limit` bytes whether or not its length was told. Raises Problem 400, 413."""
    told = request.content_length
    try:
        raw = b"" if told is not None and told > limit else request.get_data(cache=False)
    except HTTPException as cut:
        if cut.code != 413:
            raise problem(400, "incomplete", "the body was cut off") from cut
        told = limit + 1
    # a body that does not tell its length is read up to the limit, and may go on behind it
    if told > limit if told is not None else len(raw) >= limit:
        raise problem(413, "too-long", f"a body has at most {limit} bytes")
    if told is not None and len(raw) < told:
        raise problem(400, "incomplete", "the body was cut off")
    return raw


def _request_id() -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(12)


def _pairs(raw: bytes) -> tuple[tuple[str, str], ...]:
    try:
        return pairs(raw.decode())
    except UnicodeDecodeError:
        raise bad_request("the query is not UTF-8") from None
