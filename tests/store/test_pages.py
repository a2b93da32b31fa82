"""A walk through pages gives each that was there throughout once, whatever is written in between (docs/adr/0039).

Hypothesis draws the writes and when they land: a write is dated before it can be seen.
"""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.foundation.predicate import EVERYTHING, Has
from fhir_server.interactions.paging import page_of
from fhir_server.search.query import NEWEST_FIRST
from fhir_server.store.pages import MOST, UNDER_WAY, Page, Snapshot
from fhir_server.store.visible import VisibleStore

SECOND = 1_000_000
START = 1_000_000 * SECOND
MANY = 9
NAMES = [f"Observation/o{number}" for number in range(MANY)]
WRITES = st.lists(st.tuples(st.integers(0, MANY - 1), st.integers(0, 100)), max_size=5)
"""Which is updated, and how many seconds it was under way."""


class Shelved:
    """Resources whose versions are written as `Unit` does, at a moment of ours."""

    def __init__(self, shelf):
        self.shelf = shelf
        for collection in (shelf.resources, shelf.history):
            collection.delete_many({})

    def put(self, id_, updated):
        before = self.shelf.resources.find_one({"_id": id_})
        version = 1
        if before is not None:
            version, updated = before["version"] + 1, max(updated, before["updated"])
            kept = {name: each for name, each in before.items() if name != "_id"}
            self.shelf.history.insert_one({"_id": f"{id_}/{before['version']}", "id": id_, **kept})
        made = {
            "type": "Observation",
            "version": version,
            "updated": updated,
            "method": "PUT",
            "facts": {},
            "body": "{}",
        }
        self.shelf.resources.replace_one({"_id": id_}, {"_id": id_, **made}, upsert=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 300), min_size=MANY, max_size=MANY),
    WRITES,
    st.lists(WRITES, max_size=4),
    st.integers(1, 4),
    st.integers(0, 200),
)
def test_each_comes_once_in_any_interleaving(  # noqa: PLR0917 - what is drawn
    shelf, made, first, between, count, waited
):
    shelved, door = Shelved(shelf), VisibleStore(shelf, EVERYTHING)
    now = START + 300 * SECOND
    for id_, seconds in zip(NAMES, made, strict=True):
        shelved.put(id_, START + seconds * SECOND)
    query = SimpleNamespace(type="Observation", order=NEWEST_FIRST, count=count)
    side = (door, "Observation", Has("resource", "Observation"))
    expected = None
    seen, after, waiting = [], None, [first, *between]
    while True:
        for which, seconds in waiting.pop(0) if waiting else ():
            shelved.put(NAMES[which], now - seconds * SECOND)
            now += SECOND // 2
        expected = expected or [each.id for each in door.page("Observation", EVERYTHING, NEWEST_FIRST, MANY).entries]
        page = page_of([side], query, after, now)
        seen += [each.id for each in page.entries]
        now += waited * SECOND // 10
        after = page.next
        if after is None:
            break

    assert sorted(NAMES) == sorted(seen)
    if not any(seconds for writes in (first, *between) for _, seconds in writes):
        assert expected == seen


def page(*updated, version=2):
    entries = [SimpleNamespace(id=f"Observation/o{each}", updated=each, version=version) for each in updated]
    return Page(entries)


def test_what_is_settled_needs_no_mark():
    long_ago = Snapshot.begun(START, START + 2 * UNDER_WAY)
    now = Snapshot.begun(START, START)

    assert (START, ()) == (long_ago.settled, long_ago.behind(page(START), 1).given)
    assert (START - UNDER_WAY, 1) == (now.settled, len(now.behind(page(START, START - UNDER_WAY), 2).given))
    assert () == now.behind(page(START, version=1), 1).given
    assert now == now.behind(page(START), 0)


def test_past_so_many_marks_the_rest_is_taken_as_settled():
    many = MOST + 3
    walk = Snapshot.begun(START, START).behind(page(*(START - each for each in range(many))), many)

    assert (MOST, START - MOST) == (len(walk.given), walk.settled)
    assert (START - many + 1, f"Observation/o{START - many + 1}") == walk.place
    assert walk == Snapshot.of(walk.kept())
    assert None is Snapshot.of([START, "o1"])
