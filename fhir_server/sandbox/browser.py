"""A browser without a screen: it follows redirects, fills forms and comes back with what the application was given.

May live here: what a person does at a sign-in page. May not know: how the pages work; it sees HTML and addresses only.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import requests
from lxml import html

from fhir_server.sandbox import dossier

_PAGES = 12
"""More pages than this between an application and its token is a loop."""


class Astray(RuntimeError):
    """The browser did not come back to the application; the text says where it stands."""


def sign_in(
    issuer: str,
    client: dict[str, Any],
    *,
    login: str,
    password: str,
    scope: str,
    one_time_code: Callable[[], str],
    launch: str | None = None,
) -> dict[str, Any]:
    """The token answer of a SMART launch, by authorization code with PKCE (https://hl7.org/fhir/smart-app-launch).

    `client` is a row of `/sandbox.json`; `one_time_code` is asked when a page wants one. Raises Astray.
    """
    smart = requests.get(f"{issuer}/fhir/.well-known/smart-configuration", timeout=10).json()
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    back = client["redirect_uris"][0]
    asked = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": back,
        "scope": scope,
        "state": state,
        "aud": f"{issuer}/fhir",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"launch": launch} if launch else {}),
    }
    given = walk(f"{smart['authorization_endpoint']}?{urlencode(asked)}", back, login, password, one_time_code)
    if given.get("state") != state or "code" not in given:
        raise Astray(f"the application was given {given.get('error', 'no code')}")
    secret = {"client_secret": client["client_secret"]} if "client_secret" in client else {}
    answer = requests.post(
        smart["token_endpoint"],
        data={
            "grant_type": "authorization_code",
            "code": given["code"],
            "redirect_uri": back,
            "client_id": client["client_id"],
            "code_verifier": verifier,
            **secret,
        },
        timeout=10,
    )
    if not answer.ok:
        raise Astray(f"the token was refused: {answer.status_code} {answer.text[:200]}")
    token: dict[str, Any] = answer.json()
    return token


def walk(address: str, back: str, login: str, password: str, one_time_code: Callable[[], str]) -> dict[str, str]:
    """From page to page until an address begins with `back`; its parameters. Raises Astray."""
    with requests.Session() as session:
        answer = session.get(address, allow_redirects=False, timeout=10)
        for _ in range(_PAGES):
            if answer.is_redirect:
                address = urljoin(address, answer.headers["Location"])
                if address.startswith(back):
                    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
                answer = session.get(address, allow_redirects=False, timeout=10)
                continue
            forms = html.fromstring(answer.content).forms if "html" in answer.headers.get("Content-Type", "") else []
            if not answer.ok or not forms:
                raise Astray(f"{answer.status_code} at {urlsplit(address).path}: {answer.text[:200]}")
            form = forms[0]
            data = _filled(form, login, password, one_time_code)
            address = urljoin(address, form.action or address)
            answer = session.post(
                address, data=data, headers={"Origin": _origin(address)}, allow_redirects=False, timeout=10
            )
    raise Astray(f"more than {_PAGES} pages, the last at {urlsplit(address).path}")


def _filled(form: Any, login: str, password: str, one_time_code: Callable[[], str]) -> list[tuple[str, str]]:
    """The fields of a form as this person fills them: what the page prepared, and what it requires."""
    data: list[tuple[str, str]] = []
    for field in form.inputs:
        name, kind = field.get("name"), (field.get("type") or "text").lower()
        if not name or kind == "submit":
            continue
        if kind in ("checkbox", "radio"):
            if field.get("checked") is not None:
                data.append((name, field.get("value") or "on"))
        elif kind == "hidden" or field.value or field.get("required") is None:
            data.append((name, field.value or ""))
        elif kind == "password":
            data.append((name, password))
        elif field.get("autocomplete") == "one-time-code":
            data.append((name, one_time_code()))
        else:
            data.append((name, login))
    return data + _pressed(form, login)


def _pressed(form: Any, login: str) -> list[tuple[str, str]]:
    """The button: that of one's own kind where there is a choice, else the first."""
    buttons = form.xpath(".//button[@name][not(@type) or @type='submit']")
    own = "professional" if dossier.people()[login].psc else "person"
    chosen = next((each for each in buttons if each.get("value") == own), next(iter(buttons), None))
    return [] if chosen is None else [(chosen.get("name"), chosen.get("value") or "")]


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
