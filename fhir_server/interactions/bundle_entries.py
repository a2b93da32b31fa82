"""The entries of a batch or transaction, read: https://hl7.org/fhir/R4/bundle.html#invs.

May live here: from an entry to the request it is, and what is refused of one before anything is asked. May not know:
what becomes of it. Of a batch, an entry that cannot be read fails alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fhir_server.foundation.problem import Problem, bad_request, problem
from fhir_server.interactions import bodies
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirRequest
from fhir_server.resources import json_text, references
from fhir_server.resources.binary import content_of

ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
# What is posted to be asked, and may have nothing to bring: a search, an operation.
_ASKS = re.compile(r"(?:^|/)(?:_search|\$[A-Za-z0-9\-]+)/?(?:\?|$)")
_CONDITIONS = ("ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist")


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: where it stood, the request it is, the id its POST will get; `refused` if it cannot be read."""

    index: int
    request: FhirRequest
    full_url: str
    assigned: str | None = None
    refused: Problem | None = None


def items_of(visit: Visit, bundle: dict[str, Any], kind: Any) -> list[Item]:
    """The entries in their order. Raises Problem 400 for what cannot be read, 413 for too many."""
    entries = bundle.get("entry", [])
    limit = visit.house.limits.entries
    if not isinstance(entries, list):
        raise bad_request("`Bundle.entry` is not an array", "Bundle.entry")
    if len(entries) > limit:
        raise problem(413, "too-costly", f"a bundle holds at most {limit} entries", "Bundle.entry")
    return [_read(visit, entry, index, kind) for index, entry in enumerate(entries)]


def _read(visit: Visit, entry: Any, index: int, kind: Any) -> Item:
    """An entry; of a batch, one that cannot be read fails alone: https://hl7.org/fhir/R4/http.html#brules."""
    try:
        return _item(visit, entry, index, kind)
    except Problem as unread:
        if kind == "transaction":
            raise unread.at(f"Bundle.entry[{index}]") from unread
        return Item(index, visit.request, "", refused=unread)


def check(bundle: dict[str, Any], items: list[Item]) -> list[Item]:
    """Whether the bundle itself is valid; its resources are looked at one by one. Raises Problem 400, 422.

    An entry of a batch that is not valid is refused alone.
    """
    read = [item for item in items if item.refused is None]
    entries = [
        {name: each for name, each in bundle["entry"][item.index].items() if name != "resource"} for item in read
    ]
    names = [each["fullUrl"] for each in entries if isinstance(each.get("fullUrl"), str)]
    if len(set(names)) != len(names):
        raise bad_request("two entries have the same `fullUrl`", "Bundle.entry.fullUrl", "duplicate")
    alone = {name: each for name, each in bundle.items() if name != "entry" or not items}
    try:
        bodies.checked({**alone, "entry": entries} if entries else alone)
    except Problem:
        if bundle["type"] == "transaction":
            raise
        bodies.checked(alone)
        valid = {item.index: _valid(alone, item, entry) for item, entry in zip(read, entries, strict=True)}
        if not any(item.refused for item in valid.values()):
            raise
        return [valid.get(item.index, item) for item in items]
    return items


def _valid(bundle: dict[str, Any], item: Item, entry: dict[str, Any]) -> Item:
    try:
        bodies.checked({**bundle, "entry": [entry]})
    except Problem as unfit:
        here = f"Bundle.entry[{item.index}]"
        issues = [
            replace(each, expression=(each.expression or "").replace("Bundle.entry[0]", here)) for each in unfit.issues
        ]
        return replace(item, refused=Problem(unfit.status, tuple(issues)))
    return item


