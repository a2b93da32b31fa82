"""The library: the tables of `r4/` and the files of `profiles/`, read once.

May live here: finding, unpacking and decoding what the package ships. May not know: what a table means; that is the
business of the reader that asks for it. The tables are made from https://hl7.org/fhir/R4/ by `make definitions`;
`r4/SOURCES.json` says from what exactly.

A table is a JSON object with one entry a line. It is unpacked whole and decoded an entry at a time, so a worker pays
for the types it meets and not for the 146 there are.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import orjson

# https://hl7.org/fhir/R4/parameters.html: "Parameters […] has no RESTful end point".
WITHOUT_ENDPOINT = ("Parameters",)


class Table(Mapping[str, Any]):
    """One table of `r4/`; an entry is decoded each time it is asked for, so readers keep what they make of it."""

    __slots__ = ("_lines",)

    def __init__(self, text: bytes) -> None:
        entries = (line.rstrip(b",").partition(b'":') for line in text.splitlines() if line.startswith(b'"'))
        self._lines = {key[1:].decode(): value for key, _, value in entries}

    def __getitem__(self, key: str) -> Any:
        return orjson.loads(self._lines[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, key: object) -> bool:
        return key in self._lines


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """One type: kind is `resource`, `complex-type`, `primitive-type` or `profile`; json is that of a primitive."""

    name: str
    kind: str
    url: str
    base: str | None
    abstract: bool
    json: str | None
    regex: str | None
    max_length: int | None


@dataclass(frozen=True, slots=True)
class Library:
    """What R4 has: `types` are the 146 concrete resource types, sorted; `endpoints` those with a URL of their own."""

    types: tuple[str, ...]
    endpoints: tuple[str, ...]
    definitions: Mapping[str, TypeDefinition]

    def is_type(self, name: str) -> bool:
        """Whether this is a concrete resource type."""
        found = self.definitions.get(name)
        return found is not None and found.kind == "resource" and not found.abstract

    def ancestors(self, name: str) -> tuple[str, ...]:
        """The types that a type specializes, nearest first: DomainResource and Resource for Patient."""
        found: list[str] = []
        base = self.definitions[name].base
        while base is not None:
            found.append(base)
            base = self.definitions[base].base
        return tuple(found)

    def profile_json(self, name: str) -> Any:
        """The content of a file of `profiles/`, as `dmp/rules.json`; do not change what is returned."""
        return profile_json(name)


@cache
def load() -> Library:
    """The library of this process."""
    definitions = {
        name: TypeDefinition(
            name=name,
            kind=row["kind"],
            url=row["url"],
            base=row.get("base"),
            abstract=row.get("abstract", False),
            json=row.get("json"),
            regex=row.get("regex"),
            max_length=row.get("maxLength"),
        )
        for name, row in table("types").items()
    }
    types = tuple(sorted(name for name, each in definitions.items() if each.kind == "resource" and not each.abstract))
    return Library(types, tuple(name for name in types if name not in WITHOUT_ENDPOINT), definitions)


@cache
def table(name: str) -> Table:
    """A table of `r4/` by name, as `elements`."""
    return Table(gzip.decompress((files(__package__) / "r4" / f"{name}.json.gz").read_bytes()))


@cache
def profile_json(name: str) -> Any:
    """The content of a file of `profiles/`, as `dmp/rules.json`, decimals exact; do not change what is returned."""
    place = profiles()
    for step in name.split("/"):
        if step in ("", ".", ".."):
            raise ValueError(f"`{name}` is not the name of a profile")
        place = place / step
    return json.loads(place.read_text("utf-8"), parse_float=Decimal)


@cache
def profiles() -> Traversable:
    """The folder `profiles/`: package data where the server is installed, beside the package in a checkout."""
    try:
        return files("fhir_server.profiles")
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[2] / "profiles"
