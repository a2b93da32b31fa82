"""Dossier: the family, its professionals and its applications, read from `examples/dossier-martin`.

May live here: those files as values. May not know: the store, OAuth, the web.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

Kind = Literal["holder", "representative", "professional", "outsider", "operator"]
ClientKind = Literal["public", "symmetric", "asymmetric", "backend"]

PLACE = Path(__file__).parents[2] / "examples" / "dossier-martin"


class DossierFault(RuntimeError):
    """The demonstration's files cannot be read."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in to a sandbox. `psc` is what Pro Santé Connect would know of a professional."""

    login: str
    password: str
    kind: Kind
    fhir_user: str
    name: str
    what: str
    profession: str | None = None
    organization: str | None = None
    mail: str | None = None
    mobile: str | None = None
    psc: Mapping[str, Any] = field(default_factory=dict)

    def card(self) -> dict[str, Any]:
        """This person in `/sandbox.json`."""
        card = {"login": self.login, "password": self.password, "fhirUser": self.fhir_user, "what": self.what}
        if self.profession:
            card["profession"] = self.profession
        if self.organization:
            card["organization"] = self.organization
        return card


@dataclass(frozen=True, slots=True)
class Application:
    """A client that a sandbox knows; its keys and secret are drawn when the sandbox is first started."""

    client_id: str
    kind: ClientKind
    name: str
    scope: str
    what: str
    redirect_uris: tuple[str, ...] = ()
    launch_uri: str | None = None
    organization: str | None = None
    algorithms: tuple[str, ...] = ()
    acts_as: str | None = None


@cache
def people() -> Mapping[str, Person]:
    """Everybody, by login."""
    rows: list[dict[str, Any]] = _read("people.json")
    for row in rows:
        row["fhir_user"] = row.pop("fhirUser")
    return {row["login"]: Person(**row) for row in rows}


@cache
def applications() -> tuple[Application, ...]:
    """Every client."""
    rows: list[dict[str, Any]] = _read("clients.json")
    for row in rows:
        row.update({name: tuple(value) for name, value in row.items() if isinstance(value, list)})
    return tuple(Application(**row) for row in rows)


def resources() -> list[dict[str, Any]]:
    """Every resource of the initial state, fresh copies, what is referred to before what refers."""
    return [_read(path.name) for path in sorted(PLACE.glob("*-*.json"), key=_rank)]


def resource(type_: str, id_: str) -> dict[str, Any]:
    """One resource of the initial state."""
    found: dict[str, Any] = _read(f"{type_}-{id_}.json")
    return found


def records() -> list[dict[str, str]]:
    """The records of `/sandbox.json`: `patient` (an id), `ins` (the fifteen characters), `what`."""
    found = []
    for row in _read("records.json"):
        identifier = _read(f"Patient-{row['patient']}.json")["identifier"][0]
        found.append({"patient": row["patient"], "ins": identifier["value"], "what": row["what"]})
    return found


def letter() -> bytes:
    """The letter of discharge, a PDF."""
    return (PLACE / "lettre-de-liaison.pdf").read_bytes()


_FIRST = ("Organization", "Practitioner", "PractitionerRole", "Patient", "RelatedPerson")


def _rank(path: Path) -> tuple[int, str]:
    kind = path.name.partition("-")[0]
    return (_FIRST.index(kind) if kind in _FIRST else len(_FIRST), path.name)


def _read(name: str) -> Any:
    try:
        return json.loads((PLACE / name).read_text("utf-8"))
    except (OSError, ValueError) as cause:
        raise DossierFault(
            f"the demonstration's file `{PLACE / name}` cannot be read: run the sandbox from a clone of the project"
        ) from cause
