"""Opening a record: one transaction, by its holder (DMP-20, DMP-22, DMP-25, DMP-26)."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.cast import told_of_the_cast
from tests.kit.world import opening


@pytest.fixture
def closed(empty):
    told_of_the_cast(empty)
    return empty


def opened(world, who=None, **answers):
    return world.ask(who or people.holder(), "POST", "Patient/lea/$open-record", opening(**answers))


def consents(world):
    return world.house.shelf.resources.count_documents({"type": "Consent"})


def test_every_answer_becomes_a_consent_whose_performer_is_the_holder(closed):
    assert 200 == opened(closed, treatingPhysician="Practitioner/bernard").status

    got = closed.ask(people.holder(), "GET", "Consent?patient=lea").json["entry"]
    assert 5 == len(got)
    assert {"Patient/lea"} == {each["resource"]["performer"][0]["reference"] for each in got}


@pytest.mark.parametrize("question", ["breakGlass", "emergencyDispatch", "feeding"])
def test_an_unanswered_question_opens_nothing(closed, question):
    answered = opened(closed, **{question: []})

    assert (422, 0) == (answered.status, consents(closed))
    assert question in answered.json["issue"][0]["diagnostics"]


def test_a_record_is_opened_once(closed):
    assert [200, 409] == [opened(closed).status, opened(closed).status]
    assert 4 == consents(closed)


@pytest.mark.parametrize(
    "who", [people.doctor(), people.holder("paul"), people.hospital()], ids=["doctor", "paul", "chu"]
)
def test_nobody_but_the_holder_opens_it(closed, who):
    assert 404 == opened(closed, who).status
    assert 0 == consents(closed)


def test_no_way_to_tell_the_holder_opens_nothing(closed):
    assert (422, 0) == (opened(closed, email=[]).status, consents(closed))


def test_an_operation_nobody_knows_is_404_and_a_read_of_one_that_writes_405(closed):
    """Row 113."""
    assert 404 == closed.ask(people.holder(), "POST", "Patient/lea/$close", opening()).status
    assert closed.ask(people.holder(), "GET", "Patient/lea/$open-record").status in (404, 405)
