"""Quantities: what leaves what, and that nothing else than a quantity troubles the index."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.foundation.predicate import Between, matches
from fhir_server.search import number, quantity
from fhir_server.search.query import Asked
from fhir_server.search.supported import supported

UCUM = "http://unitsofmeasure.org"
NAME = "Observation.value-quantity"
ASKED = Asked("Observation", supported("Observation")["value-quantity"])
names = st.sampled_from(
    "value unit system code comparator low high origin data factor lowerLimit upperLimit currency".split()  # noqa: SIM905
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=5),
    max_leaves=8,
)
MASSES = {-3: "ng", -2: "ug", -1: "mg", 0: "g", 1: "kg", 2: "Mg", 3: "Gg"}
amounts = st.decimals(min_value=0, max_value=10**6, places=6)


def left(value, kind="Quantity"):
    return {"numbers": number.named(NAME, quantity.index(value, kind))}


@settings(deadline=None)
@given(st.dictionaries(names, anything, max_size=6), st.sampled_from(["Quantity", "Range", "SampledData", "Money"]))
def test_whatever_stands_there_can_be_indexed(value, kind):
    for each in quantity.index(value, kind):
        assert {"key", "lo", "hi"} == set(each)
        assert all(isinstance(key, str) for key in each["key"])


@settings(deadline=None)
@given(amounts, st.integers(-3, 3), st.integers(-3, 3))
def test_a_mass_is_found_in_any_metric_unit_of_mass_and_exactly(amount, stored, asked):
    """A shift of the point by thousands: nothing is lost on the way to grams, nor on the way back."""
    there = left({"value": amount, "system": UCUM, "code": MASSES[stored]})
    text = f"{amount.scaleb(3 * (stored - asked)):f}"
    found = {
        prefix: matches(quantity.clause(ASKED, f"{prefix}{text}|{UCUM}|{MASSES[asked]}"), there)
        for prefix in ("eq", "ge", "le", "gt", "lt", "sa", "eb")
    }
    assert {"eq": True, "ge": True, "le": True, "gt": False, "lt": False, "sa": False, "eb": False} == found


def test_a_converted_unit_has_no_key_as_written_but_its_words():
    keys = [
        each["key"] for each in quantity.index({"value": 5, "unit": "mg", "system": UCUM, "code": "mg"}, "Quantity")
    ]
    assert [[""], ["~g"]] == keys
    named = quantity.index({"value": 5, "unit": "milligrammes", "system": UCUM, "code": "mg"}, "Quantity")
    assert ["", "||milligrammes"] == named[0]["key"]
    tablets = quantity.index({"value": 5, "unit": "comprimés", "system": "urn:x", "code": "tab"}, "Quantity")
    assert [["", "|urn:x|tab", "||tab", "||comprimés"]] == [each["key"] for each in tablets]


def test_limits_of_a_range_in_two_units_are_compared_in_base_units_or_not_at_all():
    def range_(low, high):
        limits = {
            name: {"value": value, "system": UCUM, "code": code}
            for name, (value, code) in zip(("low", "high"), (low, high), strict=True)
        }
        return quantity.index(limits, "Range")

    assert [["~s"]] == [each["key"] for each in range_((6, "mo"), (2, "a"))]
    assert [] == range_((6, "mo"), (2, "kg"))


@pytest.mark.parametrize(
    ("data", "low", "high"),
    [("1 2 3", "1", "3"), ("E 2", "2", "2"), ("L 2", "-5", "2"), ("U", "50", "50"), ("1e1 -4", "-4", "10")],
)
def test_sampled_data_reaches_from_its_least_to_its_greatest(data, low, high):
    value = {"origin": {"value": 10}, "factor": 2, "lowerLimit": -5, "upperLimit": 50, "data": data}
    (found,) = quantity.index(value, "SampledData")
    assert (number.at(10 + 2 * Fraction(low)), number.at(10 + 2 * Fraction(high))) == (found["lo"], found["hi"])


def test_sampled_data_without_a_point_leaves_nothing():
    for data in ("E E", "", "L", "NaN", "1" * 101):
        assert [] == quantity.index({"origin": {"value": 0}, "data": data}, "SampledData")


def test_a_clause_reads_no_more_of_the_index_than_it_must():
    """What ends before something begins before it."""
    some = quantity.clause(ASKED, "eb5||tab")
    assert Between("lo", None, number.at(Fraction(5))) in some.inner.of
