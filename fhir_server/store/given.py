"""Given: pages that doors gave, kept so that what stands unchanged is not fetched and told anew (docs/adr/0046).

May live here: what a page was asked for by, the marks of what it shows, and how much is kept in all. May not know: who
may see what; a door keeps its own pages for its own asker.

INVARIANT (asked each time): which documents a page shows is found in the database with the guard each time. What is
kept stands for a document as long as its mark is the same: its version, when it was updated, and how often its facts
were restamped since (`restamp.py`). Whatever writes to a current document changes one of them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.store.ordering import Sought
from fhir_server.store.pages import Page

_BESIDE = 4_096
"""Bytes that a version takes in memory beside its text."""

_NOTHING = (0, None)

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Last:
    """The last question that a door was asked for a page, with the page and the marks of all that was found for it.

    Without a page it was asked once: what is not asked again is not kept.
    """

    sought: Sought
    limit: int
    marks: Sequence[Document] = ()
    page: Page | None = None


class Given:
    """How much the pages take that the doors of a process keep, `most` bytes in all. The oldest make room.

    A page is kept by its door and goes with it: with what was remembered of a record goes what it said.
    """

    def __init__(self, most: int) -> None:
        """0 keeps none. `bytes` is what is kept now, as it was reckoned."""
        self.bytes = 0
        self._most = most
        self._kept: dict[int, tuple[int, weakref.ref[Place]]] = {}
        self._lock = threading.RLock()  # a door may end in the middle of it, in this very thread

    def place(self) -> Place:
        """Where a door keeps its last page."""
        return Place(self)

    def has_room(self, size: int) -> bool:
        """Whether there may be room for so many bytes, the oldest going; none of nothing."""
        return 0 < size <= self._most

    def keep(self, place: Place, last: Last, size: int) -> None:
        """Keep a page there, in place of the one before."""
        me = id(place)
        with self._lock:
            self.leave(place)
            place.last = last
            self._kept[me] = size, weakref.ref(place, lambda _: self._leave(me))
            self.bytes += size
            while self.bytes > self._most:
                self._drop(next(iter(self._kept)))

    def leave(self, place: Place) -> None:
        """Reckon no more with what is kept there."""
        self._leave(id(place))

    def _drop(self, which: int) -> None:
        place = self._kept[which][1]()
        if place is not None:
            place.last = None
        self._leave(which)

    def _leave(self, which: int) -> None:
        if which in self._kept:
            with self._lock:
                self.bytes -= self._kept.pop(which, _NOTHING)[0]


class Place:
    """Where one door keeps its last page."""

    def __init__(self, given: Given) -> None:
        self.last: Last | None = None
        self._given = given

    def of(self, sought: Sought, limit: int) -> Last | None:
        """What was kept of this very question."""
        last = self.last
        return last if last is not None and last.sought is sought and last.limit == limit else None

    def gave(self, sought: Sought, limit: int, found: Sequence[Document], page: Page) -> Page:
        """The page; it is kept if the same was asked before, there is room, and something in it."""
        again = self.of(sought, limit) is not None
        # its text is kept twice: as it is stored, and as it was told
        size = sum(2 * len(each.body) + _BESIDE for each in page.entries) if again else 0
        if not self._given.has_room(size):
            self._given.leave(self)
            self.last = Last(sought, limit)
            return page
        names = ("_id", *sought.marks)
        marks = [{name: each[name] for name in names if name in each} for each in found]
        kept = replace(page, told={})
        self._given.keep(self, Last(sought, limit, marks, kept), size)
        return kept
