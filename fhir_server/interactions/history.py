"""history of an instance: https://hl7.org/fhir/R4/http.html#history, newest first, a deletion without a resource."""

from __future__ import annotations

from typing import Any

from fhir_server.consent.obligations import apply
from fhir_server.foundation.moment import from_micros, instant
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse, query_text
from fhir_server.interactions.subject import of_instance
from fhir_server.store.documents import Stored

_STATUS = {"POST": "201", "PUT": "200", "PATCH": "200", "DELETE": "204"}


def run(visit: Visit) -> FhirResponse:
    """A Bundle of type history; `_count` bounds a page, `_before` (a version) is how its next link goes on."""
    limit, before = _asked(visit)
    scope = visit.scoped("r")
    door = visit.door(of_instance(visit.route, visit.house, visit.unit)).within(scope)
    versions, total = door.history(visit.route.type, visit.route.id, limit + 1, before)
    if not total:
        raise visit.unseen()
    shown = versions[:limit]
    visit.disclosed(shown)
    url = f"{visit.request.base}/{visit.route.type}/{visit.route.id}/_history"
    links = [{"relation": "self", "url": _link(url, limit, before)}]
    if len(versions) > limit:
        links.append({"relation": "next", "url": _link(url, limit, shown[-1].version)})
    body = answers.bundle(
        "history",
        [_entry(visit, each) for each in shown],
        id_=visit.house.ids(),
        now=visit.house.clock(),
        total=total,
        link=links,
    )
    return FhirResponse(200, body)


def _asked(visit: Visit) -> tuple[int, int | None]:
    limit, before = visit.house.limits.default_page, None
    for name, value in visit.request.query:
        if (
            name not in ("_count", "_before")
            or not (value.isascii() and value.isdecimal())
            or not 0 < int(value) < 2**31
        ):
            raise bad_request(f"`{name}={value}` is not supported on a history", name)
        if name == "_count":
            limit = min(int(value), visit.house.limits.page)
        else:
            before = int(value)
    return limit, before


def _link(url: str, limit: int, before: int | None) -> str:
    asked = (("_count", str(limit)),) if before is None else (("_count", str(limit)), ("_before", str(before)))
    return f"{url}?{query_text(asked)}"


def _entry(visit: Visit, version: Stored) -> dict[str, Any]:
    entry: dict[str, Any] = {"fullUrl": f"{visit.request.base}/{version.id}"}
    if version.method != "DELETE":
        entry["resource"] = answers.fragment(apply(visit.obligations, version))
    entry["request"] = {
        "method": version.method,
        "url": version.type if version.method == "POST" else version.id,
    }
    entry["response"] = {
        "status": _STATUS[version.method],
        "etag": answers.etag(version.version),
        "lastModified": instant(from_micros(version.updated)),
    }
    return entry
