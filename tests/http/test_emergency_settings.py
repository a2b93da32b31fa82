"""Emergency: two settings that the holder changes at any time, a reason, fifteen minutes, and a notice at once (issue 6.8)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import OperationFailure

from fhir_server.foundation.principal import Purpose
from fhir_server.foundation.problem import Problem
from fhir_server.notices.outbox import Outbox
from fhir_server.resources.consent_patterns import consent
from fhir_server.smart.issue import lifetimes
from tests.kit import people
from tests.kit.clinical import observation

SETTINGS = {"BTG": "urgence-bris-de-glace", "ETREAT": "urgence-samu"}


def urgent(mode, **more):
    given = {"purpose": Purpose(mode), "patient": "lea", "regulation": True, "reason": "inconsciente aux urgences"}
    return people.professional("urgent", "10000000003", **{**given, **more})


def asks(world, mode, **more):
    return world.ask(urgent(mode, **more), "GET", "Observation/o1").status


def decides(world, mode, *, permit):
    made = consent(SETTINGS[mode], "Patient/lea", world.now.isoformat(), permit=permit)
    for each in world.ask(people.holder(), "GET", "Consent?patient=lea&status=active").json["entry"]:
        was = each["resource"]
        if SETTINGS[mode] in str(was["category"]):
            assert (
                200 == world.ask(people.holder(), "PUT", f"Consent/{was['id']}", {**was, "status": "inactive"}).status
            )
    assert 201 == world.ask(people.holder(), "POST", "Consent", made).status


@pytest.fixture
def there(world):
    world.put(observation("o1"))
    return world


@pytest.mark.parametrize("mode", SETTINGS)
def test_each_setting_changes_alone_and_holds_on_the_next_request_dmp_73_dmp_154(there, mode):
    (other,) = SETTINGS.keys() - {mode}
    told = [(asks(there, mode), asks(there, other))]
    for permit in (False, True, False):
        decides(there, mode, permit=permit)
        told.append((asks(there, mode), asks(there, other)))
    assert [(200, 200), (404, 200), (200, 200), (404, 200)] == told


@pytest.mark.parametrize("mode", SETTINGS)
def test_who_was_never_asked_is_helped_all_the_same_dmp_115_k2(there, mode):
    for each in there.ask(people.holder(), "GET", "Consent?patient=lea&status=active").json["entry"]:
        if "urgence" in str(each["resource"]["category"]):
            there.ask(people.holder(), "DELETE", f"Consent/{each['resource']['id']}")
    assert 200 == asks(there, mode)


@pytest.mark.parametrize("reason", [None, "", "  \n ", "\u200b", "\u2800."])
def test_bris_de_glace_without_a_reason_opens_nothing_and_centre_15_does_dmp_117(there, reason):
    assert (404, 200) == (asks(there, "BTG", reason=reason), asks(there, "ETREAT", reason=reason))


def test_a_token_of_an_emergency_lives_fifteen_minutes_at_most():
    assert lifetimes().of(urgent("BTG")) <= timedelta(minutes=15)
    assert lifetimes().of(urgent("ETREAT")) <= timedelta(minutes=15)


# --- the notice ---


class Way:
    """A way out that notes when it was taken."""

    def __init__(self):
        self.taken = []

    def __call__(self, to, subject, text, key):
        self.taken.append((time.monotonic(), to, subject))


@pytest.mark.parametrize("mode", SETTINGS)
def test_the_holder_is_told_within_five_seconds_of_the_answer_dmp_72(there, mode):
    way = Way()
    sender = Outbox(there.house.shelf.database, {"mail": way})
    sender.start()
    try:
        assert 200 == asks(there, mode)
        answered = time.monotonic()
        while not any("urgence" in subject for _, _, subject in way.taken):
            assert time.monotonic() - answered < 5, "nothing was sent"
            time.sleep(0.01)
    finally:
        sender.stop()
    sent = next(at for at, to, subject in way.taken if "urgence" in subject and to == "lea@example.org")
    assert sent - answered < 5


def test_the_notice_and_the_entry_of_the_ledger_come_together_or_not_at_all_dmp_72(there, monkeypatch):
    """The notice fails: no entry is left. The ledger is away: the entry waits beside the notice, and is taken in."""
    shelf, box = there.house.shelf, shelf_of(there)

    def kept():
        entries = shelf.ledger.count_documents({"facts.author": "Practitioner/urgent"})
        waiting = box["carried"].count_documents({"envelopes.facts.author": "Practitioner/urgent"})
        return box["outbox"].count_documents({"occasion": "emergency"}), entries, waiting

    with monkeypatch.context() as broken:
        broken.setattr(type(there.house.outbox), "add", _fails)
        with pytest.raises(OperationFailure):
            asks(there, "BTG")
        assert (0, 0, 0) == kept()
    with monkeypatch.context() as broken:
        broken.setattr(type(there.house.ledger), "settle", _fails)
        assert 200 == asks(there, "BTG")
        assert (1, 0, 1) == kept()
    there.house.ledger.adopt()
    assert (1, 1) == kept()[:2]


def shelf_of(world):
    return world.house.shelf.database


def _fails(self, *_, **__):
    if type(self).__name__ == "Outbox":
        raise OperationFailure("down")
    raise Problem(503, ())


def test_what_was_told_once_in_an_emergency_is_not_told_of_each_request(there):
    for _ in range(3):
        assert 200 == asks(there, "BTG")
    told = [each["subject"] for each in there.house.outbox.recent("lea@example.org")]
    assert 1 == sum("urgence" in each for each in told)


def test_the_trace_of_an_emergency_says_why_and_when(there):
    assert 200 == asks(there, "BTG")
    found = there.ask(people.holder(), "GET", "AuditEvent?patient=lea&entity=Observation/o1&action=R").json
    (event,) = [each["resource"] for each in found["entry"]]
    assert "inconsciente aux urgences" == event["purposeOfEvent"][0]["text"]
    assert datetime.fromisoformat(event["recorded"]) == datetime(2026, 11, 23, 10, tzinfo=UTC)
