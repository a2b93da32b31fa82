"""search of several types: https://hl7.org/fhir/R4/http.html#search, `GET /?_type=…` and a whole compartment.

May live here: reading which types are asked, and one page over all of them. May not know: who may see what; each type
is asked under its own scope and its own decision (`sights.py`), and `paging.py` joins the pages of all doors.
Only what every type has can be asked, and sorted by. A page costs one query for each door, commonly one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.definitions.compartments import members
from fhir_server.definitions.library import load
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import Has, Predicate, both, either
from fhir_server.foundation.problem import Issue, Problem, bad_request
from fhir_server.interactions import archived, lists, paging, search
from fhir_server.interactions.chained import Known
from fhir_server.interactions.including import bring
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.routes import SEARCH, Route, offered
from fhir_server.interactions.sights import Sight, sights
from fhir_server.interactions.subject import NO_RECORD, Subject, of_no_record, of_types
from fhir_server.search import include
from fhir_server.search.nearest import meant, shown
from fhir_server.search.query import Include, Query
from fhir_server.smart.scope import insufficient
from fhir_server.store.documents import Stored
from fhir_server.store.pages import Page

TYPE = "_type"


@dataclass(frozen=True, slots=True)
class Types:
    """The types asked of; `every` when the request names them, and each is to be answered or refused."""

    names: tuple[str, ...]
    every: bool


def run(visit: Visit) -> FhirResponse:
    """A searchset over several types: 200; 400 without `_type`, and for what one of the types does not have.

    Raises Problem 403 where the token has no scope for a type that is named, or the record asked for stays shut.
    """
    asked = read_types(visit)
    rest = tuple(pair for pair in visit.request.query if pair[0] != TYPE and not _is_include(pair))
    scopes = [(type_, _of(visit, type_).scoped("s")) for type_ in asked.names]
    queries = {type_: search.parsed(visit, type_, rest) for type_ in asked.names}
    whole = _whole(visit, asked, queries)
    queries = {type_: archived.left_out(query) for type_, query in _followed(visit, _listed(visit, queries)).items()}
    visit.shape = search.shape_of(whole, asked.names)
    wheres = {type_: both(Has("resource", type_), scope, queries[type_].where) for type_, scope in scopes}
    after = search.position(visit, whole)
    seen = sights(visit, subjects_of(visit, queries, wheres), every=asked.every)
    sides = [(sight, either(*(wheres[type_] for type_ in sight.types))) for sight in seen]
    page = Page() if whole.count == 0 else page_of(visit, sides, whole, after)
    total = None if whole.total == "none" and whole.count else total_of(sides, page, whole, after)
    told = search.told_of(visit) if total is not None else ()
    included, left_out = _included(visit, seen, whole, page)
    left_out = (*left_out, *search.stays_out(visit, whole, asked.names))
    more = total is not None and total > len(page.entries)
    also = [each for side in sides if more for each in counted_of(visit, *side, page)]
    search.note(visit, visit.subject, [*page.entries, *included], also, told, types=asked.names)
    return FhirResponse(200, search.bundle(visit, whole, page, included, total, left_out))


def read_types(visit: Visit) -> Types:
    """The types of `_type`, or all of a compartment that the token may search. Raises Problem 400, 403."""
    owner = visit.route.compartment_of.partition("/")[0]
    said = [text for name, text in visit.request.query if name == TYPE]
    if any(name.partition(":")[0] == TYPE and name != TYPE for name, _ in visit.request.query):
        raise bad_request(f"`{TYPE}` takes no modifier", TYPE)
    if len(said) > 1:
        raise bad_request(f"`{TYPE}` is said twice", TYPE)
    if said:
        names = tuple(dict.fromkeys(said[0].split(",")))
        for each in names:
            _check(each, owner)
        return Types(names, every=True)
    if not owner:
        raise bad_request(f"say which types are meant: `{TYPE}=Observation,Condition`", TYPE, "required")
    return Types(tuple(covered(visit, members(owner))), every=False)


def covered(visit: Visit, types: Iterable[str]) -> dict[str, Predicate]:
    """What the token lets be searched, of those types it lets be searched. Raises Problem 403 where that is none."""
    found: dict[str, Predicate] = {}
    for type_ in types:
        if _may_search(type_):
            with contextlib.suppress(Problem):
                found[type_] = _of(visit, type_).scoped("s")
    if not found:
        raise insufficient("*", "s")
    return found


def _check(type_: str, owner: str) -> None:
    if not _may_search(type_):
        raise bad_request(f"`{TYPE}` takes resource types, not `{shown(type_)}`{meant(type_, load().endpoints)}", TYPE)
    if owner and type_ not in members(owner):
        raise bad_request(f"no {type_} is in the compartment of a {owner}", TYPE)


def _may_search(type_: str) -> bool:
    return bool(type_) and offered(Route(SEARCH, type_))


def _of(visit: Visit, type_: str) -> Visit:
    return replace(visit, route=replace(visit.route, type=type_))


def _is_include(pair: tuple[str, str]) -> bool:
    return pair[0].partition(":")[0] in include.NAMES


def _includes(visit: Visit, types: Sequence[str]) -> tuple[Include, ...]:
    """What is to be brought along: from, or to, any of the types. Raises Problem 400."""
    found = []
    for name, text in filter(_is_include, visit.request.query):
        code, _, modifier = name.partition(":")
        found.append(include.read(code, modifier or None, text, types))
    return tuple(dict.fromkeys(found))


def _included(visit: Visit, seen: Sequence[Sight], query: Query, page: Page) -> tuple[list[Stored], tuple[Issue, ...]]:
    """What comes along with the matches of each door, through that door."""
    parts = [(sight.door, [each for each in page.entries if each.type in sight.types]) for sight in seen]
    return bring(parts, query.includes, visit.house.limits.included, visit.request.base)


def _followed(visit: Visit, queries: Mapping[str, Query]) -> dict[str, Query]:
    """The queries with their links followed; what types have in common is asked once."""
    known: Known = {}
    return {type_: search.linked(visit, query, known) for type_, query in queries.items()}


def _listed(visit: Visit, queries: Mapping[str, Query]) -> dict[str, Query]:
    """The queries confined to the items of the Lists that all of them name; each List is read once."""
    items = {
        id_: lists.items(visit, id_) for id_ in dict.fromkeys(id_ for each in queries.values() for id_ in each.lists)
    }
    found = dict(queries)
    for type_, query in queries.items():
        for id_ in query.lists:
            found[type_] = found[type_].listed(items[id_])
    return found


def _whole(visit: Visit, asked: Types, queries: Mapping[str, Query]) -> Query:
    """What the queries have in common: everything but what they ask of their own type.

    Raises Problem 400 where they cannot be sorted by one key, or a parameter that was ignored means something to one.
    """
    first, *others = queries.values()
    for each in others:
        if each.order != first.order:
            text = "several types are sorted by `_lastUpdated`, `_id` and the dates they have in common"
            raise bad_request(text, code="not-supported")
        if len(each.ignored) != len(first.ignored) or each.asked != first.asked:
            raise bad_request("a parameter that is unknown to one of the types is ignored for none of them")
    said = ((TYPE, ",".join(asked.names)),) if asked.every else ()
    return replace(
        first,
        type="",
        asked=(*said, *first.asked, *filter(_is_include, visit.request.query)),
        includes=_includes(visit, asked.names),
        compartment=visit.route.compartment_of,
    )


def subjects_of(visit: Visit, queries: Mapping[str, Query], wheres: Mapping[str, Predicate]) -> dict[str, Subject]:
    """The records that each type is asked of: those it names, or those the asker has standing with, asked once."""
    house, inside = visit.house, visit.route.compartment_of.startswith("Patient/")
    subjects: dict[str, Subject] = {}
    spanned: list[str] = []
    for type_, query in queries.items():
        if not inside and of_no_record(type_, house):
            subjects[type_] = NO_RECORD
        elif query.patients:
            subjects[type_] = Subject(query.patients, named=inside or type_ != "Patient")
        else:
            spanned.append(type_)
    if spanned:
        standing = of_types(either(*(wheres[type_] for type_ in spanned)), visit.principal, house)
        subjects.update(dict.fromkeys(spanned, standing))
    return {type_: subjects[type_] for type_ in queries}


def page_of(visit: Visit, sides: list[tuple[Sight, Predicate]], query: Query, after: list[Any] | None) -> Page:
    """The first of all that the doors show after a position, in the order asked for; with the place of each."""
    doors = [(sight.door, sight.of, where) for sight, where in sides]
    return paging.page_of(doors, query, after, micros(visit.house.clock()), placed=True)


def counted_of(visit: Visit, sight: Sight, where: Predicate, page: Page) -> list[Stored]:
    """What the total counts beyond the page (`search.counted`), behind one door."""
    return search.counted(visit, sight.door, sight.of, where, page)


def total_of(sides: list[tuple[Sight, Predicate]], page: Page, query: Query, after: list[Any] | None) -> int:
    """How many match behind all doors; not asked where one page holds them all."""
    if query.count and after is None and page.next is None:
        return len(page.entries)
    return sum(sight.door.count(sight.of, where) for sight, where in sides)
