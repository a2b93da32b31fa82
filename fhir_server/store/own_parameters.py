"""Own parameters as the store holds them: the SearchParameters there are, and which of them all is indexed by.

May live here: reading both into the table of `search/own.py`, and indexing by them what was there before, in steps that
may be cut short at any of them (docs/adr/0023). May not know: how a value is indexed, who may write a SearchParameter.

A parameter is ready at a version of its SearchParameter: another version awaits its reindex. Every envelope has the
markers of the parameters that it was indexed by, so what lacks one is found and nothing is done twice.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

from fhir_server.definitions.own_parameters import faults, parameters_of
from fhir_server.resources import facts as access
from fhir_server.resources import json_text
from fhir_server.search import contained, own
from fhir_server.search.index import index_of, markers
from fhir_server.search.own import Own
from fhir_server.store import designations
from fhir_server.store.documents import sort_keys
from fhir_server.store.freshness import Freshness
from fhir_server.store.shelf import INDEXED_BY, Shelf

CHANGED = "search-parameters"
"""The kind of invalidation by which every worker hears of a change."""
PLACES = "reindexing"
"""Where a reindex was cut short."""
BATCH = 200
QUIET = 2.0
"""Seconds after which no write is under way that was composed before its worker heard of a parameter."""
Told = Callable[[int], None]
Document = dict[str, Any]


class Superseded(Exception):
    """A SearchParameter was written while there was a reindex: what awaits is something else now."""


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A SearchParameter that is not searched by yet: `id` is `SearchParameter/x`."""

    id: str
    version: int
    types: tuple[str, ...]


def load(shelf: Shelf) -> None:
    """Put what the store holds into this process's table."""
    table: dict[str, dict[str, Own]] = {}
    ready = _ready(shelf)
    for id_, version, resource in _written(shelf):
        for type_, parameter in parameters_of(resource):
            made = Own(parameter, ready.get(id_) == version, access.is_of_record(type_))
            table.setdefault(type_, {}).setdefault(parameter.code, made)
    own.put(table)


def awaiting(shelf: Shelf) -> list[Awaiting]:
    """What a reindex would make searchable, in order of id."""
    ready = _ready(shelf)
    return [
        Awaiting(id_, version, tuple(type_ for type_, _ in found))
        for id_, version, resource in _written(shelf)
        if ready.get(id_) != version and (found := list(parameters_of(resource)))
    ]


def lacking(shelf: Shelf, wanted: list[Awaiting]) -> int:
    """How many versions, current and past, are yet to be indexed by these."""
    return sum(each.count_documents(query) for _, each, query in _sources(shelf, wanted))


def reindex(shelf: Shelf, freshness: Freshness, wanted: list[Awaiting], told: Told, quiet: float = QUIET) -> None:
    """Index all by these, while the server writes, and then have every worker search by them.

    `told` hears how many versions were done in a step. Cut short, it goes on where it was. Raises Superseded.
    """
    # from here on every worker indexes by them; what was composed before that is over soon
    _announce(shelf, freshness, [])
    begun = time.monotonic()
    run = hashlib.sha256(json.dumps([[each.id, each.version] for each in wanted]).encode()).hexdigest()
    places = shelf.database[PLACES]
    _walk(shelf, wanted, run, told)
    time.sleep(max(0.0, quiet - (time.monotonic() - begun)))
    while awaiting(shelf) == wanted and lacking(shelf, wanted):
        places.delete_many({"run": run})
        _walk(shelf, wanted, run, told)
    if awaiting(shelf) != wanted:
        raise Superseded
    _announce(shelf, freshness, wanted)
    places.delete_many({})


def _announce(shelf: Shelf, freshness: Freshness, done: list[Awaiting]) -> None:
    """Have every worker, and this process, read the table anew, in which what is `done` is ready."""

    def attempt(session: ClientSession) -> int:
        for each in done:
            state = {"$set": {"version": each.version}}
            shelf.database[INDEXED_BY].update_one({"_id": each.id}, state, upsert=True, session=session)
        # in a transaction: whoever sees that something was announced finds what it was
        return freshness.bump(CHANGED, "", session)

    with shelf.database.client.start_session() as session:
        number = session.with_transaction(attempt, write_concern=WriteConcern("majority", j=True))
    freshness.settle(number)
    load(shelf)


def _written(shelf: Shelf) -> Iterator[tuple[str, int, Document]]:
    for each in shelf.resources.find({"type": "SearchParameter"}, {"version": 1, "body": 1}, max_time_ms=None).sort(
        "_id"
    ):
        resource = json_text.read(each["body"])
        if not faults(resource, access.is_of_record):
            yield each["_id"], each["version"], resource


def _ready(shelf: Shelf) -> Mapping[str, int]:
    return {each["_id"]: each["version"] for each in shelf.database[INDEXED_BY].find()}


def _sources(shelf: Shelf, wanted: list[Awaiting]) -> Iterator[tuple[str, Collection[Document], Document]]:
    """Each collection and type with what is to be indexed there; ids begin with their type, and are gone through so."""
    for type_ in sorted({type_ for each in wanted for type_ in each.types}):
        query = {
            "_id": {"$gt": f"{type_}/", "$lt": f"{type_}0"},
            "$nor": [{"method": "DELETE"}, {"index": {"$all": markers(type_)}}],
        }
        yield f"resources {type_}", shelf.resources, query
        yield f"history {type_}", shelf.history, query


def _walk(shelf: Shelf, wanted: list[Awaiting], run: str, told: Told) -> None:
    """One way through all there is, from where the last one of this run was cut short."""
    places = shelf.database[PLACES]
    for name, collection, query in _sources(shelf, wanted):
        place = places.find_one({"_id": name, "run": run})
        after = place["after"] if place else query["_id"]["$gt"]
        while True:
            where = {**query, "_id": {**query["_id"], "$gt": after}}
            found = collection.find(where, max_time_ms=None).sort("_id").limit(BATCH).to_list()
            if not found:
                break
            if awaiting(shelf) != wanted:
                raise Superseded  # what this process knows of is not what the workers index by
            collection.bulk_write([_indexed(each) for each in found], ordered=False)
            after = found[-1]["_id"]
            places.replace_one({"_id": name}, {"run": run, "after": after}, upsert=True)
            told(len(found))


def _indexed(document: Document) -> UpdateOne:
    """A version's index made anew; nothing is done where it has changed meanwhile, and it is found again."""
    indexed = index_of(json_text.read(document["body"]))
    mentions = document["facts"].get("mentions", [])
    tokens, through = indexed.apart([each["id"] for each in mentions])
    tokens += access.tokens_of_owner(document["type"], document["facts"], tokens)
    tokens += contained.tokens(document.get("contained", ()))
    made: Document = {"index": tokens, "dates": indexed.dates}
    if "first" in document:
        made |= sort_keys(indexed.dates)
    if mentions:
        said = designations.SAYS
        made["facts.mentions"] = [
            {**each, "token": designations.tokens_of(each[said]) if said in each else through.get(each["id"], [])}
            for each in mentions
        ]
    structures = {"numbers": indexed.numbers, "together": indexed.together}
    made |= {name: several for name, several in structures.items() if several}
    gone = {name: "" for name, several in structures.items() if not several and name in document}
    same = {"_id": document["_id"], "version": document["version"], "facts": document["facts"]}
    return UpdateOne(same, {"$set": made, **({"$unset": gone} if gone else {})})
