"""Copie du DMP: `Patient/{id}/$copy-record`, for its holder, open or closed (DMP-105).

A searchset, as of `$everything`, since it has pages: all that the holder may see of the record, the content of its
documents with it, and of the directory what it points to; page by page, each decided anew. A page ends where it has
enough content. Traces of access have a search of their own (`AuditEvent?patient=`). What heirs may have (DMP-104) is
for the operator to judge.
"""

from __future__ import annotations

from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import bad_request, forbidden
from fhir_server.interactions import answers, binaries, parameters, read
from fhir_server.interactions.operations import everything, telling
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import of_instance
from fhir_server.search import special
from fhir_server.store.documents import Stored
from fhir_server.store.visible import VisibleStore

MOST, USUAL = 100, 20
ENOUGH = 16_000_000
"""Bytes of content after which a page ends; a single document may be longer."""
OWN = (Kind.HOLDER, Kind.REPRESENTATIVE, Kind.OPERATOR)


def run(visit: Visit) -> FhirResponse:
    """200 with a page; 404 for a record that may not be seen, 403 for who has no record to copy."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    scope = visit.scoped("r")
    if visit.principal.kind not in OWN:
        visit.refuse_here("copy.not-own")
        raise forbidden()
    asked_for = given.get("_count", USUAL)
    count = special.count(str(asked_for), MOST)
    if not count:
        raise bad_request("`_count` is at least 1 here")
    door = visit.door(of_instance(visit.route, visit.house, visit.unit))
    found = door.within(scope).read(visit.route.type, visit.route.id)
    if found is None:
        raise read.missing(visit, door.within(scope))
    asked = [(name, str(value)) for name, value in given.items() if name != special.PAGE]
    where = everything.of_record(visit, found)
    place = telling.position(visit, asked, given.get("_page"))
    alone = door.within(everything.ALONE)
    page = alone.page("", where, everything.ORDER, count, place, placed=True)
    shown = _filled(alone, page.entries)
    pointed = everything.pointed(alone, shown, visit.request.base)
    telling.disclosed(visit, found, [*shown, *pointed])
    entries = [*everything.entries_of(visit, shown, "match"), *everything.entries_of(visit, pointed, "include")]
    rest = page.places[len(shown) - 1] if len(shown) < len(page.entries) else page.next
    house, links = visit.house, telling.links(visit, asked, rest)
    return FhirResponse(200, answers.bundle("searchset", entries, id_=house.ids(), now=house.clock(), link=links))


def _filled(door: VisibleStore, versions: list[Stored]) -> list[Stored]:
    """The versions with their content, as many as a page holds; one at least."""
    made: list[Stored] = []
    size = 0
    for each in versions:
        content = door.content(each) if each.type == "Binary" and each.blob else b""
        size += len(content)
        if made and size > ENOUGH:
            break
        made.append(binaries.whole(each, content) if content else each)
    return made
