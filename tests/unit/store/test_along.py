"""What may share a transaction: what is small, with what it copies from others."""

import bson
import pytest

from fhir_server.resources import json_text
from fhir_server.store.along import LARGEST, SHORT, small_enough
from fhir_server.store.documents import envelope


def made(body, **facts):
    return {"_id": "Observation/o", "facts": {"patients": ["lea"], **facts}, "index": [], "body": body}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (made("x" * SHORT), True),
        (made("x" * (SHORT + 1)), True),
        (made("x" * LARGEST), False),
        (made("x", mentions=[{"id": "Observation/p", "names": ["y" * LARGEST]}]), False),
        (made("x", about=["Observation/p"], names=["y" * LARGEST]), False),
        (made("x", mentions=[{"id": "Observation/p"}]), True),
    ],
)
def test_what_is_small_with_what_it_copies_may_share_a_transaction(stored, expected):
    assert expected is small_enough(stored)


def test_of_a_short_text_all_that_is_stored_is_small_whatever_it_says():
    """The densest there is: nothing but codings, each found by several parameters."""
    coding = {"system": "urn:" + "s" * 60, "code": "c" * 20, "display": "d" * 20}
    resource = {"resourceType": "Observation", "id": "o", "code": {"coding": [coding]}, "component": []}
    while len(json_text.write(resource)) < SHORT:
        resource["component"].append({"code": {"coding": [coding]}, "valueCodeableConcept": {"coding": [coding]}})

    stored = envelope(resource, version=1, updated=1, submitter=(), neighbours={})
    assert len(bson.encode(stored)) < LARGEST // 4
