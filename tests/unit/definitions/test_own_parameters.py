"""What a SearchParameter of one's own says, and what would tell of what is withheld."""

from __future__ import annotations

import pytest

from fhir_server.definitions.own_parameters import faults, fingerprint, parameters_of
from fhir_server.resources.facts import is_of_record


def said(expression, type_="token", base=("DocumentReference",), **more):
    return {
        "resourceType": "SearchParameter",
        "url": "http://example.org/own",
        "status": "active",
        "code": "own",
        "base": list(base),
        "type": type_,
        "expression": expression,
        **more,
    }


def texts(resource):
    return [each.text for each in faults(resource, is_of_record)]


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("DocumentReference.relatesTo.code", "token"),
        ("DocumentReference.docStatus", "token"),
        ("DocumentReference.context.related", "reference"),
        ("DocumentReference.content.attachment.title", "string"),
        ("DocumentReference.content.attachment.creation", "date"),
        ("DocumentReference.content.attachment.size", "number"),
        ("DocumentReference.extension('urn:x').value", "token"),
    ],
)
def test_what_stands_by_itself_or_falls_as_the_index_knows_is_accepted(expression, type_):
    assert [] == texts(said(expression, type_))


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("DocumentReference.subject.display", "string"),
        ("DocumentReference.subject.reference", "string"),
        ("DocumentReference.author.identifier", "token"),
        ("DocumentReference.relatesTo.target", "reference"),
        ("DocumentReference.relatesTo.extension('urn:x').value.ofType(dateTime)", "date"),
        ("DocumentReference.relatesTo.extension('urn:x').value.ofType(Quantity)", "quantity"),
        ("DocumentReference.content.attachment.url", "token"),
        ("DocumentReference.meta.tag", "token"),
        ("DocumentReference.text.status", "token"),
        ("%resource", "token"),
        ("DocumentReference.where(status='x')", "token"),
    ],
)
def test_what_could_be_found_though_it_is_taken_out_of_sight_is_not(expression, type_):
    assert texts(said(expression, type_)), expression


def test_a_union_is_read_type_by_type_and_bars_in_a_text_are_none():
    both = said(
        "Observation.note.where(text='a|b').text | (Condition.note).text", "string", ("Observation", "Condition")
    )
    assert [] == texts(both)
    assert {
        "Observation": "Observation.note.where(text='a|b').text",
        "Condition": "(Condition.note).text",
    } == {type_: each.expression for type_, each in parameters_of(both)}


def test_only_what_the_index_depends_on_is_in_the_fingerprint():
    (_, one), (_, same), (_, other) = (
        next(iter(parameters_of(each)))
        for each in (
            said("DocumentReference.docStatus"),
            said("DocumentReference.docStatus", description="otherwise"),
            said("DocumentReference.docStatus", type_="string"),
        )
    )
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_references_lead_where_the_element_lets_them_unless_it_says_otherwise():
    (_, found), (_, told) = (
        next(iter(parameters_of(each)))
        for each in (
            said("Observation.device", "reference", ("Observation",)),
            said("Observation.device", "reference", ("Observation",), target=["Device"]),
        )
    )
    assert (("Device", "DeviceMetric"), ("Device",)) == (found.targets, told.targets)
