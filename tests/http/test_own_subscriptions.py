"""Subscriptions belong to who made them and to no record (DMP-81)."""

from __future__ import annotations

import pytest

from tests.kit import people

WATCH = {
    "resourceType": "Subscription",
    "status": "requested",
    "reason": "suivi",
    "criteria": "DocumentReference?",
    "channel": {"type": "message"},
}


@pytest.mark.parametrize("who", [people.holder(), people.doctor(), people.radiologist()], ids=lambda who: who.kind)
def test_who_has_standing_with_a_record_finds_the_own_subscriptions_and_nobody_else_s(world, who):
    """The holder, the médecin traitant DMP and an authorised professional; each of them had found nothing."""
    for each in (people.holder(), people.doctor(), people.radiologist()):
        assert 201 == world.ask(each, "POST", "Subscription", WATCH).status
    found = world.ask(who, "GET", "Subscription").json

    assert 1 == found["total"]
    assert 200 == world.ask(who, "GET", f"Subscription/{found['entry'][0]['resource']['id']}").status
