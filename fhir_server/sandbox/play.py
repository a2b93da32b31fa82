"""The play: the main job of the server, performed over HTTP, each step told with what was expected and what came.

May live here: the stage (a client for each person, and how a step is told and judged). May not know: the scenes, nor
anything of the server but its addresses.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import requests
from rich.console import Console
from rich.markup import escape

from fhir_server.sandbox import dossier
from fhir_server.sandbox.browser import sign_in

HOSPITAL = Path(__file__).parents[2] / "examples" / "hospital" / "submit.py"
_TIMEOUT = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the status, the parsed JSON (empty if it was none) and the bytes."""

    status: int
    json: dict[str, Any]
    content: bytes

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
    return Answer(came.status_code, parsed, came.content)


@dataclass(slots=True)
class Stage:
    """Where the play is performed: a running sandbox at `issuer`; and how many steps failed of how many told."""

    issuer: str
    console: Console
    failed: int = 0
    told: int = 0
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

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self.console.print(f"\n[bold]{title}")

    def expect(self, what: str, expected: object, came: object) -> bool:
        """Tell one step; it fails unless `expected == came`."""
        self.told += 1
        good = expected == came
        mark = "[green]ok[/]" if good else "[red]NO[/]"
        self.failed += not good
        self.console.print(f"  {mark}  {escape(what)}", highlight=False, soft_wrap=True)
        told = f"expected {_short(expected)}, came {_short(came)}"
        self.console.print(f"      {escape(told)}", highlight=False, style="dim" if good else "red", soft_wrap=True)
        return good

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


def _short(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 90 else f"{text[:87]}..."
