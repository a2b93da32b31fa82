"""Operations and what is hidden: the twin-store law over what they show, what they leave on record, what they change."""

from __future__ import annotations

import pytest

from fhir_server.search import metadata
from tests.kit import people
from tests.kit.family import UNAUTHORISED, appends, begun, letter_of, masked
from tests.kit.twin import Letter, Step, differences, told
from tests.kit.world import FRENCH, label

MASK = [{"system": FRENCH, "code": "MASQUE_PS"}]
UNTOLD = [{"system": FRENCH, "code": "INVISIBLE_PATIENT"}]
TRACES = ("AuditEvent?patient=lea&_sort=date", "AuditEvent?patient=lea&subtype=operation&_summary=count")


def clinical(type_, id_, **more):
    return {"resourceType": type_, "id": id_, "subject": {"reference": "Patient/lea"}, **more}


def observation(id_, **more):
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    by = [{"reference": "Practitioner/bernard"}]
    return clinical("Observation", id_, status="final", code=code, performer=by, **more)


def composition(id_, entries, **more):
    return clinical(
        "Composition",
        id_,
        status="final",
        type={"coding": [{"system": "http://loinc.org", "code": "11490-0"}]},
        date="2026-03-02",
        author=[{"reference": "Practitioner/bernard"}],
        title="Compte rendu",
        section=[{"title": "Suite", "entry": [{"reference": each} for each in entries]}],
        **more,
    )


def encounter(id_, **more):
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    return clinical("Encounter", id_, status="finished", **{"class": kind}, **more)


def a_stay(label):
    """An encounter and a report of three observations; `o2`, `cr2` and `e2` carry the label."""
    log = begun()
    log.put(encounter("e1"))
    log.put(encounter("e2", meta={"security": label}), because=["e2"])
    within = {"encounter": {"reference": "Encounter/e1"}}
    log.put(observation("o1", **within))
    log.put(observation("o2", **within, meta={"security": label}), because=["o2"])
    log.put(observation("o3", encounter={"reference": "Encounter/e2"}, meta={"security": label}), because=["e2"])

    def report(without):
        return composition("cr", [f"Observation/{each}" for each in ("o1", "o2") if each not in without], **within)

    log.put(report, at="Composition/cr")
    log.put(composition("cr2", ["Observation/o1"], meta={"security": label}), because=["cr2"])
    return log


def asked(who, url):
    return Step(who, "GET", url, pages="$everything" in url or url in TRACES)


HIDDEN = frozenset({"o2", "cr2", "e2"})
QUESTIONS = (
    "Patient/lea/$everything",
    "Patient/lea/$everything?_count=1",
    "Patient/lea/$everything?_count=3&_type=Observation,Composition,Encounter",
    "Patient/lea/$everything?end=2026-12-01&_count=2",
    "Encounter/e1/$everything",
    "Encounter/e1/$everything?_count=1",
    "Encounter/e2/$everything",
    "Composition/cr/$document",
    "Composition/cr2/$document",
    "Composition/$document?id=Composition/cr2",
    "Observation/o2/$meta",
    "Observation/o2/$validate",
    "Observation/o2/$validate?mode=delete",
    "Composition/cr/$validate",
    "Composition/cr/$meta",
    "Observation/$meta",
    "Encounter/$meta",
    "$meta",
    *TRACES,
)


@pytest.mark.parametrize(
    ("who", "label"),
    [
        (people.radiologist(), MASK),
        (people.radiologist(patient="lea"), MASK),
        (people.holder(), UNTOLD),
        (UNAUTHORISED, MASK),
    ],
    ids=["authorised", "in a launch", "holder", "stranger"],
)
def test_operations_answer_as_if_the_hidden_had_never_been_written(databases, who, label):
    """R111, R112."""
    probes = [asked(who, each) for each in QUESTIONS]
    added = {"name": "meta", "valueMeta": {"security": label}}
    body = {"resourceType": "Parameters", "parameter": [added]}
    for id_ in ("o2", "absent"):
        probes += [Step(who, "POST", f"Observation/{id_}/{each}", body) for each in ("$meta-add", "$meta-delete")]
    probes += [asked(who, each) for each in TRACES]

    found = differences(databases, a_stay(label).steps, HIDDEN, probes)

    assert [] == found, "\n\n".join(found)


