"""Conditional references: `Type?query` where a `Type/id` belongs (https://hl7.org/fhir/R4/http.html#trules).

May live here: finding the one resource that is meant, in the shared directory or among what the same transaction
writes. May not know: how a reference is put in place (`resources/references.py`), who may write what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fhir_server.foundation.predicate import EVERYTHING, Predicate, both, matches
from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Problem, bad_request, forbidden, problem
from fhir_server.interactions.house import House
from fhir_server.interactions.pipeline import Visit, compile_criteria
from fhir_server.interactions.request import pairs
from fhir_server.interactions.subject import existence_is_told, patients_of_identifier
from fhir_server.resources import references, validation
from fhir_server.search.index import index_of
from fhir_server.search.parse import criteria
from fhir_server.search.words import words_of
from fhir_server.smart.scope import narrow
from fhir_server.store.changes import Unit
from fhir_server.store.visible import VisibleStore

Resource = dict[str, Any]


def is_conditional(text: str, kind: str) -> bool:
    """Whether a link is a reference that has to be looked for."""
    return kind == "reference" and "?" in text and "://" not in text


def identifier_of(text: str) -> str | None:
    """`system|value` of `Patient?identifier=system|value`, the one condition on a person; None for any other."""
    type_, _, query = text.partition("?")
    name, _, value = query.partition("=")
    return value if (type_, name) == ("Patient", "identifier") and "|" in value and "&" not in value else None


def in_directory(text: str, where: str, house: House, unit: Unit | None, asker: Principal) -> str:
    """`Type/id` of the one resource of the shared directory that is meant; `where` is the element that means it.

    Raises Problem 400 for another type or a condition that cannot be read, 403, 404 for none and 412 for several.
    """
    found = _shared(text, where, house, unit, asker)
    if not found:
        raise problem(404, "not-found", f"`{text[:200]}` finds nothing", where)
    if len(found) > 1:
        raise problem(412, "multiple-matches", f"`{text[:200]}` finds several", where)
    return found[0]


def among(
    visit: Visit, unit: Unit, written: Mapping[str, Resource], gone: Collection[str], senders: Mapping[str, Resource]
) -> dict[str, str]:
    """The conditional references of `senders`, by where they stand, that mean something this transaction writes.

    References are resolved last, when all is written: `written` is what will stand, by `Type/id`, and what it replaces
    or is `gone` no longer counts. Raises Problem 412 where something else is meant as well. Who is not told which
    persons are known (DMP-101) is not told by this either.
    """
    house, asker = visit.house, visit.principal
    meant: dict[str, str] = {}
    for text, where in _conditions(senders).items():
        type_ = text.partition("?")[0]
        if type_ == "Patient" and not existence_is_told(asker, house.matrix):
            continue
        new = here(text, {name: each for name, each in written.items() if each["resourceType"] == type_})
        if not new:
            continue
        identifier = identifier_of(text)
        known = (
            patients_of_identifier(house, identifier, unit) if identifier else _shared(text, where, house, unit, asker)
        )
        others = [each for each in known if each not in written and each not in gone]
        if len(new) + len(others) > 1:
            raise problem(412, "multiple-matches", f"`{text[:200]}` finds several", where)
        meant[text] = new[0]
    return meant


def _conditions(senders: Mapping[str, Resource]) -> dict[str, str]:
    """Each condition, and where it is made."""
    return {
        text: where + path.removeprefix(each["resourceType"])
        for where, each in senders.items()
        for path, text, kind in references.find(each)
        if is_conditional(text, kind)
    }


def here(text: str, candidates: Mapping[str, Resource]) -> list[str]:
    """Which of the candidates (`Type/id`) the condition holds of; what is not valid is refused where it is written."""
    if not candidates:
        return []
    type_, _, query = text.partition("?")
    try:
        asked = criteria(type_, pairs(query))
    except Problem:
        return []
    return [
        name
        for name, each in candidates.items()
        if validation.is_good(validation.check(each)) and matches(asked, _envelope(name, each))
    ]


def _envelope(name: str, resource: Resource) -> dict[str, Any]:
    indexed = index_of(resource)
    asked: dict[str, Any] = {
        "index": indexed.tokens,
        "dates": indexed.dates,
        "numbers": indexed.numbers,
        "together": indexed.together,
    }
    asked["words"] = words_of(resource)
    asked["place"] = indexed.place
    return {"_id": name, "type": resource["resourceType"], **asked, "facts": {}}


def _shared(text: str, where: str, house: House, unit: Unit | None, asker: Principal) -> list[str]:
    type_, _, query = text.partition("?")
    if type_ not in house.matrix.shared_types or not query:
        raise bad_request(f"`{text[:200]}` is not a conditional reference this server resolves", where)
    if house.matrix.forbidden(asker) is not None:
        raise forbidden()
    asked: Predicate = criteria(type_, pairs(query))
    scope = narrow(asker.scopes, type_, "s", asker, compile_criteria)
    door = VisibleStore(house.shelf, house.matrix.shared, EVERYTHING, unit.session if unit else None)
    return [each.id for each in door.page(type_, both(scope, asked), (), 2).entries]
