"""Every invariant of R4 is compiled, checked by hand, or listed with the reason why not; fhirpathpy is the oracle."""

import re

import fhirpathpy
import pytest
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models

from fhir_server.definitions.elements import children, element
from fhir_server.definitions.library import load
from fhir_server.resources.fhirpath import UCUM, compile_truth
from fhir_server.resources.fhirpath_grammar import Unsupported, parse
from fhir_server.resources.fhirpath_words import Scope
from fhir_server.resources.invariants import BY_STRUCTURE, NOT_CHECKED, rules_of

from .walking import filled, objects_by_place

# What the oracle is asked instead, and why.
ADAPTED = (
    (r"matches\('\^?(.*?)\$?'\)", r"matches('^(?:\1)$')", "the engine searches; the invariants mean the whole name"),
    (r"answer is Boolean", "answer is boolean", "FHIR's type, which is what a JSON true is of"),
    (r"\.trace\('[a-z]+'\)", "", "the engine prints"),
    (r"\.hasValue\(\)", ".exists()", "the engine has no hasValue(); no object here is without its value"),
    (r"\bAppointment\.", "", "the engine is given the object itself to start from"),
)
MOST_OBJECTS = 9


def invariants():
    found = {}
    for name, definition in load().definitions.items():
        if definition.kind == "primitive-type":
            continue
        for place in places_of(name):
            for each in (element(place), *children(place).values()):
                for invariant in each.invariants if each else ():
                    found.setdefault((invariant.key, invariant.expression), (invariant, []))[1].append(each.path)
    return found


def places_of(name):
    yield name
    for each in children(name).values():
        if not each.content_reference and each.types and each.types[0].code in ("BackboneElement", "Element"):
            yield from places_of(each.path)


INVARIANTS = invariants()
COMPILED = {key: value for key, value in INVARIANTS.items() if key[0] not in BY_STRUCTURE and key[0] not in NOT_CHECKED}


def test_the_242_invariants_of_r4_are_all_accounted_for():
    assert 241 == len(INVARIANTS)
    assert set(BY_STRUCTURE) | set(NOT_CHECKED) <= {key for key, _ in INVARIANTS}


@pytest.mark.parametrize(("key", "expression"), COMPILED, ids=[f"{key}-{at}" for at, (key, _) in enumerate(COMPILED)])
def test_an_invariant_says_what_the_oracle_says(key, expression, objects):
    invariant, paths = COMPILED[key, expression]
    compared = 0
    for place in paths[:2]:
        stands = "Range" if place.endswith("probability[x]") else place
        ours = rules_of([invariant], stands, place.partition(".")[0])[0].truth
        asked = expression
        for pattern, replacement, _ in ADAPTED:
            asked = re.sub(pattern, replacement, asked)
        parsed = fhirpathpy.parse(asked)
        for node, resource in objects(place):
            theirs = oracle(parsed, place, node, resource)
            if theirs != "raised":
                compared += 1
                assert theirs == ours(node, Scope(node, resource)), node
    assert compared > 0


def oracle(parsed, place, node, resource):
    variables = {"resource": resource, "context": node, "ucum": UCUM}
    try:
        found = fhirpathpy.apply_parsed_path(ResourceNode.create_node(node, place), parsed, variables, models["r4"])
    except Exception:
        return "raised"
    if not found:
        return None
    return found[0] if len(found) == 1 and isinstance(found[0], bool) else True


@pytest.fixture(scope="module")
def objects():
    published = objects_by_place()

    def at(place):
        if not children(place):
            element_ = element(place)
            if element_ is not None and element_.is_choice:
                yield from ((filled("Range", variant), {}) for variant in range(6))
                return
            yield from ((text, {}) for text in ("*", "0", "1", "-1", "x"))
            return
        root = "." not in place
        type_ = {"resourceType": place} if place in load().types else {}
        made = [({**type_, **filled(place, variant)}, None) for variant in range(5)]
        for node, resource in [*published.get(place, [])[:2], *made]:
            for each in (node, *({k: v for k, v in node.items() if k != name} for name in dropped(node))):
                whole = each if root else resource or {"resourceType": place.partition(".")[0]}
                yield each, whole

    return at


def dropped(node):
    return [name for name in node if name != "resourceType"][:MOST_OBJECTS]


def test_a_document_bundle_needs_a_timestamp():
    (rule,) = [each for each in rules_of(element("Bundle").invariants, "Bundle", "Bundle") if each.key == "bdl-10"]

    assert rule.broken({"resourceType": "Bundle", "type": "document"}, None)
    assert not rule.broken({"resourceType": "Bundle", "type": "document", "timestamp": "2024-01-01T00:00:00Z"}, None)
    assert not rule.broken({"resourceType": "Bundle", "type": "batch"}, None)


@pytest.mark.parametrize(
    ("start", "end", "broken"),
    [
        ("2024-01-02", "2024-01-01", True),
        ("2024-01-01", "2024-01-01", False),
        ("2024-01-01T10:00:00+01:00", "2024-01-01T09:00:00Z", False),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00+01:00", True),
        ("2024", "2024-01-01", False),
        ("2024-01-01", "2023", True),
    ],
)
def test_a_period_ends_after_it_begins_as_far_as_its_precision_tells(start, end, broken):
    (rule,) = [each for each in rules_of(element("Period").invariants, "Period", "Patient") if each.key == "per-1"]

    assert broken == rule.broken({"start": start, "end": end}, None)


def test_a_range_of_one_unit_has_its_low_end_below():
    (rule,) = [each for each in rules_of(element("Range").invariants, "Range", "Group") if each.key == "rng-2"]

    assert rule.broken({"low": {"value": 2, "unit": "d"}, "high": {"value": 1, "unit": "d"}}, None)
    assert not rule.broken({"low": {"value": 2, "unit": "d"}, "high": {"value": 1, "unit": "a"}}, None)


@pytest.mark.parametrize("expression", ["name.foo()", "name.substring(1)", "%unknown", "$total", "nosuch.exists()"])
def test_what_is_not_known_is_refused_while_compiling(expression):
    with pytest.raises(Unsupported):
        compile_truth(expression, "Patient", "Patient")


@pytest.mark.parametrize("expression", ["name name", "(name", "name.", "#"])
def test_what_cannot_be_read_is_refused(expression):
    with pytest.raises((Unsupported, IndexError)):
        parse(expression)
