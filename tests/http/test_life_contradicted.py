"""Steps that contradict what the holder said before: he is told, and once (docs/adr/0031); what he opposed stays opposed."""

from __future__ import annotations

import pytest

from fhir_server.resources import consent_patterns
from tests.http.test_recording_consents import active, every, told
from tests.kit import people
from tests.kit.cast import told_of_the_cast
from tests.kit.steps import CHU, DESK, PHARMACIST, closed, existence, opened_for, outbox, reopened
from tests.kit.world import opening, submission

NOW = "2026-11-23T09:00:00Z"
SUBJECT = "Deux de vos consentements se contredisent"
THIRD = {"pharmacist": PHARMACIST, "doctor": people.doctor(), "establishment": CHU, "desk": DESK}
ANSWERS = ("alimentation", "urgence-bris-de-glace", "urgence-samu")


def known(world, system="email", to="lea@example.org"):
    """Léa, who has no record and an address where she is told of things."""
    told_of_the_cast(world)
    lea = world.ask(people.operator(), "GET", "Patient/lea").json
    world.put({**lea, "telecom": [{"system": system, "value": to}]})


def opposed(world, *categories):
    """Refusals of the holder's, on record before the step."""
    for each in categories:
        refusal = consent_patterns.consent(each, "Patient/lea", NOW, permit=False)
        world.put({**refusal, "id": f"non-{each}"})


def contradictions(world):
    """The Consents that Communications of a contradiction are about, each as often as it is told of."""
    said = [
        each for each in every(world, "Communication") if "le refus l'emporte" in each["payload"][0]["contentString"]
    ]
    return sorted(kind(world, each["about"][0]["reference"]) for each in said)


def kind(world, reference):
    consent = world.ask(people.operator(), "GET", reference).json
    return consent["category"][1]["coding"][0]["code"]


@pytest.mark.parametrize("who", THIRD.values(), ids=THIRD)
def test_an_opening_that_contradicts_a_refusal_is_told_to_the_holder_once(empty, who):
    """DMP-107, K11: a third party's word ends no refusal of the holder's, and both stand."""
    known(empty)
    opposed(empty, "urgence-samu")

    assert 201 == opened_for(empty, who).status

    assert ["deny", "permit"] == sorted(active(empty, "urgence-samu").values())
    assert ["urgence-samu"] == contradictions(empty)
    assert [SUBJECT] == told(empty)[1]


def test_each_answer_that_contradicts_a_refusal_is_told_of_once(empty):
    known(empty)
    opposed(empty, *ANSWERS)

    assert 201 == opened_for(empty, DESK).status

    assert sorted(ANSWERS) == contradictions(empty)
    assert [SUBJECT] * 3 == told(empty)[1]


def test_a_contradiction_is_told_at_no_address_that_the_opener_gives(empty):
    """Whoever opens a record could read there that its holder had refused before: a Consent that he may not see."""
    known(empty, "sms", "0601020304")
    opposed(empty, "urgence-samu")

    assert 201 == opened_for(empty, DESK, email="somebody@example.org").status

    sent = [(each["subject"] == SUBJECT, each["to"]) for each in outbox(empty)]
    assert [(False, "0601020304"), (False, "somebody@example.org"), (True, "0601020304")] == sorted(sent)


def test_an_opening_that_agrees_with_what_stands_tells_of_nothing(empty):
    known(empty)
    opposed(empty, "urgence-samu")

    assert 201 == opened_for(empty, DESK, emergencyDispatch=False).status
    assert ([], []) == (contradictions(empty), told(empty)[1])


def test_a_holder_s_own_opening_ends_the_refusal_and_tells_of_nothing(empty):
    known(empty)
    opposed(empty, *ANSWERS)

    assert 200 == empty.ask(people.holder(), "POST", "Patient/lea/$open-record", opening()).status
    assert [["permit"]] * 3 == [list(active(empty, each).values()) for each in ANSWERS]
    assert ([], []) == (contradictions(empty), told(empty)[1])


@pytest.mark.parametrize("who", [people.holder(), PHARMACIST, DESK], ids=["holder", "pharmacist", "desk"])
def test_a_contradiction_that_stood_before_a_closing_is_not_told_again_at_the_reopening(world, who):
    refusal = consent_patterns.consent("urgence-samu", "Patient/lea", NOW, permit=False)
    assert 201 == world.ask(people.holder(), "POST", "Consent", refusal).status
    collected = consent_patterns.consent("urgence-samu", "Patient/lea", NOW)
    assert 201 == world.ask(people.doctor(), "POST", "Consent", collected).status
    assert ["urgence-samu"] == contradictions(world)

    assert [200, 200] == [closed(world).status, reopened(world, who).status]

    assert ["urgence-samu"] == contradictions(world)
    assert 1 == len(told(world)[1])


# --- an opposition to feeding is one to deposits, not to steps


@pytest.mark.parametrize("who", THIRD.values(), ids=THIRD)
def test_who_opposes_feeding_may_have_the_record_opened_by_a_third_party(empty, who):
    """DMP-21, DMP-60, K11."""
    told_of_the_cast(empty)
    opposed(empty, "alimentation")

    assert 201 == opened_for(empty, who, feeding=False).status
    assert 403 == empty.ask(people.hospital(), "POST", "", submission()).status


@pytest.mark.parametrize("who", THIRD.values(), ids=THIRD)
def test_who_opposes_feeding_may_have_the_record_opened_again_by_a_third_party(world, who):
    """DMP-60, DMP-105, K11: and it stays opposed."""
    refusal = consent_patterns.consent("alimentation", "Patient/lea", NOW, permit=False)
    assert 201 == world.ask(people.holder(), "POST", "Consent", refusal).status
    closed(world)

    assert 200 == reopened(world, who).status
    assert existence(world)["active"] is True
    assert 403 == world.ask(people.hospital(), "POST", "", submission()).status
