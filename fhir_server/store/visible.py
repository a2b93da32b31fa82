"""The door: a VisibleStore hands out resources, and only those its guard lets through.

May live here: reading, each method with the guard inside the query, or (one document by its id) upon what the query
found, before anything of it is handed out (docs/adr/0040). May not know: consents, scopes, HTTP.
No method is without the guard, and nothing else holds a collection (setup.cfg, `store` contracts).

The guard has two halves. `residual` is what consent leaves visible; `scope` what the token may ask for. A resource
that only *mentions* one the residual hides is shown without that mention, and cannot be found through it; a List
whose every item is hidden is hidden itself, and with it what is about that List (decisions 16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession

from fhir_server.foundation.judge import Judge
from fhir_server.foundation.predicate import (
    EVERYTHING,
    NOTHING,
    All,
    Any_,
    Exists,
    Has,
    Not,
    Predicate,
    Some,
    both,
    either,
    matches,
    one_of,
    rewrite,
)
from fhir_server.resources import facts as access
from fhir_server.resources import json_text, references
from fhir_server.resources.designation import with_designated
from fhir_server.store import designations, ordering, pages
from fhir_server.store.blobs import Blobs
from fhir_server.store.documents import LISTS, WANTED, Stored, nameable, stored
from fhir_server.store.given import Given, Last, Place
from fhir_server.store.mentioned import may_be_mentioned
from fhir_server.store.metadata import stages as said_in_metadata
from fhir_server.store.mongo import Filter
from fhir_server.store.pages import Page, Snapshot
from fhir_server.store.past import still_seen
from fhir_server.store.shelf import Shelf
from fhir_server.store.simplify import filter_of, judge_of

Said = Mapping[str, Sequence[str]]
"""Values of index tokens, by the name of the token."""
WITH_LISTS = (*LISTS, "AuditEvent")


class VisibleStore:
    """What one asker may see, for as long as one request lasts."""

    def __init__(
        self,
        shelf: Shelf,
        residual: Predicate,
        scope: Predicate = EVERYTHING,
        session: ClientSession | None = None,
        shared: Predicate = NOTHING,
    ) -> None:
        """`shared` is what belongs to no record and may be seen beside it: where references lead."""
        self._shelf = shelf
        self._residual = residual
        self._scope = scope
        self._session = session
        self._asking: dict[str, Any] = {"session": session}
        self._last: tuple[tuple[Predicate, str], Filter] | None = None
        self._pages: tuple[Any, ordering.Sought] | None = None
        self._shared = shared
        self._mentioned = nameable(residual)
        # criteria of a scope are asked of mentions as those of a query are
        self._covered = rewrite(scope, self._through_mentions)
        self._judges: dict[str, Judge | None] = {}
        self._place: Place | None = None

    def within(self, scope: Predicate) -> VisibleStore:
        """The same door, narrowed to what one right of the token covers."""
        return VisibleStore(self._shelf, self._residual, both(self._scope, scope), self._session, self._shared)

    def lasting(self, given: Given) -> VisibleStore:
        """The same door for one asker, who may ask again: the last page it gave is kept where there is room."""
        made = VisibleStore(self._shelf, self._residual, self._scope, self._session, self._shared)
        made._place = Place(given)
        return made

    @property
    def guard(self) -> Predicate:
        """The predicate every answer satisfies, as `fhir-server explain` prints it."""
        return both(self._scope, self._residual)

    def read(self, type_: str, id_: str) -> Stored | None:
        """The current version, or None whether it is absent or hidden. One round trip, and one more for a large body.

        Outside of a transaction it is fetched with what others ask for, and tested here (docs/adr/0040).
        """
        name = f"{type_}/{id_}"
        # behind a door that shows nothing, what is there is not fetched: it would take longer than what is not
        together = self._session is None and type_ != "AuditEvent" and self._residual != NOTHING
        passes = self._judge(type_) if together else None
        if passes is not None:
            found = self._shelf.current.one(name)
            if found is None or not passes(found):
                return None
            if found.get("body") is not None:
                return self._shown(found)
        found = self._shelf.of(type_).find_one(self._filter(Has("id", name), type_), WANTED, **self._asking)
        return self._shown(found) if found else None

    def gone(self, type_: str, id_: str) -> Stored | None:
        """The deletion of a resource whose last version could be seen, else None."""
        where = {"id": f"{type_}/{id_}", **self._history_filter(type_)}
        found = self._shelf.history.find_one(where, WANTED, sort=[("version", DESCENDING)], **self._asking)
        return stored(found) if found and found["method"] == "DELETE" else None

    def vread(self, type_: str, id_: str, version: int) -> Stored | None:
        """That version, if both it and what is current may be seen; None otherwise."""
        current = self.read(type_, id_)
        if current is not None and current.version == version:
            return current
        if current is None and self.gone(type_, id_) is None:
            return None
        where = {"_id": f"{type_}/{id_}/{version}", **self._history_filter(type_)}
        found = self._shelf.history.find_one(where, WANTED, **self._asking)
        return self._shown(found) if found else None

    def history(self, type_: str, id_: str, limit: int, before: int | None = None) -> tuple[list[Stored], int]:
        """Versions below `before`, newest first, and how many there are in all; ([], 0) when none may be seen."""
        current = self.read(type_, id_)
        if current is None and self.gone(type_, id_) is None:
            return [], 0
        where = {"id": f"{type_}/{id_}", **self._history_filter(type_)}
        total = self._counted(self._shelf.history, where) + (current is not None)
        if before is not None:
            where["version"] = {"$lt": before}
        old = self._shelf.history.find(where, WANTED, sort=[("version", DESCENDING)], limit=limit, **self._asking)
        versions = [self._shown(each) for each in old]
        if current is not None and (before is None or current.version < before):
            versions.insert(0, current)
        return versions[:limit], total

    def versions(
        self, type_: str, after: tuple[int, str, int] | None, since: int | None, step: int
    ) -> Iterator[Stored]:
        """Every version of a type, by time, id and version, the greatest first; those made since, after a place.

        `type_` is "" for all types that are kept together, AuditEvent apart; the scope says which of them.
        A version is among them if it may be seen and what is current may be, or else the deletion. Two round trips for
        each `step` of them.
        """
        place = after
        while True:
            found = self._some_versions(type_, place, since, step)
            yield from map(self._shown, found)
            if len(found) < step:
                return
            last = stored(found[-1])
            place = (last.updated, last.id, last.version)

    def recreated(self, type_: str, versions: Iterable[Stored]) -> set[tuple[str, int]]:
        """Those (`Type/id` and version) of these versions before which there stood a deletion that may be seen."""
        before = [f"{each.id}/{each.version - 1}" for each in versions]
        where = {"_id": {"$in": before}, "method": "DELETE", **self._history_filter(type_)}
        found = self._shelf.history.find(where, {"id": 1, "version": 1}, **self._asking)
        return {(each["id"], each["version"] + 1) for each in found}

    def _some_versions(
        self, type_: str, after: tuple[int, str, int] | None, since: int | None, step: int
    ) -> list[dict[str, Any]]:
        """The next versions that may be seen, current and past."""
        made = {"updated": {"$gte": since}} if since is not None else {}
        current, past = self._filter(EVERYTHING, type_), self._history_filter(type_)
        typed: Filter = {"type": type_, **past} if type_ else past
        sources: tuple[tuple[Any, Filter, str, list[dict[str, Any]]], ...] = (
            (self._shelf.of(type_), current, "_id", []),
            (self._shelf.history, typed, "id", still_seen(self._shelf, current, past)),
        )
        found: list[dict[str, Any]] = []
        for collection, guard, name, asked in sources:
            keys = [(each, DESCENDING) for each in ("updated", name, "version")]
            query = {"$and": [guard, made, ordering.after(keys, after) if after else {}]}
            stages = [{"$match": query}, {"$sort": dict(keys)}, *asked, {"$limit": step}, {"$project": WANTED}]
            cursor = collection.aggregate(stages, **self._asking)
            found += cursor.to_list()
        found.sort(key=lambda each: (each["updated"], stored(each).id, each["version"]), reverse=True)
        return found[:step]

    def page(
        self,
        type_: str,
        where: Predicate,
        order: Sequence[ordering.Ordered],
        limit: int,
        after: Sequence[Any] | None = None,
        *,
        placed: bool = False,
    ) -> Page:
        """Up to `limit` matches in order, after a position; one round trip, or two (`given.py`).

        `type_` is "" for all types that are kept together, AuditEvent apart; then `where` says which of them.
        """
        sought = self._sought(where, type_, order)
        collection, keys = self._shelf.of(type_), sought.keys
        place = self._place if sought.keeps and after is None and not placed and self._session is None else None
        if place is None:
            found, seen = pages.fetched(collection, sought, order, after, limit + 1, self._asking), None
        else:
            asked = place.asks(sought, limit, self._shelf.pages)
            if isinstance(asked, Page):
                return asked
            found, seen = asked
        kept = found[:limit]
        entries = [self.shown(each) for each in map(stored, kept)]
        places = [ordering.position(keys, each) for each in kept] if placed else []
        page = Page(entries, ordering.position(keys, kept[-1]) if len(found) > limit and kept else None, places)
        return page if place is None else place.gave(Last(sought, limit, found, page), seen)

    def moved(self, type_: str, where: Predicate, keys: ordering.Keys, limit: int, since: Snapshot) -> Page:
        """What was updated since a walk began, at the places of then (`pages.py`); one round trip."""
        guards = (self._filter(where, type_), self._history_filter(type_), self._shelf.history.name)
        stages = pages.stages(*guards, keys, since, limit)
        found = since.ungiven(self._shelf.of(type_).aggregate(stages, **self._asking))
        return Page([self._shown(each) for _, each in found], None, [place for place, _ in found])

    def count(self, type_: str, where: Predicate) -> int:
        """How many match, exactly."""
        query = self._filter(where, type_)
        hint = ordering.index_for(query) if type_ != "AuditEvent" else None
        return self._counted(self._shelf.of(type_), query, **({"hint": hint} if hint else {}))

    def _counted(self, collection: Any, query: Filter, **more: Any) -> int:
        return int(collection.count_documents(query, **self._asking, **more))

    def metadata(self, type_: str, where: Predicate) -> list[list[str]]:
        """What matches have of tokens of profiles, tags and labels (`search/metadata.py`), each list of them told once.

        `type_` is "" as of a page. [] where nothing matches. One round trip; no body leaves the database.
        """
        stages = [{"$match": self._filter(where, type_)}, *said_in_metadata()]
        return [each["_id"] for each in self._shelf.of(type_).aggregate(stages, **self._asking)]

    def follow(self, ids: Iterable[str], limit: int = 1000) -> list[Stored]:
        """Those of the resources named (`Type/id`) that may be seen; the guard comes before the limit."""
        wanted = list(dict.fromkeys(ids))
        return self._led_to(one_of("id", wanted), [("_id", ASCENDING)], limit) if wanted else []

    def newest(self, where: Predicate, limit: int) -> list[Stored]:
        """What a reference by other means than an id may lead to, the newest first; seen as what is followed is."""
        if where == NOTHING:
            return []
        asked = rewrite(where, self._through_mentions)
        return self._led_to(asked, [("updated", DESCENDING), ("_id", ASCENDING)], limit)

    def _led_to(self, where: Predicate, order: ordering.Keys, limit: int) -> list[Stored]:
        seen = either(both(self._residual, self._left_something(""), self._held_something("")), self._shared)
        query = filter_of((where, self._covered, seen), "")
        cursor = self._shelf.resources.find(query, WANTED, sort=order, limit=limit, **self._asking)
        return [self._shown(each) for each in cursor.to_list()]

    def linked(self, type_: str, where: Predicate, names: Sequence[str], limit: int) -> list[tuple[Stored, Said]]:
        """Up to `limit` matches without bodies, each with what it says under some token names (`Type.code`).

        What it says through a mention that may not be seen is not among it. One round trip.
        """
        wanted: dict[str, Any] = {"type": 1, "version": 1, "updated": 1, "facts": 1}
        if names:
            begins = {"$or": [{"$eq": [{"$indexOfBytes": ["$$this", f"{name}="]}, 0]} for name in names]}
            wanted["index"] = {"$filter": {"input": {"$ifNull": ["$index", []]}, "cond": begins}}
        cursor = self._shelf.of(type_).find(self._filter(where, type_), wanted, limit=limit, **self._asking)
        found = cursor.to_list()
        return [(stored(each), {name: self._said(each, f"{name}=") for name in names}) for each in found]

    def _said(self, document: Mapping[str, Any], said: str) -> list[str]:
        """What follows a beginning in the tokens a document has, and in those of its mentions that may be seen."""
        tokens = [token for token in document.get("index", ()) if token.startswith(said)]
        for each in document.get("facts", {}).get("mentions", ()):
            named = [token for token in each.get("token", ()) if token.startswith(said)]
            if named and (self._residual == EVERYTHING or matches(self._mentioned, each, inside=True)):
                tokens += named
        return list(dict.fromkeys(each[len(said) :] for each in tokens))

    def content(self, binary: Stored) -> bytes:
        """The bytes of a Binary that this store handed out."""
        return Blobs(self._shelf.database).read(binary.blob) if binary.blob else b""

    def sees(self, envelope: Mapping[str, Any]) -> bool:
        """Whether an envelope at hand passes the guard: the other interpreter, for what is about to be written."""
        return matches(self.guard, envelope)

    def shows(self, envelope: Mapping[str, Any]) -> bool:
        """Whether an envelope as it stands is among what this store hands out: all of the guard, in memory."""
        type_ = str(envelope["type"])
        left = (self._left_something(type_), self._held_something(type_))
        return matches(both(self._covered, self._residual, *left), envelope)

    def as_if_unnamed(self, version: Stored) -> dict[str, Any]:
        """The envelope of a version without what it mentions, or is about, that may not be seen."""
        facts = dict(version.facts)
        for name in ("mentions", "held"):
            if facts.get(name) and self._residual != EVERYTHING:
                facts[name] = [each for each in facts[name] if matches(self._mentioned, each, inside=True)]
        return {**version.envelope(), "facts": facts}

    def explain(self, type_: str, where: Predicate, order: Sequence[ordering.Ordered], limit: int) -> Mapping[str, Any]:
        """MongoDB's execution statistics of a page; for operators and tests."""
        shelf, sought = self._shelf, self._sought(where, type_, order)
        page = {"filter": sought.filter, "projection": WANTED, "sort": dict(sought.keys), "limit": limit + 1}
        asked = {"find": shelf.of(type_).name, **page, **({"hint": dict(sought.hint)} if sought.hint else {})}
        how: Any = {"verbosity": "allPlansExecution", "maxTimeMS": shelf.max_time_ms}
        return dict(shelf.database.command("explain", asked, **how))

    def _judge(self, type_: str) -> Judge | None:
        """The guard upon a fetched document of that type; None where it asks for what stays in the database."""
        if type_ not in self._judges:
            left = (self._left_something(type_), self._held_something(type_))
            self._judges[type_] = judge_of((self._covered, self._residual, *left), type_)
        return self._judges[type_]

    def _filter(self, where: Predicate, type_: str) -> Filter:
        """What is asked for, as far as it may be seen; shared, so not to be changed. The last one is kept."""
        asked, last = (where, type_), self._last  # a door is shared by threads: it is looked at once
        if last is None or last[0] != asked:
            last = self._last = asked, self._compiled(*asked)
        return last[1]

    def _sought(self, where: Predicate, type_: str, order: Sequence[ordering.Ordered]) -> ordering.Sought:
        """What pages of it are asked for by; the last one is kept, as the last filter is."""
        asked, last = (where, type_, order), self._pages
        if last is None or last[0] != asked:
            last = self._pages = asked, ordering.sought(self._filter(where, type_), order, type_)
        return last[1]

    def _compiled(self, where: Predicate, type_: str) -> Filter:
        asked = rewrite(where, self._through_mentions)
        named = isinstance(where, Has) and where.field == "id"
        typed = Has("resource", type_) if type_ and not named else EVERYTHING
        left = (self._left_something(type_), self._held_something(type_))
        return filter_of((typed, asked, self._covered, self._residual, *left), type_)

    def _history_filter(self, type_: str) -> Filter:
        left = (self._left_something(type_), self._held_something(type_))
        return {"$and": [filter_of((self._covered, self._residual, *left), type_)]}

    def _left_something(self, type_: str) -> Predicate:
        if self._residual == EVERYTHING or (type_ and type_ not in WITH_LISTS):
            return EVERYTHING
        if type_ == "AuditEvent":  # what several own is seen when all permit it, and a trace is asked for of one alone
            left = either(Not(Exists("mentions")), Some("mentions", self._mentioned))
            return both(Not(Has("joint", True)), left)
        item = Has("item", True)
        left = either(Not(Some("mentions", item)), Some("mentions", All((item, self._mentioned))))
        if type_:
            return left
        lists = either(Not(one_of("resource", LISTS)), left)
        return both(lists, either(Not(Has("resource", "AuditEvent")), self._left_something("AuditEvent")))

    def _held_something(self, type_: str) -> Predicate:
        if self._residual == EVERYTHING or (type_ and not access.may_be_about(type_)):
            return EVERYTHING
        return either(Not(Exists("held")), Some("held", self._mentioned))

    def _through_mentions(self, node: Predicate) -> Predicate | None:
        """A clause on a reference holds on the resource itself, or through a mention that may be seen.

        Several values of one are asked of the mentions together.
        """
        several = node.of if isinstance(node, Any_) else (node,)
        if not several or not all(isinstance(each, Has) and each.field == "token" for each in several):
            return None
        named = [each for each in several if isinstance(each, Has) and may_be_mentioned(str(each.value))]
        if self._residual == NOTHING or not named:
            return node
        return either(node, Some("mentions", both(either(*named), self._mentioned)))

    def shown(self, version: Stored) -> Stored:
        """A version at hand, written just now, as it is seen through this door."""
        mentions = version.facts.get("mentions")
        if not mentions or not version.body or (self._residual == EVERYTHING and version.type != "Patient"):
            return version
        hidden = [each for each in mentions if not matches(self._mentioned, each, inside=True)]
        gone = {each["id"] for each in hidden if designations.SAYS not in each}
        said = designations.said(each for each in mentions if each not in hidden) if version.type == "Patient" else []
        if not gone and not said:
            return version
        resource = json_text.read(version.body)
        resource = references.drop(resource, gone) if gone else resource
        return replace(version, body=json_text.write(with_designated(resource, said) if said else resource))

    def _shown(self, document: Mapping[str, Any]) -> Stored:
        return self.shown(stored(document))
