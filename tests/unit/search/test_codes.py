"""Codes: what value sets hold, and the hierarchy of a code system."""

import pytest

from fhir_server.foundation.problem import Problem
from fhir_server.search.codes import PUBLISHED, above, below, members

STATUS = "http://hl7.org/fhir/observation-status"
V3 = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def test_what_r4_enumerates_is_known():
    assert (STATUS, "final") in members(PUBLISHED, "http://hl7.org/fhir/ValueSet/observation-status")


def test_what_it_leaves_to_others_is_not():
    with pytest.raises(Problem, match="not held here"):
        members(PUBLISHED, "http://example.org/ValueSet/none")


def test_above_and_below_are_each_other_s_turning_round():
    under = below(PUBLISHED, V3, "_ActEncounterCode")
    assert {"AMB", "IMP", "EMER"} <= under
    assert all("_ActEncounterCode" in above(PUBLISHED, V3, each) for each in under)


class Told:
    """Two resources at hand."""

    def __init__(self, *concepts, content="complete"):
        self.system = {"resourceType": "CodeSystem", "content": content, "concept": list(concepts)}

    def value_set(self, _):
        return None

    def code_system(self, _):
        return self.system


def test_a_hierarchy_may_be_said_by_properties():
    """https://hl7.org/fhir/R4/codesystem.html#hierarchy: `parent` and `child`."""
    told = Told(
        {"code": "a", "property": [{"code": "child", "valueCode": "b"}]},
        {"code": "b"},
        {"code": "c", "property": [{"code": "parent", "valueCode": "b"}, {"code": "other", "valueString": "a"}]},
    )

    assert {"a", "b", "c"} == below(told, "x", "a")
    assert {"a", "b", "c"} == above(told, "x", "c")


def test_a_circle_of_codes_comes_to_an_end():
    told = Told(*({"code": one, "property": [{"code": "parent", "valueCode": two}]} for one, two in ("ab", "ba")))

    assert {"a", "b"} == below(told, "x", "a") == above(told, "x", "a")
