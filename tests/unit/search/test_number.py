"""Numbers: what precision takes in, what the prefixes mean, and that texts sort as the numbers they stand for."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.foundation.predicate import matches
from fhir_server.foundation.problem import Problem
from fhir_server.resources import json_text
from fhir_server.search import number
from fhir_server.search.query import Asked
from fhir_server.search.supported import supported

ASKED = Asked("RiskAssessment", supported("RiskAssessment")["probability"])
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=-(10**20), max_value=10**20)
smalls = st.integers(-30, 30).map(lambda n: Decimal(n) / 10)
SIDES = (number.below, number.at, number.above)


@settings(deadline=None)
@given(st.lists(st.tuples(decimals.map(Fraction) | st.fractions(max_denominator=97), st.sampled_from([0, 1, 2]))))
def test_texts_sort_as_the_numbers_and_their_sides_do(several):
    by_number = sorted(set(several))
    assert by_number == sorted(set(several), key=lambda pair: SIDES[pair[1]](pair[0]))
    assert all(number.BELOW_ALL < SIDES[side](value) < number.ABOVE_ALL for value, side in several)


def test_a_tenth_and_two_tenths_are_three_tenths():
    third = Decimal("0.1") + Decimal("0.2")
    assert number.index(third, "decimal") == number.index(Decimal("0.3"), "decimal")
    assert number.index(0.1 + 0.2, "decimal") != number.index(0.3, "decimal")


@settings(deadline=None)
@given(decimals)
def test_eighteen_digits_and_more_are_kept_apart(value):
    """As far as forty digits: what is written in more is rounded there (docs/adr/0015)."""
    other = value + Decimal("1e-15")
    if other != value and max(len(each.as_tuple().digits) for each in (value, other)) <= 40:
        assert number.index(other, "decimal") != number.index(value, "decimal")


def test_how_a_number_is_written_does_not_matter_once_stored():
    texts = ["100", "100.0", "1e2", "1.00E+2", "10000e-2"]
    values = [json_text.read(f'{{"a": {text}}}')["a"] for text in texts]
    assert 1 == len({json.dumps(number.index(each, "decimal")) for each in values})


@pytest.mark.parametrize(
    ("text", "low", "end"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "95", "105"),
        ("1.0e2", "95", "105"),
        ("1.00e2", "99.5", "100.5"),
        ("5.40e-3", "0.005395", "0.005405"),
        ("0", "-0.5", "0.5"),
        ("-0.8", "-0.85", "-0.75"),
    ],
)
def test_the_precision_a_number_is_written_in_is_what_it_takes_in(text, low, end):
    prefix, around = number.read("probability", text, "a number")
    assert ("eq", Fraction(low), Fraction(end)) == (prefix, around.low, around.end)


def naive(prefix, text, lo, hi):
    """The words of https://hl7.org/fhir/R4/search.html#prefix on the ends of a target; comparisons are exact."""
    asked = Fraction(text)
    half = Fraction(1, 20) if "." in text else Fraction(1, 2)
    about = max(half, abs(asked) / 10)
    contained = asked - half <= lo and hi < asked + half
    return {
        "eq": contained,
        "ne": not contained,
        "gt": hi > asked,
        "lt": lo < asked,
        "ge": hi >= asked,
        "le": lo <= asked,
        "sa": lo > asked,
        "eb": hi < asked,
        "ap": lo <= asked + about and hi >= asked - about,
    }[prefix]


@settings(deadline=None)
@given(st.sampled_from(sorted(number.PREFIXES)), smalls, st.booleans(), smalls, smalls)
def test_a_prefix_means_what_the_specification_says(prefix, asked, whole, one, other):
    text = str(int(asked)) if whole else f"{asked:.1f}"
    lo, hi = sorted((one, other))
    range_ = {"low": {"value": lo}, "high": {"value": hi}}
    for value, kind, ends in ((lo, "decimal", (lo, lo)), (range_, "Range", (lo, hi))):
        document = {"numbers": number.named("RiskAssessment.probability", number.index(value, kind))}
        expected = naive(prefix, text, *map(Fraction, ends))
        assert expected == matches(number.clause(ASKED, prefix + text), document)


@pytest.mark.parametrize("value", [True, None, "1", {}, {"low": {}}, Decimal("NaN"), Decimal("1e999999999")])
def test_what_is_no_number_leaves_nothing_and_takes_no_time(value):
    assert [] == number.index(value, "Range" if isinstance(value, dict) else "decimal")


@pytest.mark.parametrize("text", ["", "gt", "1e9999", "1" * 61, "+1", "1 ", "１", "1_000", "Infinity", "gtgt1"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(Problem, match="takes a number such as"):
        number.clause(ASKED, text)
