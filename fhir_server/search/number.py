"""Number parameters (https://hl7.org/fhir/R4/search.html#number and #prefix).

Both halves. What is stored is a point, or an interval where it is a Range; what is asked is a point with the precision
it is written in: `100` is [99.5, 100.5), `100.00` is [99.995, 100.005). "When a comparison prefix in the set gt, lt,
ge, le, sa and eb is provided, the implicit precision of the number is ignored".

The two ends of an interval are kept as texts that sort as their numbers do. MongoDB compares texts byte by byte, as
Python does, so both interpreters agree without a word about numbers, and 0.1 + 0.2 is 0.3: a double is neither exact
nor the same after it was converted, and a Decimal128 would make the foundation know BSON. R4 asks for 18 digits; a
text has the 40 that hold such a value times any factor of UCUM, and a fraction (60 a minute is 1 a second) is rounded
there: equal values have equal texts, and no order is ever turned round.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from fhir_server.foundation.predicate import Between, Has, Predicate, Some, both, either
from fhir_server.foundation.problem import bad_request
from fhir_server.search.escapes import plain
from fhir_server.search.query import Asked

MODIFIERS: frozenset[str] = frozenset()

Spans = list[dict[str, Any]]
"""Elements of the envelope's `numbers`: `{key, lo, hi}`, a list of texts and the two ends."""

BELOW_ALL, ABOVE_ALL = "0", "4"
_DIGITS = Context(prec=40, Emin=-999_999, Emax=999_999)
_BIAS = 5_000
_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]{0,59})(\.[0-9]{1,60})?)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Around:
    """A number that is asked for: itself, the least and the end of what its precision takes in, what is near it."""

    exact: Fraction
    low: Fraction
    end: Fraction
    near_low: Fraction
    near_high: Fraction

    def reduced(self, change: Callable[[Fraction], Fraction]) -> Around:
        """The same in another unit; `change` keeps the order."""
        return Around(*map(change, (self.exact, self.low, self.end, self.near_low, self.near_high)))


# Ends of a target, as ends sort: the least of its lo, the end of it, the least of its hi, the end of it; None for open.
Bounds = tuple[str | None, str | None, str | None, str | None]

PREFIXES: dict[str, Callable[[Around], tuple[Bounds, ...]]] = {
    # "the range of the search value fully contains the range of the target value"
    "eq": lambda q: ((at(q.low), None, None, at(q.end)),),
    "ne": lambda q: ((None, at(q.low), None, None), (None, None, at(q.end), None)),
    # "the range above the search value intersects with the range of the target value"
    "gt": lambda q: ((None, None, above(q.exact), None),),
    "lt": lambda q: ((None, at(q.exact), None, None),),
    "ge": lambda q: ((None, None, at(q.exact), None),),
    "le": lambda q: ((None, above(q.exact), None, None),),
    # "the range above the search value contains the range of the target value"
    "sa": lambda q: ((above(q.exact), None, None, None),),
    "eb": lambda q: ((None, None, None, at(q.exact)),),
    # "a recommended value for the approximation is 10% of the stated value", and never less than its own precision
    "ap": lambda q: ((None, above(q.near_high), at(q.near_low), None),),
}


def index(value: Any, kind: str) -> Spans:
    """The number itself, or from the low to the high of a Range; [] for what is neither."""
    if kind == "Range" and isinstance(value, dict):
        low, high = (
            fraction(end.get("value")) if isinstance(end := value.get(name), dict) else None for name in ("low", "high")
        )
        return [] if low is None and high is None else [span([""], *ends(low, high))]
    found = fraction(value)
    return [] if found is None else [span([""], at(found), at(found))]


def clause(asked: Asked, text: str) -> Predicate:
    """One value of the form `[prefix]number`; Problem 400 for what is no number."""
    prefix, around = read(asked.parameter.code, plain(text), "a number such as `100`, `-0.8` or `1e2`")
    return within(asked.name, prefix, around)


def within(key: str, prefix: str, around: Around) -> Predicate:
    """One of the numbers under a key lies as the prefix says."""
    return either(*(Some("numbers", _bounded(key, bounds)) for bounds in PREFIXES[prefix](around)))


def read(code: str, text: str, expected: str) -> tuple[str, Around]:
    """The prefix, `eq` where there is none, and the number; Problem 400 that says what is `expected`."""
    prefix = text[:2] if text[:2] in PREFIXES else ""
    found = _NUMBER.fullmatch(text[len(prefix) :])
    if not found:
        offered = f"after one of the prefixes {' '.join(PREFIXES)} or none"
        raise bad_request(f"`{code}` takes {expected}, {offered}")
    _, decimals, exponent = found.groups()
    exact = Fraction(found[0])
    # `1e2` is [95, 105) in the specification's table: a mantissa without decimals counts as written with one
    places = len(decimals) - 1 if decimals else int(bool(exponent))
    half = Fraction(1, 2) * Fraction(10) ** int(exponent[1:] if exponent else 0) / Fraction(10) ** places
    near = max(half, abs(exact) / 10)
    return prefix or "eq", Around(exact, exact - half, exact + half, exact - near, exact + near)


def fraction(value: Any) -> Fraction | None:
    """A stored JSON number as what it is exactly; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    # JSON text is refused far below these (resources/json_text.py); nothing else may make us work for ever
    if not number.is_finite() or abs(number.adjusted()) > _BIAS // 2 or len(number.as_tuple().digits) > _BIAS:
        return None
    return Fraction(number)


def ends(low: Fraction | None, high: Fraction | None) -> tuple[str, str]:
    """The ends of an interval that holds both of its limits; None is no limit."""
    lo = BELOW_ALL if low is None else at(low)
    return lo, lo if low is not None and low == high else ABOVE_ALL if high is None else at(high)


def span(keys: list[str], lo: str, hi: str) -> dict[str, Any]:
    """One element of `numbers`; its keys begin with the name of a parameter, which `search/index.py` puts there."""
    return {"key": keys, "lo": lo, "hi": hi}


def named(name: str, spans: Spans) -> Spans:
    """The same elements under the name of a parameter (`Type.code`)."""
    return [{**each, "key": [name + key for key in each["key"]]} for each in spans]


def at(value: Fraction) -> str:
    """The text of a number."""
    return _text(value, ");")


def above(value: Fraction) -> str:
    """The text of what comes right after a number: where an interval begins that does not hold its limit."""
    return _text(value, "+<")


def below(value: Fraction) -> str:
    """The text of what comes right before a number: where an interval ends that does not hold its limit."""
    return _text(value, "(:")


def _text(value: Fraction, ends_in: str) -> str:
    """Sign, exponent, digits, and a letter that is less than any digit, or for a negative number more than any.

    Of a negative number exponent and digits are complements: the larger they are, the less it is.
    """
    if not value:
        return "2" + ends_in[0]
    number = _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    size = f"{number.adjusted() + _BIAS:04d}{digits}"
    return f"3{size}{ends_in[0]}" if value > 0 else f"1{size.translate(_COMPLEMENT)}{ends_in[1]}"


def _bounded(key: str, bounds: Bounds) -> Predicate:
    lo_min, lo_end, hi_min, hi_end = bounds
    if lo_end is None:
        lo_end = hi_end  # what ends before something begins before it: the index over `lo` is read no further
    sides = (("lo", lo_min, lo_end), ("hi", hi_min, hi_end))
    limits = [Between(name, low, end) for name, low, end in sides if low is not None or end is not None]
    return both(Has("key", key), *limits)
