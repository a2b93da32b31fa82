"""Pages that are asked for in one command with somebody else's are as if asked for alone (docs/adr/0048)."""

from __future__ import annotations

import pytest

from fhir_server.store import given, shared_pages
from fhir_server.store.shared_pages import Again, SharedPages
from fhir_server.store.together import ALONE
from tests.http.test_pages_kept import (
    LETTERS,
    WHO,
    as_if_asked_anew,
    fetched,  # noqa: F401 - a fixture
    letters,  # noqa: F401 - a fixture
    told,
)
from tests.kit import people
from tests.kit.family import letter_of
from tests.kit.world import opening, patient

ANOTHER = "DocumentReference?patient=tom"
SHARED = (LETTERS, "Observation?patient=lea")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """How long a page takes on a busy machine is not what is tested here."""
    monkeypatch.setattr(given, "SLOW", 60.0)
    monkeypatch.setattr(shared_pages, "QUICK", 60.0)


@pytest.fixture
def shared(letters, monkeypatch):  # noqa: F811
    """From now on every page that may be is asked for together with one of another record; what each was told."""
    letters.put({name: each for name, each in {**patient(), "id": "tom"}.items() if name != "identifier"})
    opened = letters.ask(people.holder("tom"), "POST", "Patient/tom/$open-record", opening())
    assert opened.status == 200, opened.json
    for name in ("t1", "t2"):
        letters.put(letter_of("tom", name, None))
    others = {name: asked_by(letters, people.holder("tom"), name, monkeypatch) for name in ("again", "anew")}
    answered = {"again": [], "anew": []}

    def with_another(name):
        another, alone = others[name], getattr(SharedPages, name)

        def ask(self, page, *, shared):
            if not shared or (isinstance(page, Again) and not page.marks):
                return alone(self, page, shared=False)
            order = [page, another] if len(answered[name]) % 2 else [another, page]
            now = getattr(self, f"_several_{name}")(order)[order.index(page)]
            assert now is not ALONE
            answered[name].append(now)
            return now

        return ask

    for name in others:
        monkeypatch.setattr(SharedPages, name, with_another(name))
    return answered


def asked_by(world, who, name, monkeypatch):
    """The last page of theirs that was asked for like that."""
    seen, alone = [], getattr(SharedPages, name)
    with monkeypatch.context() as watching:
        watching.setattr(
            SharedPages, name, lambda self, page, shared: seen.append(page) or alone(self, page, shared=shared)
        )
        world.house.sights.clear()
        for _ in range(4):
            told(world, who, ANOTHER)
    return seen[-1]


@pytest.mark.parametrize("name", WHO)
@pytest.mark.parametrize("url", SHARED)
def test_after_every_write_a_page_that_was_shared_is_as_if_asked_anew(letters, shared, name, url):  # noqa: F811
    as_if_asked_anew(letters, WHO[name], url)

    assert {True, False} == {each.same for each in shared["again"]}
    assert shared["anew"]


@pytest.mark.parametrize("name", ["holder", "radiologist"])
@pytest.mark.parametrize("url", SHARED)
def test_what_is_hidden_is_changed_without_a_round_trip_that_tells(letters, shared, fetched, name, url):  # noqa: F811
    """Decisions 17, as of a page that is asked for by itself."""
    hidden = "INVISIBLE_PATIENT" if name == "holder" else "MASQUE_PS"
    letters.put({**letter_of("lea", "l2", hidden), "description": "cachée"})
    shown = [told(letters, WHO[name], url) for _ in range(5)]
    fetched.clear()
    told_otherwise = []
    for change in (
        lambda: letters.put(letter_of("lea", "l2", hidden)),
        lambda: letters.put({**letter_of("lea", "l2", hidden), "type": {"text": "autre"}}),
        lambda: letters.ask(people.operator(), "DELETE", "DocumentReference/l2"),
    ):
        before, refetched = len(shared["again"]), len(shared["anew"])
        change()
        shown += [told(letters, WHO[name], url) for _ in range(3)]
        now = [each.same for each in shared["again"][before:]]
        assert now in ([False, True, True], [True, True, True]), "a change is seen once"
        told_otherwise.append(False in now)
        assert refetched == len(shared["anew"]), "nothing was fetched once more"

    assert "DocumentReference/l2" not in str(shown)
    assert all(each == shown[0] for each in shown)
    assert True not in fetched
    assert ("Observation" in url) == any(told_otherwise), "an Observation that names it has other marks"


@pytest.fixture
def asked(letters, monkeypatch):  # noqa: F811
    """Of each page that is asked for anew, whether it may go with others."""
    told_so, alone = [], SharedPages.anew

    def watched(self, page, *, shared):
        told_so.append(shared)
        return alone(self, page, shared=shared)

    monkeypatch.setattr(SharedPages, "anew", watched)
    return told_so


def alternately(world, times):
    for number in range(times):
        told(world, WHO["doctor"], f"{LETTERS}&_count={2 + number % 2}")


def test_a_door_shares_all_its_pages_but_the_first(letters, asked):  # noqa: F811
    alternately(letters, 5)

    assert [False, True, True, True, True] == asked


@pytest.mark.parametrize(("what", "least"), [("SMALL", 10), ("SLOW", 0.0)])
def test_after_a_page_that_was_large_or_slow_a_door_asks_by_itself(letters, asked, monkeypatch, what, least):  # noqa: F811
    monkeypatch.setattr(given, "SUSPECTED", 3)
    alternately(letters, 2)
    with monkeypatch.context() as changed:
        changed.setattr(given, what, least)
        alternately(letters, 1)
    alternately(letters, 5)

    assert [False, True, True, False, False, False, True, True] == asked


def test_what_a_document_names_counts_as_well():
    assert given._much({"body": "x", "facts": {"mentions": [{}] * 200}}) > given.SMALL > given._much({"body": "x" * 99})
