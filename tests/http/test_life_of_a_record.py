"""The life of a record: closing, death, reopening, and what the existence check says after each (DMP-101 to DMP-106)."""

from __future__ import annotations

import threading
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from fhir_server.foundation.uuid7 import uuid7
from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.clinical import observation
from tests.kit.steps import (
    CHU,
    DESK,
    closed,
    closing_of,
    consents,
    destroyed,
    existence,
    guardian,
    outbox,
    reopened,
    traces,
)
from tests.kit.world import World


def test_the_holder_closes_and_everybody_else_is_out_on_the_next_request(world):
    """DMP-105."""
    world.put(observation("o1", "2026-01-10"))
    assert 200 == world.ask(people.doctor(), "GET", "Observation/o1").status

    told = closed(world, text="Je ne veux plus de dossier")

    assert (200, False) == (told.status, told.json["active"])
    assert {
        "dateFermeture": "2026-11-23",
        "motifFermeture": "patient-demande",
        "raisonFermeture": "Je ne veux plus de dossier",
    } == closing_of(told.json)
    assert 404 == world.ask(people.doctor(), "GET", "Observation/o1").status
    assert 404 == world.ask(people.doctor(), "GET", "Patient/lea").status
    assert 403 == world.ask(people.doctor(), "GET", "Observation?patient=lea").status
    assert 403 == world.ask(people.holder(), "GET", "Observation?patient=lea").status
    assert 200 == world.ask(people.holder(), "GET", "Patient/lea").status


def test_it_is_closed_in_every_worker_once_the_answer_is_there(world, database):
    """DMP-105, decisions 19: what another process remembers of the record holds no more."""
    world.put(observation("o1", "2026-01-10"))
    other = World(database, uuid7)
    try:
        assert 200 == other.ask(people.radiologist(), "GET", "Observation/o1").status
        closed(world)
        assert 404 == other.ask(people.radiologist(), "GET", "Observation/o1").status
        reopened(world)
        assert 200 == other.ask(people.holder(), "GET", "Observation/o1").status
        closed(world)
        destroyed(world, demanded=True)
        assert 404 == other.ask(people.holder(), "GET", "Patient/lea").status
    finally:
        other.close()


def test_what_permitted_ends_with_the_record_and_what_forbids_stays(world):
    world.ask(people.holder(), "POST", "Consent", blocking("Practitioner/diallo"))
    closed(world)

    assert {"alimentation", "urgence-bris-de-glace", "urgence-samu", "ps-blocage"} == set(consents(world))


def test_a_closing_is_told_traced_and_in_the_history(world):
    """DMP-107."""
    closed(world)

    assert "Votre dossier médical partagé est fermé" in [each["subject"] for each in outbox(world)]
    assert b64encode(b"Patient/lea/$close-record?").decode() in traces(world)[-1]
    entries = world.ask(people.holder(), "GET", "Patient/lea/_history").json["entry"]
    assert [False, True, False] == [each["resource"]["active"] for each in entries]


def test_closing_twice_is_409_and_leaves_one_closing(world):
    assert [200, 409] == [closed(world).status, closed(world).status]


@pytest.mark.parametrize("who", [people.doctor(), people.radiologist(), people.holder("paul"), CHU, DESK])
def test_nobody_else_closes(world, who):
    assert closed(world, who).status in (403, 404)
    assert existence(world)["active"] is True


@pytest.mark.parametrize(
    ("who", "reason", "status"),
    [
        (people.holder(), "deces", 403),
        (people.holder(), "opposition", 403),
        (people.operator(), "patient-demande", 403),
        (people.holder(), "ennui", 422),
        (people.operator(), "erreur-identite", 200),
    ],
)
def test_a_motive_is_of_the_value_set_and_of_who_gives_it(world, who, reason, status):
    """DMP-106."""
    assert status == closed(world, who, reason=reason).status


def test_the_existence_check_tells_of_the_closing_until_it_is_opened_again(world):
    """DMP-101, DMP-102."""
    assert (True, {}) == (existence(world)["active"], closing_of(existence(world)))
    closed(world, text="Déménagement")
    told = existence(world, people.professional("inconnu", "10000000005"))
    assert told["active"] is False
    assert "patient-demande" == closing_of(told)["motifFermeture"]
    assert "Déménagement" == closing_of(told)["raisonFermeture"]
    reopened(world)
    assert (True, {}) == (existence(world)["active"], closing_of(existence(world)))


def test_an_opposition_by_a_consent_alone_is_a_closed_record_to_the_existence_check(world):
    """DMP-102: whatever the Patient says of itself."""
    world.ask(people.holder(), "POST", "Consent", blocking(None, "dmp-creation"))

    assert existence(world)["active"] is False
    assert 200 == reopened(world).status
    assert existence(world)["active"] is True


def test_the_holder_opens_it_again_with_its_history_and_nobody_in_it(world):
    world.put(observation("o1", "2026-01-10"))
    closed(world)
    world.pass_time(days=365)

    assert (200, True) == ((told := reopened(world)).status, told.json["active"])
    assert 200 == world.ask(people.holder(), "GET", "Observation/o1").status
    assert 404 == world.ask(people.radiologist(), "GET", "Observation/o1").status
    assert 1 == consents(world).count("dmp-creation")
    assert "Votre dossier médical partagé est rouvert" in [each["subject"] for each in outbox(world)]


