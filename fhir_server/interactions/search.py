"""search: https://hl7.org/fhir/R4/http.html#search. Clauses go through the door; nothing is found and then hidden.

Every page decides anew: a cursor holds a place in the order, and the moment of its first page (`paging.py`), sealed to
its asker and its query, and no permission.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.consent.obligations import apply
from fhir_server.definitions.compartments import owner_parameters
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import Predicate, both, one_of
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Issue, Problem, bad_request
from fhir_server.interactions import answers, archived, at_hand, led, lists, paging, summary
from fhir_server.interactions.chained import Known, follow
from fhir_server.interactions.including import bring
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse, Pairs, query_text
from fhir_server.interactions.subject import Subject, of_no_record, of_search, patients_of_identifier
from fhir_server.interactions.summary import Shape, cut
from fhir_server.interactions.terminology import Seen
from fhir_server.search import chain, cursor, remembered
from fhir_server.search.include import ANY
from fhir_server.search.query import Query
from fhir_server.search.special import PAGE
from fhir_server.search.supported import supported
from fhir_server.store.documents import Stored
from fhir_server.store.pages import Page
from fhir_server.store.visible import VisibleStore

COUNTED_AT_MOST = 1000
"""How many matches beyond the page a trace is about."""
_NOBODY = (None,)
_COMPARTMENT = "_compartment"
"""How the trace of a search says in whose compartment it was made."""


def run(visit: Visit) -> FhirResponse:
    """A searchset of what may be seen of the matches: 200; 400 for what cannot be read of the query."""
    scope = visit.scoped("s")
    query = archived.left_out(read_query(visit))
    visit.shape = shape_of(query, (query.type,))
    subject = of_search(query, visit.principal, visit.house)
    door = at_hand.searched(visit, subject)
    where = both(scope, query.where)
    after = position(visit, query)
    counting = query.count == 0
    now = micros(visit.house.clock())
    page = Page() if counting else paging.page_of([(door, query.type, where)], query, after, now)
    total = _total(door, query, where, page, after)
    limits = visit.house.limits
    included, left_out = bring([(door, page.entries)], query.includes, limits.included, visit.request.base)
    left_out = (*left_out, *stays_out(visit, query, (query.type,)))
    told = told_of(visit) if total is not None else ()
    more = total is not None and total > len(page.entries)
    also = counted(visit, door, query.type, where, page) if more else []
    note(visit, subject, [*page.entries, *included], also, told)
    return FhirResponse(200, bundle(visit, query, page, included, total, left_out))


def read_query(visit: Visit) -> Query:
    """The query of the request, within the Lists it names, its links followed."""
    return linked(visit, in_lists(visit, parsed(visit, visit.route.type, visit.request.query)), {})


def linked(visit: Visit, query: Query, known: Known) -> Query:
    """The query with its chains followed; a patient named by INS is looked up first.

    `known` is what links led through already, for several queries of one request.
    """
    if query.patient_identifier is not None:
        asked = query.patient_identifier
        found = [id_.partition("/")[2] for id_ in patients_of_identifier(visit.house, f"{asked.system}|{asked.value}")]
        # nobody has the id "": a patient that does not exist is answered as one whose record stays shut
        query = query.for_patient(found or [""])
    return replace(query, where=follow(visit, query.where, query.patients, known)) if query.chained else query


def parsed(visit: Visit, type_: str, pairs: Pairs, *, within: bool = False) -> Query:
    """What pairs ask of a type, by whoever asks and within the limits; Problem 400 for what cannot be answered.

    `within`: it may be asked of what is contained (`search_contained.py`).
    """
    limits = visit.house.limits
    query = remembered.parsed(
        type_,
        pairs,
        lenient=visit.request.lenient,
        base=visit.request.base,
        maximum=limits.page,
        values=limits.values,
        links=limits.chain_depth,
        compartment_of=visit.route.compartment_of,
        codes=Seen(visit),
        now=micros(visit.house.clock()),
    )
    if query.contained and not within:
        raise bad_request("`_contained` is not supported here", code="not-supported")
    return query


def stays_out(visit: Visit, query: Query, types: Iterable[str]) -> tuple[Issue, ...]:
    """What to say where something of records was asked to come along with types that are of none: it does not (ADR 18).

    An operator's search spans them all. That depends on the question alone, and tells of nothing that is there.
    """
    house, inside = visit.house, query.compartment.startswith("Patient/")
    alone = [each for each in types if of_no_record(each, house)]
    if visit.principal.kind is Kind.OPERATOR or inside or not alone:
        return ()
    if not query.count or all(
        not each.reverse or (each.source != ANY and of_no_record(each.source, house)) for each in query.includes
    ):
        return ()
    text = (
        f"a search of {' and '.join(alone)} is of no record, and `_revinclude` brought nothing of one; search that type"
        " itself"
    )
    return (Issue("warning", "not-supported", text),)


def shape_of(query: Query, types: Sequence[str]) -> Shape | None:
    """The part of each resource of the types that is asked for.

    Raises Problem 400 for `_summary=text` with includes.
    """
    if not query.asked:
        return None
    shape = summary.of(types, query.asked, counted=True)
    if shape is not None and shape.form == "text" and query.includes:
        raise bad_request("`_summary=text` is not asked for with `_include` or `_revinclude`", "_summary")
    return shape


def in_lists(visit: Visit, query: Query) -> Query:
    """The query confined to the items of the Lists it names, as far as the asker sees the Lists and the items."""
    for id_ in query.lists:
        query = query.listed(lists.items(visit, id_))
    return query


def _total(door: VisibleStore, query: Query, where: Predicate, page: Page, position: list[Any] | None) -> int | None:
    if query.total == "none" and query.count:
        return None
    if query.count and position is None and page.next is None:
        return len(page.entries)
    return door.count(query.type, where)


def told_of(visit: Visit) -> tuple[str, ...]:
    """The records a total tells of: all that were searched, whatever was found in them (DMP-80, decisions 20)."""
    return tuple(patient for patient in visit.subject.patients if not _because_of_what_is_there(patient, visit))


def _because_of_what_is_there(patient: str, visit: Visit) -> bool:
    """Whether a record was searched, if at all, only because the asker wrote what is in it."""
    return patient in visit.shut or patient in visit.subject.written


def counted(visit: Visit, door: VisibleStore, type_: str, where: Predicate, page: Page) -> list[Stored]:
    """What the total counts and the page lacks of records searched only because of what the asker wrote there.

    Their trace mentions it, and hides with it (decisions 16).
    """
    written = [patient for patient in visit.subject.patients if _because_of_what_is_there(patient, visit)]
    if not written:
        return []
    shown = {each.id for each in page.entries}
    own = both(where, one_of("patient", written))
    return [each for each in door.page(type_, own, (), COUNTED_AT_MOST).entries if each.id not in shown]


def note(
    visit: Visit,
    subject: Subject,
    shown: list[Stored],
    counted: Sequence[Stored] = (),
    told: tuple[str, ...] = (),
    *,
    types: tuple[str, ...] = (),
) -> None:
    """One deed per patient among what is disclosed, and one for each record the request itself names or counts in.

    `types` are those that were asked of, where the route names none.
    """
    asked_of = types or (visit.route.type,)
    if visit.led:
        told = tuple(dict.fromkeys((*told, *told_of(visit), *led.told(visit.led))))
        counted = [*counted, *led.because_of_what_is_there(visit.led)]
        visit.shut.update(led.refused(visit.led))
    by_patient: dict[str | None, list[Stored]] = {patient: [] for patient in told}
    if subject.named or subject.existence or not (shown or counted or told):
        named = (subject.patients if subject.named else ()) or (None,)
        by_patient = {**{patient: [] for patient in named}, **by_patient}
    for version in (*shown, *counted):
        for patient in version.facts.get("patients") or _NOBODY:
            group = by_patient.get(patient)
            if group is None:
                by_patient[patient] = [version]
            else:
                group.append(version)
    if len(by_patient) > 1 and not by_patient.get(None, [None]):
        del by_patient[None]
    disclosed = {each.id for each in shown} if counted else None
    for patient, group in by_patient.items():
        query = query_text(_asked_of(patient, visit, subject, asked_of))
        if patient in visit.shut and not group:
            visit.note(patient=patient, query=query, outcome="8", refused=visit.shut[patient].reasons)
            continue
        visit.note(
            patient=patient,
            query=query,
            granted=visit.granted,
            disclosed=tuple([each.id for each in group if disclosed is None or each.id in disclosed]),
            # a trace that there would be without it says nothing of what was found
            about=()
            if subject.named or patient in told
            else tuple(led.facts_of(each, patient, visit.led) for each in group),
        )
    if not subject.existence:
        visit.announce(by_patient, told)


def _asked_of(patient: str | None, visit: Visit, subject: Subject, types: tuple[str, ...]) -> Pairs:
    """The query as it stands in the trace of one record: whose else it was asked about is not that holder's to read.

    A query that did not confine itself to one record keeps nothing that names a resource, wherever that was found: to
    keep what was found here would tell that it is here (decisions 16). A compartment stands there as `_compartment`.
    """
    inside = visit.route.compartment_of
    asked = (*(((_COMPARTMENT, inside),) if inside else ()), *visit.request.query)
    of_a_person = ("_id", "identifier", "link") if "Patient" in types else ()
    of_a_record = (_COMPARTMENT,) if inside.startswith("Patient/") else ()
    owners = (*(code for type_ in types for code in owner_parameters(type_)), *of_a_person, *of_a_record, "_filter")
    naming = [(name, text) for name, text in asked if re.split(r"[:.]", name)[0] in owners]
    confined = subject.named or subject.existence or naming[:1] == [("_id", *subject.patients)]
    if patient is None or (confined and len(naming) == 1 and "," not in naming[0][1]):
        return asked
    alone = ("_id" if types == ("Patient",) else "patient", patient)
    shared = visit.house.matrix.shared_types
    kept = tuple(
        (name, text)
        for name, text in asked
        if (name, text) not in naming and not any(_names_something(type_, name, text, shared) for type_ in types)
    )
    return (alone, *kept) if naming or "Patient" in types else kept


def _names_something(type_: str, name: str, text: str, shared: Collection[str]) -> bool:
    """Whether a criterion may say which person or resource is meant: all of a Patient's, ids and references of others.

    What is `shared` belongs to no record. A chain says what the parameters say that it ends with.
    """
    ends = () if type_ == "Patient" and name[:1] != "_" else _ends(type_, name)
    if ends != ((type_, name),) and ends:
        return any(_names_something(*end, text, shared) for end in ends)
    code, _, modifier = name.partition(":")
    if code in ("_filter", "_list", "_text", "_content"):
        return True
    if code == _COMPARTMENT:
        return text.partition("/")[0] not in shared
    if type_ == "Patient":
        return not code.startswith("_")
    if code in ("_id", "identifier"):
        return True
    parameter = supported(type_).get(code)
    if parameter is None or parameter.type != "reference" or modifier == "missing":
        return False
    return not all((each.partition("/")[0] if "/" in each else modifier) in shared for each in text.split(","))


def _ends(type_: str, name: str) -> tuple[tuple[str, str], ...]:
    try:
        return chain.ends(type_, name)
    except Problem:
        return (("Patient", name.lstrip("_")),)  # what cannot be read may name anybody


def asker(visit: Visit) -> str:
    """Whom a page is sealed to."""
    return f"{visit.principal.issuer}|{visit.principal.subject}|{visit.principal.client}"


def position(visit: Visit, query: Query) -> list[Any] | None:
    """Where the page begins, None for the first one. Raises Problem 400 for a page of another search or asker."""
    if query.cursor is None:
        return None
    return list(cursor.open_(visit.house.seal_key, asker(visit), cursor.fingerprint(query), query.cursor))


def bundle(  # noqa: PLR0917 - what an answer is made of
    visit: Visit,
    query: Query,
    page: Page,
    included: list[Stored],
    total: int | None,
    left_out: tuple[Issue, ...] = (),
    *,
    matched: list[dict[str, Any]] | None = None,
) -> bytes:
    """A searchset: the links of its page, matches, what comes along, and what was ignored of the query or left out.

    `matched` are the entries of the matches, where these are not the versions of the page themselves.
    """
    base, house = visit.request.base, visit.house
    url = f"{base}/{visit.route.address}"
    asked = (*query.asked, *visit.request.aside)
    links = [{"relation": "self", "url": _url(url, asked, query.cursor)}]
    if page.next is not None:
        sealed = cursor.seal(house.seal_key, asker(visit), cursor.fingerprint(query), page.next)
        links.append({"relation": "next", "url": _followed(_url(url, asked, sealed), base, house.limits.url)})
    told = [*(_matches(visit, page) if matched is None else matched), *entries(visit, included, "include")]
    if query.ignored or left_out:
        told.append(answers.remark((*query.ignored, *left_out)))
    return answers.bundle("searchset", told, id_=house.ids(), now=house.clock(), total=total, link=links)


def _matches(visit: Visit, page: Page) -> list[Any]:
    """The entries of a page; those of a page that is kept are told once, as they stand."""
    if page.told is None or visit.shape is not None:
        return entries(visit, page.entries, "match")
    told_by = visit.request.base, visit.obligations
    text = page.told.get(told_by)
    if text is None:
        text = page.told[told_by] = answers.joined(entries(visit, page.entries, "match"))
    return [answers.told(text)]


def entries(visit: Visit, versions: Iterable[Stored], mode: str) -> list[dict[str, Any]]:
    """The entries of versions that are shown, in the shape that was asked for."""
    begins, shape, obligations, search = f"{visit.request.base}/", visit.shape, visit.obligations, {"mode": mode}
    if shape is not None or obligations:
        versions = [cut(shape, apply(obligations, each)) for each in versions]
    fragment = answers.fragment
    return [{"fullUrl": begins + each.id, "resource": fragment(each), "search": search} for each in versions]


def _followed(url: str, base: str, most: int) -> str:
    """The address of the next page. Raises Problem 400 where it would be refused: a posted search may say more."""
    if len(url) - len(base) > most:
        raise bad_request(
            "the next page has too long an address; give fewer values, or all on one page by `_count`",
            code="too-costly",
        )
    return url


def _url(url: str, asked: Iterable[tuple[str, str]], sealed: str | None) -> str:
    pairs = (*asked, *(((PAGE, sealed),) if sealed else ()))
    return f"{url}?{query_text(pairs)}" if pairs else url
