"""history of everything: https://hl7.org/fhir/R4/http.html#history, all versions of all types, the newest first.

May live here: which types it spans (those that the token may search), and joining what their doors show in one order.
May not know: who may see what; each type is decided upon (`sights.py`), and paged as its own history is.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import merge

from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import EVERYTHING, Has, both, either
from fhir_server.interactions import history_type, search
from fhir_server.interactions.history_type import Place
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.search_system import covered
from fhir_server.interactions.sights import sights
from fhir_server.interactions.subject import NO_RECORD, of_no_record, of_types
from fhir_server.store.documents import Stored


def run(visit: Visit) -> FhirResponse:
    """A Bundle of type history: `_since`, `_at` and `_count` as for one type, `total` where all is on one page.

    Raises Problem 400 for any other parameter, and where the records it spans are too many; 403 for a token that may
    search nothing.
    """
    asked, sealed = history_type.read(visit)
    scopes = covered(visit, load().endpoints)
    standing = of_types(EVERYTHING, visit.principal, visit.house)
    subjects = {type_: NO_RECORD if of_no_record(type_, visit.house) else standing for type_ in scopes}
    doors = [
        (each.of, each.door.within(either(*(both(Has("resource", type_), scopes[type_]) for type_ in each.types))))
        for each in sights(visit, subjects, every=False)
    ]

    def versions(start: Place | None) -> Iterable[Stored]:
        found = (door.versions(of, start, asked.since, history_type.step(asked)) for of, door in doors)
        return merge(*found, key=history_type.place_of, reverse=True)

    found = history_type.walk(visit, asked, sealed, versions)
    search.note(visit, visit.subject, found.shown, [], types=tuple(scopes))
    replaced = history_type.replaced(found.shown)
    made = {each for of, door in doors for each in (door.recreated(of, replaced) if replaced else ())}
    return history_type.told(visit, asked, sealed, found, made)
