"""Telling: how what an operation shows stands in the ledger, and how its pages are sealed.

May live here: the note of an operation, and its place in an order. May not know: what any operation shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import query_text
from fhir_server.interactions.search import asker
from fhir_server.search import cursor
from fhir_server.search.special import PAGE
from fhir_server.store.documents import Stored


def disclosed(visit: Visit, because: Stored, shown: Iterable[Stored]) -> None:
    """One deed for each owner of the resource that was asked about, and it hides with that resource (decisions 16).

    It names what was asked. All that was `shown` is kept beside it, as of every disclosure (decisions 20).
    """
    versions = list(shown)
    for owner in because.facts.get("patients") or (None,):
        visit.entry.add(
            "operation",
            visit.request.path,
            patient=owner,
            query=query_text(visit.request.query),
            granted=visit.granted,
            disclosed=tuple(each.id for each in versions),
            about=({"id": because.id, **because.facts},),
        )
        visit.announce({owner: [each for each in versions if owner in each.facts.get("patients", ())]})


def position(visit: Visit, asked: Sequence[tuple[str, str]], sealed: str | None) -> list[Any] | None:
    """The place that a page goes on from. Raises Problem 400 for one of another asker or another question."""
    if sealed is None:
        return None
    return list(cursor.open_(visit.house.seal_key, asker(visit), _fingerprint(visit, asked), sealed))


def links(visit: Visit, asked: Sequence[tuple[str, str]], after: Sequence[Any] | None) -> list[dict[str, str]]:
    """The self link, and the next one where there is more."""
    url = f"{visit.request.base}/{visit.request.path}"
    said = (*asked, *visit.request.aside)
    made = [{"relation": "self", "url": _url(url, said)}]
    if after is not None:
        sealed = cursor.seal(visit.house.seal_key, asker(visit), _fingerprint(visit, asked), list(after))
        made.append({"relation": "next", "url": _url(url, (*said, (PAGE, sealed)))})
    return made


def _fingerprint(visit: Visit, asked: Sequence[tuple[str, str]]) -> str:
    said = json.dumps([visit.request.path, *map(list, asked)], ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _url(url: str, asked: Sequence[tuple[str, str]]) -> str:
    return f"{url}?{query_text(tuple(asked))}" if asked else url
