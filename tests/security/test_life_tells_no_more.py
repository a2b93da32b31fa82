"""Steps in the life of a record and what is hidden: the twin-store law over copies, closings and what follows them."""

from __future__ import annotations

import pytest
from test_operations_tell_no_more import HIDDEN, MASK, UNTOLD, a_stay

from tests.kit import people
from tests.kit.family import UNAUTHORISED
from tests.kit.steps import CHU, DESK, closed, destroyed, opening_for, reopened, said
from tests.kit.twin import Step, differences, told

LIFE = "Patient/lea/$"
TRACES = "AuditEvent?patient=lea&_sort=date"


def copy(who, count):
    return Step(who, "GET", f"{LIFE}copy-record?_count={count}", pages=True)


def test_a_copy_and_a_closing_are_those_of_a_record_that_never_held_what_is_hidden(databases):
    """DMP-105, DMP-133: open, closed, and open again."""
    who = people.holder()
    copies = [copy(who, count) for count in (1, 3, 100)]
    close = Step(who, "POST", f"{LIFE}close-record", said(reason="patient-demande"))
    reopen = Step(who, "POST", f"{LIFE}reopen-record", said())
    history = Step(who, "GET", "Patient/lea/_history")
    probes = [*copies, close, *copies, Step(who, "GET", TRACES), close, reopen, *copies, history]

    found = differences(databases, a_stay(UNTOLD).steps, HIDDEN, probes)

    assert [] == found, "\n\n".join(found)


@pytest.mark.parametrize(
    "who", [UNAUTHORISED, people.radiologist(), CHU, DESK], ids=["stranger", "known", "chu", "desk"]
)
def test_nobody_else_learns_by_a_step_what_the_record_holds(databases, who):
    steps = [
        Step(who, "POST", f"{LIFE}close-record", said(reason="patient-demande")),
        Step(who, "POST", f"{LIFE}reopen-record", said()),
        Step(who, "POST", f"{LIFE}destroy-record", said(demanded=True)),
        Step(who, "GET", f"{LIFE}copy-record"),
        Step(who, "POST", "Patient/$open-record-for", opening_for()),
    ]
    shut = Step(people.holder(), "POST", f"{LIFE}close-record", said(reason="patient-demande"))

    found = differences(databases, a_stay(MASK).steps, HIDDEN, [*steps, shut, *steps])

    assert [] == found, "\n\n".join(found)


@pytest.mark.parametrize("who", [UNAUTHORISED, people.holder("paul")], ids=["professional", "another holder"])
def test_a_step_on_an_open_record_and_on_none_are_refused_alike(databases, who):
    """Hidden and absent: one status and one body, whichever step."""
    world, _ = told(databases(), a_stay(MASK).steps)
    try:
        for step, body in {"close-record": said(reason="patient-demande"), "reopen-record": said()}.items():
            there, absent = (world.ask(who, "POST", f"Patient/{each}/${step}", body) for each in ("lea", "nobody"))
            assert (404, there.json) == (absent.status, absent.json)
            assert there.status == absent.status
    finally:
        world.close()


def test_a_destroyed_record_and_one_that_never_was_are_answered_alike(databases):
    world, _ = told(databases(), a_stay(MASK).steps)
    try:
        assert [200, 200] == [closed(world).status, destroyed(world, demanded=True).status]
        for who in (people.operator(), people.holder(), people.doctor(), DESK):
            for url in ("Patient/{}", "Patient/{}/$copy-record", "Patient/{}/_history", "Observation?patient={}"):
                there, absent = (world.ask(who, "GET", url.format(each)) for each in ("lea", "nobody"))
                assert there.status == absent.status, (who.kind, url)
                if there.status >= 400:
                    assert there.json == absent.json, (who.kind, url)
        assert 404 == reopened(world).status
    finally:
        world.close()
