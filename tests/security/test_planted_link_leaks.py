"""Planted leaks of links: a chain, a `_has`, an include or an order that goes by what is hidden is caught by the battery.

Each mistake is one that a server which joins, includes and sorts has been seen to make.
"""

from __future__ import annotations

import re

import pytest

from fhir_server.foundation.predicate import EVERYTHING, Any_, Has, Some, both, either
from fhir_server.interactions import including, pipeline, search
from fhir_server.interactions.pipeline import Visit
from fhir_server.store import ordering
from fhir_server.store.documents import stored
from fhir_server.store.mongo import to_mongo
from fhir_server.store.visible import VisibleStore
from tests.kit import people
from tests.kit.battery import battery
from tests.kit.twin import NOTHING, Step, apart, told
from tests.security.test_planted_leaks import HIDDEN, record, unfiltered_include

FORWARD = re.compile(r"[?&][a-z-]+(:\w+)?\.")
LINKS = {
    "chain": lambda url: bool(FORWARD.search(url)) and "_has" not in url,
    "has": lambda url: "_has" in url,
    "include": lambda url: "_include" in url,
    "revinclude": lambda url: "_revinclude" in url and "_include" not in url,
    "sort": lambda url: "_sort=" in url,
    "reference": lambda url: re.search(r"[?&](relatesto|item|related)[=:]", url) is not None,
}
"""Which searches of the battery lead through what others say, by the way they do."""


@pytest.fixture(scope="module")
def twins(counting_client):
    """One world that holds something masked and one that never did; no search changes either, but for its traces."""
    names = [f"planted_links_{index}" for index in range(2)]
    log = record()
    worlds = [
        told(counting_client[name], log.steps, without) for name, without in zip(names, (NOTHING, HIDDEN), strict=True)
    ]
    yield log, worlds
    for world, _ in worlds:
        world.close()
    for name in names:
        counting_client.drop_database(name)


def probes(log, way) -> list[Step]:
    hidden = [log.names["d2"], "DocumentReference/e1"]
    asked = battery(people.radiologist(), [log.names["d1"], "DocumentReference/d3", "List/classeur"], hidden)
    return [each for each in asked if each.method == "GET" and "AuditEvent" not in each.url and LINKS[way](each.url)]


def found(twins, way, enough=None) -> list[str]:
    log, worlds = twins
    return apart(worlds, probes(log, way), len(log.steps), enough)


def leads_through_what_is_hidden(self, type_, where, names, limit):
    filter_ = to_mongo(both(Has("resource", type_), where))
    found = list(self._shelf.of(type_).find(filter_).limit(limit))
    return [(stored(each), {name: _said(each, f"{name}=") for name in names}) for each in found]


def _said(document, said):
    return [token.removeprefix(said) for token in document["index"] if token.startswith(said)]


def opens_every_record(self, type_, subject):
    return self.opened(EVERYTHING), {}


def finds_by_any_mention(self, node):
    several = node.of if isinstance(node, Any_) else (node,)
    tokens = several and all(isinstance(each, Has) and each.field == "token" for each in several)
    return either(node, Some("mentions", node)) if tokens else None


honest_page = VisibleStore.page


def brings_what_is_hidden_back(self, type_, where, order, limit, after=None, **more):  # noqa: PLR0917 - as it stands
    door = self if order else VisibleStore(self._shelf, EVERYTHING)
    return honest_page(door, type_, where, order, limit, after, **more)


honest_expression = ordering._expression


def orders_by_mentions(key):
    made = honest_expression(key)
    (chosen, chosen_from), *_ = made.items()
    if "$filter" not in chosen_from:
        return made
    mentions = {"$ifNull": ["$facts.mentions", []]}
    said = {"$reduce": {"input": mentions, "initialValue": [], "in": {"$concatArrays": ["$$value", "$$this.token"]}}}
    told = {"$concatArrays": [{"$ifNull": ["$index", []]}, said]}
    return {chosen: {"$filter": {**chosen_from["$filter"], "input": told}}}


@pytest.mark.parametrize("way", sorted(LINKS))
def test_an_honest_server_is_not_accused_of_a_link(twins, way):
    assert probes(twins[0], way)
    assert [] == found(twins, way)


honest_bring = including.bring


def brings_what_the_index_names(parts, includes, most, base):
    found, said = honest_bring(parts, includes, most, base)
    for door, matches in parts if includes else ():
        named = [mention["id"] for each in matches for mention in each.facts.get("mentions", ())]
        found = [*found, *unfiltered_include(door, named)]
    return found, said


THROUGH = (VisibleStore, "linked", leads_through_what_is_hidden)
NAMED = (VisibleStore, "_through_mentions", finds_by_any_mention)
EVERYWHERE = (Visit, "beyond", opens_every_record)
LEAKS = [
    # what leads to something hidden is not found by it either: a chain leaks where both ends do
    pytest.param("chain", [THROUGH, NAMED], id="a chain through what is hidden"),
    pytest.param("chain", [EVERYWHERE, NAMED], id="a chain through every record"),
    pytest.param("has", [THROUGH], id="a _has through what is hidden"),
    pytest.param("has", [EVERYWHERE], id="a _has through every record"),
    pytest.param("include", [(search, "bring", brings_what_the_index_names)], id="an include of what is hidden"),
    pytest.param("revinclude", [(VisibleStore, "page", brings_what_is_hidden_back)], id="a _revinclude of it"),
    pytest.param("sort", [(ordering, "_expression", orders_by_mentions)], id="an order by what is hidden"),
    pytest.param("reference", [NAMED], id="a reference found although it names what is hidden"),
]


@pytest.fixture
def forgetful():
    """A door keeps what it asked last: no mistake outlives its test by that, and none is planted too late for it."""
    pipeline._door.cache_clear()
    yield
    pipeline._door.cache_clear()


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(("way", "mistakes"), LEAKS)
def test_a_link_that_leaks_is_caught(twins, monkeypatch, way, mistakes):
    for place, name, mistake in mistakes:
        monkeypatch.setattr(place, name, mistake)

    assert found(twins, way, enough=1)
