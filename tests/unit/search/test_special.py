"""What shapes an answer: sizes, orders, totals."""

import pytest

from fhir_server.foundation.problem import Problem
from fhir_server.search import special
from fhir_server.search.query import NEWEST_FIRST, Order


@pytest.mark.parametrize(
    ("text", "expected"), [(None, 20), ("0", 0), ("7", 7), ("200", 200), ("100000", 200), ("007", 7)]
)
def test_a_count_is_capped(text, expected):
    assert expected == special.count(text, 200)


def test_the_usual_count_is_capped_too():
    assert 5 == special.count(None, 5)


@pytest.mark.parametrize("text", ["-1", "NaN", "1.5", "", "1e2", "٣", "9" * 19])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(Problem, match="`_count`"):
        special.count(text, 200)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, NEWEST_FIRST),
        ("_id", (Order("id"),)),
        ("-_lastUpdated", (Order("updated", descending=True),)),
        (
            "type,-_profile",
            (Order("code:DocumentReference.type="), Order("text:DocumentReference._profile=", descending=True)),
        ),
        (
            "description,subject",
            (Order("text:DocumentReference.description^"), Order("text:DocumentReference.subject=")),
        ),
        ("date,-period", (Order("date:date"), Order("date:period", descending=True))),
    ],
)
def test_a_sort_goes_by_whatever_has_an_order(text, expected):
    assert expected == special.order("DocumentReference", text)


@pytest.mark.parametrize("text", ["relationship", "", "date,", "--date", "nonsense", "type:x", "_id,_id,_id,_id,_id"])
def test_any_other_sort_is_refused(text):
    with pytest.raises(Problem, match="`_sort`"):
        special.order("DocumentReference", text)


def test_an_estimate_is_answered_accurately():
    assert ["accurate", "accurate", "accurate", "none"] == [
        special.total(each) for each in (None, "accurate", "estimate", "none")
    ]


def test_summary_false_is_the_whole_resource():
    assert [None, None, "count"] == [special.summary(each) for each in (None, "false", "count")]
