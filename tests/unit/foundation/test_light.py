"""What is made lightly is as a frozen dataclass is, but for how its fields are set."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from fhir_server.audit_event.deed import Deed
from fhir_server.foundation.light import light
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.routes import Route
from fhir_server.store.documents import Stored


def _made(decorator):
    @decorator(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 0
        said: str = field(default="", compare=False)

    return Point


def test_it_is_equal_hashed_and_replaced_as_a_frozen_one_is():
    lightly, frozen = _made(light), _made(dataclass)

    assert hash(lightly(1, 2)) == hash(frozen(1, 2))
    assert lightly(1, 2, "a") == lightly(1, 2, "b") != lightly(1, 3)
    assert lightly(1, 3) == replace(lightly(1, 2), y=3)
    assert [each.name for each in fields(frozen)] == [each.name for each in fields(lightly)]
    assert repr(frozen(1)) == repr(lightly(1))


def test_nothing_but_its_fields_can_be_set():
    with pytest.raises(AttributeError):
        _made(light)(1).z = 1
    with pytest.raises(FrozenInstanceError):
        _made(dataclass)(1).x = 1


@pytest.mark.parametrize("kind", [Deed, FhirRequest, FhirResponse, Route, Stored])
def test_what_each_read_makes_is_made_so(kind):
    assert "__setattr__" not in vars(kind)
    assert "__hash__" in vars(kind)
