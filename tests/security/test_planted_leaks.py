"""Planted leaks: each mistake a server like this one has been seen to make is caught by the twin battery.

So that the silence of `test_might_as_well_not_exist.py` means something.
"""

from __future__ import annotations

import pytest

from fhir_server.audit_event import event
from fhir_server.foundation.predicate import Has, both, matches
from fhir_server.search import cursor
from fhir_server.store.changes import Unit
from fhir_server.store.documents import stored
from fhir_server.store.metadata import stages as said_in_metadata
from fhir_server.store.mongo import to_mongo
from fhir_server.store.pages import Page
from fhir_server.store.visible import VisibleStore
from tests.kit import people
from tests.kit.battery import battery
from tests.kit.family import appends, begun, letter_of, masked, provenance, without_items
from tests.kit.twin import Letter, Log, Step, differences, told

HIDDEN = frozenset({"d2"})


def record() -> Log:
    """d1 is shown, d2 masked; w2 is about d2, d3 appends it, the folder lists both; e1 was deleted, masked."""
    log = begun()
    log.deposit(Letter("d1"), Letter("d2"))
    masked(log, "d2")
    log.put(provenance("w2", log.names["d2"]), because=["d2"])
    log.put(lambda without: {**letter_of("lea", "d3", None), **({} if "d2" in without else appends(log.names["d2"]))})
    log.put(without_items(log.names, "d1", "d2"))
    log.put(letter_of("lea", "e1", "MASQUE_PS"), because=["d2"])
    log.ask(people.operator(), "DELETE", "DocumentReference/e1", because=["d2"])
    return log


def probes(log: Log) -> list[Step]:
    seen = [log.names["d1"], "DocumentReference/d3", "List/classeur"]
    hidden = [log.names["d2"], log.names["d2.content"], "Provenance/w2", "DocumentReference/e1"]
    asked = [
        each for each in battery(people.radiologist(), seen, hidden) if each.method in ("GET", "HEAD") or each.url == ""
    ]
    telling = ("_include", "_revinclude", "_count", "_total", "item", "relat", "AuditEvent?patient", "/")
    told = [each for each in asked if any(word in each.url for word in telling)]
    # half of them for speed, but every include and operation: which half must not depend on what else the battery asks
    return [each for number, each in enumerate(told) if number % 2 == 0 or "_include" in each.url or "$" in each.url]


def found(databases, enough: int | None = 1) -> list[str]:
    log = record()
    return differences(databases, log.steps, HIDDEN, probes(log), enough)


def unfiltered_include(self, ids, limit=1000):
    return [stored(each) for each in self._shelf.resources.find({"_id": {"$in": list(ids)}}).limit(limit)]


def unfiltered_count(self, type_, where):
    return self._shelf.of(type_).count_documents(to_mongo(both(Has("resource", type_), where)))


def unfiltered_metadata(self, type_, where):
    stages = [{"$match": to_mongo(where)}, *said_in_metadata()]
    return [each["_id"] for each in self._shelf.of(type_).aggregate(stages)]


def filter_after_paging(self, type_, where, order, limit, after=None, **_):  # noqa: PLR0917 - in place of a method
    if after is not None:
        return Page()
    query = to_mongo(both(Has("resource", type_), where, Has("patients", "lea")))
    fetched = list(self._shelf.of(type_).find(query).sort("_id", 1).limit(limit + 1))
    kept = [each for each in fetched[:limit] if matches(self.guard, each)]
    return Page([self._shown(each) for each in kept])


def names_what_is_masked(self, document):
    return stored(document)


def tells_of_any_deletion(self, type_, id_):
    gone = self._shelf.history.find_one({"id": f"{type_}/{id_}"}, sort=[("version", -1)])
    return stored(gone) if gone and gone["method"] == "DELETE" else None


def any_version(self, type_, id_, version):
    old = self._shelf.history.find_one({"_id": f"{type_}/{id_}/{version}"})
    return stored(old) if old else self.read(type_, id_)