def test_what_others_asked_of_what_is_hidden_leaves_the_holder_no_trace(databases):
    """DMP-133: who read what is not announced yet is told with it."""
    log = a_stay(UNTOLD)
    for name, urls in {
        "o2": ("Observation/o2/$meta", "Observation/o2/$validate", "Observation/o2/$validate?mode=delete"),
        "cr2": ("Composition/cr2/$document", "Composition/$document?id=cr2", "Composition/cr2/$meta"),
        "e2": ("Encounter/e2/$everything", "Encounter/e2/$everything?_count=1"),
    }.items():
        for url in urls:
            log.ask(people.doctor(), "GET", url, because=[name])
    for url in ("Patient/lea/$everything?_count=100", "Composition/cr/$document", "Encounter/e1/$everything"):
        log.ask(people.doctor(), "GET", url)
    probes = [asked(people.holder(), each) for each in (*TRACES, *QUESTIONS)]

    found = differences(databases, log.steps, HIDDEN, probes)

    assert [] == found, "\n\n".join(found)
    world, _ = told(databases(), log.steps)
    try:
        seen = world.ask(people.holder(), "GET", "AuditEvent?patient=lea&subtype=operation&agent=Practitioner/bernard")
        assert 3 == seen.json["total"]
        whole = world.ask(
            people.operator(), "GET", "AuditEvent?patient=lea&subtype=operation&agent=Practitioner/bernard"
        )
        assert 11 == whole.json["total"]
    finally:
        world.close()


def test_metadata_that_is_added_to_a_document_is_added_whatever_it_names_that_is_hidden(databases):
    """And its elements stand in the order in which they would stand; a patch of its labels once told by theirs."""
    log = begun()
    log.deposit(Letter("d1"))
    log.put(
        lambda without: {**letter_of("lea", "d2", None), **({} if "d1" in without else appends(log.names["d1"]))},
        at="DocumentReference/d2",
    )
    masked(log, "d1")
    tag = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    who = people.radiologist()
    probes = [
        Step(who, "POST", "DocumentReference/d2/$meta-add", tag),
        Step(who, "GET", "DocumentReference/d2"),
        Step(who, "GET", "DocumentReference/d2/$meta"),
        Step(who, "POST", "DocumentReference/d2/$meta-delete", tag),
        Step(who, "GET", "DocumentReference/d2"),
    ]

    patch = [{"op": "add", "path": "/securityLabel", "value": [label("N")]}]
    probes += [Step(who, "PATCH", "DocumentReference/d2", patch), Step(who, "GET", "DocumentReference/d2")]

    found = differences(databases, log.steps, frozenset({"d1"}), probes)

    assert [] == found, "\n\n".join(found)
    world, _ = told(databases(), log.steps)
    try:
        assert 200 == world.ask(who, "POST", "DocumentReference/d2/$meta-add", tag).status
        kept = world.ask(people.doctor(), "GET", "DocumentReference/d2").json
        assert (log.names["d1"], {"code": "x"}) == (
            kept["relatesTo"][0]["target"]["reference"],
            kept["meta"]["tag"][-1],
        )
    finally:
        world.close()


def named_in_metadata(databases, who):
    """Where `$meta` tells that a profile, or the system of a tag, is written like a reference to what is hidden.

    A read takes such a name away with the other mentions of it.
    """
    log = begun()
    label = UNTOLD if who.subject.startswith("holder") else MASK
    log.put(observation("o2", meta={"security": label}), because=["o2"])

    def speaking(without):
        if "o2" in without:
            return observation("o1", meta={"tag": [{"code": "a"}]})
        named = {"profile": ["Observation/o2"], "tag": [{"code": "a"}, {"system": "Observation/o2"}]}
        return observation("o1", meta=named, derivedFrom=[{"reference": "Observation/o2"}])

    log.put(speaking, at="Observation/o1")
    urls = ("Observation/o1", "Observation/o1/$meta", "Observation/$meta", "$meta")
    return differences(databases, log.steps, frozenset({"o2"}), [Step(who, "GET", each) for each in urls])


@pytest.mark.parametrize("who", [people.radiologist(), people.holder(), UNAUTHORISED], ids=lambda who: who.subject)
def test_what_is_hidden_is_not_told_by_metadata_that_names_it(databases, who):
    found = named_in_metadata(databases, who)

    assert [] == found, "\n\n".join(found)


def test_metadata_that_is_told_as_the_index_has_it_is_caught(databases, monkeypatch):
    monkeypatch.setattr(metadata, "_names_a_resource", lambda *_: False)

    told_apart = named_in_metadata(databases, people.radiologist())
    assert ["Observation/$meta", "$meta"] == [each.splitlines()[0].rpartition(" ")[2] for each in told_apart]


KNOWN = {"resourceType": "Patient", "name": [{"family": "Martin"}], "birthDate": "1979-03-12"}


def test_who_has_no_standing_is_told_of_a_patient_as_if_there_were_none(databases):
    log = begun()
    matricule = [{"system": people.INS_SYSTEM, "value": people.INS}]
    bodies = [{**KNOWN, "identifier": matricule}, KNOWN, {"resourceType": "Patient", "identifier": matricule}]
    world, _ = told(databases(), log.steps)
    try:
        for who in (UNAUTHORISED, people.hospital(), people.holder("paul")):
            for body in bodies:
                got = world.ask(who, "POST", "Patient/$match", body)
                assert (200, 0) == (got.status, got.json["total"]), (who, body)
                assert "entry" not in got.json
    finally:
        world.close()
