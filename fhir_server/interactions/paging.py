"""Pages: one page of a search, behind one door or several, and where the next one begins.

May live here: joining what the doors show in one order, and what a walk in the order of last updates takes along from
page to page (`store/pages.py`). May not know: how a place is sealed, who may see what.

From the second page on a walk in that order asks each door once more, for what was updated since the first, whatever
was: the number of round trips tells nothing (docs/adr/0039).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from fhir_server.foundation.predicate import Predicate
from fhir_server.interactions.sights import TRACES
from fhir_server.search.query import Query, merged
from fhir_server.store.ordering import keys_of
from fhir_server.store.pages import Page, Snapshot, holds
from fhir_server.store.visible import VisibleStore

Side: TypeAlias = tuple[VisibleStore, str, Predicate]
"""A door, the type it is asked of ("" for several), and what is asked of it."""


def page_of(sides: Sequence[Side], query: Query, after: list[Any] | None, now: int, *, placed: bool = False) -> Page:
    """The first of all that the doors show after a position, in the order asked for.

    A position is what the `next` of a page says; `now` is the moment of the question in microseconds.
    """
    since = _walking(query, after)
    place = after if since is None else since.place
    placed = placed or len(sides) > 1 or since is not None
    pages = [door.page(of, where, query.order, query.count, place, placed=placed) for door, of, where in sides]
    if since is not None:
        # after what has not moved: what is updated between the two questions is in one of them, or in both
        moving = [side for side in sides if side[1] != TRACES]
        pages += [door.moved(of, where, keys_of(query.order), query.count, since) for door, of, where in moving]
    page = pages[0] if len(pages) == 1 else _joined(query, pages)
    if page.next is None or (since is None and not _begins(query, after)):
        return page
    return replace(page, next=behind(query, page, len(page.entries), after, now))


def behind(query: Query, page: Page, many: int, after: list[Any] | None, now: int) -> list[Any]:
    """The position behind the first so many entries of a page that begins after a position; [] for a first page."""
    since = _walking(query, after)
    if page.entries and _begins(query, after):
        since = Snapshot.begun(page.entries[0].updated, now)
    if since is None:
        return page.places[many - 1] if many else after or []
    return since.behind(page, many).kept()


def _joined(query: Query, pages: Sequence[Page]) -> Page:
    # what is twice among them is taken as it was found last
    found = {
        version.id: (place, version) for page in pages for place, version in zip(page.places, page.entries, strict=True)
    }
    ordered = merged(query.order, found.values())
    kept = ordered[: query.count]
    places = [list(place) for place, _ in kept]
    more = len(ordered) > len(kept) or any(page.next is not None for page in pages)
    return Page([version for _, version in kept], places[-1] if more and kept else None, places)


def _walking(query: Query, after: list[Any] | None) -> Snapshot | None:
    return Snapshot.of(after) if after is not None and _walks(query) else None


def _begins(query: Query, after: list[Any] | None) -> bool:
    return after is None and _walks(query)


def _walks(query: Query) -> bool:
    return query.type != TRACES and holds(query.order)
