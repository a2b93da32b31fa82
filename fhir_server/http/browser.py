"""Browser: what pages for people share: the session in a cookie, the language, the headers, the words.

May live here: how a page is rendered and how a browser is recognised. May not know: what a page is about. No page
needs a script, none may be framed (RFC 9700 section 4.16), and no form is taken that was not made for its session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.common.urls import add_params_to_uri
from flask import Response, g, jsonify, make_response, redirect, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from fhir_server.http.patience import PLACES, Crowded, Places
from fhir_server.smart.records import Session
from fhir_server.smart.server import Smart
from fhir_server.smart.sessions import is_genuine

LANGUAGES = ("fr", "en")
LONGEST_FORM = 100_000
"""Bytes of a form that are read, whoever sends it."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action {}"
)


class Browser:
    """One per application. `banner` says that this is a sandbox; `places` is how many forms are read at a time."""

    def __init__(self, smart: Smart, *, banner: bool = False, places: int = PLACES) -> None:
        self._smart, self._banner, self._places = smart, banner, Places(places)
        self._secure = smart.config.issuer.startswith("https:")
        # "__Host-" keeps other hosts of the domain from setting it (RFC 6265bis section 4.1.3.2)
        self.cookie = "__Host-dmp" if self._secure else "dmp"

    def limit_form(self) -> Response | None:
        """Before every request: no form is longer, and those that dawdle do not take every thread."""
        request.max_content_length = LONGEST_FORM
        if request.method != "POST":
            return None
        try:
            with self._places.taken():
                request.get_data()
        except Crowded:
            busy = jsonify(error="temporarily_unavailable")
            busy.status_code = 503
            busy.headers.update({**HEADERS, "Retry-After": "5"})
            return busy
        return None

    def session(self) -> Session | None:
        """The session of this browser, if it has one."""
        if "session" not in g:
            g.session = self._smart.sessions.find(request.cookies.get(self.cookie))
        found: Session | None = g.session
        return found

    def session_or_new(self) -> Session:
        """The session of this browser; one of nobody is begun where there is none."""
        found = self.session()
        if found is None:
            found, secret = self._smart.sessions.begin()
            self.hold(found, secret)
        return found

    def hold(self, session: Session, secret: str | None) -> None:
        """Have the browser hold this from now on; None lets it forget."""
        g.session, g.secret = session, secret

    def hold_again(self, session: Session) -> None:
        """Go on with the session as it is now; the browser holds what it held."""
        g.session = session

    def is_genuine(self) -> bool:
        """Whether the form was made for this browser's session."""
        session = self.session()
        return session is not None and is_genuine(session, request.form.get("csrf"))

    def finish(self, response: Response) -> Response:
        """Put the cookies and headers on an answer."""
        if "secret" in g:
            if g.secret is None:
                response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="Lax")
            else:
                response.set_cookie(self.cookie, g.secret, path="/", secure=self._secure, httponly=True, samesite="Lax")
        if request.args.get("lang") in LANGUAGES:
            response.set_cookie(
                "lang", request.args["lang"], path="/", secure=self._secure, httponly=True, samesite="Lax"
            )
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if self._secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        return response

    def to_app(self, address: str) -> Response:
        """To an app, which is told who answers (RFC 9207): with several servers it cannot be led to confuse them."""
        response = redirect(str(add_params_to_uri(address, [("iss", self._smart.config.issuer)])), 302)
        assert isinstance(response, Response)  # noqa: S101 - werkzeug types it wider
        return response

    def page(self, template: str, status: int = 200, *, leads_to: tuple[str, ...] = (), **values: Any) -> Response:
        """A page; a form on it may lead to these addresses in the end, which browsers must be told."""
        session = self.session()
        values.setdefault("fault", "")
        rendered = render_template(
            f"auth/{template}.html",
            word=words(language()),
            csrf=session.csrf if session is not None else "",
            sandbox=self._banner,
            other_language=_other_language(),
            **values,
        )
        response = make_response(rendered, status)
        response.headers["Content-Security-Policy"] = _POLICY.format(_form_action(leads_to))
        response.headers["Content-Language"] = language()
        response.headers["Vary"] = "Accept-Language, Cookie"
        return response


def language() -> str:
    """`fr` or `en`: as asked in the address, else as chosen before, else as the browser prefers; French first."""
    for asked in (request.args.get("lang"), request.cookies.get("lang")):
        if asked in LANGUAGES:
            return asked
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def words(chosen: str) -> Callable[..., str]:
    """The words of a language: a function of a key and of what to put into the sentence."""
    known = _catalogue(chosen)

    def word(key: str, **values: Any) -> str:
        text = known.get(key, key)
        return text.format(**values) if values else text

    return word


@cache
def _catalogue(chosen: str) -> Mapping[str, str]:
    place = files("fhir_server.http") / "words" / f"{chosen}.json"
    read: Mapping[str, str] = json.loads(place.read_text("utf-8"))
    return read


def _other_language() -> str:
    other = "en" if language() == "fr" else "fr"
    kept = [(name, value) for name, value in request.args.items(multi=True) if name in ("r", "next")]
    with suppress(RequestEntityTooLarge):
        if request.method == "POST" and request.form.get("r"):
            kept = [("r", request.form["r"])]
    return f"{request.path}?{urlencode([*kept, ('lang', other)])}"


def _form_action(addresses: tuple[str, ...]) -> str:
    """Origins, or private schemes: a redirect that follows a form is held to this directive too (CSP 3)."""
    found = ["'self'"]
    for address in addresses:
        parts = urlsplit(address)
        found.append(f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:")
    return " ".join(dict.fromkeys(found))
