"""Swagger UI, which shows `/openapi.json` to people at `/docs`, from files of its own: nothing comes from elsewhere.

May live here: the page, and Swagger UI as `tools/vendor_swagger_ui.py` took it (SOURCES.json). May not live here: a
script in the page itself; its policy allows none (https://www.w3.org/TR/CSP3/).
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files

from flask import Blueprint, Response, abort, request

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_PACKED = frozenset({"swagger-ui-bundle.js", "swagger-ui.css"})
_PLAIN = frozenset({"page.js", "page.css"})


def blueprint() -> Blueprint:
    """`/docs` and what it needs."""
    made = Blueprint("docs", __name__, url_prefix="/docs")

    @made.get("")
    def page() -> Response:
        """Every route there is, for people who build against the server."""
        return _answer(_file("page.html"), "text/html; charset=utf-8")

    @made.get("/<name>")
    def part(name: str) -> Response:
        """A style or a script of that page."""
        if name not in _PACKED | _PLAIN:
            abort(404)
        kind = _KINDS[name[name.rindex(".") :]]
        if name in _PLAIN:
            return _answer(_file(name), kind)
        packed = _file(f"{name}.gz")
        if not request.accept_encodings.quality("gzip"):
            return _answer(gzip.decompress(packed), kind)
        answered = _answer(packed, kind)
        answered.headers["Content-Encoding"] = "gzip"
        return answered

    return made


@cache
def _file(name: str) -> bytes:
    return (files(__package__) / name).read_bytes()


def _answer(body: bytes, kind: str) -> Response:
    answered = Response(body, content_type=kind)
    answered.headers["Content-Security-Policy"] = POLICY
    answered.headers["Cache-Control"] = "public, max-age=300"
    answered.headers["Referrer-Policy"] = "no-referrer"
    answered.headers["X-Content-Type-Options"] = "nosniff"
    answered.headers["X-Frame-Options"] = "DENY"
    answered.headers["Vary"] = "Accept-Encoding"
    return answered
