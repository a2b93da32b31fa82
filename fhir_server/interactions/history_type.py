"""history of a type: https://hl7.org/fhir/R4/http.html#history, all versions of all that may be seen, newest first.

May live here: walking them page by page, each page decided anew; a place in the order is sealed to its asker and to
what was asked, as a search's is. May not know: who may see what: a version is shown where it may be seen and what
became of it may be (`VisibleStore.versions`). It spans the records that a search without a patient spans.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers, history, search
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse, query_text
from fhir_server.interactions.subject import of_type
from fhir_server.search import cursor
from fhir_server.search.special import PAGE
from fhir_server.store.documents import Stored

Place = tuple[int, str, int]
"""Where a version stands in the order: when it was made (microseconds), `Type/id`, version."""
_STEP = 200
Versions: TypeAlias = "Callable[[Place | None], Iterable[Stored]]"
"""The versions that may be seen after a place, the newest first."""


@dataclass(frozen=True, slots=True)
class Found:
    """The versions of a page, and whether there are more."""

    shown: list[Stored]
    more: bool


def run(visit: Visit) -> FhirResponse:
    """A Bundle of type history: `_since`, `_at` and `_count` as for one resource, `total` where all is on one page.

    Raises Problem 400 for any other parameter, and where the records it spans are too many.
    """
    asked, sealed = read(visit)
    scope = visit.scoped("s")
    subject = of_type(visit.route.type, visit.principal, visit.house)
    door = visit.door(subject).within(scope)
    found = walk(visit, asked, sealed, lambda start: door.versions(visit.route.type, start, asked.since, step(asked)))
    search.note(visit, subject, found.shown, [])
    made = door.recreated(visit.route.type, replaced(found.shown))
    return told(visit, asked, sealed, found, made)


def read(visit: Visit) -> tuple[history.Asked, str | None]:
    """What the request asks of a history, and the place where its page begins, still sealed. Raises Problem 400."""
    sealed = [value for name, value in visit.request.query if name == PAGE]
    if len(sealed) > 1:
        raise bad_request(f"`{PAGE}` is said twice", PAGE)
    kept = tuple(pair for pair in visit.request.query if pair[0] != PAGE)
    reading = replace(visit, request=replace(visit.request, query=kept))
    asked = history.read(reading)
    visit.shape = reading.shape
    if asked.before is not None:
        raise bad_request("`_before` is not supported on this history", "_before")
    return asked, sealed[0] if sealed else None


def replaced(versions: Iterable[Stored]) -> list[Stored]:
    """Those that may have been made where something was deleted."""
    return [each for each in versions if each.method == "PUT"]


def told(
    visit: Visit, asked: history.Asked, sealed: str | None, found: Found, made: Collection[tuple[str, int]]
) -> FhirResponse:
    """The page: a Bundle of type history; the versions `made` where there was nothing are told as such."""
    links = [{"relation": "self", "url": _url(visit, asked, sealed)}]
    if found.more:
        token = cursor.seal(visit.house.seal_key, search.asker(visit), _said(visit, asked), place_of(found.shown[-1]))
        links.append({"relation": "next", "url": _url(visit, asked, token)})
    body = answers.bundle(
        "history",
        [history.entry(visit, each, made=each.version == 1 or (each.id, each.version) in made) for each in found.shown],
        id_=visit.house.ids(),
        now=visit.house.clock(),
        total=None if found.more or sealed else len(found.shown),
        link=links,
    )
    return FhirResponse(200, body)


def walk(visit: Visit, asked: history.Asked, sealed: str | None, versions: Versions) -> Found:
    """A page of the versions that there are from a place on (None: from the newest).

    From the newest on where it matters what came after a version (`_at`), else from the place of the page on.
    """
    place = _opened(visit, asked, sealed) if sealed else None
    shown: list[Stored] = []
    until: dict[str, int] = {}
    start = None if asked.at is not None else place
    for version in versions(start):
        if asked.takes(version, until.get(version.id)) and (place is None or place_of(version) < place):
            if len(shown) == asked.limit:
                return Found(shown, more=True)
            shown.append(version)
        if asked.at is not None:
            until[version.id] = version.updated
    return Found(shown, more=False)


def step(asked: history.Asked) -> int:
    """How many versions are fetched in one go: a page and one more, or many where all are looked at (`_at`)."""
    return min(asked.limit + 1, _STEP) if asked.at is None else _STEP


def place_of(version: Stored) -> Place:
    """Where a version stands in the order."""
    return version.updated, version.id, version.version


def _opened(visit: Visit, asked: history.Asked, sealed: str) -> Place:
    place: Sequence[int | str] = cursor.open_(visit.house.seal_key, search.asker(visit), _said(visit, asked), sealed)
    updated, id_, version = place
    return int(updated), str(id_), int(version)


def _said(visit: Visit, asked: history.Asked) -> str:
    """What the pages of one history have in common."""
    said = json.dumps(["_history", visit.route.type, *asked.said, asked.limit], ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _url(visit: Visit, asked: history.Asked, sealed: str | None) -> str:
    said = (("_count", str(asked.limit)), *asked.said, *visit.request.aside, *(((PAGE, sealed),) if sealed else ()))
    where = "/".join(step for step in (visit.request.base, visit.route.type, "_history") if step)
    return f"{where}?{query_text(said)}"
