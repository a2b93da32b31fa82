"""What somebody owns is found by him, however he is referred to, so that a page asks for the owner alone."""

from __future__ import annotations

import json

import pytest

from fhir_server.definitions.compartments import members, owner_parameters
from fhir_server.foundation.predicate import Has, both
from fhir_server.resources.facts import _owner_element, found_by_owner, may_be_about, owner_tokens
from fhir_server.store.documents import OF_A_RECORD, WITHIN_A_RECORD, envelope
from fhir_server.store.ordering import index_for
from fhir_server.store.simplify import filter_of

TYPES = [type_ for type_ in members("Patient") if found_by_owner(type_)]
ELSEWHERE = [type_ for type_ in members("Patient") if owner_parameters(type_) and not found_by_owner(type_)]


def stored(type_, **elements):
    return envelope(
        {"resourceType": type_, "id": "one", **elements},
        version=1, updated=1, submitter=(), neighbours={},
    )  # fmt: skip


def test_nearly_all_types_are_among_them():
    assert 50 <= len(TYPES)
    assert {"DocumentReference", "Observation", "Encounter", "Condition"} <= set(TYPES)
    assert {"AuditEvent", "Provenance", "Communication"} <= set(ELSEWHERE)
    assert not any(map(may_be_about, TYPES))


@pytest.mark.parametrize("spelt", ["Patient/lea", "Patient/lea#name", "Patient/lea/_history/2"])
@pytest.mark.parametrize("type_", TYPES)
def test_what_has_an_owner_has_the_tokens_of_him(type_, spelt):
    reference = {"reference": spelt}
    for value in (reference, [reference], [reference, {"reference": "Patient/noe"}]):
        made = stored(type_, **{_owner_element(type_): value})
        owner = made["facts"]["patient"]
        assert "lea" in made["facts"]["patients"]
        assert {f"{each}{owner}" for each in owner_tokens(type_)} <= set(made["index"])
        assert {f"{type_}.{code}!" for code in found_by_owner(type_)} <= set(made["index"]), "`:missing` says so too"
        assert len(made["index"]) == len(set(made["index"]))


@pytest.mark.parametrize("type_", TYPES)
def test_what_has_none_has_none(type_):
    for value in ({"reference": "Group/lea"}, {"display": "Patient/lea"}, {"reference": "#lea"}):
        made = stored(type_, **{_owner_element(type_): value})
        assert "patient" not in made["facts"]
        assert not [each for each in made["index"] if each.startswith(owner_tokens(type_))]


@pytest.mark.parametrize("type_", TYPES)
def test_beside_the_owner_his_token_goes_without_saying(type_):
    for code in found_by_owner(type_):
        asked = both(Has("token", f"{type_}.{code}=Patient/lea"), Has("patient", "lea"))
        assert {"type": type_, "facts.patient": "lea"} == filter_of((Has("resource", type_), asked), type_)


@pytest.mark.parametrize("type_", ELSEWHERE)
def test_where_an_owner_may_come_from_something_else_it_is_asked_for(type_):
    code = owner_parameters(type_)[0]
    asked = both(Has("token", f"{type_}.{code}=Patient/lea"), Has("patient", "lea"))
    assert f"{type_}.{code}=Patient/lea" in json.dumps(filter_of((Has("resource", type_), asked), type_))


@pytest.mark.parametrize(
    "token",
    ["Observation.patient=Patient/noe", "Observation.performer=Patient/lea", "DocumentReference.patient=Patient/lea"],
)
def test_another_token_is_asked_for(token):
    asked = both(Has("token", token), Has("patient", "lea"))
    assert token == filter_of((Has("resource", "Observation"), asked), "Observation")["index"]


def test_without_the_owner_his_token_is_asked_for():
    for type_ in ("Observation", ""):
        asked = Has("token", "Observation.patient=Patient/lea")
        assert "Observation.patient=Patient/lea" in json.dumps(filter_of((asked,), type_))


NONE = {"$nor": [{"facts.state": "archived"}, {"$and": [{"facts.class": "10"}]}]}


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, OF_A_RECORD),
        (NONE, OF_A_RECORD),
        ({"index": "Observation.code=x"}, WITHIN_A_RECORD),
        ({"index": "Observation.code=x", **NONE}, WITHIN_A_RECORD),
        ({"index": {"$in": ["Observation.code=x"]}}, None),
        ({"index": "Observation.status=final", "_id": "Observation/o"}, None),
        ({"index": "Observation.value-quantity!", "numbers": {"$elemMatch": {"key": "x"}}}, None),
        ({"$or": [{"index": "x"}, {"facts.mentions": {"$elemMatch": {"token": "x"}}}]}, None),
        ({"dates.date": {"$elemMatch": {"lo": {"$gte": 1}}}}, None),
    ],
)
def test_an_index_is_said_where_nothing_else_is_asked(asked, index):
    """Whatever else is asked may be better found by an index of its own: then MongoDB chooses."""
    assert index == index_for({"facts.patient": "lea", "type": "Observation", **asked})
