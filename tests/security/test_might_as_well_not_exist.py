"""The twin-store law (decisions 16): a server answers as one into which the hidden was never written.

Every request of the battery is answered byte for byte alike by a world that holds something hidden from the asker and
by one that was told the same log without it; `Date`, request ids and a Bundle's own id apart.
"""

from __future__ import annotations

import pytest

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.battery import battery, writings
from tests.kit.family import (
    DIETICIAN,
    UNAUTHORISED,
    appends,
    begun,
    emergency,
    family_life,
    letter_of,
    masked,
    provenance,
    told_about,
    without_items,
)
from tests.kit.twin import Letter, Log, Step, differences, id_at, told
from tests.kit.world import label, patient

SHOWN = ("d1", "d1.content", "d1+d2.set", "d4", "d8")


def addresses(log: Log, hidden: set[str]) -> tuple[list[str], list[str]]:
    """Some of what may be seen, and all that may not, of what the log wrote."""
    seen, unseen = [], []
    for name, reference in (("classeur", "List/classeur"), ("mesure", "Observation/mesure")):
        (unseen if name in hidden else seen).append(reference)
    for name, reference in log.names.items():
        if set(name.partition(".")[0].split("+")) <= hidden:
            unseen.append(reference)
        elif name in SHOWN:
            seen.append(reference)
    return seen, [*unseen, *(("List/seul", "Provenance/w2", "Communication/c2") if "d2" in hidden else ())]


ASKERS = [
    pytest.param(people.radiologist(), {"d2", "d3", "d7"}, id="authorised, before what is masked"),
    pytest.param(people.radiologist(patient="lea"), {"d2", "d3", "d7"}, id="authorised, in a launch"),
    pytest.param(DIETICIAN, {"d2", "d3", "d6", "d7"}, id="dietician, before class 60"),
    pytest.param(people.holder(), {"d5"}, id="holder, before what is not yet told"),
    pytest.param(emergency(), {"d2", "d3", "d7"}, id="bris de glace"),
    pytest.param(
        UNAUTHORISED, {"classeur", "mesure", *(f"d{each}" for each in range(1, 9))}, id="nobody of the record"
    ),
    pytest.param(
        people.radiologist(scopes=("user/DocumentReference.rs", "user/List.rs", "user/Binary.r")),
        {"d2", "d3", "d7"},
        id="authorised, by a small token",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("who", "hidden"), ASKERS)
def test_a_server_answers_as_if_the_hidden_had_never_been_written(databases, who, hidden):
    log = family_life()

    found = differences(databases, log.steps, frozenset(hidden), battery(who, *addresses(log, hidden)))

    assert [] == found, "\n\n".join(found)


def test_a_representative_is_answered_as_if_what_the_minor_hides_had_never_been_written(databases):
    log = begun()
    log.put({**patient("zoe", birthDate="2012-05-05"), "identifier": [{"system": "urn:x", "value": "zoe"}]})
    log.put(
        {
            "resourceType": "RelatedPerson",
            "id": "anne",
            "active": True,
            "patient": {"reference": "Patient/zoe"},
            "relationship": [
                {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}]}
            ],
            "period": {"start": "2012-05-05"},
        }
    )
    log.put(
        {**patient("zoe", birthDate="2012-05-05", active=True), "identifier": [{"system": "urn:x", "value": "zoe"}]}
    )
    for name, code in (("e1", None), ("e2", "INVISIBLE_REPRESENTANTS_LEGAUX"), ("e3", "INVISIBLE_PATIENT")):
        log.names[name] = f"DocumentReference/{name}"
        log.put(letter_of("zoe", name, code), because=[name])
        log.put({**provenance(f"p{name}", log.names[name])}, because=[name])
    representative = people.representative("zoe")
    probes = battery(
        representative,
        ["DocumentReference/e1"],
        ["DocumentReference/e2", "DocumentReference/e3", "Provenance/pe2", "Provenance/pe3"],
        patient="zoe",
    )

    found = differences(databases, log.steps, frozenset({"e2", "e3"}), probes)

    assert [] == found, "\n\n".join(found)


