"""Rounds and the twin-store law (decisions 16): what waits for an announcement leaves no mark until it may be seen.

Two worlds are told the same, one of them without the letter that waits; in both the rounds are gone as the days pass. To
the holder, and to who represents a minor from whom it is hidden for good, they answer alike: before the notice, after it,
and on the last day. The notice is the law's own exception (docs/adr/0030): the outbox alone tells the two apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.kit import people
from tests.kit.family import begun, family_life, provenance
from tests.kit.rounds import go
from tests.kit.twin import NOTHING, Letter, Step, apart, told
from tests.kit.world import FRENCH, patient

DAY = 86_400
BEGAN = datetime(2026, 11, 23, 10, tzinfo=UTC)
ROLES = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
SECRET = "INVISIBLE_REPRESENTANTS_LEGAUX"


def pair(databases, log, without):
    return [told(databases(), log.steps, missing) for missing in (NOTHING, without)]


def days(worlds, number):
    """Let so many days have passed in both, and the rounds be gone; how many acts of each kind."""
    done = []
    for world, numbers in worlds:
        world.now = BEGAN + timedelta(days=number)
        numbers.at(number * DAY)
        done.append(go(world).done)
        world.house.ledger.adopt()
    return done


def notices(world):
    return [each["subject"] for each in world.house.outbox.recent("lea@example.org")]


def close(worlds):
    for world, _ in worlds:
        world.close()


def asked(who, hidden):
    """What may betray something: its addresses, counts, pages, what comes along, and the traces of it all."""
    for each in hidden:
        yield Step(who, "GET", each)
        yield Step(who, "GET", f"{each}/_history", pages=True)
        yield Step(who, "GET", f"AuditEvent?patient=lea&entity={each}", pages=True)
    for url in (
        "DocumentReference?patient=lea",
        "DocumentReference?patient=lea&_count=1",
        "DocumentReference?patient=lea&_summary=count",
        "DocumentReference?patient=lea&_revinclude=*&_include=*",
        "DocumentReference?patient=lea&security-label=INVISIBLE_PATIENT",
        "DocumentReference?patient=lea&_lastUpdated=ge2026-11-23&_sort=-date",
        "List?patient=lea&_include=List:item",
        "Provenance?patient=lea",
        "Communication?subject=Patient/lea",
        "DocumentReference/_history",
        "_history?_since=2026-11-23",
        "Patient/lea/$everything",
        "Patient/lea/*",
        "AuditEvent?patient=lea&_summary=count",
        "AuditEvent?patient=lea&_sort=-date&_count=3",
    ):
        yield Step(who, "GET", url, pages=True)


# 13: before the notice; 15: after it; 29: the day before it is shown
@pytest.mark.parametrize("number", [13, 15, 29])
def test_to_the_holder_what_waits_has_never_been_written_whatever_round_was_gone_dmp_134(databases, number):
    log = begun()
    log.deposit(Letter("d1"))
    log.deposit(Letter("d5", ("INVISIBLE_PATIENT",)))
    log.put(provenance("w5", log.names["d5"]), because=["d5"])
    log.ask(people.doctor(), "GET", log.names["d5"], because=["d5"])
    worlds = pair(databases, log, frozenset({"d5"}))
    try:
        full, twin = days(worlds, number)
        assert (number > 14, False) == (bool(full["announcement.remind"]), bool(twin["announcement.remind"]))
        hidden = [*(log.names[each] for each in ("d5", "d5.content", "d5.set")), "Provenance/w5"]
        found = apart(worlds, [*asked(people.holder(), hidden)], number * DAY + 1)
        assert [] == found, "\n\n".join(found)
    finally:
        close(worlds)


def test_the_notice_is_all_that_tells_them_apart(databases):
    log = begun()
    log.deposit(Letter("d5", ("INVISIBLE_PATIENT",)), Letter("d6", ("INVISIBLE_PATIENT",)))
    worlds = pair(databases, log, frozenset({"d5", "d6"}))
    try:
        days(worlds, 13)
        assert notices(worlds[0][0]) == notices(worlds[1][0])
        days(worlds, 15)
        more = notices(worlds[0][0])
        for each in notices(worlds[1][0]):
            more.remove(each)
        assert ["Votre dossier médical partagé a été mis à jour"] == more
    finally:
        close(worlds)


def test_after_a_month_it_answers_as_one_that_was_never_hidden_save_for_its_label(databases):
    """What was hidden is found by everything it is: the read rule shows it before the round, and the round after."""
    log = begun()
    log.deposit(Letter("d5", ("INVISIBLE_PATIENT",)))
    world, numbers = told(databases(), log.steps)
    try:
        for gone in (False, True):
            world.now = BEGAN + timedelta(days=30, minutes=1)
            numbers.at(30 * DAY + gone)
            if gone:
                assert 1 == go(world).done["announcement.show"]
            for url, least in (
                ("DocumentReference?patient=lea&status=current", 1),
                ("List?patient=lea&code=submissionset", 1),
                (f"{log.names['d5']}/_history", 1),
                ("AuditEvent?patient=lea&subtype=ITI-65", 1),
            ):
                assert least <= world.ask(people.holder(), "GET", url).json["total"], url
            assert 200 == world.ask(people.holder(), "GET", log.names["d5.content"]).status
    finally:
        world.close()


@pytest.mark.slow
def test_what_is_hidden_from_the_representatives_stays_so_through_every_round_dmp_92(databases):
    """A letter hidden from the holder and from them: shown to the child after a month, never to them."""
    log = begun()
    log.put({**patient("zoe", birthDate="2012-05-05"), "identifier": [{"system": people.INS_SYSTEM, "value": "zoe"}]})
    guardian = {
        "resourceType": "RelatedPerson",
        "id": "anne",
        "patient": {"reference": "Patient/zoe"},
        "relationship": [{"coding": [{"system": ROLES, "code": "GUARD"}]}],
    }
    log.put(guardian)
    labels = [{"system": FRENCH, "code": code} for code in ("INVISIBLE_PATIENT", SECRET)]
    log.put(
        {
            "resourceType": "Observation",
            "id": "z1",
            "meta": {"security": labels},
            "status": "final",
            "code": {"text": "test"},
            "subject": {"reference": "Patient/zoe"},
        },
        because=["z1"],
    )
    log.put(
        {**patient("zoe", birthDate="2012-05-05"), "identifier": [{"system": "urn:x", "value": "z"}], "active": True}
    )
    worlds = pair(databases, log, frozenset({"z1"}))
    try:
        for number in (15, 31):
            days(worlds, number)
            probes = [
                Step(people.representative("zoe"), "GET", url, pages=True)
                for url in (
                    "Observation?patient=zoe", "Observation/z1", "Observation/z1/_history", "AuditEvent?patient=zoe",
                    "Patient/zoe/$everything", "Observation?patient=zoe&_summary=count", "AuditEvent?patient=zoe&_count=1",
                )
            ]  # fmt: skip
            found = apart(worlds, probes, number * DAY + 1)
            assert [] == found, "\n\n".join(found)
        assert 200 == worlds[0][0].ask(people.holder("zoe"), "GET", "Observation/z1").status
    finally:
        close(worlds)


def test_a_round_tells_a_stranger_nothing_of_a_whole_family(databases):
    """Who may not open the record is answered alike before and after the rounds."""
    log = family_life()
    worlds = pair(databases, log, NOTHING)
    try:
        number = 40
        world, numbers = worlds[0]
        world.now = BEGAN + timedelta(days=number)
        numbers.at(number * DAY)
        assert 1 == go(world).done["announcement.show"]
        who = people.professional("inconnu", "10000000099")
        probes = [Step(who, "GET", url) for url in ("DocumentReference?patient=lea", *(log.names.values()))]
        found = apart(worlds, probes, number * DAY + 1)
        assert [] == found, "\n\n".join(found)
    finally:
        close(worlds)
