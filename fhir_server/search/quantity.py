"""Quantity parameters (https://hl7.org/fhir/R4/search.html#quantity): `[prefix]number`, `…|system|code`, `…||unit`.

Both halves. A quantity is kept twice: as it is written, under its unit, and in base units where UCUM can convert it, so
that 5 mg finds 0.005 g (docs/adr/0015). "The search processor may choose to perform a search based on canonical units
(e.g. any value where the units can be converted to a value in mg …)"; a unit that cannot be converted is compared as
written. Without a unit only the number is asked for, as written, whatever its unit.

A comparator makes an open interval of a value (`< 5` is all below 5); SampledData is asked for by the bounds of its
values; the system of a currency is ISO 4217's.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any

from fhir_server.definitions.ucum import SYSTEM, Unit, unit
from fhir_server.foundation.predicate import Predicate, either
from fhir_server.foundation.problem import bad_request
from fhir_server.search import number
from fhir_server.search.escapes import plain, split
from fhir_server.search.number import ABOVE_ALL, BELOW_ALL, Spans
from fhir_server.search.query import Asked

MODIFIERS: frozenset[str] = frozenset()

CURRENCIES = "urn:iso:std:iso:4217"
EXPECTED = "`number`, `number|system|code` or `number||unit`, such as `5.4|http://unitsofmeasure.org|mg`"

_ENDS = {
    "<": lambda value: (BELOW_ALL, number.below(value)),
    "<=": lambda value: (BELOW_ALL, number.at(value)),
    ">": lambda value: (number.above(value), ABOVE_ALL),
    ">=": lambda value: (number.at(value), ABOVE_ALL),
}


def index(value: Any, kind: str) -> Spans:
    """What a Quantity (of any kind), Money, Range or SampledData leaves; [] for what has no value.

    The keys are "" for any unit, `|system|code` and `||unit` for the unit as written, `~unit` for base units; a code
    that is converted is asked for in base units alone, and so has no key as written.
    """
    if not isinstance(value, dict):
        return []
    match kind:
        case "Range":
            return _range(value)
        case "SampledData":
            return _sampled(value)
        case "Money":
            amount, currency = number.fraction(value.get("value")), value.get("currency")
            return [] if amount is None else _spans(amount, amount, {"system": CURRENCIES, "code": currency})
    return _quantity(value)


def clause(asked: Asked, text: str) -> Predicate:
    """One value in one of its three forms; Problem 400 for any other."""
    code, parts = asked.parameter.code, [plain(each) for each in split(text, "|")]
    prefix, around = number.read(code, parts[0], EXPECTED)
    match parts[1:]:
        case [] | ["", ""]:
            return number.within(asked.name, prefix, around)
        case ["", written]:
            as_written = number.within(f"{asked.name}||{written}", prefix, around)
            known = unit(written)
            return either(as_written, _converted(asked.name, known, prefix, around)) if known else as_written
        case [system, written] if written:
            known = unit(written) if system == SYSTEM else None
            if known:
                return _converted(asked.name, known, prefix, around)
            return number.within(f"{asked.name}|{system}|{written}", prefix, around)
    raise bad_request(f"`{code}` takes {EXPECTED}")


def _converted(name: str, known: Unit, prefix: str, around: number.Around) -> Predicate:
    return number.within(f"{name}~{known.canonical}", prefix, around.reduced(known.reduce))


def _quantity(value: dict[str, Any]) -> Spans:
    amount = value.get("value")
    if not isinstance(amount, int | float | Decimal):
        return []
    written = [each if isinstance(each := value.get(name), str) else "" for name in _UNIT]
    return _single(amount, str(value.get("comparator")), *written)


@lru_cache(maxsize=1024, typed=True)
def _single(value: float | Decimal, comparator: str, system: str, code: str, words: str) -> Spans:
    """Remembered: parameters and composites of an Observation look at the same value, and so do many Observations."""
    amount = number.fraction(value)
    if amount is None:
        return []
    return _spans(amount, amount, {"system": system, "code": code, "unit": words}, comparator)


def _range(value: dict[str, Any]) -> Spans:
    """From the low to the high; limits of two units that cannot be compared leave nothing but their presence."""
    limits = [each if isinstance(each := value.get(name), dict) else {} for name in ("low", "high")]
    low, high = (number.fraction(each.get("value")) for each in limits)
    if low is None and high is None:
        return []
    known = [each for each, amount in zip(limits, (low, high), strict=True) if amount is not None]
    if len(known) == 2 and _keys(known[0]) != _keys(known[1]):
        return _converted_range(low, high, [_known(each) for each in known])
    return _spans(low, high, known[0])


def _converted_range(low: Fraction | None, high: Fraction | None, units: list[Unit | None]) -> Spans:
    first, last = units
    if first is None or last is None or first.canonical != last.canonical or low is None or high is None:
        return []
    return [number.span([f"~{first.canonical}"], *number.ends(first.reduce(low), last.reduce(high)))]


def _sampled(value: dict[str, Any]) -> Spans:
    """From the least to the greatest of the sampled values (https://hl7.org/fhir/R4/datatypes.html#SampledData)."""
    origin = value.get("origin")
    data = value.get("data")
    if not isinstance(origin, dict) or not isinstance(data, str):
        return []
    lower, upper = (number.fraction(value.get(name)) for name in ("lowerLimit", "upperLimit"))
    found = _outer(data, lower, upper)
    zero, factor = number.fraction(origin.get("value")), number.fraction(value.get("factor", 1))
    if found is None or zero is None or factor is None:
        return []
    low, high = sorted(zero + each * factor for each in found)
    return _spans(low, high, origin)


@lru_cache(maxsize=1)
def _outer(data: str, lower: Fraction | None, upper: Fraction | None) -> tuple[Fraction, Fraction] | None:
    """The least and the greatest of the points, remembered: several parameters look at the same data."""
    limits = {"L": lower, "U": upper}
    points = set(data.split())
    known = [point for each in points - limits.keys() if (point := _point(each)) is not None]
    reached = [limit for each, limit in limits.items() if each in points and limit is not None]
    ends = [*(Fraction(each) for each in ((min(known), max(known)) if known else ())), *reached]
    return (min(ends), max(ends)) if ends else None


def _point(written: str) -> Decimal | None:
    """One of perhaps millions: a decimal, and no fraction before the least and the greatest are known."""
    try:
        found = Decimal(written) if len(written) <= _LONGEST else _NONE
    except InvalidOperation:  # `E`, which is no value, and whatever else is none
        return None
    return found if found.is_finite() and abs(found.adjusted()) <= _LONGEST else None


_LONGEST = 100
_NONE = Decimal("NaN")


def _spans(low: Fraction | None, high: Fraction | None, written: dict[str, Any], comparator: str = "") -> Spans:
    """The interval as written and, where its unit is known, in base units; a comparator is that of a single value."""

    def ends(change: Any) -> tuple[str, str]:
        least, most = (None if each is None else change(each) for each in (low, high))
        return _ENDS[comparator](least) if comparator in _ENDS and least is not None else number.ends(least, most)

    known = _known(written)
    keys = _keys(written)
    if known:
        code = written["code"]
        keys = [each for each in keys if each not in (f"|{SYSTEM}|{code}", f"||{code}")]
    spans = [number.span(["", *keys], *ends(lambda each: each))]
    if known:
        spans.append(number.span([f"~{known.canonical}"], *ends(known.reduce)))
    return spans


def _keys(written: dict[str, Any]) -> list[str]:
    """The unit as written: `|system|code`, and `||…` for its code and for the unit in words."""
    system, code, words = (each if isinstance(each := written.get(name), str) else "" for name in _UNIT)
    keys = [f"|{system}|{code}"] if system and code else []
    return [*keys, *(f"||{each}" for each in dict.fromkeys((code, words)) if each)]


_UNIT = ("system", "code", "unit")


def _known(written: dict[str, Any]) -> Unit | None:
    code = written.get("code")
    return unit(code) if written.get("system") == SYSTEM and isinstance(code, str) else None
