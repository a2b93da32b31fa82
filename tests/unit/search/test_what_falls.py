"""What falls with a hidden reference is found by nothing: the index of a resource is that of what is shown of it.

One reference after the other is hidden, in each type of a record with something in every element, and in the examples
of R4; what may then be found is what a resource without it would leave, and not a token less or more.
"""

from __future__ import annotations

import copy

import pytest

from fhir_server.definitions.library import load
from fhir_server.resources import facts, references
from fhir_server.search.index import index_of
from tests.unit.resources.walking import examples, filled, resource_of, walk

TYPES = [each for each in load().endpoints if facts.is_of_record(each)]
EXAMPLES = [each for each in examples("r4") if resource_of(each)["resourceType"] in TYPES]
NOT_THE_OWNER = ("id", "contained", "text", "meta")
OF_NO_RECORD = {"Encounter.location-period"}
"""It stands beside a Location, which belongs to no record and is hidden from nobody."""


def named_apart(resource):
    """The resource with another device in the place of every reference."""
    made = copy.deepcopy(resource)
    for number, node in enumerate([node for place, node in walk(made, made["resourceType"]) if place == "Reference"]):
        node.clear()
        node.update(reference=f"Device/r{number}", identifier={"system": "urn:i", "value": f"v{number}"})
    return made


def told_apart(resource):
    """What is found by more, or less, than what is shown: the parameters, with the reference that is hidden."""
    mentioned = facts.mentions_of(resource)
    whole = index_of(resource)
    tokens, through = whole.apart(mentioned)
    found = set()
    for hidden in mentioned:
        left = index_of(references.drop(resource, {hidden}))
        seen = {*tokens, *(token for name in mentioned if name != hidden for token in through.get(name, ()))}
        names = {token.split("=")[0].split("^")[0] for token in seen ^ set(left.tokens)}
        names |= {
            f"{resource['resourceType']}.{code}" for code in whole.dates if whole.dates[code] != left.dates.get(code)
        }
        names |= {each["key"][0] for each in whole.numbers if each not in left.numbers}
        names |= {each["name"] for each in whole.together if each not in left.together}
        found |= {(name.rstrip("!"), hidden) for name in names if name.rstrip("!") not in OF_NO_RECORD}
    return found


@pytest.mark.parametrize("type_", TYPES)
def test_of_what_falls_nothing_is_left_to_be_found_by(type_):
    for variant in range(8):
        parts = {name: each for name, each in filled(type_, variant, 3).items() if name not in NOT_THE_OWNER}
        assert set() == told_apart(named_apart({"resourceType": type_, "id": "x", **parts}))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_nor_of_an_example(path):
    assert set() == told_apart(named_apart(resource_of(path)))


@pytest.mark.parametrize("type_", ["Claim", "ExplanationOfBenefit"])
@pytest.mark.parametrize(
    ("device", "procedure", "by"),
    [
        ({"reference": "Device/d"}, {"procedureReference": {"reference": "Procedure/p"}}, {}),
        ({"reference": "Device/d"}, {"procedureCodeableConcept": {"text": "x"}}, {"Device/d": "=Device/d"}),
        (
            {"identifier": {"value": "v"}},
            {"procedureReference": {"reference": "Procedure/p"}},
            {"Procedure/p": ":identifier=v"},
        ),
    ],
)
def test_a_device_is_found_by_what_it_was_used_in_where_one_of_them_alone_may_be_hidden(type_, device, procedure, by):
    """A token stands under one mention or another, and never under two at once."""
    whole = index_of({"resourceType": type_, "id": "c", "procedure": [{"sequence": 1, "udi": [device], **procedure}]})
    tokens, through = whole.apart(["Device/d", "Procedure/p"])
    left = {name: {each for each in found if "procedure-udi" in each} for name, found in through.items()}

    assert not any("procedure-udi" in each for each in tokens)
    assert {name: f"{type_}.procedure-udi{said}" in left[name] for name, said in by.items()} == dict.fromkeys(by, True)
    assert by.keys() == {name for name, found in left.items() if found}
