"""`$meta`, `$meta-add`, `$meta-delete`: https://hl7.org/fhir/R4/resource-operations.html.

A label hides things: to add or lift one is a patch of its resource, decided, restamped and put on record as that patch
(docs/adr/0012). What is asked of a type or of everything is `meta_in_use.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from fhir_server.consent.obligations import apply
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers, parameters, patch, update
from fhir_server.interactions import read as reading
from fhir_server.interactions.operations import meta_in_use, telling
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.routes import ROUTES
from fhir_server.interactions.subject import of_instance

Meta = dict[str, Any]
LISTS = ("profile", "tag", "security")
OURS = frozenset({"versionId", "lastUpdated"})
"""What the server writes; it is passed by when it is sent (R4: it cannot be changed so)."""
_PATCH = next(row for row in ROUTES if row.method == "PATCH")


def read(visit: Visit) -> FhirResponse:
    """200 with Parameters `return`; 404 as a read, 400 and 403 of a type or of everything as a search."""
    parameters.of(visit.request, ())
    if not visit.route.id:
        return _told(meta_in_use.found(visit), {})
    door = visit.door(of_instance(visit.route, visit.house, visit.unit)).within(visit.scoped("r"))
    found = door.read(visit.route.type, visit.route.id)
    if found is None:
        raise reading.missing(visit, door)
    telling.disclosed(visit, found, [found])
    meta = apply(visit.obligations, found).resource().get("meta", {})
    return _told(meta, answers.versioned(found))


def add(visit: Visit) -> FhirResponse:
    """200 with the metadata there is now; 404, 403 and 422 as a patch that adds it."""
    return _changed(visit, added)


def take(visit: Visit) -> FhirResponse:
    """200 with the metadata there is now; 404, 403 and 422 as a patch that removes it."""
    return _changed(visit, without)


def added(meta: Meta, more: Meta) -> Meta:
    """The metadata with what it has not yet of more."""
    made = dict(meta)
    for name in LISTS:
        known = {_key(each) for each in meta.get(name, [])}
        fresh = [each for each in more.get(name, []) if _key(each) not in known]
        if fresh:
            made[name] = [*meta.get(name, []), *fresh]
    return made


def without(meta: Meta, less: Meta) -> Meta:
    """The metadata without what is said; what it has not is passed by."""
    made = dict(meta)
    for name in LISTS:
        gone = {_key(each) for each in less.get(name, [])}
        kept = [each for each in meta.get(name, []) if _key(each) not in gone]
        made.pop(name, None)
        if kept:
            made[name] = kept
    return made


def _key(each: Any) -> Any:
    """A profile is itself; a coding is its system and code."""
    return (each.get("system"), each.get("code")) if isinstance(each, dict) else each


def _changed(visit: Visit, change: Callable[[Meta, Meta], Meta]) -> FhirResponse:
    given = parameters.of(visit.request, visit.route.operates.parameters)["meta"]
    strange = sorted(set(given) - OURS - set(LISTS))
    if strange:
        raise bad_request(f"`{strange[0]}` of the metadata is not changed so", "meta", "not-supported")
    visit.route = replace(visit.route, row=_PATCH, operation="").at(visit.route.id)
    visit.request = replace(visit.request, returning="representation", if_none_match=None)
    before = update.current(visit)
    if before is None:
        raise visit.unseen()
    shown = before.resource()
    with update.telling(visit, before):
        meta = change(shown.get("meta", {}), given)
        answered = patch.landed(visit, before, {**shown, "meta": meta})
    return _told(json.loads(answered.body).get("meta", {}), answered.headers)


def _told(meta: Meta, headers: Any) -> FhirResponse:
    kept = {name: value for name, value in headers.items() if name in ("ETag", "Last-Modified")}
    return FhirResponse(200, orjson.dumps(parameters.answered("return", "Meta", meta)), answers.JSON, kept)
