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


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "json"),
        (" ", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("application/fhir+json", "json"),
        ("application/fhir+xml", "xml"),
        ("application/xml", "xml"),
        ("text/xml", "xml"),
        ("Application/FHIR+XML; charset=utf-8", "xml"),
        ("application/fhir+xml; fhirVersion=4.0", "xml"),
        ("application/fhir+xml, application/fhir+json", "json"),
        ("application/fhir+xml, */*", "xml"),
        ("application/fhir+xml, */*;q=0.1", "xml"),
        ("application/fhir+xml;q=0.1, */*", "json"),
        ("application/fhir+xml;q=0.5, application/fhir+json;q=0.6", "json"),
        ("application/fhir+xml; q=1, application/fhir+json; q=0.5", "xml"),
        ("application/fhir+json;q=0, */*", "xml"),
        ("application/fhir+xml;q=0, */*", "json"),
        ("application/fhir+json; fhirVersion=3.0, application/fhir+xml;q=0.1", "xml"),
        ("application/fhir+turtle, application/xml;q=0.2, application/json;q=0.1", "xml"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "json"),
        ("application/json, text/plain, */*", "json"),
        ("application/fhir+xml;q=nonsense", "xml"),
    ],
)
def test_the_format_is_the_one_that_is_wanted_most_and_json_where_none_is(accept, expected):
    """Rows 3 and 6 (RFC 9110, 12.5.1)."""
    assert expected == negotiation.spoken(accept, None)


@pytest.mark.parametrize("accept", ["text/plain", "application/fhir+xml;q=0", "application/fhir+turtle", "*/*;q=0", ";;", "xml", "json", "application/fhir+json; fhirVersion=3.0", "text/*;q=0.000"])  # fmt: skip
def test_an_accept_that_names_nothing_we_write_is_406(accept):
    """Row 4."""
    with pytest.raises(Problem) as refused:
        negotiation.spoken(accept, None)
    assert 406 == refused.value.status


@pytest.mark.parametrize("name", sorted(negotiation.FORMATS))
def test_the_parameter_goes_before_the_header(name):
    """Row 5; a `+` of an address is a blank."""
    expected = "xml" if "xml" in name else "json"
    for accept in ("application/fhir+json", "application/fhir+xml", "text/plain", None):
        assert expected == negotiation.spoken(accept, name.replace("+", " "))
        assert expected == negotiation.spoken(accept, f"{name}; fhirVersion=4.0")


@pytest.mark.parametrize("name", ["", "ttl", "application/fhir+turtle", "html", "*/*", "json; fhirVersion=3.0"])
def test_another_format_is_406(name):
    with pytest.raises(Problem) as refused:
        negotiation.spoken("application/fhir+json", name)
    assert 406 == refused.value.status


@pytest.mark.parametrize(
    ("accept", "format_", "expected"),
    [
        (None, None, True),
        ("*/*", None, True),
        ("application/pdf", None, True),
        ("application/xml", None, True),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", None, True),
        ("application/fhir+xml", None, False),
        ("application/fhir+json", None, False),
        ("application/json", None, False),
        ("application/pdf", "xml", False),
    ],
)
def test_a_binary_is_its_own_content_unless_a_resource_is_asked_for(accept, format_, expected):
    assert expected is negotiation.wants_native(accept, format_)