def _item(visit: Visit, entry: Any, index: int, kind: Any) -> Item:
    where = f"Bundle.entry[{index}]"
    asked = entry.get("request") if isinstance(entry, dict) else None
    if not (
        isinstance(asked, dict)
        and isinstance(asked.get("url"), str)
        and isinstance(asked.get("method"), str)
        and asked["method"] in ORDER
    ):
        raise bad_request("an entry needs a `request` with a method and a url", f"{where}.request")
    url, method, base = asked["url"], asked["method"], visit.request.base
    if url.startswith((f"{base}/", f"{base}?")):
        url = url[len(base) :].removeprefix("/")
    # a query alone searches several types (https://hl7.org/fhir/R4/http.html#search), and writes nothing
    if _SCHEME.match(url) or url.startswith("/") or not url or (url[0] == "?" and method not in ("GET", "HEAD")):
        raise bad_request("the url of an entry is relative to this server and names a type", f"{where}.request.url")
    resource = entry.get("resource")
    if resource is not None and not (isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)):
        raise bad_request("the resource of an entry is an object with a `resourceType`", f"{where}.resource")
    if resource is None and (method in ("PUT", "PATCH") or (method == "POST" and not _ASKS.search(url))):
        raise bad_request(f"an entry that is a {method} needs a resource", f"{where}.resource")
    conditions = {name: asked.get(name) for name in _CONDITIONS}
    if any(value is not None and not isinstance(value, str) for value in conditions.values()):
        raise bad_request("a condition is a string", f"{where}.request")
    request = visit.request.about(
        method,
        url,
        resource=resource,
        if_match=conditions["ifMatch"],
        if_none_match=conditions["ifNoneMatch"],
        if_modified_since=conditions["ifModifiedSince"],
        if_none_exist=conditions["ifNoneExist"],
        returning="minimal" if visit.request.returning == "minimal" else "representation",
        native=False,
        entry=kind,
    )
    if method == "POST" and request.steps[-1:] == ("_search",):
        request = _searching(request, f"{where}.resource")
    if method == "PATCH":
        request = _patching(request, f"{where}.resource")
    creates = method == "POST" and len(request.steps) == 1
    item = Item(index, request, str(entry.get("fullUrl", "")))
    if kind == "transaction":
        return replace(item, assigned=visit.house.ids()) if creates else item
    return _naming_itself(visit, item, creates=creates)


def _naming_itself(visit: Visit, item: Item, *, creates: bool) -> Item:
    """An entry of a batch with the references to itself in place: only those to another need a transaction."""
    request, name = item.request, item.full_url
    resource = request.resource
    if not name.startswith("urn:") or resource is None or not (creates or len(request.steps) == 2):
        return item
    if name not in (each.text for each in references.find(resource)):
        return item
    assigned = visit.house.ids() if creates else None
    here = f"{request.steps[0]}/{assigned or request.steps[1]}"
    resource = references.rewrite(resource, {name: here})
    return replace(item, request=replace(request, resource=resource, assigned=assigned), assigned=assigned)


def _searching(request: FhirRequest, where: str) -> FhirRequest:
    """A search that is posted brings its criteria as Parameters, where alone it would be a form."""
    resource = request.resource
    if resource is None:
        return request
    said = resource.get("parameter", [])
    if resource["resourceType"] != "Parameters" or not isinstance(said, list):
        raise bad_request("a search is posted with its criteria as Parameters", where)
    asked = tuple(_criterion(each, f"{where}.parameter[{at}]") for at, each in enumerate(said))
    return replace(request, query=(*request.query, *asked), resource=None)


def _criterion(said: Any, where: str) -> tuple[str, str]:
    """Name and text of a criterion. Raises Problem 400 for what is none."""
    name = said.get("name") if isinstance(said, dict) else None
    values = [each for key, each in said.items() if key != "name"] if isinstance(name, str) else []
    if len(values) == 1 and isinstance(values[0], str | int | Decimal):
        return str(name), ("false", "true")[values[0]] if isinstance(values[0], bool) else str(values[0])
    raise bad_request("a criterion of a search is a parameter with a text or a number", where)


def _patching(request: FhirRequest, where: str) -> FhirRequest:
    """A JSON Patch stands in a bundle as the Binary that holds it: https://hl7.org/fhir/R4/http.html#patch."""
    sent = request.resource or {}
    if (sent.get("resourceType"), sent.get("contentType")) != ("Binary", "application/json-patch+json"):
        return request
    try:
        text = content_of(sent)
    except ValueError:
        raise bad_request("the `data` of the patch is not base64", f"{where}.data") from None
    return replace(request, resource=None, patch=json_text.read_array(text))
