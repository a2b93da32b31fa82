"""`$explain-access` and what is hidden: the twin-store law over what is explained, to whom and of what (decisions 16)."""

from __future__ import annotations

import pytest

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.clinical import parameters
from tests.kit.family import UNAUTHORISED, appends, begun, letter_of, masked, without_items
from tests.kit.twin import Letter, Step, differences, told

WHOM = {
    "authorised": people.radiologist(),
    "stranger": UNAUTHORISED,
    "chu": people.hospital(),
    "holder": people.holder(),
    "other holder": people.holder("paul"),
    "representative": people.representative("lea"),
}
"""Who asks, and what is hidden from them: d2, what is about it, and that others mention it."""
NOW = "2026-11-23T09:00:00Z"


def assumed(category="ps-blocage", actor="Practitioner/diallo", **more):
    return parameters(assume={"resource": consent_patterns.consent(category, "Patient/lea", NOW, actor=actor, **more)})


def a_folder(code):
    """d1 plain; d2 with a label, by whoever is not told of it; a folder of both, and d3 that appends d2."""
    log = begun()
    log.deposit(Letter("d1"), Letter("d2"))
    log.put(
        lambda without: {**letter_of("lea", "d3", None), **({} if "d2" in without else appends(log.names["d2"]))},
        at="DocumentReference/d3",
    )
    log.put(without_items(log.names, "d1", "d2"), at="List/classeur")
    log.put(lambda without: {**without_items(log.names, "d2")(without), "id": "seul"}, at="List/seul", because=["d2"])
    masked(log, "d2", code, who=people.operator())
    return log


def asked_by(who, log):
    where = (log.names["d1"], log.names["d2"], "DocumentReference/d3", "List/classeur", "List/seul")
    body = assumed()
    made = [Step(who, "GET", f"{each}/$explain-access") for each in (*where, "Patient/lea", "Patient/absent")]
    made += [Step(who, "POST", f"{each}/$explain-access", body) for each in (*where, "Patient/lea", "Patient/absent")]
    made += [Step(who, "GET", f"{each}/$explain-access?profession=60&purpose=BTG") for each in where]
    made += [Step(who, "GET", f"{each}/$explain-access?purpose=rien") for each in where]
    return [*made, Step(who, "GET", "AuditEvent?patient=lea&subtype=operation", pages=True)]


@pytest.mark.parametrize("who", WHOM)
def test_an_explanation_is_one_of_a_record_without_what_is_hidden(databases, who):
    """INVISIBLE_PATIENT hides from the patient's side, MASQUE_PS from professionals."""
    code = "INVISIBLE_PATIENT" if who in ("holder", "representative", "other holder") else "MASQUE_PS"
    log = a_folder(code)

    found = differences(databases, log.steps, frozenset({"d2"}), asked_by(WHOM[who], log))

    assert [] == found, "\n\n".join(found)


def test_this_test_sees_what_is_told(databases):
    """The holder is told of the folder and the médecin traitant of the masked letter: silence is not all they get."""
    log = a_folder("MASQUE_PS")
    world, _ = told(databases(), log.steps)
    try:
        for who, where in ((people.holder(), "List/classeur"), (people.doctor(), log.names["d2"])):
            assert 200 == world.ask(who, "GET", f"{where}/$explain-access").status
        for who in (people.radiologist(), UNAUTHORISED, people.hospital()):
            assert 404 == world.ask(who, "GET", f"{log.names['d1']}/$explain-access").status
    finally:
        world.close()


def test_what_others_were_told_of_what_is_hidden_leaves_the_holder_no_trace(databases):
    """DMP-133: an explanation of what is not announced yet is a reading of it."""
    log = a_folder("INVISIBLE_PATIENT")
    for who in (people.doctor(), people.operator()):
        log.ask(who, "GET", f"{log.names['d2']}/$explain-access", because=["d2"])
    log.ask(people.doctor(), "GET", f"{log.names['d1']}/$explain-access")
    probes = [
        Step(people.holder(), "GET", each, pages=True)
        for each in ("AuditEvent?patient=lea", "Patient/lea/$explain-access")
    ]

    found = differences(databases, log.steps, frozenset({"d2"}), probes)

    assert [] == found, "\n\n".join(found)