honest_facts = event._facts


def stays(*deed):
    facts = honest_facts(*deed)
    return {name: value for name, value in facts.items() if name not in ("label", "type", "about", "mentions")}


LEAKS = [
    pytest.param(VisibleStore, "follow", unfiltered_include, id="an unfiltered include"),
    pytest.param(VisibleStore, "count", unfiltered_count, id="an unfiltered count"),
    pytest.param(VisibleStore, "metadata", unfiltered_metadata, id="what is in use of all there is"),
    pytest.param(VisibleStore, "page", filter_after_paging, id="a filter applied after paging"),
    pytest.param(VisibleStore, "_shown", names_what_is_masked, id="a List that names a masked document"),
    pytest.param(VisibleStore, "gone", tells_of_any_deletion, id="a deletion told to all"),
    pytest.param(VisibleStore, "vread", any_version, id="an old version shown to all"),
    pytest.param(event, "_facts", stays, id="a trace that stays when its document hides"),
]


def test_an_honest_server_is_not_accused(databases):
    assert [] == found(databases)


@pytest.mark.parametrize(("place", "name", "mistake"), LEAKS)
def test_a_leak_is_caught(databases, monkeypatch, place, name, mistake):
    monkeypatch.setattr(place, name, mistake)

    assert found(databases)


def stolen(databases) -> list[str]:
    """She points a document of her own to the content of a masked one, and asks for that content."""
    log = begun()
    log.deposit(Letter("d2", ("MASQUE_PS",)))
    content = log.names["d2.content"]

    def pointing(without):
        attachment = {"contentType": "application/pdf", "title": "x"}
        return {
            **letter_of("lea", "x", None),
            "author": [{"reference": "Practitioner/diallo"}],
            "content": [{"attachment": attachment if "d2" in without else {**attachment, "url": content}}],
        }

    log.ask(people.radiologist(), "POST", "DocumentReference", pointing)
    asked = [Step(people.radiologist(), "GET", content), Step(people.radiologist(), "GET", f"{content}/_history")]
    return differences(databases, log.steps, HIDDEN, asked)


def test_a_second_reference_to_hidden_content_gives_nothing(databases):
    assert [] == stolen(databases)


def test_content_that_is_bound_anew_is_caught(databases, monkeypatch):
    honest = Unit._bind_stored

    def rebinds(self, id_, write, pending):
        self.shelf.resources.update_one(
            {"_id": id_},
            {"$unset": {"facts.about": "", "facts.label": ""}, "$set": {"facts.submitter": list(write.submitter)}},
            session=self.session,
        )
        honest(self, id_, write, pending)

    monkeypatch.setattr(Unit, "_bind_stored", rebinds)

    assert stolen(databases)


def foreign_page(databases) -> int:
    """What somebody else's next page is answered with."""
    log = begun()
    log.deposit(Letter("d1"), Letter("d2"))
    world, _ = told(databases(), log.steps)
    try:
        mine = world.ask(people.doctor(), "GET", "DocumentReference?patient=lea&_count=1").json["link"]
        following = next(each["url"] for each in mine if each["relation"] == "next").partition("/fhir/")[2]
        assert 200 == world.ask(people.doctor(), "GET", following).status
        return world.ask(people.radiologist(), "GET", following).status
    finally:
        world.close()


def test_a_cursor_of_another_asker_is_refused(databases):
    assert 400 == foreign_page(databases)


def test_a_cursor_that_anybody_may_use_is_caught(databases, monkeypatch):
    seal, open_ = cursor.seal, cursor.open_
    monkeypatch.setattr(cursor, "seal", lambda key, _, *rest: seal(key, "", *rest))
    monkeypatch.setattr(cursor, "open_", lambda key, _, *rest: open_(key, "", *rest))

    assert 400 != foreign_page(databases)
