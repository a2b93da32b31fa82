"""history of an instance: https://hl7.org/fhir/R4/http.html#history, newest first, a deletion without a resource."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.consent.obligations import apply
from fhir_server.foundation.moment import Interval, from_micros, instant, interval
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers, summary
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse, Pairs, query_text
from fhir_server.interactions.subject import of_instance
from fhir_server.interactions.summary import cut
from fhir_server.store.documents import Stored
from fhir_server.store.visible import VisibleStore

_STATUS = {"POST": "201", "PUT": "200", "PATCH": "200", "DELETE": "204"}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_STEP = 100
"""How many versions are looked at in one round trip when only some of them are asked for."""


def run(visit: Visit) -> FhirResponse:
    """A Bundle of type history; `_count` bounds a page, `_before` (a version) is how its next link goes on.

    `_since` (an instant) keeps the versions made at or after it, `_at` (a date) those that were current at some time
    of it. Raises Problem 400 for any other parameter.
    """
    asked = read(visit)
    scope = visit.scoped("r")
    door = visit.door(of_instance(visit.route, visit.house, visit.unit)).within(scope)
    versions, total = door.history(visit.route.type, visit.route.id, asked.limit + 1, asked.before)
    if not total:
        raise visit.unseen()
    older = versions[asked.limit :]
    shown = versions[: asked.limit]
    again: Collection[tuple[str, int]] = ()
    if asked.since is not None or asked.at is not None:
        shown, older, total = _chosen(visit, door, asked)
        # the deletion before one of them may be none of those asked for
        again = door.recreated(visit.route.type, [each for each in shown if each.method == "PUT"])
    if shown:
        visit.disclosed(shown)
    else:
        visit.note(patient=next(iter(visit.subject.patients), None), granted=visit.granted)
    links = [{"relation": "self", "url": _link(visit, asked, asked.before)}]
    if older:
        links.append({"relation": "next", "url": _link(visit, asked, shown[-1].version)})
    body = answers.bundle(
        "history",
        [
            entry(visit, each, made=_made(each, before) or (each.id, each.version) in again)
            for each, before in zip(shown, [*shown[1:], *older[:1], None], strict=False)
        ],
        id_=visit.house.ids(),
        now=visit.house.clock(),
        total=total,
        link=links,
    )
    return FhirResponse(200, body)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a history: `since` in microseconds; `said` is what its links repeat."""

    limit: int
    before: int | None = None
    since: int | None = None
    at: Interval | None = None
    said: Pairs = ()

    def takes(self, version: Stored, until: int | None) -> bool:
        """Whether a version that was current up to `until` (None: it still is) is among those asked for."""
        if self.since is not None and version.updated < self.since:
            return False
        return self.at is None or (version.updated <= self.at.hi and (until is None or until > self.at.lo))


def read(visit: Visit) -> Asked:
    """What the request asks of a history. Raises Problem 400."""
    house = visit.house
    asked = Asked(house.limits.default_page)
    names: set[str] = set()
    for name, value in visit.request.query:
        if name in ("_format", "_pretty"):
            continue
        if name in names:
            raise bad_request(f"`{name}` is said twice", name)
        names.add(name)
        match name:
            case "_count":
                asked = replace(asked, limit=min(_number(name, value), house.limits.page))
            case "_before":
                asked = replace(asked, before=_number(name, value))
            case "_since" if _INSTANT.fullmatch(value):
                asked = replace(asked, since=_moment(name, value).lo, said=(*asked.said, (name, value)))
            case "_at":
                asked = replace(asked, at=_moment(name, value), said=(*asked.said, (name, value)))
            case "_summary" | "_elements":
                asked = replace(asked, said=(*asked.said, (name, value)))
            case _:
                raise bad_request(f"`{name}={value}` is not supported on a history", name)
    visit.shape = summary.of((visit.route.type,) if visit.route.type else (), asked.said) if asked.said else None
    return asked


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or not 0 < int(value) < 2**31:
        raise bad_request(f"`{name}={value}` is not supported on a history", name)
    return int(value)


def _moment(name: str, value: str) -> Interval:
    try:
        return interval(value)
    except ValueError:
        raise bad_request(f"`{name}` takes a date or an instant; a plus sign is written `%2B`", name) from None


def _chosen(visit: Visit, door: VisibleStore, asked: Asked) -> tuple[list[Stored], list[Stored], int]:
    """Of the versions asked for: those of the page, the first one after it, and how many there are in all."""
    page: list[Stored] = []
    total, until, before = 0, None, None
    while True:
        versions, _ = door.history(visit.route.type, visit.route.id, _STEP, before)
        for version in versions:
            if asked.takes(version, until):
                total += 1
                if len(page) <= asked.limit and (asked.before is None or version.version < asked.before):
                    page.append(version)
            until = version.updated
        if len(versions) < _STEP:
            return page[: asked.limit], page[asked.limit :], total
        before = versions[-1].version


def _link(visit: Visit, asked: Asked, before: int | None) -> str:
    url = f"{visit.request.base}/{visit.route.type}/{visit.route.id}/_history"
    said = (("_count", str(asked.limit)), *asked.said, *visit.request.aside)
    return f"{url}?{query_text(said if before is None else (*said, ('_before', str(before))))}"


def _made(version: Stored, before: Stored | None) -> bool:
    """Whether something was made where nothing was, or where it had been deleted."""
    return version.version == 1 or (before is not None and before.method == "DELETE")


def entry(visit: Visit, version: Stored, *, made: bool) -> dict[str, Any]:
    """One version as its history tells it; `made`: a PUT of it made something where nothing was."""
    told: dict[str, Any] = {"fullUrl": f"{visit.request.base}/{version.id}"}
    if version.method != "DELETE":
        told["resource"] = answers.fragment(cut(visit.shape, apply(visit.obligations, version)))
    told["request"] = {
        "method": version.method,
        "url": version.type if version.method == "POST" else version.id,
    }
    told["response"] = {
        "status": "201" if made and version.method == "PUT" else _STATUS[version.method],
        "etag": answers.etag(version.version),
        "lastModified": instant(from_micros(version.updated)),
    }
    return told
