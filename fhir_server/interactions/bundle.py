"""batch and transaction: https://hl7.org/fhir/R4/http.html#transaction.

Every entry goes back through `pipeline.handle`: decided upon, scoped and noted as if it had come alone. A transaction
is one MongoDB transaction; its entries run in the order the specification gives, and answer in the order they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from fhir_server.definitions.library import load
from fhir_server.foundation.moment import from_micros, instant
from fhir_server.foundation.problem import Issue, Problem, bad_request, problem
from fhir_server.interactions import (
    answers,
    bodies,
    conditional,
    consents,
    meant,
    patched,
    pipeline,
    provide,
    replacing,
)
from fhir_server.interactions.bundle_entries import ORDER, Item, check, items_of
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse, query_text
from fhir_server.resources import references
from fhir_server.store.changes import Unit
from fhir_server.store.documents import Stored

Relative = tuple[str, str, str]
"""The base and the `Type/id` that a name is made of, and the `Type/id` of what is named."""


def run(visit: Visit) -> FhirResponse:
    """A batch-response or transaction-response; a transaction that fails is one OperationOutcome and stores nothing."""
    bundle = visit.request.resource
    if bundle is None or bundle.get("resourceType") != "Bundle":
        raise bad_request("the base takes a Bundle of type batch or transaction", "Bundle")
    kind = bundle.get("type")
    if kind not in ("batch", "transaction"):
        raise bad_request("`Bundle.type` must be batch or transaction", "Bundle.type")
    items = check(bundle, items_of(visit, bundle, kind))
    return _batch(visit, items) if kind == "batch" else _transaction(visit, items)


# --- batch


def _batch(visit: Visit, items: list[Item]) -> FhirResponse:
    urls = {item.full_url for item in items if item.full_url.startswith("urn:")}
    answered = [_alone(visit, item, urls) for item in items]
    return _response(visit, "batch-response", answered)


def _alone(visit: Visit, item: Item, urls: set[str]) -> dict[str, Any]:
    begun = len(visit.entry.deeds)
    try:
        if item.refused is not None:
            raise item.refused
        if urls and not urls.isdisjoint(_named_by(item)):
            raise bad_request("an entry of a batch may not refer to another; use a transaction")
        made = pipeline.handle(item.request, visit.principal, visit.house, visit.entry)
    except Problem as refused:
        visit.entry.refuse_all(refused, begun)
        return {
            "response": {"status": _status(refused.status), "outcome": answers.outcome(refused.issues)},
        }
    return _entry(item, made)


def _named_by(item: Item) -> Iterator[str]:
    """What an entry names or may name: the links of a resource, whatever a JSON Patch says."""
    if item.request.resource is not None:
        yield from (text for _, text, _ in references.find(item.request.resource))
    yield from patched.texts(item.request.patch or [])


# --- transaction


def _transaction(visit: Visit, items: list[Item]) -> FhirResponse:

    def work(inner: Visit) -> FhirResponse:
        unit = inner.unit
        assert unit is not None  # noqa: S101 - atomically gives one
        settled = _settled(inner, items, unit)
        submission = provide.submission_of(settled)
        again = provide.again(inner, submission, settled) if submission else None
        if again is not None:
            return again
        ready = _linked(inner, settled)
        _check_apart(ready)
        if submission:
            provide.check(inner, ready)
        mark = inner.entry.mark()
        made = _in_order(inner, ready, unit)
        if submission:
            inner.entry.as_submission(mark, provide.patient_of(ready))
        return _response(inner, "transaction-response", made)

    return pipeline.atomically(visit, work)


def _settled(visit: Visit, items: list[Item], unit: Unit) -> list[Item]:
    """The entries with what each condition finds: it is asked of what stands before anything is written."""
    asked: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    made = []
    for item in items:
        try:
            condition = meant.condition_of(item.request)
            if condition is None:
                made.append(item)
                continue
            said = (item.request.steps[0], tuple(sorted(condition)))
            if said in asked:
                raise bad_request("two entries have the same condition", code="duplicate")
            asked.add(said)
            found = meant.of(pipeline.enter(item.request, visit.principal, visit.house, visit.entry, unit))
        except Problem as refused:
            raise _at(item, refused) from refused
        made.append(_meaning(visit, item, found))
    return made


def _meaning(visit: Visit, item: Item, found: Stored | None) -> Item:
    request = replace(item.request, meant=() if found is None else (found,))
    assigned = item.assigned if found is None else None
    if found is None and request.method == "PUT" and request.resource is not None and "id" not in request.resource:
        assigned = visit.house.ids()
    return replace(item, request=replace(request, assigned=assigned), assigned=assigned)


def _check_apart(items: list[Item]) -> None:
    """Raise Problem 412 where another entry makes what a condition did not find: there would be two."""
    making = {
        target: item
        for item in items
        if item.request.resource
        and not item.request.meant
        and item.request.method in ("POST", "PUT")
        and (target := _target(item)) is not None
    }
    for item in items:
        condition = meant.condition_of(item.request) if item.request.meant == () else None
        if condition is None or item.request.method not in ("POST", "PUT"):
            continue
        type_ = item.request.steps[0]
        others = {
            target: each.request.resource or {}
            for target, each in making.items()
            if each is not item and target.startswith(f"{type_}/")
        }
        if conditional.here(f"{type_}?{query_text(condition)}", others, item.request.base):
            raise _at(item, problem(412, "multiple-matches", "another entry makes what the condition looks for"))


def _linked(visit: Visit, items: list[Item]) -> list[Item]:
    """The entries with every reference between them, and every conditional one, put in place."""
    mapping: dict[str, str] = {}
    targets: set[str] = set()
    relative: list[Relative] = []
    for item in items:
        target = _target(item)
        if target is not None and target in targets:
            raise _at(item, bad_request(f"`{target}` is written twice in one transaction", code="duplicate"))
        if target is None:
            continue
        targets.add(target)
        if item.full_url:
            mapping[item.full_url] = target
            relative += [(*parts, target) for parts in _parts(item.full_url) if parts[1] != target]
    mapping.update(_meant(visit, items))
    return [_link(visit, item, {**_beside(item, relative), **mapping}) for item in items]


def _parts(full_url: str) -> list[tuple[str, str]]:
    """The base of a server elsewhere and the `Type/id` below it; nothing of another URL."""
    steps = full_url.rsplit("/", 2)
    known = full_url.startswith(("http://", "https://")) and references.local("/".join(steps[-2:]))
    return [(steps[0], known)] if known else []


def _beside(item: Item, relative: list[Relative]) -> dict[str, str]:
    """What relative references of an entry mean: what is named below the base that its own name has.

    https://hl7.org/fhir/R4/bundle.html#references. Where it has none, what one entry alone is named by.
    """
    base = next((base for base, _ in _parts(item.full_url)), None)
    found: dict[str, set[str]] = {}
    for other, name, target in relative:
        if base in (None, other):
            found.setdefault(name, set()).add(target)
    return {name: next(iter(several)) for name, several in found.items() if len(several) == 1}


def _meant(visit: Visit, items: list[Item]) -> dict[str, str]:
    """The conditional references that mean what this very transaction writes: they are resolved last of all."""
    stand = {target: item for item in items if not _is_put_aside(item) and (target := _target(item)) is not None}
    written = {
        target: item.request.resource
        for target, item in stand.items()
        if item.request.resource is not None and item.request.method in ("POST", "PUT")
    }
    asked = {text: where for item in items if not _is_put_aside(item) for text, where in _conditions(item)}
    return conditional.among(visit, asked, written, stand.keys() - written.keys())


def _conditions(item: Item) -> Iterator[tuple[str, str]]:
    """Each condition that an entry refers by, and where."""
    where = f"Bundle.entry[{item.index}].resource"
    if item.request.resource is not None:
        for text, path in conditional.conditions(references.find(item.request.resource)):
            yield text, where + path.removeprefix(item.request.resource["resourceType"])
    for text in patched.texts(item.request.patch or []):
        if conditional.is_conditional(text) and load().is_type(text.partition("?")[0]):
            yield text, where


def _is_put_aside(item: Item) -> bool:
    """Whether it would make what there is (`ifNoneExist`): what it brings is not looked at."""
    return item.request.method == "POST" and bool(item.request.meant)


def _target(item: Item) -> str | None:
    if item.request.meant:
        return item.request.meant[0].id
    if item.assigned:
        return f"{item.request.steps[0]}/{item.assigned}"
    if item.request.method in ("PUT", "PATCH", "DELETE") and len(item.request.steps) == 2:
        return "/".join(item.request.steps)
    if item.request.method == "PUT" and item.request.meant == ():
        return f"{item.request.steps[0]}/{(item.request.resource or {}).get('id')}"
    return None


def _link(visit: Visit, item: Item, names: dict[str, str]) -> Item:
    if _is_put_aside(item):
        return item
    request = replace(item.request, names=names)
    if request.resource is not None:
        try:
            linked = bodies.resolved(visit, bodies.linked(request.resource, names))
        except Problem as unlinked:
            raise _at(item, unlinked) from unlinked
        request = replace(request, resource=linked, assigned=item.assigned)
    return replace(item, request=request)


def _in_order(visit: Visit, items: list[Item], unit: Unit) -> list[dict[str, Any]]:
    owners = provide.owners_of_bound(items)
    made: dict[int, dict[str, Any]] = {}
    written = False
    for item in sorted(items, key=lambda each: ORDER[each.request.method]):
        if item.request.method in ("GET", "HEAD") and not written:
            _written(visit, items, unit)
            written = True
        try:
            owner, where = owners.get(provide.new_of(item) or ""), f"Bundle.entry[{item.index}]"
            request = replace(item.request, owner=owner, where=where)
            answered = pipeline.handle(request, visit.principal, visit.house, visit.entry, unit)
        except Problem as refused:
            raise _at(item, refused) from refused
        made[item.index] = _entry(item, answered)
    if not written:
        _written(visit, items, unit)
    return [made[index] for index in sorted(made)]


def _written(visit: Visit, items: list[Item], unit: Unit) -> None:
    """Supersede what the documents replace that are staged by now, and write all of it."""
    for item in items:
        new = provide.new_of(item)
        if new is not None:
            replacing.supersede(visit, new, f"Bundle.entry[{item.index}].resource")
    _flushed(visit, unit)


def _flushed(visit: Visit, unit: Unit) -> None:
    """Write what is staged; a state that may not be left is noted as refused in every record that was written to."""
    try:
        consents.settle(visit, unit)
        unit.flush()
    except Problem as refused:
        if refused.status == 403:
            for patient in dict.fromkeys(deed.patient for deed in visit.entry.deeds[visit.begun :]):
                visit.entry.add("transaction", "", patient=patient, outcome="8", refused=("write.refused",))
        raise


def _at(item: Item, refused: Problem) -> Problem:
    """The same problem, saying which entry it came from, and where in its resource, if it was there."""
    where = f"Bundle.entry[{item.index}]"
    type_ = (item.request.resource or {}).get("resourceType", "")
    issues = tuple(
        Issue(
            each.severity,
            each.code,
            each.text,
            _inside(f"{where}.resource", type_, each.expression) if each.expression else where,
        )
        if not (each.expression or "").startswith("Bundle.entry")
        else each
        for each in refused.issues
    )
    return Problem(refused.status, issues, refused.headers)


def _inside(where: str, type_: str, expression: str) -> str:
    """Where an element of an entry's resource is, told from the bundle."""
    if expression == type_:
        return where
    return f"{where}.{expression.removeprefix(f'{type_}.')}"


# --- answers


def _entry(item: Item, made: FhirResponse) -> dict[str, Any]:
    response: dict[str, Any] = {"status": _status(made.status)}
    location = made.location
    if location:
        response["location"] = location
    if "ETag" in made.headers:
        response["etag"] = made.headers["ETag"]
    if made.updated is not None:
        response["lastModified"] = instant(from_micros(made.updated))
    entry: dict[str, Any] = {"response": response}
    if made.body and item.request.method != "HEAD":
        entry["resource"] = orjson.Fragment(made.body)
    return entry


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"


def _response(visit: Visit, type_: str, entries: list[dict[str, Any]]) -> FhirResponse:
    body = answers.bundle(type_, entries, id_=visit.house.ids(), now=visit.house.clock())
    return FhirResponse(200, body)