@pytest.mark.parametrize("who", [people.radiologist(), CHU, DESK], ids=["doctor", "chu", "desk"])
def test_a_third_party_opens_it_again_with_consent_and_reads_nothing_for_it(world, who):
    """DMP-22: the performer is the holder, the Provenance names who asked."""
    world.put(observation("o1", "2026-01-10"))
    closed(world)

    told = reopened(world, who)

    assert 200 == told.status, told.json
    assert "SUBSETTED" in [each["code"] for each in told.json["meta"]["tag"]]
    assert world.ask(who, "GET", "Observation/o1").status in (403, 404)
    who_did = world.ask(people.holder(), "GET", "Provenance?patient=lea").json["entry"][0]["resource"]["agent"][0]
    assert who.reference == who_did["who"]["reference"]


def test_who_is_blocked_opens_nothing_again_and_is_answered_as_if_there_were_nothing(world):
    """DMP-112."""
    world.ask(people.holder(), "POST", "Consent", blocking("Practitioner/diallo"))
    closed(world)

    there, absent = reopened(world, people.radiologist()), reopened(world, people.radiologist(), patient="nobody")
    assert (404, absent.json) == (there.status, there.json)
    assert existence(world)["active"] is False


@pytest.mark.parametrize(
    ("step", "reason"), [(reopened, "life.ended"), (closed, "life.not-theirs")], ids=["reopening", "closing"]
)
def test_the_ledger_tells_why_a_step_was_refused_to_who_does_not_see_the_record(world, step, reason):
    """decisions 20: of a record that a death has closed, that it has ended; the answer tells nothing of it."""
    closed(world, people.operator(), reason="deces")

    told = step(world, people.radiologist())

    refused = world.house.shelf.ledger.find_one(sort=[("chain.seal", -1), ("chain.seq", -1)])["entry"]["refused"]
    assert (404, [reason]) == (told.status, refused)


@pytest.mark.parametrize(("days", "status"), [(3651, 200), (3652, 403)])
def test_it_is_opened_again_until_ten_years_have_passed(world, days, status):
    """DMP-104: from 23 November 2026 to 23 November 2036 there are 3653 days, of which the closing's is the first."""
    closed(world)
    world.pass_time(days=days + 1)

    assert status == reopened(world).status


def test_a_death_closes_the_record_for_good(world):
    """DMP-104, DMP-105: the operator's feed of identities tells of it."""
    patient = world.ask(people.operator(), "GET", "Patient/lea").json
    told = world.ask(people.operator(), "PUT", "Patient/lea", {**patient, "deceasedDateTime": "2026-11-20"})

    assert (200, False, "deces") == (told.status, told.json["active"], closing_of(told.json)["motifFermeture"])
    assert 404 == world.ask(people.doctor(), "GET", "Patient/lea").status
    assert 403 == reopened(world).status
    assert 404 == reopened(world, people.radiologist()).status
    # a feed that says no more of it does not open it, and does not take the closing back
    feed = {name: value for name, value in told.json.items() if name not in ("extension", "deceasedDateTime")}
    world.ask(people.operator(), "PUT", "Patient/lea", {**feed, "extension": patient["extension"]})
    assert "deces" == closing_of(existence(world))["motifFermeture"]


def test_the_operator_closes_for_a_death_with_its_day(world):
    told = closed(world, people.operator(), reason="deces", deceased="2026-11-20")

    assert (200, "2026-11-20") == (told.status, told.json["deceasedDateTime"])
    assert 422 == closed(world, reason="patient-demande", deceased="2026-11-20").status


def test_of_two_who_close_at_once_one_does(world):
    assert [200, 409] == sorted(at_once(lambda: closed(world).status, lambda: closed(world).status))


def test_of_two_who_reopen_at_once_one_does(world):
    closed(world)
    # a desk does not see an open record: to it there is nothing to be opened again
    assert sorted(at_once(lambda: reopened(world).status, lambda: reopened(world, DESK).status)) in (
        [200, 409],
        [200, 404],
    )
    assert 1 == consents(world).count("dmp-creation")


def test_a_ledger_that_fails_leaves_the_record_open(world, failing_carry):
    with failing_carry(world):
        assert closed(world).status >= 500
    assert existence(world)["active"] is True
    assert 5 <= len(consents(world))
    assert [] == [each for each in outbox(world) if "fermé" in each["subject"]]


def test_a_representative_closes_and_reopens_a_minor_s_record(world):
    born = world.ask(people.operator(), "GET", "Patient/lea").json
    world.put({**born, "birthDate": "2015-01-01"})
    world.put(guardian("anne"))
    mother = people.representative("lea")

    assert [200, 200] == [closed(world, mother).status, reopened(world, mother).status]
    world.now = datetime(2033, 1, 1, tzinfo=UTC)
    assert closed(world, mother).status in (403, 404)


def blocking(actor, category="ps-blocage"):
    return consent_patterns.consent(category, "Patient/lea", "2026-11-23T10:00:00Z", actor=actor, permit=False)


def at_once(*asks):
    answers, gate = [], threading.Barrier(len(asks))

    def run(ask):
        gate.wait()
        answers.append(ask())

    threads = [threading.Thread(target=run, args=(each,)) for each in asks]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers
