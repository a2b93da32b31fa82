"""`$everything`: what may be seen of a record or an encounter (https://hl7.org/fhir/R4/operation-patient-everything.html).

A record is what its holder owns (decisions 13), which is narrower than R4's compartment. Each type is given to a token
that may search it; what is pointed to, in the directory alone, to one that may read it. Traces have a search of their
own (`AuditEvent?patient=`). What several records own is asked for by its address, where all of them must permit.
"""

from __future__ import annotations

from typing import Any

from fhir_server.consent.obligations import apply
from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import EVERYTHING, Has, Not, Predicate, both, either, one_of
from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers, parameters, read
from fhir_server.interactions.operations import telling
from fhir_server.interactions.pipeline import Visit, compile_criteria
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import of_instance
from fhir_server.resources.references import local_references
from fhir_server.search import date, special
from fhir_server.search.nearest import meant, shown
from fhir_server.search.query import Asked, Order
from fhir_server.search.supported import supported
from fhir_server.smart.scope import narrow, reach
from fhir_server.store.documents import Stored
from fhir_server.store.visible import VisibleStore

ORDER = (Order("type"), Order("updated", descending=True), Order("id", descending=True))
"""As the index of a record goes."""
CARE = ("date", "period", "effective", "occurrence", "performed", "onset-date", "authored-on", "authoredon")
CARE_ALSO = ("started", "created", "issued", "recorded-date", "whenhandedover", "sent", "recorded")
"""When there was care, by the first of these date parameters that a type has."""
ALONE = Not(Has("joint", True))


def run(visit: Visit) -> FhirResponse:
    """A searchset: 200; 404 for a record or an encounter that may not be seen, 400 for what cannot be read."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    types = _types(given.get("_type", ()))
    scope = visit.scoped("r")
    count = special.count(_text(given.get("_count")), visit.house.limits.page)
    if not count:
        raise bad_request("`_count` is at least 1 here")
    door = visit.door(of_instance(visit.route, visit.house, visit.unit))
    found = door.within(scope).read(visit.route.type, visit.route.id)
    if found is None:
        raise read.missing(visit, door.within(scope))
    asked = _asked(given)
    where = both(_inside(found), _searchable(visit, found, types), _since(given.get("_since")), _care(given, types))
    place = telling.position(visit, asked, given.get("_page"))
    alone = door.within(ALONE)
    page = alone.page("", where, ORDER, count, place)
    named = pointed(alone, page.entries, visit.request.base, types)
    telling.disclosed(visit, found, [*page.entries, *named])
    entries = [*entries_of(visit, page.entries, "match"), *entries_of(visit, named, "include")]
    house, links = visit.house, telling.links(visit, asked, page.next)
    return FhirResponse(200, answers.bundle("searchset", entries, id_=house.ids(), now=house.clock(), link=links))


def of_record(visit: Visit, found: Stored) -> Predicate:
    """All of a record that the token may search, and its Patient."""
    return both(_inside(found), _searchable(visit, found, ()))


def _inside(found: Stored) -> Predicate:
    """The record, or of it what belongs to the encounter; the record's own index is gone through either way."""
    record = one_of("patient", found.facts.get("patients", ()))
    if found.type == "Patient":
        return record
    return both(record, either(Has("id", found.id), Has("encounter", found.id)))


def _searchable(visit: Visit, found: Stored, types: tuple[str, ...]) -> Predicate:
    """What the token may search, and the resource that it reads by its address. Raises Problem 403 for a type named."""
    token, shared = visit.principal, visit.house.matrix.shared_types
    if not types:
        return either(reach(token.scopes, token, compile_criteria, "s"), Has("id", found.id))
    named = [each for each in types if each not in shared and each != found.type]
    allowed = [both(Has("resource", each), narrow(token.scopes, each, "s", token, compile_criteria)) for each in named]
    own = [_own_type(visit, found)] if found.type in types else []
    return either(*allowed, *own)


def _own_type(visit: Visit, found: Stored) -> Predicate:
    token = visit.principal
    return either(
        Has("id", found.id), both(Has("resource", found.type), reach(token.scopes, token, compile_criteria, "s"))
    )


def _types(given: Any) -> tuple[str, ...]:
    found = [each.strip() for text in given for each in text.split(",")]
    for each in found:
        if each not in load().endpoints:
            raise bad_request(f"`{shown(each)}` is not a resource type{meant(each, load().endpoints)}", code="value")
        if each == "AuditEvent":
            raise bad_request("traces are searched: `AuditEvent?patient=`", code="not-supported")
    return tuple(dict.fromkeys(found))


def _since(moment: str | None) -> Predicate:
    return special.updated_clause(f"ge{moment}") if moment else EVERYTHING


def _care(given: dict[str, Any], types: tuple[str, ...]) -> Predicate:
    """Care within the days asked for; what has no date of care is not kept back."""
    bounds = [f"{prefix}{given[name]}" for name, prefix in (("start", "ge"), ("end", "le")) if name in given]
    if not bounds:
        return EVERYTHING
    dated: list[Predicate] = []
    undated: list[str] = []
    for type_ in types or load().endpoints:
        code = next((each for each in (*CARE, *CARE_ALSO) if each in supported(type_)), None)
        parameter = supported(type_)[code] if code else None
        if parameter is None or parameter.type != "date":
            undated.append(type_)
            continue
        asked = Asked(type_, parameter)
        within = both(*(date.clause(asked, each) for each in bounds))
        dated.append(both(Has("resource", type_), either(Not(Has("token", f"{asked.name}!")), within)))
    return either(*dated, one_of("resource", undated))


def pointed(door: VisibleStore, matches: list[Stored], base: str, types: tuple[str, ...] = ()) -> list[Stored]:
    """What the resources of a page name in the directory: what is of a record has a page of its own."""
    named = dict.fromkeys(each for match in matches for each in local_references(match.resource(), base))
    wanted = [each for each in named if not types or each.partition("/")[0] in types]
    return [each for each in door.follow(wanted, max(len(wanted), 1)) if not each.facts.get("patients")]


def entries_of(visit: Visit, versions: list[Stored], mode: str) -> list[dict[str, Any]]:
    """Entries of a searchset, as the asker may see them; `mode` is `match` or `include`."""
    return [
        {
            "fullUrl": f"{visit.request.base}/{each.id}",
            "resource": answers.fragment(apply(visit.obligations, each)),
            "search": {"mode": mode},
        }
        for each in versions
    ]


def _asked(given: dict[str, Any]) -> list[tuple[str, str]]:
    """What was asked, as the pairs that a link repeats; not which page of it."""
    asked: list[tuple[str, str]] = []
    for name, value in given.items():
        if name != special.PAGE:
            asked += [(name, str(each)) for each in (value if isinstance(value, list) else [value])]
    return asked


def _text(count: int | None) -> str | None:
    return None if count is None else str(count)
