"""The last page of a door is kept, and nothing is answered that would not be answered anew (docs/adr/0046)."""

from __future__ import annotations

import gc

import pytest

from fhir_server.store.bounded import Bounded
from fhir_server.store.documents import WANTED
from fhir_server.store.given import Given
from tests.kit import people
from tests.kit.family import LOINC, letter_of, provenance, told_about
from tests.kit.treating import designate
from tests.kit.world import label, practitioner

WHO = {
    "holder": people.holder(),
    "doctor": people.doctor(patient="lea"),
    "radiologist": people.radiologist(patient="lea"),
}
LETTERS = "DocumentReference?patient=lea"
SEARCHES = (
    LETTERS,
    "Observation?patient=lea",
    "List?patient=lea",
    "Patient?_id=lea",
    f"{LETTERS}&_sort=-date&_count=2",
)


def observed(id_="o1", mentioned="DocumentReference/l2"):
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
        "subject": {"reference": "Patient/lea"},
        "effectiveDateTime": "2026-11-20",
        "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        "derivedFrom": [{"reference": mentioned}],
    }


def listed(*references):
    entries = [{"item": {"reference": each}} for each in references]
    subject = {"reference": "Patient/lea"}
    return {"resourceType": "List", "id": "f", "status": "current", "mode": "working", "subject": subject} | {
        "entry": entries
    }


@pytest.fixture
def letters(world):
    world.put(practitioner("stranger", "10000000099", "Inconnu"))
    for name in ("l1", "l2", "l3"):
        world.put(letter_of("lea", name, None))
    world.put(observed())
    world.put(listed("DocumentReference/l2"))
    return world


@pytest.fixture
def fetched(monkeypatch):
    """Of each page that was asked for, whether its bodies were."""
    told = []
    asked = Bounded._told

    def watched(self, where, wanted, limit, sort, *more):
        if self.name == "resources" and sort:
            told.append("body" in wanted)
        return asked(self, where, wanted, limit, sort, *more)

    monkeypatch.setattr(Bounded, "_told", watched)
    return told


def told(world, who, url):
    """What a search answers, but for the name and the moment of the answer."""
    answered = world.ask(who, "GET", url)
    return answered.status, {name: each for name, each in answered.json.items() if name not in ("id", "meta")}


def patch(code):
    return [{"op": "add", "path": "/securityLabel", "value": [label(code)]}]


def stranger_designated(world):
    world.designation = designate(world, "Practitioner/stranger")


def stranger_dismissed(world):
    made = world.ask(people.holder(), "GET", world.designation).json
    assert 200 == world.ask(people.holder(), "PUT", world.designation, {**made, "status": "inactive"}).status


WRITES = {
    "a new version": lambda world: world.put({**letter_of("lea", "l1", None), "description": "autre"}),
    "the same again": lambda world: world.put(letter_of("lea", "l1", None)),
    "another document": lambda world: world.put(letter_of("lea", "l4", None)),
    "one of somebody else": lambda world: world.put({"resourceType": "Patient", "id": "noe"}),
    "what is mentioned is masked": lambda world: world.ask(
        people.holder(), "PATCH", "DocumentReference/l2", patch("MASQUE_PS")
    ),
    "what is mentioned is shown": lambda world: world.ask(
        people.holder(), "PATCH", "DocumentReference/l2", [{"op": "remove", "path": "/securityLabel"}]
    ),
    "what is mentioned is gone": lambda world: world.ask(people.operator(), "DELETE", "DocumentReference/l2"),
    "a list of nothing that may be seen": lambda world: world.put(listed("DocumentReference/l3")),
    "a treating physician": stranger_designated,
    "that physician no more": stranger_dismissed,
    "another name": lambda world: world.ask(
        people.operator(), "PATCH", "Patient/lea", [{"op": "add", "path": "/name", "value": [{"family": "Neuve"}]}]
    ),
    "one deleted": lambda world: world.ask(people.operator(), "DELETE", "DocumentReference/l3"),
    "one that comes again": lambda world: world.put(letter_of("lea", "l3", None)),
}
"""In this order each changes something, but the second and the fourth."""


def as_if_asked_anew(world, who, url):
    """After every write the page is what a door that kept nothing gives."""
    sights, seen = world.house.sights, []
    for write in WRITES.values():
        answered = [told(world, who, url) for _ in range(5)]
        write(world)
        after = told(world, who, url)
        kept = dict(sights)
        sights.clear()
        anew = told(world, who, url)
        sights.update(kept)
        assert anew == after
        assert all(answered[0] == each for each in answered)
        seen.append(after)

    assert any(seen[0] != each for each in seen), "none of it changed anything here: this compares nothing"


@pytest.mark.parametrize("name", WHO)
@pytest.mark.parametrize("url", SEARCHES)
def test_after_every_write_a_page_that_was_kept_is_as_if_asked_anew(letters, name, url):
    as_if_asked_anew(letters, WHO[name], url)


def test_the_text_of_a_version_is_never_changed(letters):
    """For that a kept text stands: all else is asked for each time."""
    letters.put(told_about("c1", "DocumentReference/l2"))
    letters.put(provenance("w1", "DocumentReference/l2"))
    seen, otherwise = {}, set()
    for write in (lambda _: None, *WRITES.values()):
        write(letters)
        for each in letters.house.shelf.resources.find({}, WANTED):
            version = each["_id"], each["version"], each["updated"]
            body = each.pop("body")
            known = seen.setdefault(version, (body, each))
            assert known[0] == body, version
            if known[1] != each:
                otherwise.add(each["type"])

    assert {"Patient", "Observation", "List", "Communication", "Provenance"} <= otherwise, "all else is changed"


