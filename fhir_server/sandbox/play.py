"""The play: the main job of the server, performed over HTTP, each step told with what was expected and what came.

May live here: the stage (a client for each person, and how a step is told and judged). May not know: the scenes, nor
anything of the server but its addresses.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from rich.console import Console
from rich.markup import escape

from fhir_server.sandbox import dossier
from fhir_server.sandbox.browser import sign_in

HOSPITAL = Path(__file__).parents[2] / "examples" / "hospital" / "submit.py"
_TIMEOUT = 20
_LONG = re.compile(r"\b([0-9a-f]{4})(?:[0-9a-f]{4}-(?:[0-9a-f]{4}-){3}[0-9a-f]{8}|[0-9]{20,})([0-9a-f]{4})\b")
"""A UUID, or a number made of one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the status, the parsed JSON (empty if it was none) and the bytes; and what was asked for it."""

    status: int
    json: dict[str, Any]
    content: bytes
    asked: str = ""

    @property
    def outcome(self) -> str:
        """The status in words, such as `404 Not Found`."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    @property
    def said(self) -> str:
        """Why it was refused, in the server's words; empty if it was not."""
        issues = [each.get("diagnostics", "") for each in self.json.get("issue", ())]
        return "; ".join(filter(None, [*issues, self.json.get("error_description", "")]))

    def found(self, what: str) -> str:
        """The outcome of a search with its total, such as `200 OK, 2 documents`."""
        return self.outcome if self.total is None else f"{self.outcome}, {self.total} {what}{'s'[: self.total != 1]}"

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources of a Bundle."""
        return [entry["resource"] for entry in self.json.get("entry", ()) if "resource" in entry]

    @property
    def total(self) -> int | None:
        """The total of a searchset."""
        return self.json.get("total")


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody with a token."""

    fhir: str
    token: str

    def get(self, path: str, accept: str = "application/fhir+json", **query: str) -> Answer:
        """GET an address under the FHIR base."""
        return self._ask("GET", path, params=query, headers={"Accept": accept})

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """POST a resource, an operation or a bundle."""
        return self._ask("POST", path, json=body, headers={"Content-Type": "application/fhir+json"})

    def put(self, path: str, body: dict[str, Any]) -> Answer:
        """PUT a resource."""
        return self._ask("PUT", path, json=body, headers={"Content-Type": "application/fhir+json"})

    def patch(self, path: str, body: list[dict[str, Any]]) -> Answer:
        """PATCH with a JSON Patch."""
        return self._ask("PATCH", path, json=body, headers={"Content-Type": "application/json-patch+json"})

    def _ask(self, method: str, path: str, **how: Any) -> Answer:
        how["headers"] = {"Accept": "application/fhir+json", **how["headers"], "Authorization": f"Bearer {self.token}"}
        return answer(requests.request(method, f"{self.fhir}/{path}".rstrip("/"), timeout=_TIMEOUT, **how))


def answer(came: requests.Response) -> Answer:
    """The Answer of a response."""
    parsed = came.json() if "json" in came.headers.get("Content-Type", "") and came.content else {}
    return Answer(came.status_code, parsed, came.content, request_line(came.request))


def request_line(sent: requests.PreparedRequest) -> str:
    """What was sent, as it is told: the method and the address on this server, unescaped."""
    parts = urlsplit(sent.url or "")
    return f"{sent.method} {unquote(parts.path)}{f'?{unquote(parts.query)}' if parts.query else ''}"


def shortened(text: str) -> str:
    """`text` with its UUIDs cut to both ends, so that a line stays a line."""
    return _LONG.sub(r"\1…\2", text)


