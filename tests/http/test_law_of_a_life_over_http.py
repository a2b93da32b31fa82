"""Words of `rules.json` about the life of a record that no decision reads: each turned over alone changes what is written."""

from __future__ import annotations

import json

import pytest

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.cast import told_of_the_cast
from tests.kit.changed_law import SHIPPED, changed, everywhere
from tests.kit.steps import CHU, DESK, PHARMACIST, closed, guardian, opened_for, reopened
from tests.kit.world import opening

ENDED = SHIPPED["life"]["endedByClosing"]


def in_force(world, kind: str) -> bool:
    """Whether a Consent of that kind that permits is active in Léa's record."""
    found = world.house.shelf.resources.find({"type": "Consent", "facts.patient": "lea", "facts.state": "active"})
    return any(
        _kind(each) == kind and each["provision"]["type"] == "permit"
        for each in (json.loads(one["body"]) for one in found)
    )


def _kind(consent) -> str:
    ours = [coding["code"] for each in consent["category"][1:] for coding in each["coding"]]
    return ours[0] if ours else "foreign"


@pytest.mark.parametrize(("index", "kind"), list(enumerate(ENDED)), ids=ENDED)
@pytest.mark.parametrize("struck", [False, True])
def test_a_closing_ends_the_kinds_that_the_law_names(world, index, kind, struck):
    """DMP-105: what permits ends with the record; struck out of the law, that kind alone stays."""
    if kind in ("etablissement", "foreign"):
        given = consent_patterns.consent(
            "etablissement", "Patient/lea", "2026-11-23T10:00:00Z", actor="Organization/chu"
        )
        if kind == "foreign":
            given["category"] = given["category"][:1]
        assert 201 == world.ask(people.holder(), "POST", "Consent", given).status
    assert in_force(world, kind)
    law = changed(("life", "endedByClosing", index), "autre") if struck else SHIPPED
    with everywhere(law):
        assert 200 == closed(world).status
    assert struck == in_force(world, kind)


COLLECTORS = {
    "holder": lambda empty: empty.ask(people.holder(), "POST", "Patient/lea/$open-record", opening()),
    "professional": lambda empty: opened_for(empty, PHARMACIST),
    "establishment": lambda empty: opened_for(empty, CHU),
    "reception": lambda empty: opened_for(empty, DESK),
}


@pytest.mark.parametrize("kind", COLLECTORS)
def test_a_consent_says_how_it_was_collected_in_the_words_of_the_law(empty, kind):
    """K5: the mode stands in the source of the Consent."""
    if kind == "holder":
        told_of_the_cast(empty)
    with everywhere(changed(("life", "collectedBy", kind), "autre-mode")):
        assert COLLECTORS[kind](empty).status in (200, 201)
    modes = [
        json.loads(each["body"])["sourceAttachment"]["title"]
        for each in empty.house.shelf.resources.find({"type": "Consent"})
    ]
    assert modes and all(each.endswith("(autre-mode)") for each in modes)


def test_a_representative_s_word_is_collected_in_the_words_of_the_law(world):
    """K5."""
    world.put({**world.ask(people.operator(), "GET", "Patient/lea").json, "birthDate": "2015-01-01"})
    world.put(guardian("anne"))
    mother = people.representative("lea")
    assert 200 == closed(world, mother).status
    with everywhere(changed(("life", "collectedBy", "representative"), "autre-mode")):
        assert 200 == reopened(world, mother).status
    found = world.house.shelf.resources.find({"type": "Consent", "facts.state": "active"})
    titles = [json.loads(each["body"])["sourceAttachment"]["title"] for each in found]
    assert any(each.endswith("(autre-mode)") for each in titles)
