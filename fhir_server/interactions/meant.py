"""Meant: the one resource that the condition of a write finds (https://hl7.org/fhir/R4/http.html#ccreate).

May live here: asking a condition as the search it is, and refusing what finds several. May not know: what is then
written. A condition is asked inside its asker's view, through the same decision, scope, door and note as a search: what
is hidden and what is absent are not found alike. So is that of a reference (`sought`). INVARIANT (one of many): who
finds nothing and means to make it claims the condition in its transaction (`Unit.claim`), so that of several at once
one makes it and the others find it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from fhir_server.consent.obligations import apply
from fhir_server.foundation.predicate import both
from fhir_server.foundation.problem import bad_request, problem
from fhir_server.interactions import led, search
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirRequest, Pairs, pairs, query_text
from fhir_server.interactions.routes import SEARCH, Route
from fhir_server.interactions.subject import of_search
from fhir_server.search import include, special
from fhir_server.store.documents import Stored

_SHAPING = special.ONCE | include.NAMES
_MAKING = frozenset({"POST", "PUT"})


def condition_of(request: FhirRequest) -> Pairs | None:
    """The condition a write is sent under; None when there is none. Raises Problem 400 for one that says nothing."""
    if request.method == "POST" and len(request.steps) == 1 and request.if_none_exist is not None:
        asked = pairs(request.if_none_exist)
    elif request.method in ("PUT", "PATCH", "DELETE") and len(request.steps) == 1:
        asked = request.query
    else:
        return None
    condition = tuple(pair for pair in asked if pair[0] not in special.PASSED_BY)
    shaping = next((name for name, _ in condition if name.partition(":")[0] in _SHAPING), None)
    if shaping is not None:
        raise bad_request(f"`{shaping[:64]}` is no criterion of a condition")
    if not condition:
        raise bad_request("a write without an id needs a condition: `Type?parameter=value`")
    return condition


def of(visit: Visit) -> Stored | None:
    """What the condition finds, as its asker may be shown it; None for nothing.

    Raises Problem 400 for what cannot be read of it, 403 where a search is refused, 412 for several.
    """
    if visit.request.meant is not None:
        return next(iter(visit.request.meant), None)
    condition = condition_of(visit.request)
    if condition is None:
        raise LookupError("a write without a condition means nothing by it")
    type_ = visit.route.type
    found = sought(visit, type_, condition)
    if len(found) > 1:
        raise problem(412, "multiple-matches", "the condition finds several")
    if found:
        return found[0]
    if visit.unit is not None and visit.request.method in _MAKING:
        visit.unit.claim(_key(type_, condition))
    return None


def sought(visit: Visit, type_: str, condition: Pairs) -> list[Stored]:
    """Up to two of a type that a condition finds, as its asker may be shown them; it is on record as a search.

    Raises Problem 400 for what cannot be read of it, 403 where a search is refused.
    """
    asking = _asking(visit, type_, condition)
    scope = asking.scoped("s")
    query = search.read_query(asking)
    subject = of_search(query, asking.principal, asking.house)
    found = asking.door(subject).page(query.type, both(scope, query.where), query.order, 2).entries
    if len(found) > 1:
        _note_several(asking, condition, found)
        return found
    search.note(asking, subject, found, [])
    visit.begun = len(visit.entry.deeds)
    return [apply(asking.obligations, each) for each in found]


def _asking(visit: Visit, type_: str, condition: Pairs) -> Visit:
    """The search that the condition is, by the same asker."""
    request = replace(visit.request, method="GET", path=type_, query=condition, resource=None, lenient=False)
    return replace(visit, request=request, route=Route(SEARCH, type_), begun=len(visit.entry.deeds), shut={}, led=[])


def _note_several(asking: Visit, condition: Pairs, found: list[Stored]) -> None:
    """That several are there was told to the asker: it stays on record though nothing was written."""
    owners = dict.fromkeys(patient for each in found for patient in each.facts.get("patients") or (None,))
    for owner in owners:
        asking.note(
            patient=owner,
            query=query_text(condition),
            outcome="4",
            refused=("problem.412",),
            about=tuple(led.facts_of(each, owner, asking.led) for each in found if _is_of(each, owner)),
        )


def _is_of(version: Stored, owner: str | None) -> bool:
    return owner in (version.facts.get("patients") or (None,))


def _key(type_: str, condition: Pairs) -> str:
    """A condition however its parts are ordered; a digest, because it may name a person."""
    said = json.dumps([type_, sorted(condition)], ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()
