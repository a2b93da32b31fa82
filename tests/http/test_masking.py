"""Masking over the whole pipeline: who masks and unmasks, what follows a document under its mask and back, and labels of
several that survive one another.

DMP-52, DMP-62, DMP-92, DMP-123, DMP-124, DMP-132; TD3.3a, TD3.3b; decisions 16, ADR 7, ADR 12.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.kit import people
from tests.kit.clinical import observation, parameters
from tests.kit.family import provenance, told_about
from tests.kit.world import FRENCH, label, patient, submission

HOLDER, DOCTOR, RADIOLOGIST, HOSPITAL = people.holder(), people.doctor(), people.radiologist(), people.hospital()
OPERATOR = people.operator()
MASK, UNTOLD, SECRET = "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"
ROUNDS = 6


@pytest.fixture
def letter(world):
    """A letter of the CHU with all that comes along: its content, its submission, who made it, a notice, a trace."""
    made = world.ask(HOSPITAL, "POST", "", submission())
    assert 200 == made.status, made.json
    places = [
        each["response"]["location"].partition("/fhir/")[2].partition("/_history")[0] for each in made.json["entry"]
    ]
    found = {each.partition("/")[0]: each for each in places}
    world.put(provenance("w1", found["DocumentReference"]))
    world.put(told_about("c1", found["DocumentReference"]))
    for who in (RADIOLOGIST, HOLDER):
        assert 200 == world.ask(who, "GET", found["DocumentReference"]).status
    return {**found, "Provenance": "Provenance/w1", "Communication": "Communication/c1"}


def traces(world, who, letter):
    """The reads of the letter that somebody sees in the ledger."""
    return world.ask(who, "GET", f"AuditEvent?patient=lea&entity={letter['DocumentReference']}&subtype=read&agent=Practitioner/diallo").json["total"]  # fmt: skip


def seen(world, who, letter):
    """What of the letter and of all about it is there for somebody, by address and by search."""
    found = {type_ for type_, address in letter.items() if world.ask(who, "GET", address).status == 200}
    searched = {
        "DocumentReference": "DocumentReference?patient=lea",
        "List": "List?patient=lea",
        "Provenance": f"Provenance?target={letter['DocumentReference']}",
        "Communication": "Communication?patient=lea",
    }
    for type_, search in searched.items():
        answered = world.ask(who, "GET", search)
        assert (type_ in found) == (letter[type_] in answered.ids), (type_, answered.json)
    everything = world.ask(who, "GET", "Patient/lea/$everything?_count=100").body.decode()
    for type_, address in letter.items():
        assert type_ in found or address not in everything, address
    return found | ({"AuditEvent"} if traces(world, who, letter) else set())


def add(code):
    return [{"op": "add", "path": "/securityLabel/-", "value": label(code)}]


def codes(world, letter):
    whole = world.ask(OPERATOR, "GET", letter["DocumentReference"]).json
    return [coding["code"] for each in whole["securityLabel"] for coding in each["coding"]]


def lift(world, letter, code):
    return [{"op": "remove", "path": f"/securityLabel/{codes(world, letter).index(code)}"}]


def relabel(world, who, letter, patch):
    return world.ask(who, "PATCH", letter["DocumentReference"], patch).status


ALL = {"DocumentReference", "Binary", "List", "Provenance", "AuditEvent"}
ASKERS = [
    pytest.param((RADIOLOGIST, MASK, HOLDER, ALL), id="masked to professionals"),
    pytest.param((HOLDER, UNTOLD, HOSPITAL, ALL | {"Communication"}), id="not yet told to the holder"),
]


@pytest.mark.parametrize("case", ASKERS)
def test_what_is_about_a_letter_goes_with_it_and_comes_back_with_it(world, letter, case):
    """DMP-62, DMP-133, decisions 16: content, submission, who made it, notices and traces."""
    asker, code, by, whole = case
    assert whole == seen(world, asker, letter)

    assert 200 == relabel(world, by, letter, add(code))
    assert set() == seen(world, asker, letter)

    assert 200 == relabel(world, by, letter, lift(world, letter, code))
    assert whole == seen(world, asker, letter)


def test_what_mentions_a_masked_letter_is_shown_without_the_mention_and_with_it_again(world, letter):
    """ADR 7."""
    world.put(observation("o1", derivedFrom=[{"reference": letter["DocumentReference"]}]))

    def said():
        return "derivedFrom" in world.ask(RADIOLOGIST, "GET", "Observation/o1").json

    assert said()
    relabel(world, HOLDER, letter, add(MASK))
    assert not said()
    relabel(world, HOLDER, letter, lift(world, letter, MASK))
    assert said()


MASKERS = [
    pytest.param(HOLDER, id="the holder"),
    pytest.param(HOSPITAL, id="its author"),
    pytest.param(RADIOLOGIST, id="a professional, at the holder's request"),
    pytest.param(DOCTOR, id="the médecin traitant"),
]


@pytest.mark.parametrize("who", MASKERS)
def test_who_masks(world, letter, who):
    """DMP-62, DMP-132: and the holder, the author and the médecin traitant see it still (DMP-123, DMP-124, DMP-52)."""
    assert 200 == relabel(world, who, letter, add(MASK))

    sees = {
        each.subject: world.ask(each, "GET", letter["DocumentReference"]).status
        for each in (HOLDER, HOSPITAL, DOCTOR, RADIOLOGIST)
    }
    assert {HOLDER.subject: 200, HOSPITAL.subject: 200, DOCTOR.subject: 200, RADIOLOGIST.subject: 404} == sees


@pytest.mark.parametrize(
    ("setter", "lifter", "expected"),
    [
        pytest.param(HOLDER, HOLDER, 200, id="the holder his own"),
        pytest.param(HOSPITAL, HOLDER, 200, id="the holder the author's"),
        pytest.param(HOLDER, DOCTOR, 200, id="the médecin traitant the holder's, at his request"),
        pytest.param(HOSPITAL, HOSPITAL, 200, id="the author his own"),
        pytest.param(HOLDER, HOSPITAL, 403, id="the author not the holder's"),
        pytest.param(HOLDER, RADIOLOGIST, 404, id="a professional not what he does not see"),
    ],
)
def test_who_unmasks(world, letter, setter, lifter, expected):
    """DMP-62, DMP-52, ADR 12."""
    assert 200 == relabel(world, setter, letter, add(MASK))

    assert expected == relabel(world, lifter, letter, lift(world, letter, MASK))
    assert (MASK in codes(world, letter)) == (expected != 200)


@pytest.fixture
def minor(world, letter):
    """The holder is a minor now, whom Anne represents."""
    world.put(patient(birthDate="2012-05-05", active=True))
    guard = {
        "system": "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass",
        "code": "GUARD",
    }
    anne = {"resourceType": "RelatedPerson", "id": "anne", "active": True, "patient": {"reference": "Patient/lea"}}
    world.put({**anne, "relationship": [{"coding": [guard]}]})
    return people.representative("lea")


def test_an_item_is_hidden_from_representatives_at_the_minors_request(world, letter, minor):
    """DMP-92, TD3.3b: with all that is about it; they do not lift it."""
    assert ALL | {"Communication"} == seen(world, minor, letter)

    assert 200 == relabel(world, RADIOLOGIST, letter, add(SECRET))

    assert set() == seen(world, minor, letter)
    assert 404 == relabel(world, minor, letter, lift(world, letter, SECRET))
    assert 200 == world.ask(HOLDER, "GET", letter["DocumentReference"]).status
    assert 403 == relabel(world, DOCTOR, letter, lift(world, letter, SECRET)), "who did not set it"
    assert 200 == relabel(world, RADIOLOGIST, letter, lift(world, letter, SECRET))
    assert ALL | {"Communication"} == seen(world, minor, letter)


# --- several labels


def test_the_labels_of_several_survive_one_another(world, letter):
    """DMP-132: four codes on one document, each set and lifted by another, in either order."""
    assert 200 == relabel(world, HOLDER, letter, add(MASK))
    assert 200 == relabel(world, HOSPITAL, letter, add(UNTOLD))
    assert 200 == relabel(world, DOCTOR, letter, add(SECRET))
    assert ["N", MASK, UNTOLD, SECRET] == codes(world, letter)

    assert 200 == relabel(world, HOSPITAL, letter, lift(world, letter, UNTOLD))
    assert ["N", MASK, SECRET] == codes(world, letter)
    assert 200 == relabel(world, HOLDER, letter, lift(world, letter, MASK))
    assert ["N", SECRET] == codes(world, letter)
    assert 403 == relabel(world, HOSPITAL, letter, lift(world, letter, SECRET))
    assert ["N", SECRET] == codes(world, letter)


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ([{"op": "replace", "path": "/securityLabel", "value": [label(UNTOLD)]}], 403),
        ([{"op": "replace", "path": "/securityLabel/1", "value": label(UNTOLD)}], 403),
        ([{"op": "remove", "path": "/securityLabel"}], 422),
    ],
    ids=["all of them", "the mask's place", "none left, which PDSm does not allow"],
)
def test_who_writes_the_list_anew_does_not_take_another_label_away(world, letter, patch, expected):
    """ADR 12: a list that leaves out the holder's mask is refused, and changes nothing."""
    assert 200 == relabel(world, HOLDER, letter, add(MASK))

    assert expected == relabel(world, HOSPITAL, letter, patch)
    assert ["N", MASK] == codes(world, letter)


