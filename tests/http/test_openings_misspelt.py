"""What is brought to an opening is held to R4 before anything is done with it: 422 that names the element, never 500."""

from __future__ import annotations

import pytest

from tests.kit.steps import DESK, automatically, guardian, identity, opened_for

CHILD = "2015-05-01"
REPRESENTATIVES = [
    ({"relationship": True}, "RelatedPerson.relationship"),
    ({"relationship": [{"coding": 1}]}, "RelatedPerson.relationship[0].coding"),
    ({"relationship": [{"coding": ["GUARD"]}]}, "RelatedPerson.relationship[0].coding[0]"),
    ({"relationship": ["GUARD"]}, "RelatedPerson.relationship[0]"),
    (
        {"relationship": [{"coding": [{"system": {}, "code": "GUARD"}]}]},
        "RelatedPerson.relationship[0].coding[0].system",
    ),
    ({"telecom": True}, "RelatedPerson.telecom"),
]
IDENTITIES = [
    ({"extension": 1}, "Patient.extension"),
    ({"name": [None]}, "Patient.name[0]"),
    ({"link": 1}, "Patient.link"),
]


def refused_at(answer):
    return answer.status, answer.json["issue"][0].get("expression")


@pytest.mark.parametrize(("spoilt", "where"), REPRESENTATIVES)
def test_a_representative_who_is_misspelt_was_a_server_error(empty, spoilt, where):
    """Row 9."""
    child, spoilt = identity(birthDate=CHILD), guardian(**spoilt)
    assert (422, [where]) == refused_at(opened_for(empty, DESK, patient=child, representative=spoilt))
    assert (422, [where]) == refused_at(automatically(empty, patient=child, representative=spoilt))


@pytest.mark.parametrize(("spoilt", "where"), IDENTITIES)
def test_an_identity_that_is_misspelt_was_a_server_error(empty, spoilt, where):
    """Row 9."""
    assert (422, [where]) == refused_at(opened_for(empty, DESK, patient=identity(**spoilt)))
    assert (422, [where]) == refused_at(automatically(empty, patient=identity(**spoilt)))