def of_a_consent(kind: str, actor: str) -> tuple[Log, str]:
    """A record whose holder made one more Consent, `hidden`; its address."""
    log = begun()
    consent = consent_patterns.consent(kind, "Patient/lea", "2026-11-23T10:00:00Z", actor=actor)
    step = log.ask(people.holder(), "POST", "Consent", consent, because=["hidden"])
    return log, f"Consent/{id_at(step, 1)}"


CONSENTS = [
    pytest.param(people.radiologist(), "ps-blocage", "Practitioner/noel", id="the block of another"),
    pytest.param(people.radiologist(), "medecin-traitant", "Practitioner/noel", id="another's designation"),
]


@pytest.mark.parametrize(("who", "kind", "actor"), CONSENTS)
def test_a_consent_that_is_not_for_her_is_as_if_it_had_never_been_written(databases, who, kind, actor):
    """DMP-51, DMP-53."""
    log, consent = of_a_consent(kind, actor)
    probes = [each for each in battery(who, [], [consent]) if "AuditEvent" not in each.url]

    found = differences(databases, log.steps, frozenset({"hidden"}), probes)

    assert [] == found, "\n\n".join(found)


@pytest.mark.parametrize(("who", "kind", "actor"), CONSENTS)
def test_traces_of_a_consent_that_is_not_for_her_hide_with_it(databases, who, kind, actor):
    log, consent = of_a_consent(kind, actor)
    probes = [Step(who, "GET", consent), Step(who, "GET", "AuditEvent?patient=lea&_sort=date", pages=True)]

    found = differences(databases, log.steps, frozenset({"hidden"}), probes)

    assert [] == found, "\n\n".join(found)


def test_what_is_announced_shows_with_its_traces_and_what_was_hidden_meanwhile_does_not(databases):
    """Masked and shown again: the gap in the version numbers is the one trace, and a named exception."""
    log = begun()
    log.deposit(Letter("d1"), Letter("d2"))
    name = log.names["d1"]
    masked(log, "d1")
    log.ask(people.doctor(), "GET", name, because=["mask"])
    patch = [{"op": "remove", "path": "/securityLabel/1"}]
    log.ask(people.holder(), "PATCH", name, patch, because=["mask"])
    world, _ = told(databases(), log.steps)
    try:
        who = people.radiologist()
        shown = world.ask(who, "GET", f"{name}/_history")
        assert (["3", "1"], 2) == (
            [each["resource"]["meta"]["versionId"] for each in shown.json["entry"]],
            shown.json["total"],
        )
        assert [200, 404, 200] == [world.ask(who, "GET", f"{name}/_history/{each}").status for each in (1, 2, 3)]
        assert b"MASQUE_PS" not in shown.body
    finally:
        world.close()


def test_the_holder_sees_who_read_a_letter_once_it_has_been_announced(databases):
    log = begun()
    log.deposit(Letter("d5", ("INVISIBLE_PATIENT",)))
    log.ask(people.doctor(), "GET", log.names["d5"])
    log.ask(people.doctor(), "GET", log.names["d5.set"])
    world, _ = told(databases(), log.steps)
    try:
        reads = "AuditEvent?patient=lea&subtype=read&agent=Practitioner/bernard&_summary=count"
        assert 0 == world.ask(people.holder(), "GET", reads).json["total"]
        patch = [{"op": "remove", "path": "/securityLabel/1"}]
        assert 200 == world.ask(people.hospital(), "PATCH", log.names["d5"], patch).status
        assert 2 == world.ask(people.holder(), "GET", reads).json["total"]
    finally:
        world.close()


@pytest.mark.slow
@pytest.mark.parametrize(("who", "hidden"), ASKERS)
def test_a_write_that_names_an_address_does_not_tell_whether_something_stands_there(databases, who, hidden):
    log = family_life()
    seen, unseen = addresses(log, hidden)

    found = differences(databases, log.steps, frozenset(hidden), writings(who, [*unseen, *seen[:2]]))

    assert [] == found, "\n\n".join(found)