@dataclass(slots=True)
class Stage:
    """Where the play is performed: a running sandbox at `issuer`; and how many steps failed of how many told."""

    issuer: str
    console: Console
    failed: int = 0
    told: int = 0
    scenes: int = 0
    _card: dict[str, Any] = field(default_factory=dict)

    @property
    def fhir(self) -> str:
        """The FHIR base."""
        return f"{self.issuer}/fhir"

    @property
    def card(self) -> dict[str, Any]:
        """`/sandbox.json`."""
        if not self._card:
            self._card = requests.get(f"{self.issuer}/sandbox.json", timeout=_TIMEOUT).json()
        return self._card

    def client(self, client_id: str) -> dict[str, Any]:
        """A client's row of `/sandbox.json`."""
        return next(row for row in self.card["clients"] if row["client_id"] == client_id)

    def person(self, login: str) -> dict[str, Any]:
        """A person's row of `/sandbox.json`."""
        return next(row for row in self.card["people"] if row["login"] == login)

    def prologue(self, text: str) -> None:
        """Say what is going to be told."""
        self.console.print(escape(text), highlight=False, soft_wrap=True)

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self.scenes += 1
        self.console.print(f"\n[bold]{self.scenes}. {escape(title)}[/]", highlight=False, soft_wrap=True)

    def expect(self, what: str, sent: str, *, expected: str, came: str, said: str = "") -> bool:
        """Tell one step: who does what, what was sent, what had to come and what came.

        It fails unless `expected == came`; then `said`, the server's own words, are told too.
        """
        self.told += 1
        good = expected == came
        self.failed += not good
        mark, colour = ("[green]ok[/]", "green") if good else ("[bold red]NO[/]", "bold red")
        self._tell(f"{mark}  {escape(what)}: [cyan]{escape(shortened(sent))}[/]")
        self._tell(f"    expected {escape(expected)}; came [{colour}]{escape(came)}[/]")
        if said and not good:
            self._tell(f"    [red]the server said: {escape(said)}[/]")
        return good

    def show(self, line: str) -> None:
        """Show something of what came."""
        self._tell(f"    [dim]{escape(line)}[/]")

    def _tell(self, line: str) -> None:
        self.console.print(f"  {line}", highlight=False, soft_wrap=True)

    def in_browser(self, login: str, client_id: str, *, launch: str | None = None, scope: str | None = None) -> Actor:
        """This person signed in to this application as with a browser, page by page."""
        client, person = self.client(client_id), self.person(login)
        token = sign_in(
            self.issuer,
            client,
            login=login,
            password=person["password"],
            scope=scope or client["scope"],
            one_time_code=lambda: self.code_for(login),
            launch=launch,
        )
        return Actor(self.fhir, token["access_token"])

    def token(self, login: str, client_id: str, **asked: str) -> Answer:
        """What the token endpoint would answer this person, through the sandbox's short cut."""
        body = {"as": login, "client_id": client_id, "scope": self.client(client_id)["scope"], **asked}
        return answer(requests.post(f"{self.issuer}/sandbox/token", json=body, timeout=_TIMEOUT))

    def as_(self, login: str, client_id: str, **asked: str) -> Actor:
        """This person with a token."""
        return Actor(self.fhir, self.token(login, client_id, **asked).json.get("access_token", ""))

    def launch(self, login: str, client_id: str, patient: str) -> str:
        """A launch from this person's own software, with this patient in context."""
        body = {"as": login, "client_id": client_id, "patient": patient}
        made: str = requests.post(f"{self.issuer}/sandbox/launch", json=body, timeout=_TIMEOUT).json()["launch"]
        return made

    def outbox(self, to: str) -> list[dict[str, Any]]:
        """What was sent to this address, newest first."""
        found: list[dict[str, Any]] = requests.get(
            f"{self.issuer}/sandbox/outbox.json", params={"to": to}, timeout=_TIMEOUT
        ).json()
        return found

    def code_for(self, login: str) -> str:
        """The one-time code last sent to this person, by mail or by text; empty if there is none."""
        person = dossier.people()[login]
        sent = [each for to in (person.mail, person.mobile) if to for each in self.outbox(to) if each.get("code")]
        return str(max(sent, key=lambda each: str(each["sent"]))["code"]) if sent else ""

    def soon(self, true: Callable[[], bool], seconds: float = 5.0) -> bool:
        """Whether it becomes true within `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if true():
                return True
            time.sleep(0.05)
        return true()


def hospital() -> ModuleType:
    """The hospital's own script, `examples/hospital/submit.py`."""
    spec = importlib.util.spec_from_file_location("hospital", HOSPITAL)
    if spec is None or spec.loader is None:
        raise ImportError(f"`{HOSPITAL}` cannot be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
