"""The FHIR base: one catch-all route, its documentation made from `interactions.routes`.

May live here: Flask's request into a FhirRequest, a FhirResponse into Flask's. May not know: what either means.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Config, Response, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Problem, bad_request, problem
from fhir_server.foundation.uuid7 import random_bytes
from fhir_server.http import negotiation
from fhir_server.http.application import Application, Asked
from fhir_server.interactions import capabilities, pipeline
from fhir_server.interactions.answers import outcome_bytes
from fhir_server.interactions.binaries import NATIVE_HEADERS
from fhir_server.interactions.house import House
from fhir_server.interactions.request import FhirRequest, FhirResponse, Pairs, pairs
from fhir_server.resources import json_text, xml_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask.blueprints import BlueprintSetupState

EXPOSED = "ETag, Location, Content-Location, Last-Modified, X-Request-Id, WWW-Authenticate"
_CONDITIONS = "If-Match, If-None-Match, If-None-Exist, If-Modified-Since"
ALLOWED = f"Authorization, Content-Type, Accept, Prefer, {_CONDITIONS}, X-Request-Id, X-Security-Context"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

PLAIN = r"/fhir/([A-Z][A-Za-z]*(?:/[A-Za-z0-9\-.]{1,64})?)"
"""Addresses that are of the FHIR base whatever else there is: a type, and an id."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9\-_.:]{1,64}")
# An answer nests deeper than what is in it, a bundle in a bundle too; all of it was bounded when it was written.
_DEEPEST = 1000
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_ASIDE = frozenset({"_format", "_pretty"})
_AS_SET = {200: "200 OK", 201: "201 CREATED"}
"""The statuses of answers with a body of their own, in whose headers nothing is to be mended, as HTTP says them."""
_BEHIND = (
    ("Access-Control-Expose-Headers", EXPOSED),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
_OPEN_TO_ALL = (("Access-Control-Allow-Origin", "*"), *_BEHIND)


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
    config = Config("")

    def keep(state: BlueprintSetupState) -> None:
        nonlocal config
        config = state.app.config
        if isinstance(state.app, Application):
            state.app.answers_directly(PLAIN, METHODS, direct)

    def serve(path: str = "") -> Response:
        # Flask's request itself: each look through its proxy costs
        sent: Asked = request._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001
        return to_response(answer(sent, path))

    def direct(sent: Asked, path: str) -> WSGIApplication:
        answered = answer(sent, path)
        if sent.as_it_is and answered.status in _AS_SET:
            return Told(answered, [*_headers(answered), *beside(sent, config)])
        return dressed(to_response(answered), sent)

    def answer(sent: Asked, path: str) -> FhirResponse:
        sent.request_id = _request_id(sent)
        if path.strip("/") == "metadata" and sent.method in ("GET", "HEAD"):
            return capabilities.answer(to_request(sent, path, base, config), house.canonical)
        # nobody's body is read, and nothing is said of it, before it is known who sent it
        principal = who(sent)
        try:
            asked = to_request(sent, path, base, config)
        except Problem as unread:
            known = FhirRequest(sent.method, path, base, request_id=sent.request_id, address=_address(sent))
            pipeline.unread(known, principal, house, unread)
            raise
        return pipeline.answer(asked, principal, house)

    def dressed(response: Response, sent: Asked) -> Response:
        for name, value in beside(sent, config):
            response.headers.add(name, value)
        return laid_out(response, sent)

    def finish(response: Response) -> Response:
        return dressed(response, request._get_current_object())  # type: ignore[attr-defined] # noqa: SLF001

    def who(sent: Asked) -> Principal:
        header = sent.environ.get("HTTP_AUTHORIZATION")
        try:
            return authenticate(header)
        except Problem as refused:
            if refused.status == 401:
                unsigned("token refused" if header else "no token", _address(sent))
            raise

    made.add_url_rule("", "base", serve, methods=METHODS, strict_slashes=False, provide_automatic_options=False)
    made.add_url_rule("/", "root", serve, methods=METHODS, provide_automatic_options=False)
    made.add_url_rule("/<path:path>", "serve", serve, methods=METHODS, provide_automatic_options=False)
    made.add_url_rule("/<path:path>", "preflight", preflight, methods=["OPTIONS"])
    made.add_url_rule("", "preflight_base", preflight, methods=["OPTIONS"])
    made.add_url_rule("/", "preflight_root", preflight, methods=["OPTIONS"])
    made.after_request(finish)
    made.record_once(keep)
    return made


def to_request(sent: Asked, path: str, base: str, config: Config) -> FhirRequest:
    """Flask's request as a value. Raises Problem 400, 406, 413, 414, 415."""
    environ, raw = sent.environ, sent.query_string
    if len(raw) + len(path) > config["MAX_URL"]:
        raise problem(414, "too-long", f"an address has at most {config['MAX_URL']} bytes; post a longer search")
    resource, patch, form = _body(sent, path, config) if sent.method in _WITH_BODY else (None, None, ())
    query = (*_pairs(raw), *form) if raw or form else ()
    format_: str | None = None
    aside: Pairs = ()
    if query:
        if b"_pretty" in raw and any(name == "_pretty" and value not in ("true", "false") for name, value in query):
            raise bad_request("`_pretty` is `true` or `false`", "_pretty")
        format_ = next((value for name, value in query if name == "_format"), None)
        aside = tuple(dict.fromkeys(pair for pair in query if pair[0] in _ASIDE))
    accept = environ.get("HTTP_ACCEPT")
    native = path.startswith("Binary/") and negotiation.wants_native(accept, format_)
    if not native:
        sent.spoken = spoken = negotiation.spoken(accept, format_)
        sent.as_it_is = spoken == "json" and b"_pretty" not in raw and not negotiation.is_browser(accept)
    preferred = negotiation.preferences(environ.get("HTTP_PREFER"))
    return FhirRequest(
        method=sent.method,
        path=path.strip("/"),
        base=base,
        query=tuple([pair for pair in query if pair[0] not in _ASIDE]) if aside else query,
        resource=resource,
        patch=patch,
        content_type=environ.get("CONTENT_TYPE", ""),
        returning=preferred.returning,
        lenient=preferred.lenient,
        native=native,
        if_match=environ.get("HTTP_IF_MATCH"),
        if_none_match=environ.get("HTTP_IF_NONE_MATCH"),
        if_modified_since=environ.get("HTTP_IF_MODIFIED_SINCE"),
        if_none_exist=environ.get("HTTP_IF_NONE_EXIST"),
        request_id=sent.request_id,
        address=_address(sent),
        aside=aside,
    )


def to_response(answered: FhirResponse) -> Response:
    """Flask's response: the exact bytes, and every header a client may rely on."""
    return _Answer(answered.body, answered.status, _headers(answered))


def _headers(answered: FhirResponse) -> list[tuple[str, str]]:
    typed = (("Content-Type", answered.content_type),) if answered.body else ()
    return [*typed, *answered.headers.items()]


class _Answer(Response):
    """What says no type is of none; the headers of an answer with a body leave as they were set."""

    default_mimetype = None

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Nothing in ours is to be mended, save where there is no body (304, 204)."""
        return self.headers if self.status_code in _AS_SET else super().get_wsgi_headers(environ)


class Told:
    """An answer that nothing is left to be done to, with all of its headers but its length: what WSGI is told."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, answered: FhirResponse, headers: list[tuple[str, str]]) -> None:
        self._body, self._status = answered.body, _AS_SET[answered.status]
        self._headers = [*headers, ("Content-Length", str(len(answered.body)))]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """As any WSGI application (PEP 3333); granian sends a list at once, and asks anything else for its parts."""
        start_response(self._status, self._headers)
        return [self._body] if environ["REQUEST_METHOD"] != "HEAD" else []


def laid_out(response: Response, sent: Asked) -> Response:
    """The answer in the format that is asked for, and as a person reads it when `_pretty=true` asks for that.

    All below this skin is JSON (decisions 7). A Binary's content is nobody's to lay out.
    """
    if sent.as_it_is or response.mimetype != "application/fhir+json" or "Content-Disposition" in response.headers:
        return response
    asked = sent.query_string.split(b"&")
    pretty = b"_pretty=true" in asked or (
        b"_pretty=false" not in asked and negotiation.is_browser(sent.environ.get("HTTP_ACCEPT"))
    )
    if _format(sent) == "xml":
        return _in_xml(response, pretty=pretty) if response.get_data() else response
    if pretty:
        response.set_data(negotiation.indented(response.get_data()))
    return response


def _format(sent: Asked) -> negotiation.Format:
    """The format of this answer, also where the request was refused before it was read."""
    if sent.spoken is not None:
        return sent.spoken
    asked = sent.args.get("_format") if b"_format" in sent.query_string else None
    try:
        return negotiation.spoken(sent.environ.get("HTTP_ACCEPT"), asked)
    except Problem:
        return "json"


def _in_xml(response: Response, *, pretty: bool) -> Response:
    try:
        response.set_data(xml_text.write(json_text.read(response.get_data(), _DEEPEST), pretty=pretty))
    except Problem as unsaid:
        response.status_code = unsaid.status
        response.set_data(outcome_bytes(unsaid.issues))
        return response
    response.headers["Content-Type"] = negotiation.XML
    # a browser shows the narratives of XML: nothing in them is run, and nothing is fetched for them
    response.headers["Content-Security-Policy"] = NATIVE_HEADERS["Content-Security-Policy"]
    return response


def beside(sent: Asked, config: Config) -> list[tuple[str, str]]:
    """What each answer has beside its own: its number, that nobody keeps it, and CORS for the origins that are set.

    All are by default: a token, never a cookie, opens these routes (SMART 2.2).
    """
    origins = config["CORS_ORIGINS"]
    if "*" in origins:
        return [*_OPEN_TO_ALL, ("X-Request-Id", sent.request_id)]
    headers = [("Vary", "Origin")]
    if sent.headers.get("Origin") in origins:
        headers.append(("Access-Control-Allow-Origin", sent.headers["Origin"]))
    return [*headers, *_BEHIND, ("X-Request-Id", sent.request_id)]


def preflight(path: str = "") -> Response:  # noqa: ARG001 - Flask gives it
    """204 for a preflight, without a token."""
    answered = Response(status=204)
    answered.headers["Access-Control-Allow-Methods"] = ", ".join((*METHODS, "OPTIONS"))
    answered.headers["Access-Control-Allow-Headers"] = ALLOWED
    answered.headers["Access-Control-Max-Age"] = "600"
    return answered


def _body(
    sent: Asked, path: str, config: Config
) -> tuple[dict[str, Any] | None, list[dict[str, Any]] | None, tuple[tuple[str, str], ...]]:
    if sent.method not in ("POST", "PUT", "PATCH"):
        return None, None, ()
    if sent.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise problem(415, "not-supported", "a body is sent as it is, without a content coding")
    if negotiation.is_content(path, sent.method, sent.content_type):
        return _content(sent, path, config["MAX_CONTENT"]), None, ()
    raw = _read(sent, config["MAX_CONTENT_LENGTH"])
    kind = negotiation.media_type(sent.content_type)
    if not raw and "/$" in f"/{path}":
        return None, None, ()  # an operation may have nothing to be told
    if path.rstrip("/").endswith("_search"):
        if raw and kind != negotiation.FORM_TYPE:
            raise problem(415, "not-supported", f"a search is posted as {negotiation.FORM_TYPE}")
        if len(raw) > config["MAX_QUERY"]:
            raise problem(413, "too-long", f"a search has at most {config['MAX_QUERY']} bytes")
        return None, None, _pairs(raw)
    if sent.method == "PATCH" and kind == negotiation.PATCH_TYPE:
        return None, json_text.read_array(raw, config["MAX_DEPTH"]), ()
    if kind in negotiation.XML_TYPES:
        return xml_text.read(raw, config["MAX_DEPTH"]), None, ()
    if kind not in negotiation.JSON_TYPES:
        raise problem(415, "not-supported", "send the resource as application/fhir+json or application/fhir+xml")
    return json_text.read(raw, config["MAX_DEPTH"]), None, ()


def _content(sent: Asked, path: str, limit: int) -> dict[str, Any]:
    """The Binary of a content that is sent as it is (https://hl7.org/fhir/R4/binary.html#rest)."""
    raw = _read(sent, limit)
    made: dict[str, Any] = {"resourceType": "Binary"}
    if sent.method == "PUT":
        made["id"] = path.strip("/").rpartition("/")[2]
    made["contentType"] = " ".join((sent.content_type or "").split())
    context = sent.headers.get("X-Security-Context")
    if context:
        made["securityContext"] = {"reference": context}
    return {**made, "data": b64encode(raw).decode()} if raw else made


def _read(sent: Asked, limit: int) -> bytes:
    """The body, of at most `limit` bytes whether or not its length was told. Raises Problem 400, 413."""
    sent.max_content_length = limit
    told = sent.content_length
    try:
        raw = b"" if told is not None and told > limit else sent.get_data(cache=False)
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


def _request_id(sent: Asked) -> str:
    given = sent.environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else random_bytes().hex()


def _address(sent: Asked) -> str:
    return sent.environ.get("REMOTE_ADDR") or ""


def _pairs(raw: bytes) -> tuple[tuple[str, str], ...]:
    if not raw:
        return ()
    try:
        return pairs(raw.decode())
    except UnicodeDecodeError:
        raise bad_request("the query is not UTF-8") from None