def test_a_letter_is_not_found_by_what_it_is_to_one_that_is_masked(databases):
    """The composite of a reference and a code: neither by its value nor by its presence."""
    log = begun()
    log.deposit(Letter("d1"), Letter("d2"))
    log.put(
        lambda without: {
            **letter_of("lea", "both", None),
            "relatesTo": [
                {"code": code, "target": {"reference": log.names[name]}}
                for name, code in (("d1", "appends"), ("d2", "transforms"))
                if name not in without
            ],
        },
        at="DocumentReference/both",
    )
    log.put(
        lambda without: {
            **letter_of("lea", "one", None),
            **({} if "d1" in without else appends(log.names["d1"])),
        },
        at="DocumentReference/one",
    )
    masked(log, "d1")
    d1, d2 = log.names["d1"], log.names["d2"]
    values = [
        *(f"{name}${code}" for name in (d1, d2) for code in ("appends", "transforms", "|appends")),
        f"{d1.partition('/')[2]}$appends",
        f"{d1}$appends,{d2}$transforms",
    ]
    asked = [f"relationship={each}" for each in values]
    asked += ["relationship:missing=true", "relationship:missing=false", "relation=appends", f"relatesto={d1}"]
    probes = [
        Step(people.radiologist(), "GET", f"DocumentReference?patient=lea&{each}&_summary={summary}")
        for each in asked
        for summary in ("false", "count")
    ]

    found = differences(databases, log.steps, frozenset({"d1"}), probes)

    assert [] == found, "\n\n".join(found)
    world, _ = told(databases(), log.steps)
    try:
        by = f"DocumentReference?patient=lea&relationship={d1}$appends"
        seen = {"DocumentReference/both", "DocumentReference/one"}
        assert seen == set(world.ask(people.doctor(), "GET", by).ids)
        assert [] == world.ask(people.radiologist(), "GET", by).ids
        beside = f"DocumentReference?patient=lea&relationship={d2}$transforms"
        assert ["DocumentReference/both"] == world.ask(people.radiologist(), "GET", beside).ids
    finally:
        world.close()


def test_a_mention_of_an_emptied_list_goes_with_it(databases):
    log = begun()
    log.deposit(Letter("d1", ("MASQUE_PS",)))
    log.put(letter_of("lea", "d2", None))

    def folder(without):
        items = ["DocumentReference/d2", *([] if "d1" in without else [log.names["d1.set"]])]
        return {**without_items({}, *())(without), "entry": [{"item": {"reference": each}} for each in items]}

    log.put(folder, at="List/classeur")

    found = differences(databases, log.steps, frozenset({"d1"}), [Step(people.radiologist(), "GET", "List/classeur")])

    assert [] == found, "\n\n".join(found)


def test_what_is_about_an_emptied_list_hides_with_it(databases):
    log = begun()
    log.deposit(Letter("d1", ("MASQUE_PS",)))
    log.put(provenance("w1", log.names["d1.set"]), because=["d1"])

    found = differences(databases, log.steps, frozenset({"d1"}), [Step(people.radiologist(), "GET", "Provenance/w1")])

    assert [] == found, "\n\n".join(found)


FOLDER = "List/classeur"
ABOUT_A_LIST = [
    Step(people.radiologist(), "GET", "Provenance/w1"),
    Step(people.radiologist(), "GET", "Provenance/w1/_history"),
    Step(people.radiologist(), "GET", "Provenance?patient=lea"),
    Step(people.radiologist(), "GET", "Communication/c1"),
    Step(people.radiologist(), "GET", FOLDER),
    Step(people.radiologist(), "GET", f"{FOLDER}/_history"),
    Step(people.radiologist(), "GET", f"{FOLDER}/_history/1"),
    Step(people.radiologist(), "GET", "List?patient=lea&_include=List:item&_revinclude=Provenance:target"),
    Step(people.radiologist(), "GET", "List?patient=lea&_summary=count"),
    Step(people.radiologist(), "GET", "AuditEvent?patient=lea"),
]


