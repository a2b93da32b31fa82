"""Negotiation: what the headers of a request say (https://www.rfc-editor.org/rfc/rfc7240, RFC 7231)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.problem import Problem
from fhir_server.http import negotiation
from fhir_server.http.negotiation import Preferences


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (None, Preferences()),
        ("respond-async, wait=10", Preferences()),
        ("return=minimal", Preferences("minimal")),
        ('Return="minimal"; handling=lenient', Preferences("minimal", lenient=True)),
        ("handling=strict, RETURN=OperationOutcome", Preferences("OperationOutcome")),
    ],
)
def test_a_preference_is_read_whatever_the_case_of_its_name(prefer, expected):
    assert expected == negotiation.preferences(prefer)


@pytest.mark.parametrize("prefer", ["return=nothing", "RETURN=nothing", "handling=maybe"])
def test_a_preference_that_cannot_be_honoured_is_refused(prefer):
    with pytest.raises(Problem, match="is not supported"):
        negotiation.preferences(prefer)


def test_a_pretty_body_is_on_lines_of_its_own_and_keeps_every_digit():
    body = b'{"a":1.00,"b":[],"c":{},"d":[1,{"e":"{x: [1, 2]}\\"\\\\"}],"f":1E+2,"g":null}'
    lines = [
        "{",
        '  "a": 1.00,',
        '  "b": [],',
        '  "c": {},',
        '  "d": [',
        "    1,",
        "    {",
        '      "e": "{x: [1, 2]}\\"\\\\"',
        "    }",
        "  ],",
        '  "f": 1E+2,',
        '  "g": null',
        "}",
    ]
    assert "\n".join(lines) == negotiation.indented(body).decode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    )
)
def test_any_pretty_body_says_the_same(value):
    made = negotiation.indented(json.dumps(value, separators=(",", ":")).encode())

    assert made.decode() == json.dumps(value, indent=2)
