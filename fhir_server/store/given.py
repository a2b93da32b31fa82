"""Given: pages that doors gave, kept so that what stands unchanged is not fetched and told anew (docs/adr/0046).

May live here: what a page was asked for by, what was found for it, and how much is kept in all. May not know: who may
see what; a door keeps its own page for its own asker.

INVARIANT (asked each time): which documents a page shows is found in the database with the guard each time, and so is
all that is known of each but its text. A text is that of a version, and nobody changes that: it stands for the same
version of the same moment alone.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bson import encode

from fhir_server.store.ordering import Sought
from fhir_server.store.pages import Page
from fhir_server.store.shared_pages import QUICK, SMALL, Again, Now, SharedPages, marks_of

_OF_FACTS = 8
"""How many bytes a byte of stored facts takes in memory: 6 to 9, by what was measured."""
_BESIDE = 1_024
"""Bytes that a version takes beside its facts and its text."""
_NOTHING = (0, None)
_OF_A_COPY = 512
"""About the bytes of what a document keeps of another that it names."""
SLOW = 2 * QUICK
"""Seconds: a page that takes as long is slow by itself, and was not only held up by one that is."""
SUSPECTED = 16
"""How many pages a door asks for by itself after one that was large or slow."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Last:
    """The last question that a door was asked for a page, with all that was found for it, and the page.

    Without a page it was asked once: what is not asked again is not kept. `again` is by what its marks are asked
    for the next time, and how the database told them.
    """

    sought: Sought
    limit: int
    found: Sequence[Document] = ()
    page: Page = field(default_factory=Page)
    again: Again | None = None

    def with_texts(self, marks: Sequence[Document]) -> list[Document] | None:
        """What these marks stand for, with the texts that are kept; None where one of them is not."""
        texts = {(each["_id"], each["version"], each["updated"]): each.get("body") for each in self.found}
        known = [texts.get((each["_id"], each["version"], each["updated"])) for each in marks]
        return [{**mark, "body": text} for mark, text in zip(marks, known, strict=True)] if None not in known else None


class Given:
    """How much the pages take that the doors of a process keep, about `most` bytes in all. The oldest make room.

    A page is kept by its door and goes with it: with what was remembered of a record goes what it said.
    """

    def __init__(self, most: int) -> None:
        """0 keeps none. `bytes` is what is kept now, as it was reckoned."""
        self.bytes = 0
        self._most = most
        self._kept: dict[int, tuple[int, weakref.ref[Place]]] = {}
        self._lock = threading.RLock()  # a door may end in the middle of it, in this very thread

    def put(self, place: Place, last: Last, size: int) -> None:
        """Keep it there, in place of what was; nothing is reckoned with that has no page."""
        me = id(place)
        with self._lock:
            self._out(me)
            place.last = last
            if size:
                self._kept[me] = size, weakref.ref(place, lambda _: self._out(me))
                self.bytes += size
            while self.bytes > self._most:
                oldest = next(iter(self._kept))
                kept = self._kept[oldest][1]()
                if kept is not None:
                    kept.last = None
                self._out(oldest)

    def _out(self, which: int) -> None:
        with self._lock:
            size, _ = self._kept.pop(which, _NOTHING)
            self.bytes -= size


class Place:
    """Where one door keeps its last page, and what it knows of how much its pages are.

    Its pages may go with those of others, but for the first, and for those that come after one that was large or slow.
    """

    def __init__(self, given: Given) -> None:
        self.last: Last | None = None
        self._given = given
        self._alone = 1

    def of(self, sought: Sought, limit: int) -> Last | None:
        """What was kept of this very question."""
        last = self.last
        return last if last is not None and last.sought is sought and last.limit == limit else None

    def asks(self, sought: Sought, limit: int, pages: SharedPages) -> Page | tuple[list[Document], bytes | None]:
        """The page that was given if it is the same; else what is found, and how MongoDB told the marks of it.

        One round trip; two where a text is not kept that was, or where those who went together had no answer.
        """
        began, last, shared = time.monotonic(), self.of(sought, limit), not self._alone
        now = Now()
        if last is not None and last.again is not None:
            now = pages.again(last.again, shared=shared)
            if now.same:
                self._took(time.monotonic() - began)
                return last.page
        found = last.with_texts(now.documents) if last is not None and now.documents is not None else None
        told = (found, now.seen) if found is not None else (pages.anew(sought.whole(limit + 1), shared=shared), None)
        self._took(time.monotonic() - began, told[0])
        return told

    def _took(self, seconds: float, found: Sequence[Document] = ()) -> None:
        if seconds > SLOW or sum(map(_much, found)) > SMALL:
            self._alone = SUSPECTED
        elif self._alone:
            self._alone -= 1

    def gave(self, last: Last, seen: bytes | None) -> Page:
        """The page that was given; it is kept if the same was asked before, and something is in it.

        `seen` is how the database told its marks, if it did.
        """
        again = self.of(last.sought, last.limit) is not None
        if not (again and last.found):
            self._given.put(self, Last(last.sought, last.limit), 0)
            return last.page
        page = replace(last.page, told={})
        asked = last.sought.marked(last.limit + 1)
        once_more = Again(asked, seen, () if seen is None else marks_of(asked, seen))
        size = sum(map(_size, last.found)) + 2 * len(seen or b"")
        self._given.put(self, replace(last, page=page, again=once_more), size)
        return page


def _much(document: Document) -> int:
    """About the bytes that are fetched of a document; asked of every page, so it is reckoned by what may be many."""
    facts = document.get("facts", {})
    copies = sum(len(facts.get(name, ())) for name in ("mentions", "held", "names", "about"))
    return len(document.get("body") or "") + _OF_A_COPY * copies


def _size(document: Document) -> int:
    """About the bytes that a version takes, whose text is kept twice: as it is stored, and as it was told."""
    body = document.get("body") or ""
    return sys.getsizeof(body) + len(body) + _OF_FACTS * len(encode(document.get("facts", {}))) + _BESIDE
