"""Negotiation: what the headers of a request say (https://www.rfc-editor.org/rfc/rfc7240, RFC 7231)."""

import pytest

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
