"""`near`: places by their distance (https://hl7.org/fhir/R4/location.html#search, a special parameter).

Both halves. A Location with a position leaves a point; what is asked is a circle on the sphere,
`latitude|longitude|distance|units`: kilometres where no unit is said, any length of UCUM where one is. The
specification leaves the distance to the server where none is given. A position that is not on the earth leaves nothing.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from fhir_server.definitions.ucum import unit
from fhir_server.foundation.predicate import Near, Predicate
from fhir_server.foundation.problem import bad_request
from fhir_server.search import number
from fhir_server.search.escapes import plain, split
from fhir_server.search.query import Asked

MODIFIERS: frozenset[str] = frozenset()

DISTANCE = 10
"""How many kilometres are near, where nothing else is said."""
_METRE = "m"
_FURTHEST = Fraction(20_040_000)
"""Metres: no two places are further apart."""
_DECIMAL = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?", re.ASCII)
_DISTANCE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)


def point(position: Any) -> list[float] | None:
    """`[longitude, latitude]` in degrees of a `Location.position`; None for what is no place on the earth."""
    if not isinstance(position, dict):
        return None
    latitude, longitude = (number.fraction(position.get(name)) for name in ("latitude", "longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return [float(longitude), float(latitude)]


def clause(asked: Asked, text: str) -> Predicate:
    """What lies within a distance of a place; Problem 400 for what is no place, no distance or no length."""
    code, parts = asked.parameter.code, [plain(each) for each in split(text, "|")]
    if not 2 <= len(parts) <= 4:
        raise bad_request(f"`{code}` takes `latitude|longitude|distance|units`, such as `48.85|2.35|5|km`")
    latitude, longitude = _degrees(code, "latitude", parts[0], 90), _degrees(code, "longitude", parts[1], 180)
    return Near("place", latitude, longitude, float(min(_metres(code, parts[2:]), _FURTHEST)))


def _degrees(code: str, name: str, text: str, most: int) -> float:
    if not _DECIMAL.fullmatch(text) or abs(Fraction(text)) > most:
        raise bad_request(f"the {name} of `{code}` is a number of degrees from -{most} to {most}")
    return float(Fraction(text))


def _metres(code: str, parts: list[str]) -> Fraction:
    said, written = (*parts, "", "")[:2]
    if said and not _DISTANCE.fullmatch(said):
        raise bad_request(f"the distance of `{code}` is a number, zero or more")
    length = unit(written or "km")
    if length is None or length.canonical != _METRE:
        raise bad_request(f"the distance of `{code}` is in a length of UCUM, such as `km`, `m` or `[mi_i]`")
    return length.reduce(Fraction(said)) if said else Fraction(DISTANCE * 1000)
