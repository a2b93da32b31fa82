"""search within: https://hl7.org/fhir/R4/search.html#contained, `_contained=true` and `_contained=both`.

May live here: which types may hold what is asked for, and the answer as its holder or as itself. May not know: how what
is contained is indexed (`search/contained.py`), who may see a holder: each type is asked under its own scope and its
own decision (`sights.py`), as in a search of several types.

A holder that is withheld is withheld with all it holds. `_containedType=contained` gives no total: MongoDB counts
holders, and one may hold several. A page then may end within one: its cursor says in which, and how many of it came.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from fhir_server.consent.obligations import apply
from fhir_server.definitions.library import load
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import Has, Predicate, both, either, matches
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import paging, search, search_system, summary
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.sights import TRACES, sights
from fhir_server.resources import json_text, references
from fhir_server.resources.patient import believed
from fhir_server.search import contained, own
from fhir_server.search.index import index_of
from fhir_server.search.query import Query
from fhir_server.store.documents import Stored
from fhir_server.store.pages import Page

_UNASKED = ("_elements", "_include", "_revinclude", "_list", "_text", "_content")
_HOLD_NOTHING = frozenset({"Binary", "Bundle", "Parameters", TRACES})


def run(visit: Visit) -> FhirResponse:
    """A search of a type, by `search.run` where it does not ask for what is contained.

    Else a searchset of what holds, or is, what is asked of contained resources: 200. Raises Problem 400 for what is not
    asked of them, 403 where the token may search nothing, or the record that is named stays shut.
    """
    if not any(name.partition(":")[0] == "_contained" for name, _ in visit.request.query):
        return search.run(visit)
    scope = visit.scoped("s")
    query = search.parsed(visit, visit.route.type, visit.request.query, within=True)
    if not query.contained:
        return search.run(visit)
    _check(visit, query)
    asked = (
        query if query.type != "Patient" else replace(query, patients=())
    )  # the id of what is contained names nobody
    holds = contained.clause(query.type, query.where)
    scopes = search_system.covered(visit, [each for each in load().endpoints if each not in _HOLD_NOTHING])
    if query.contained == "both":
        scopes.setdefault(query.type, scope)
    wheres = {type_: both(Has("resource", type_), scope, _of(type_, query, holds)) for type_, scope in scopes.items()}
    visit.shape = summary.of((), query.asked, counted=True)
    after, begun = _resumed(query, search.position(visit, query))
    subjects = search_system.subjects_of(visit, dict.fromkeys(wheres, asked), wheres)
    seen = sights(visit, subjects, every=False)
    sides = [(sight, either(*(wheres[type_] for type_ in sight.types))) for sight in seen]
    page = Page() if query.count == 0 else search_system.page_of(visit, sides, query, after)
    counts = query.total != "none" and query.returns != "contained"
    total = search_system.total_of(sides, page, query, after) if counts or not query.count else None
    page, matched = _themselves(visit, query, page, after, begun) if query.returns else (page, None)
    told = search.told_of(visit) if total is not None else ()
    more = total is not None and total > len(page.entries)
    also = [each for side in sides if more for each in search_system.counted_of(visit, *side, page)]
    search.note(visit, visit.subject, page.entries, also, told, types=(query.type,))
    return FhirResponse(200, search.bundle(visit, query, page, [], total, matched=matched))


def _of(type_: str, query: Query, holds: Predicate) -> Predicate:
    return either(holds, query.where) if query.contained == "both" and type_ == query.type else holds


def _check(visit: Visit, query: Query) -> None:
    """Raises Problem 400 for what cannot be asked of a contained resource, or not together with it."""
    names = {name.partition(":")[0].partition(".")[0] for name, _ in query.asked}
    unasked = [f"`{each}`" for each in (*_UNASKED, *own.of(query.type)) if each in names]
    if query.chained or query.patient_identifier is not None:
        unasked.append("a chain")
    if unasked:
        raise bad_request(f"{unasked[0]} is not supported with `_contained`", code="not-supported")
    if visit.route.compartment_of:
        raise bad_request("`_contained` is not supported within a compartment", code="not-supported")
    if any(each.field not in ("updated", "id") for each in query.order):
        raise bad_request(
            "with `_contained` a search is sorted by `_lastUpdated` and `_id` of what holds", code="not-supported"
        )
    if query.returns == "contained" and (
        query.summary == "count" or dict(query.asked).get("_summary", "false") != "false"
    ):
        raise bad_request("`_containedType=contained` has no count and no summary", code="not-supported")


def _resumed(query: Query, sealed: list[Any] | None) -> tuple[list[Any] | None, tuple[str, int]]:
    """The place that a page goes on from; and the holder it begins with, with how many of it were on the one before."""
    if not query.returns or sealed is None:
        return sealed, ("", 0)
    begun, many, *place = sealed
    return place or None, (begun, many)


def _themselves(
    visit: Visit, query: Query, page: Page, after: list[Any] | None, begun: tuple[str, int]
) -> tuple[Page, list[dict[str, Any]]]:
    """Of a page of holders the part that `_count` leaves room for, with the cursor behind it; and its entries."""
    entries: list[dict[str, Any]] = []
    for number, version in enumerate(page.entries):
        many = begun[1] if version.id == begun[0] else 0
        left, room = _entries_of(visit, query, version)[many:], query.count - len(entries)
        if len(left) > room:
            place = paging.behind(query, page, number, after, micros(visit.house.clock()))
            return Page(page.entries[: number + bool(room)], [version.id, many + room, *place]), entries + left[:room]
        entries += left
    return Page(page.entries, page.next and ["", 0, *page.next]), entries


def _entries_of(visit: Visit, query: Query, version: Stored) -> list[dict[str, Any]]:
    """The entries of one holder: each contained resource that matches, and the holder where it matches itself."""
    shown = apply(visit.obligations, version)
    resource = json_text.read(shown.body)
    mentioned = [each["id"] for each in version.facts.get("mentions", ())]
    ids = contained.found(believed(references.drop(resource, mentioned)), query.type, query.where)
    entries = search.entries(visit, [version], "match") if _matches_itself(query, version, resource) else []
    for one in resource.get("contained") or ():
        if one.get("resourceType") == query.type and one.get("id") in ids:
            url = f"{visit.request.base}/{version.id}#{one['id']}"
            entries.append(
                {"fullUrl": url, "resource": orjson.Fragment(json_text.write(one)), "search": {"mode": "match"}}
            )
    return entries


def _matches_itself(query: Query, version: Stored, resource: dict[str, Any]) -> bool:
    if query.contained != "both" or version.type != query.type:
        return False
    left = index_of(resource)
    asked = {"index": left.tokens, "dates": left.dates, "numbers": left.numbers, "together": left.together}
    return matches(query.where, {**version.envelope(), **asked, "place": left.place})