@pytest.mark.parametrize("name", ["holder", "radiologist"])
@pytest.mark.parametrize("url", ["Observation?patient=lea&_id=o1", "List?patient=lea"])
def test_what_is_hidden_is_changed_without_a_round_trip_that_tells(letters, fetched, name, url):
    """Decisions 17: who polls what names something hidden is not told by the time it takes that this was touched."""
    hidden = "INVISIBLE_PATIENT" if name == "holder" else "MASQUE_PS"
    letters.put({**letter_of("lea", "l2", hidden), "description": "cachée"})
    letters.put(listed("DocumentReference/l1", "DocumentReference/l2"))
    shown = [told(letters, WHO[name], url) for _ in range(5)]
    fetched.clear()
    changes = (
        lambda: letters.put(letter_of("lea", "l2", hidden)),
        lambda: letters.put({**letter_of("lea", "l2", hidden), "type": {"text": "autre"}}),
        lambda: letters.ask(people.operator(), "DELETE", "DocumentReference/l2"),
    )
    for change in changes:
        change()
        shown += [told(letters, WHO[name], url) for _ in range(2)]

    assert "DocumentReference/l2" not in str(shown)
    assert all(each == shown[0] for each in shown)
    assert [False] * 6 == fetched


def test_what_stands_unchanged_is_found_and_not_fetched(letters, fetched):
    answered = [told(letters, WHO["doctor"], LETTERS) for _ in range(5)]

    assert all(answered[0] == each for each in answered)
    assert [True, True, False, False, False] == fetched


def test_what_was_changed_is_fetched_once(letters, fetched):
    for _ in range(3):
        told(letters, WHO["doctor"], LETTERS)
    fetched.clear()
    letters.put({**letter_of("lea", "l1", None), "description": "autre"})
    answered = [told(letters, WHO["doctor"], LETTERS)[1] for _ in range(3)]

    said = [{each["resource"]["description"] for each in one["entry"]} for one in answered]
    assert [{"autre", "lettre l2", "lettre l3"}] * 3 == said
    assert [False, True, False, False] == fetched


def test_every_page_that_was_kept_is_on_record_with_all_it_showed(letters):
    noted = {"entry.disclosed": {"$all": [f"DocumentReference/l{n}" for n in (1, 2, 3)]}}
    before = letters.house.shelf.ledger.count_documents(noted)
    for _ in range(4):
        told(letters, WHO["doctor"], LETTERS)

    assert before + 4 == letters.house.shelf.ledger.count_documents(noted)


def test_what_is_asked_in_turn_is_not_kept(letters, fetched):
    for _ in range(3):
        for url in (LETTERS, f"{LETTERS}&_id=l1"):
            told(letters, WHO["doctor"], url)

    assert all(fetched)


def test_one_type_beside_another_is_kept(letters, fetched):
    for _ in range(4):
        for url in (LETTERS, "Observation?patient=lea"):
            told(letters, WHO["doctor"], url)

    assert [True] * 4 + [False] * 4 == fetched


def test_what_somebody_else_was_given_is_fetched_for_this_one(letters, fetched):
    for _ in range(3):
        told(letters, WHO["doctor"], LETTERS)
    fetched.clear()
    told(letters, people.doctor(patient="lea", scopes=("patient/*.rs",)), LETTERS)

    assert [True] == fetched


def test_another_page_size_is_another_question(letters, fetched):
    for _ in range(3):
        assert 3 == len(told(letters, WHO["doctor"], LETTERS)[1]["entry"])
    assert 1 == len(told(letters, WHO["doctor"], f"{LETTERS}&_count=1")[1]["entry"])


def test_a_summary_of_a_page_that_was_kept_is_a_summary(letters):
    whole = [told(letters, WHO["doctor"], LETTERS) for _ in range(3)][-1]
    cut = [told(letters, WHO["doctor"], f"{LETTERS}&_elements=status") for _ in range(3)][-1]

    assert "content" in whole[1]["entry"][0]["resource"]
    assert "description" not in cut[1]["entry"][0]["resource"]
    assert told(letters, WHO["doctor"], LETTERS) == whole


def test_traces_are_fetched_each_time(letters, monkeypatch):
    wanted = []
    told_by = Bounded._told

    def watched(self, where, asked, *more):
        if self.name == "ledger":
            wanted.append("body" in asked)
        return told_by(self, where, asked, *more)

    monkeypatch.setattr(Bounded, "_told", watched)
    for _ in range(4):
        told(letters, WHO["holder"], "AuditEvent?patient=lea")

    assert [True] * 4 == wanted


def test_nothing_is_kept_of_a_record_that_is_forgotten(letters):
    for _ in range(3):
        told(letters, WHO["doctor"], LETTERS)
    kept = letters.house.given
    assert kept.bytes
    letters.house.freshness.bump("record", "lea")
    letters.house.freshness._catch_up()
    gc.collect()

    assert not kept.bytes


def test_the_oldest_make_room(letters, fetched):
    one = Given(20_000)
    object.__setattr__(letters.house, "given", one)
    for _ in range(3):
        for who in WHO.values():
            told(letters, who, LETTERS)
    assert 0 < one.bytes <= 20_000
    fetched.clear()
    for who in reversed(WHO.values()):
        told(letters, who, LETTERS)

    assert fetched[0] is False
    assert True in fetched


@pytest.mark.parametrize("most", [0, 1])
def test_what_has_no_room_is_fetched_each_time(letters, fetched, most):
    object.__setattr__(letters.house, "given", Given(most))
    for _ in range(4):
        assert 3 == len(told(letters, WHO["doctor"], LETTERS)[1]["entry"])

    assert [True] * 4 == fetched
