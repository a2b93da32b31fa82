"""`$meta` of a type, and of all types: the profiles, tags and security labels in use, as far as the asker sees them.

https://hl7.org/fhir/R4/resource-operations.html#meta. It is asked, refused and put on record as a search that counts
(`_summary=count`) all that has such metadata: who may see what is in the query, and nothing is read to be passed over.

May live here: which doors are asked (one of a type, `sights.py` of all), and joining what they tell. May not know: what
a token says (`search/metadata.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import Has, Predicate, both, either
from fhir_server.interactions import search
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.search_system import counted_of, covered
from fhir_server.interactions.sights import Sight, sights
from fhir_server.interactions.subject import NO_RECORD, of_no_record, of_type, of_types
from fhir_server.search import metadata
from fhir_server.store.pages import Page

NONE = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "not-applicable"}]
}
"""What stands where nothing is told: `return` is 1..1, and no element may be empty."""


def found(visit: Visit) -> dict[str, Any]:
    """A Meta, without `versionId` and `lastUpdated`: what there is of the type of the route, or of every type ("").

    Raises Problem 400 where the records it spans are too many, 403 for a token that may search none of it.
    """
    sides = _of_one(visit) if visit.route.type else _of_all(visit)
    said = [(side, side[0].door.metadata(side[0].of, side[1])) for side in sides]
    also = [each for side, told in said if told for each in counted_of(visit, *side, Page())]
    types = tuple(type_ for sight, _ in sides for type_ in sight.types)
    # the trace says that it was this, and not a search
    asked = replace(visit, route=replace(visit.route, type=visit.request.path))
    search.note(asked, visit.subject, [], also, search.told_of(visit), types=types)
    return metadata.meta((tokens for _, told in said for tokens in told), visit.request.base) or NONE


Asked = tuple[Sight, Predicate]
"""A door, and what is asked of it."""


def _of_one(visit: Visit) -> list[Asked]:
    type_ = visit.route.type
    scope, there = visit.scoped("s"), metadata.there((type_,))
    door = visit.door(of_type(type_, visit.principal, visit.house, there), "search")
    return [(Sight(door, (type_,), type_), both(scope, there))]


def _of_all(visit: Visit) -> list[Asked]:
    """Every type that the token may search, as a search of several types asks them."""
    scopes = covered(visit, load().endpoints)
    spanned = [type_ for type_ in scopes if not of_no_record(type_, visit.house)]
    standing = of_types(_where(spanned, scopes), visit.principal, visit.house) if spanned else NO_RECORD
    subjects = {type_: standing if type_ in spanned else NO_RECORD for type_ in scopes}
    return [(sight, _where(sight.types, scopes)) for sight in sights(visit, subjects, every=False)]


def _where(types: Sequence[str], scopes: Mapping[str, Predicate]) -> Predicate:
    """What is of one of these types, covered by its scope, and has metadata."""
    return both(either(*(both(Has("resource", each), scopes[each]) for each in types)), metadata.there(types))
