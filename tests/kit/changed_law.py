"""Another law: the rules under a table of words, switches and durations that differs from the one we ship in one place.

May live here: the leaves of `profiles/dmp/rules.json`, what each could be instead, and running the rules under it. May
not know: what comes of it. The rooms of `consent` read the table once; here their words and settings are put in place of
what they read, and given back.
"""

from __future__ import annotations

import copy
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fhir_server import consent
from fhir_server.consent import settings as settings_room
from fhir_server.consent.matrix import Matrix
from fhir_server.definitions import library
from fhir_server.definitions.library import profile_json

ROOMS = tuple(
    importlib.import_module(f"fhir_server.consent.{each.name}") for each in pkgutil.iter_modules(consent.__path__)
)
SHIPPED = profile_json("dmp/rules.json")
OTHER = "autre-mot"


def leaves(table: Any = SHIPPED, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every word, switch and duration, with the keys that lead to it; of a list each of its words."""
    rows = table.items() if isinstance(table, dict) else enumerate(table)
    for key, value in rows:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def others(value: Any) -> tuple[Any, ...]:
    """What a leaf could be instead: the other way of a switch, one less and one more, another word."""
    match value:
        case bool():
            return (not value,)
        case int():
            return (value - 1, value + 1)
        case None:
            return (1,)
        case _:
            return (OTHER,)


def changed(path: tuple[Any, ...], value: Any, table: Any = SHIPPED) -> Any:
    """The table with that one leaf changed."""
    table = copy.deepcopy(table)
    at = table
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return table


@contextmanager
def under(table: Any) -> Iterator[Matrix]:
    """The rules as they would be had `rules.json` been this; yields the matrix that goes with it."""
    shipped, read = settings_room.settings, settings_room.read(table)
    words = {SHIPPED["consents"][name]: word for name, word in table["consents"].items()}
    put_back: list[tuple[Any, str, Any]] = []
    for room in ROOMS:
        for name, value in list(vars(room).items()):
            other = (lambda: read) if value is shipped else _reworded(value, words)
            if name == "_WORDS":
                other = table
            if other is not value:
                put_back.append((room, name, value))
                setattr(room, name, other)
    _forget()
    switches = table["switches"]
    try:
        yield Matrix(
            profile_json("dmp/access-matrix.json"),
            profile_json("dmp/document-types.json"),
            switches["allow_medecine_travail_with_express_consent"],
        )
    finally:
        for room, name, value in put_back:
            setattr(room, name, value)
        _forget()


@contextmanager
def everywhere(table: Any) -> Iterator[None]:
    """The other rooms too, as far as they read the table when they are asked or built."""

    def read(name: str) -> Any:
        return table if name == "dmp/rules.json" else profile_json(name)

    rooms = [
        room
        for name, room in list(sys.modules.items())
        if name.startswith("fhir_server.") and room is not library and vars(room).get("profile_json") is profile_json
    ]
    for room in rooms:
        vars(room)["profile_json"] = read
    try:
        yield
    finally:
        for room in rooms:
            vars(room)["profile_json"] = profile_json


def _reworded(value: Any, words: dict[str, str]) -> Any:
    """A constant of a room, with the words of the other table; the same object where nothing changes."""
    if isinstance(value, str) and words.get(value, value) != value:
        return words[value]
    if isinstance(value, frozenset) and any(words.get(each, each) != each for each in value if isinstance(each, str)):
        return frozenset(words.get(each, each) for each in value)
    return value


def _forget() -> None:
    """Predicates that were remembered under the other table."""
    for room in ROOMS:
        for value in vars(room).values():
            if hasattr(value, "cache_clear") and value is not settings_room.settings:
                value.cache_clear()
