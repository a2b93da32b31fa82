"""UCUM: what a unit's code means in base units (https://ucum.org/ucum, case sensitive codes).

May live here: reading a code by UCUM's grammar and reducing it, exactly, to base units. May not know: quantities, how
they are indexed or asked for (`search/quantity.py`). The table is UCUM's own; `units/SOURCES.json` says from where.

Factors are fractions: 5 mg and 0.005 g are one value, and so are 98.6 degrees Fahrenheit and 37 Celsius. An arbitrary
unit (`[iU]`) converts only to itself, prefixes apart. Units on a logarithmic or another curved scale (pH, bel) are not
reduced, nor is a temperature within a larger expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson

SYSTEM = "http://unitsofmeasure.org"

_LONGEST = 100
_LARGEST = Fraction(10) ** 200
# Of the functions of UCUM, those that are a factor and an offset: what is added, in kelvin, to the scaled value.
_OFFSETS = {
    "Cel": Fraction("273.15"),
    "degF": Fraction("459.67") * Fraction(5, 9),
    "degRe": Fraction("273.15"),
}
_SIMPLE = re.compile(r"(?:\[[^\]]*\]|[^./(){}\[\]])+")
_RAISED = re.compile(r"(.+?)([+-]?[0-9]{1,2})")
_DIGITS = re.compile(r"[0-9]{1,20}")
_ANNOTATION = re.compile(r"\{[!-z|~]*\}")

Dimensions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in base units: a value of it is `value * factor + offset` of `canonical`."""

    canonical: str
    factor: Fraction
    offset: Fraction = Fraction(0)

    def reduce(self, value: Fraction) -> Fraction:
        """The value in base units, exactly."""
        return value * self.factor + self.offset


class _Unread(ValueError):
    """The code is not UCUM's, or cannot be reduced to base units."""


@dataclass(frozen=True, slots=True)
class _Term:
    """A product of base units."""

    factor: Fraction
    dimensions: Dimensions = ()

    def times(self, other: _Term, sign: int = 1) -> _Term:
        """Multiplied by another term, or divided by it."""
        found = dict(self.dimensions)
        for base, exponent in other.dimensions:
            found[base] = found.get(base, 0) + sign * exponent
        kept = tuple(sorted((base, exponent) for base, exponent in found.items() if exponent))
        return _Term(self.factor * other.factor**sign, kept)

    def raised(self, exponent: int) -> _Term:
        """To a power."""
        kept = tuple((base, each * exponent) for base, each in self.dimensions if exponent)
        return _Term(self.factor**exponent, kept)


ONE = _Term(Fraction(1))


@lru_cache(maxsize=4096)
def unit(code: str) -> Unit | None:
    """What a code means, None for what is no UCUM code or cannot be converted."""
    if not code or len(code) > _LONGEST or not code.isascii():
        return None
    row = _units().get(code)
    try:
        if row is not None and row.get("function") in _OFFSETS:
            term = _read(row["unit"]).times(_Term(Fraction(row["value"])))
            return Unit(_written(term.dimensions), term.factor, _OFFSETS[row["function"]])
        term = _read(code)
    except _Unread:
        return None
    if not 1 / _LARGEST < term.factor < _LARGEST:
        return None
    return Unit(_written(term.dimensions), term.factor)


def _written(dimensions: Dimensions) -> str:
    return ".".join(base if exponent == 1 else f"{base}{exponent}" for base, exponent in dimensions) or "1"


@cache
def _table() -> Mapping[str, Any]:
    text = (files("fhir_server.definitions") / "units" / "ucum.json").read_bytes()
    table: Mapping[str, Any] = orjson.loads(text)
    return table


def _units() -> Mapping[str, Mapping[str, Any]]:
    units: Mapping[str, Mapping[str, Any]] = _table()["units"]
    return units


def _read(code: str) -> _Term:
    reader = _Reader(code)
    term = reader.term(leading=True)
    if reader.at != len(code):
        raise _Unread
    return term


@cache
def _atom(code: str) -> _Term:
    """A unit atom, with a metric prefix or none."""
    if code in _table()["bases"]:
        return _Term(Fraction(1), ((code, 1),))
    row = _units().get(code)
    if row is not None:
        return _defined(code, row)
    for prefix, value in _table()["prefixes"].items():
        rest = code.removeprefix(prefix)
        if rest and rest != code and (rest in _table()["bases"] or _units().get(rest, {}).get("metric")):
            return _Term(Fraction(value)).times(_atom(rest))
    raise _Unread


def _defined(code: str, row: Mapping[str, Any]) -> _Term:
    if "function" in row:
        raise _Unread
    if row.get("arbitrary") and row["unit"] == "1":
        return _Term(Fraction(1), ((code, 1),))
    return _Term(Fraction(row["value"])).times(_read(row["unit"]))


class _Reader:
    """Reads one code from left to right."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0

    def term(self, *, leading: bool = False) -> _Term:
        """Components between `.` and `/`, from left to right; only the first term of a code may begin with `/`."""
        if leading and self.code[self.at : self.at + 1] == "/":
            found = ONE
        else:
            found = self.component()
        while self.at < len(self.code) and self.code[self.at] in "./":
            sign = 1 if self.code[self.at] == "." else -1
            self.at += 1
            found = found.times(self.component(), sign)
        return found

    def component(self) -> _Term:
        """A bracketed term, an annotation, a whole number, or a unit with its exponent and annotation."""
        if self.code[self.at : self.at + 1] == "(":
            self.at += 1
            found = self.term(leading=True)
            if self.code[self.at : self.at + 1] != ")":
                raise _Unread
            self.at += 1
            return found
        if self._annotation():
            return ONE
        simple = _SIMPLE.match(self.code, self.at)
        if simple is None:
            raise _Unread
        self.at = simple.end()
        found = _simple(simple[0])
        self._annotation()
        return found

    def _annotation(self) -> bool:
        said = _ANNOTATION.match(self.code, self.at)
        if said:
            self.at = said.end()
        return said is not None


def _simple(text: str) -> _Term:
    if _DIGITS.fullmatch(text):
        if not int(text):
            raise _Unread
        return _Term(Fraction(int(text)))
    if text not in _units() and (raised := _RAISED.fullmatch(text)):
        return _atom(raised[1]).raised(int(raised[2]))
    return _atom(text)