def test_the_form_of_the_ans_draft_leaves_the_others(world, letter):
    """TD3.3b replaces `/securityLabel/0`."""
    assert 200 == relabel(world, HOLDER, letter, add(MASK))

    patch = [{"op": "replace", "path": "/securityLabel/0", "value": label(UNTOLD)}]

    assert 200 == relabel(world, HOSPITAL, letter, patch)
    assert [UNTOLD, MASK] == codes(world, letter)


def at_once(*asks):
    start = Barrier(len(asks))

    def one(ask):
        start.wait()
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(one, asks))


def test_labels_that_race_without_if_match_are_all_there(world, letter):
    """DMP-132: whichever comes last is laid upon what came before."""
    for _ in range(ROUNDS):
        answers = at_once(
            lambda: relabel(world, HOLDER, letter, add(MASK)),
            lambda: relabel(world, HOSPITAL, letter, add(SECRET)),
        )
        assert [200, 200] == answers
        assert sorted(["N", MASK, SECRET]) == sorted(codes(world, letter))
        # each takes its own away, by the place it saw it at: who is overtaken is refused, and takes nothing else away
        for who, code in ((HOLDER, MASK), (HOSPITAL, SECRET)):
            assert 200 == relabel(world, who, letter, lift(world, letter, code))
        assert ["N"] == codes(world, letter)


def test_metadata_that_races_is_all_there(world):
    """`$meta-add` and `$meta-delete` upon data, without If-Match."""
    world.put(observation("o1"))
    mask, secret = ({"security": [{"system": FRENCH, "code": code}]} for code in (MASK, SECRET))

    def change(name, who, meta):
        return world.ask(who, "POST", f"Observation/o1/${name}", parameters(meta={"valueMeta": meta})).status

    def labels():
        meta = world.ask(OPERATOR, "GET", "Observation/o1").json["meta"]
        return sorted(each["code"] for each in meta.get("security", ()))

    for _ in range(ROUNDS):
        both = at_once(lambda: change("meta-add", OPERATOR, mask), lambda: change("meta-add", DOCTOR, secret))
        assert [200, 200] == both
        assert sorted([MASK, SECRET]) == labels()
        both = at_once(
            lambda: change("meta-delete", OPERATOR, mask),
            lambda: change("meta-add", DOCTOR, {"tag": [{"code": "vu"}]}),
        )
        assert [200, 200] == both
        assert [SECRET] == labels()
        assert 200 == change("meta-delete", OPERATOR, {**secret, "tag": [{"code": "vu"}]})
        assert [] == labels()
