"""Changes: what differs between two versions, as a rule reads it (DMP-25, K1)."""

from __future__ import annotations

import pytest

from fhir_server.consent.request import changed


def test_changes_are_the_elements_that_differ():
    assert changed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 4}) == {"b", "c", "d"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, "u", {"extension:u"}),
        ("u", None, {"extension:u"}),
        ("uv", "uvw", {"extension:w"}),
        ("uv", "u", {"extension:v"}),
        ("u", "uuv", {"extension:u", "extension:v"}),
        ("uv", "uwv", {"extension:w"}),
        ("uvw", "uwv", {"extension"}),
        ("uvw", "wvux", {"extension"}),
    ],
)
def test_of_extensions_it_is_told_which_differ_where_the_rest_stands_as_it_was(before, after, expected):
    one, other = ({"extension": [{"url": each} for each in urls]} if urls else {} for urls in (before, after))
    assert expected == changed(one, other)


@pytest.mark.parametrize("odd", ["x", {"url": "u"}, ["u"], [{"url": 1}], [{}], [None], [["u"]]], ids=str)
def test_extensions_that_cannot_be_told_apart_differ_as_a_whole(odd):
    assert {"extension"} == changed({"extension": [{"url": "u"}]}, {"extension": odd})
    assert {"extension"} == changed({"extension": odd}, {})
