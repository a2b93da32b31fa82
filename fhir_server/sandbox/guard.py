"""The sandbox's guard: only this machine is answered, by a name of its own, and each page of ours says where one is.

May live here: what holds for every request of a sandbox. May not know: what is asked. The Host header is checked so
that a page of the web cannot reach a sandbox by rebinding its name (https://owasp.org/www-community/attacks/DNS_Rebinding).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

from fhir_server.http.browser import HEADERS
from fhir_server.settings import is_loopback

POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
"""Of the sandbox's own pages; where a form leads is not said, since a sign-in there ends at any app."""
BANNER = (
    '<aside aria-label="Bac à sable" class="sandbox">'
    "<strong>Bac à sable : tout est fictif, rien n’est secret.</strong> "
    '<span lang="en">Sandbox: everything is made up, nothing is secret.</span></aside>'
)


def guard(app: Flask) -> None:
    """Put the checks and the banner around every request of `app`."""
    app.before_request(_only_this_machine)
    app.after_request(_with_banner)


def _only_this_machine() -> None:
    """403 for another machine's request or another site's page; 421 for a Host that is not a name of this one."""
    if not is_loopback(request.remote_addr or ""):
        abort(403)
    if not is_loopback(_host(f"//{request.headers.get('Host', '')}")):
        abort(421)
    origin = request.headers.get("Origin")
    if origin and request.method == "POST" and request.path.startswith("/sandbox") and not is_loopback(_host(origin)):
        abort(403)


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _with_banner(response: Response) -> Response:
    # below the FHIR base a page is what somebody stored, given byte for byte (https://hl7.org/fhir/R4/binary.html#rest)
    if response.mimetype != "text/html" or response.direct_passthrough or request.blueprint == "fhir":
        return response
    # a form of a page that says `no-referrer` is sent with `Origin: null`, which is refused above
    response.headers.setdefault("Referrer-Policy", "same-origin")
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", POLICY)
    page = response.get_data(as_text=True)
    start = page.find("<body")
    end = page.find(">", start) + 1 if start >= 0 else 0
    response.set_data(page[:end] + BANNER + page[end:])
    return response
