"""`near`: what is asked of a place, and where a Location stands."""

import pytest

from fhir_server.foundation.predicate import Near, matches
from fhir_server.foundation.problem import Problem
from fhir_server.search.index import index_of
from fhir_server.search.near import point
from fhir_server.search.parse import parse

CHU = {"resourceType": "Location", "position": {"latitude": 45.1997, "longitude": 5.7455}}


def asked(text, name="near"):
    return parse("Location", [(name, text)], lenient=False, base="").where


def found(where, resource=CHU):
    indexed = index_of(resource)
    return matches(where, {"index": indexed.tokens, "place": indexed.place})


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("45.2|5.7|11.20|km", 11_200),
        ("45.2|5.7|11.20", 11_200),
        ("45.2|5.7|500|m", 500),
        ("45.2|5.7|1|[mi_i]", 1609.344),
        ("45.2|5.7|0|m", 0),
        ("45.2|5.7", 10_000),
        ("45.2|5.7||[mi_i]", 10_000),
        ("45.2|5.7|99999999", 20_040_000),
    ],
)
def test_a_distance_is_in_kilometres_or_in_a_length_of_ucum(text, metres):
    assert Near("place", 45.2, 5.7, metres) == asked(text)


def test_what_lies_within_is_found_and_what_lies_beyond_is_not():
    assert found(asked("45.1885|5.7245|3|km"))
    assert not found(asked("45.1885|5.7245|1|km"))
    assert found(asked("48.85|2.35|1,45.1885|5.7245|3"))
    assert not found(asked("45.1885|5.7245|3"), {"resourceType": "Location"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("45", "takes `latitude|longitude"),
        ("45|5|1|km|x", "takes `latitude|longitude"),
        ("91|5", "latitude"),
        ("45|181", "longitude"),
        ("1e1|5", "latitude"),
        ("45|", "longitude"),
        ("nan|5", "latitude"),
        ("45|5|-1", "zero or more"),
        ("45|5|1|kg", "a length of UCUM"),
        ("45|5|1|miles", "a length of UCUM"),
        ("٤|5", "latitude"),
    ],
)
def test_what_is_no_place_or_no_length_is_refused(text, why):
    with pytest.raises(Problem) as refused:
        asked(text)
    assert why in str(refused.value)


def test_what_is_not_on_the_earth_has_no_place_and_no_order():
    for position in ({"latitude": 200, "longitude": 5}, {"latitude": 45}, {"latitude": 45, "longitude": -181}, "x"):
        assert point(position) is None
        lost = {"resourceType": "Location", "position": position}
        assert index_of(lost).place is None
        assert found(asked("true", "near:missing"), lost)
    assert found(asked("false", "near:missing"))
    with pytest.raises(Problem, match="not sorted by their distance"):
        asked("near", "_sort")
