"""search: https://hl7.org/fhir/R4/http.html#search. Clauses go through the door; nothing is found and then hidden.

Every page decides anew: a cursor holds a place in the order, sealed to its asker and its query, and no permission.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fhir_server.consent.obligations import apply
from fhir_server.definitions.compartments import owner_parameters
from fhir_server.foundation.predicate import Predicate, both
from fhir_server.interactions import answers
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse, Pairs, query_text
from fhir_server.interactions.subject import Subject, of_search, patients_of_identifier
from fhir_server.search import cursor
from fhir_server.search.include import reverse_clause, targets
from fhir_server.search.parse import parse
from fhir_server.search.query import Query
from fhir_server.search.special import PAGE
from fhir_server.store.documents import Stored
from fhir_server.store.visible import Page, VisibleStore

INCLUDED_AT_MOST = 1000


def run(visit: Visit) -> FhirResponse:
    """A searchset of what may be seen of the matches: 200; 400 for what cannot be read of the query."""
    scope = visit.scoped("s")
    query = read_query(visit)
    subject = of_search(query, visit.principal, visit.house)
    door = visit.door(subject)
    where = both(scope, query.where)
    position = _position(visit, query)
    counting = query.count == 0
    page = Page() if counting else door.page(query.type, where, query.order, query.count, position)
    total = _total(door, query, where, page, position)
    included = _included(visit, door, query, page.entries)
    note(visit, subject, page.entries, included)
    return FhirResponse(200, _bundle(visit, query, page, included, total))


def read_query(visit: Visit) -> Query:
    """The query of the request; a patient named by INS is looked up first."""
    query = parse(
        visit.route.type,
        list(visit.request.query),
        lenient=visit.request.lenient,
        base=visit.request.base,
        maximum=visit.house.limits.page,
    )
    if query.patient_identifier is None:
        return query
    asked = query.patient_identifier
    found = [id_.partition("/")[2] for id_ in patients_of_identifier(visit.house, f"{asked.system}|{asked.value}")]
    # nobody has the id "": a patient that does not exist is answered as one whose record stays shut
    return query.for_patient(found or [""])


def _total(door: VisibleStore, query: Query, where: Predicate, page: Page, position: list[Any] | None) -> int | None:
    if query.total == "none" and query.count:
        return None
    if query.count and position is None and page.next is None:
        return len(page.entries)
    return door.count(query.type, where)


def _included(visit: Visit, door: VisibleStore, query: Query, matches: list[Stored]) -> list[Stored]:
    if not query.includes or not matches:
        return []
    forward: list[str] = []
    found: list[Stored] = []
    resources = [match.resource() for match in matches]
    for include in query.includes:
        if include.reverse:
            clause = reverse_clause(include, [match.id for match in matches])
            found += door.page(include.source, clause, (), INCLUDED_AT_MOST).entries
        else:
            forward += [id_ for resource in resources for id_ in targets(resource, include, visit.request.base)]
    found += door.follow(forward, INCLUDED_AT_MOST)
    seen = {match.id for match in matches}
    return [each for each in {version.id: version for version in found}.values() if each.id not in seen]


def note(visit: Visit, subject: Subject, matches: list[Stored], included: list[Stored]) -> None:
    """One deed per patient among what is disclosed, and one for each record the request itself names."""
    by_patient: dict[str | None, list[Stored]] = {}
    if subject.named or subject.existence or not (matches or included):
        by_patient.update({patient: [] for patient in (subject.patients if subject.named else ()) or (None,)})
    for version in (*matches, *included):
        for patient in version.facts.get("patients") or (None,):
            by_patient.setdefault(patient, []).append(version)
    if len(by_patient) > 1 and not by_patient.get(None, [None]):
        del by_patient[None]
    for patient, group in by_patient.items():
        if patient in visit.shut and not group:
            refused = visit.shut[patient].reasons
            visit.note(patient=patient, query=query_text(_asked_of(patient, visit)), outcome="8", refused=refused)
            continue
        visit.note(
            patient=patient,
            query=query_text(_asked_of(patient, visit)),
            granted=visit.granted,
            disclosed=tuple(each.id for each in group),
            about=() if subject.named else tuple({"id": each.id, **each.facts} for each in group),
        )
    if not subject.existence:
        visit.announce(patient for patient, group in by_patient.items() if patient and group)


def _asked_of(patient: str | None, visit: Visit) -> Pairs:
    """The query as it stands in the trace of one record: whose else it was asked about is not that holder's to read."""
    type_, asked = visit.route.type, visit.request.query
    owners = (*owner_parameters(type_), *(("_id", "identifier", "link") if type_ == "Patient" else ()))
    naming = [(name, text) for name, text in asked if re.split(r"[:.]", name)[0] in owners]
    if patient is None or (len(naming) == 1 and "," not in naming[0][1]):
        return asked
    alone = ("_id" if type_ == "Patient" else "patient", patient)
    kept = tuple(pair for pair in asked if pair not in naming)
    return (alone, *kept) if naming else kept


def asker(visit: Visit) -> str:
    """Whom a page is sealed to."""
    return f"{visit.principal.issuer}|{visit.principal.subject}|{visit.principal.client}"


def _position(visit: Visit, query: Query) -> list[Any] | None:
    if query.cursor is None:
        return None
    return list(cursor.open_(visit.house.seal_key, asker(visit), cursor.fingerprint(query), query.cursor))


def _bundle(visit: Visit, query: Query, page: Page, included: list[Stored], total: int | None) -> bytes:
    base, house = visit.request.base, visit.house
    url = f"{base}/{visit.route.type}"
    links = [{"relation": "self", "url": _url(url, query.asked, query.cursor)}]
    if page.next is not None:
        sealed = cursor.seal(house.seal_key, asker(visit), cursor.fingerprint(query), page.next)
        links.append({"relation": "next", "url": _url(url, query.asked, sealed)})
    entries = [*_entries(visit, page.entries, "match"), *_entries(visit, included, "include")]
    if query.ignored:
        entries.append({"resource": answers.outcome(query.ignored), "search": {"mode": "outcome"}})
    return answers.bundle("searchset", entries, id_=house.ids(), now=house.clock(), total=total, link=links)


def _entries(visit: Visit, versions: Iterable[Stored], mode: str) -> list[dict[str, Any]]:
    return [
        {
            "fullUrl": f"{visit.request.base}/{version.id}",
            "resource": answers.fragment(apply(visit.obligations, version)),
            "search": {"mode": mode},
        }
        for version in versions
    ]


def _url(url: str, asked: Iterable[tuple[str, str]], sealed: str | None) -> str:
    pairs = (*asked, *(((PAGE, sealed),) if sealed else ()))
    return f"{url}?{query_text(pairs)}" if pairs else url