def speaks_of_a_list(log: Log) -> str:
    """A submission of one letter, and what is about it and mentions it; its name."""
    log.deposit(Letter("d1"))
    log.put(letter_of("lea", "d2", None))
    submission = log.names["d1.set"]
    log.put(provenance("w1", submission), because=["d1"])
    log.put(told_about("c1", submission), because=["d1"])

    def folder(without):
        items = ["DocumentReference/d2", *([] if "d1" in without else [submission])]
        return {**without_items({}, *())(without), "entry": [{"item": {"reference": each}} for each in items]}

    log.put(folder, at=FOLDER)
    return submission


def test_a_list_that_a_mask_empties_later_takes_with_it_what_is_about_it_and_its_mentions(databases):
    log = begun()
    submission = speaks_of_a_list(log)
    folder = log.steps[-1].body
    log.put(lambda without: {**folder(without), "title": "classeur, revu"}, at=FOLDER)
    for address in (submission, "Provenance/w1"):
        log.ask(people.doctor(), "GET", address, because=["d1"])
    masked(log, "d1")
    probes = [*ABOUT_A_LIST, Step(people.radiologist(), "GET", f"Provenance?target={submission}")]

    found = differences(databases, log.steps, frozenset({"d1"}), probes)

    assert [] == found, "\n\n".join(found)


def test_a_list_that_shows_something_again_brings_back_what_is_about_it_and_its_mentions(databases):
    log = begun()
    submission = speaks_of_a_list(log)
    masked(log, "d1")
    who = people.radiologist()
    world, _ = told(databases(), log.steps)
    try:
        gone = [world.ask(who, "GET", each).status for each in (submission, "Provenance/w1")]
        assert ([404] * 2, False) == (gone, submission.encode() in world.ask(who, "GET", FOLDER).body)
        unmask = [{"op": "remove", "path": "/securityLabel/1"}]
        assert 200 == world.ask(people.holder(), "PATCH", log.names["d1"], unmask).status
        back = [world.ask(who, "GET", each).status for each in (submission, "Provenance/w1")]
        assert ([200] * 2, True) == (back, submission.encode() in world.ask(who, "GET", FOLDER).body)
    finally:
        world.close()


def test_a_list_whose_items_are_changed_is_followed_by_what_is_about_it_and_mentions_it(databases):
    """An emptied List is given something to show: its Provenance and its mention are there at once."""
    log = begun()
    submission = speaks_of_a_list(log)
    masked(log, "d1")
    who = people.radiologist()
    world, _ = told(databases(), log.steps)
    try:
        assert 404 == world.ask(who, "GET", "Provenance/w1").status
        list_ = world.ask(people.operator(), "GET", submission).json
        list_["entry"].append({"item": {"reference": "DocumentReference/d2"}})
        assert 200 == world.ask(people.operator(), "PUT", submission, list_).status
        assert 200 == world.ask(who, "GET", "Provenance/w1").status
        assert submission.encode() in world.ask(who, "GET", FOLDER).body
    finally:
        world.close()


def test_a_patch_keeps_the_mentions_that_its_author_cannot_see_and_does_not_tell_of_them(databases):
    log = begun()
    log.deposit(Letter("d1", ("MASQUE_PS",)))
    log.put({**letter_of("lea", "d2", None), **appends(log.names["d1"])})
    archived = [{"op": "add", "path": "/securityLabel", "value": [label("MASQUE_PS")]}]
    world, _ = told(databases(), log.steps)
    try:
        made = world.ask(people.radiologist(), "PATCH", "DocumentReference/d2", archived)
        assert (200, False) == (made.status, b"relatesTo" in made.body)
        kept = world.ask(people.doctor(), "GET", "DocumentReference/d2").json
        assert log.names["d1"] == kept["relatesTo"][0]["target"]["reference"]
        assert "MASQUE_PS" == kept["securityLabel"][0]["coding"][0]["code"]
    finally:
        world.close()
