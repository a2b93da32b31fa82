"""The door to the record at hand is remembered, and nothing is read through it that would not be read anew.

docs/adr/0013; from one request to the next of a revocation, `tests/security/test_revocations_race_reads.py` asks too.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from fhir_server.consent.memory import Memory
from fhir_server.foundation.principal import Purpose
from fhir_server.interactions import at_hand
from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.family import letter_of
from tests.kit.treating import NOW
from tests.kit.world import practitioner

LETTER = "DocumentReference/l1"
STRANGER = people.professional("stranger", "10000000099", patient="lea")
WHO = {
    "holder": people.holder(),
    "radiologist": people.radiologist(patient="lea"),
    "doctor": people.doctor(patient="lea"),
    "bris de glace": people.radiologist(purpose=Purpose.BREAK_GLASS, reason="inconscient", patient="lea"),
    "stranger": STRANGER,
}


def authorised(who, **period):
    made = consent_patterns.consent("ps-autorisation", "Patient/lea", NOW, actor=f"Practitioner/{who}")
    made["provision"]["period"] = {"start": "2026-11-23T09:00:00Z", "end": "2027-12-31", **period}
    return made


@pytest.fixture
def letters(world):
    world.put(practitioner("stranger", "10000000099", "Inconnu"))
    world.put(letter_of("lea", "l1", None))
    world.put(letter_of("lea", "l2", "INVISIBLE_PATIENT"))
    return world


@pytest.fixture
def decisions(monkeypatch):
    made = []
    decide = Memory.decide

    def counted(self, request, *directives):
        made.append(request)
        return decide(self, request, *directives)

    monkeypatch.setattr(Memory, "decide", counted)
    return made


def asked(world, who, url=LETTER):
    answered = world.ask(who, "GET", url)
    return answered.status, answered.json


def test_what_was_opened_is_decided_once_and_each_reading_is_on_record(letters, decisions):
    noted = {"entry.disclosed": [LETTER], "facts.author": "Practitioner/bernard"}
    told = [asked(letters, WHO["doctor"]) for _ in range(3)]

    assert told[0] == told[1] == told[2]
    assert 200 == told[0][0]
    assert 1 == len(decisions)
    assert 3 == letters.house.shelf.ledger.count_documents(noted)


@pytest.mark.parametrize("name", WHO)
def test_at_every_moment_it_is_as_if_opened_anew(letters, name):
    made = letters.ask(people.holder(), "POST", "Consent", authorised("stranger", end="2026-11-26"))
    assert 201 == made.status, made.json
    who, begun = WHO[name], letters.now
    sights = letters.house.sights
    # forward and back: a sandbox's clock may be moved either way
    for hours in (0, 1, 13, 15, 80, 90, 12, 0, 24 * 40, 24 * 400, 2):
        letters.now = begun + timedelta(hours=hours)
        for url in (LETTER, "DocumentReference/l2", "Patient/lea"):
            remembered = asked(letters, who, url)
            kept = dict(sights)
            sights.clear()
            assert asked(letters, who, url) == remembered
            sights.update(kept)


def test_it_ends_with_the_consent_that_opened_it(letters):
    made = letters.ask(people.holder(), "POST", "Consent", authorised("stranger"))
    assert 201 == made.status, made.json
    assert 200 == asked(letters, STRANGER)[0]

    ended = letters.ask(people.holder(), "PUT", f"Consent/{made.json['id']}", {**made.json, "status": "inactive"})

    assert 200 == ended.status, ended.json
    assert asked(letters, STRANGER)[0] in (403, 404)


def test_it_ends_with_its_period(letters):
    made = letters.ask(people.holder(), "POST", "Consent", authorised("stranger", end="2026-11-23T10:30:00Z"))
    assert 201 == made.status, made.json
    assert 200 == asked(letters, STRANGER)[0]
    letters.pass_time(minutes=29)
    assert 200 == asked(letters, STRANGER)[0]
    letters.pass_time(minutes=2)
    assert asked(letters, STRANGER)[0] in (403, 404)


@pytest.mark.parametrize("more", ["", "/_history/1", "/_history"])
def test_where_nothing_stands_as_much_is_decided_as_where_it_is_hidden(letters, decisions, more):
    found = []
    for id_ in ("l2", "nothing"):
        assert 404 == letters.ask(WHO["holder"], "GET", f"DocumentReference/{id_}{more}").status
        decisions.clear()
        assert 404 == letters.ask(WHO["holder"], "GET", f"DocumentReference/{id_}{more}").status
        found.append(len(decisions))

    assert found[0] == found[1] > 0


def test_another_set_of_search_parameters_is_another_door(letters, decisions, monkeypatch):
    asked(letters, WHO["doctor"])
    monkeypatch.setattr(at_hand, "generation", lambda: -1)
    asked(letters, WHO["doctor"])

    assert 2 == len(decisions)


def test_who_sees_no_more_than_what_is_his_own_is_decided_each_time(letters, decisions):
    written = letter_of("lea", "l3", None)
    letters.put({**written, "author": [{"reference": "Practitioner/stranger"}]})
    for _ in range(2):
        assert 200 == asked(letters, STRANGER, "DocumentReference/l3")[0]

    assert 2 <= len(decisions)
    assert not letters.house.sights


def test_only_so_many_are_remembered(letters, monkeypatch):
    monkeypatch.setattr(at_hand, "REMEMBERED", 2)
    for who in (WHO["holder"], WHO["doctor"], people.holder(scopes=("patient/*.r",))):
        asked(letters, who)

    assert 1 == len(letters.house.sights)


def test_a_search_is_decided_once_and_each_page_is_on_record(letters, decisions):
    noted = {"entry.disclosed": LETTER, "index": "AuditEvent.subtype=search-type"}
    for url in ("DocumentReference?patient=lea&_id=l1", "DocumentReference?patient=lea&_sort=_id"):
        before, on_record = len(decisions), letters.house.shelf.ledger.count_documents(noted)
        letters.house.sights.clear()
        told = [letters.ask(WHO["doctor"], "GET", url).ids for _ in range(3)]
        assert told[0] == told[1] == told[2]
        assert LETTER in told[0]
        assert before + 1 == len(decisions)
        assert on_record + 3 == letters.house.shelf.ledger.count_documents(noted)


@pytest.mark.parametrize("name", WHO)
def test_at_every_moment_a_search_is_as_if_opened_anew(letters, name):
    made = letters.ask(people.holder(), "POST", "Consent", authorised("stranger", end="2026-11-26"))
    assert 201 == made.status, made.json
    who, begun, sights = WHO[name], letters.now, letters.house.sights
    for hours in (0, 1, 13, 15, 80, 90, 12, 0, 24 * 40, 24 * 400, 2):
        letters.now = begun + timedelta(hours=hours)
        for url in ("DocumentReference?patient=lea", "DocumentReference", "Patient?_id=lea", "Observation?patient=lea"):
            answered = letters.ask(who, "GET", url)
            kept = dict(sights)
            sights.clear()
            anew = letters.ask(who, "GET", url)
            assert answered.status == anew.status
            if answered.status == 200:
                assert answered.ids == anew.ids
            sights.update(kept)


def test_a_search_that_names_somebody_else_has_no_part_in_it(letters):
    letters.put({"resourceType": "Patient", "id": "noe", "name": [{"family": "Noé"}]})
    for _ in range(2):
        assert 200 == letters.ask(WHO["doctor"], "GET", "DocumentReference?patient=lea").status
        assert 403 == letters.ask(WHO["doctor"], "GET", "DocumentReference?patient=noe").status


def test_nothing_is_kept_of_a_record_that_is_forgotten(letters):
    for who in (WHO["holder"], WHO["doctor"]):
        asked(letters, who)
    letters.house.freshness.bump("record", "noe")
    letters.house.freshness._catch_up()
    assert 2 == len(letters.house.sights)
    letters.house.freshness.bump("record", "lea")
    letters.house.freshness._catch_up()
    assert not letters.house.sights


@pytest.mark.parametrize("url", [LETTER, "DocumentReference?patient=lea"])
def test_a_door_that_was_opened_while_its_record_was_forgotten_is_not_kept(letters, monkeypatch, url):
    span_of = at_hand.span_of

    def forgetting(*of):
        letters.house.records.forget("lea")
        at_hand.forget(letters.house, "lea")
        return span_of(*of)

    monkeypatch.setattr(at_hand, "span_of", forgetting)
    assert 200 == letters.ask(WHO["doctor"], "GET", url).status
    assert not letters.house.sights


@pytest.mark.parametrize("url", [LETTER, "DocumentReference?patient=lea"])
def test_a_door_that_was_opened_before_another_set_of_parameters_is_none_of_those(letters, decisions, monkeypatch, url):
    sets = [1]
    monkeypatch.setattr(at_hand, "generation", lambda: sets.pop() if sets else 2)
    for asked_so_far in (1, 2, 2):
        assert 200 == letters.ask(WHO["doctor"], "GET", url).status
        assert asked_so_far == len(decisions)
