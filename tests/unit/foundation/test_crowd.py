"""Who is waited for, and how long, follows what came before."""

from __future__ import annotations

import pytest

from fhir_server.foundation.crowd import Crowd


def test_nobody_is_waited_for_before_anybody_came():
    fresh = Crowd(0.03)
    assert (0, 0.0) == (fresh.others, fresh.patience)


def test_who_came_together_and_meanwhile_is_waited_for_the_next_time():
    crowd = Crowd(0.03)
    crowd.met(3, 5, 0.002)
    assert (7, pytest.approx(0.014)) == (crowd.others, crowd.patience)


def test_nobody_waits_longer_than_the_longest():
    crowd = Crowd(0.03)
    crowd.met(2, 0, 3.0)
    assert 0.03 == crowd.patience


def test_a_crowd_that_went_home_is_forgotten_one_by_one_and_who_is_alone_waits_for_nobody():
    crowd = Crowd(0.03)
    crowd.met(4, 0, 0.001)
    found = []
    for _ in range(5):
        crowd.met(1, 0, 0.001)
        found.append(crowd.others)
    assert [2, 1, 0, 0, 0] == found
