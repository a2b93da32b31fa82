"""The last round: what was closed ten years ago is destroyed, with what the rounds noted of it (DMP-104)."""

from __future__ import annotations

from tests.http.test_rounds import HIDDEN, NORMAL, deposited
from tests.kit import people
from tests.kit.rounds import go
from tests.kit.steps import closed

TEN_YEARS = 3_653


def marks(world):
    return world.house.shelf.database["rounds"].count_documents({"patient": "lea"})


def test_a_record_is_destroyed_ten_years_after_it_was_closed_and_not_a_day_earlier_dmp_104(world):
    deposited(world, labels=(NORMAL, HIDDEN))
    world.pass_time(days=15)
    assert 1 == go(world).done["announcement.remind"]
    assert 1 == marks(world)
    closed(world)
    world.pass_time(days=TEN_YEARS - 2)
    assert 0 == go(world).done["retention"]
    assert 1 == world.ask(people.operator(), "GET", "DocumentReference?patient=lea").json["total"]

    world.pass_time(days=2)
    assert 1 == go(world).done["retention"]
    assert 0 == go(world).done["retention"]
    assert 404 == world.ask(people.operator(), "GET", "Patient/lea").status
    assert 0 == marks(world)
