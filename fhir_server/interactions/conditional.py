"""Conditional references: `Type?query` where a `Type/id` belongs (https://hl7.org/fhir/R4/http.html#trules).

May live here: finding the one resource that is meant, in the shared directory, in a record as far as the asker sees it,
or among what the same transaction writes. May not know: how a reference is put in place (`resources/references.py`),
who may write what.

A person is found by an INS as the existence check finds him (DMP-101); by any other condition, and so is what lies in
a record, through the asker's own door as the search that it is: what is hidden and what is absent are not found alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from fhir_server.definitions.identifiers import is_ins_system
from fhir_server.definitions.library import load
from fhir_server.foundation.predicate import EVERYTHING, Predicate, both, matches
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Problem, bad_request, forbidden, problem
from fhir_server.interactions import meant
from fhir_server.interactions.pipeline import Visit, compile_criteria
from fhir_server.interactions.request import pairs
from fhir_server.interactions.subject import existence_is_told, patients_of_identifier, patients_told
from fhir_server.resources import references, validation
from fhir_server.search.escapes import plain, split
from fhir_server.search.index import index_of
from fhir_server.search.parse import criteria
from fhir_server.search.words import words_of
from fhir_server.smart.scope import narrow
from fhir_server.store.visible import VisibleStore

Resource = dict[str, Any]
NOBODY = "Patient/-"
"""A patient there is not."""


def is_conditional(text: str, kind: str = "reference") -> bool:
    """Whether a link is a reference that has to be looked for; what is absolute or contained is none."""
    type_, mark, _ = text.partition("?")
    return kind == "reference" and bool(mark) and ":" not in type_ and not type_.startswith("#")


def conditions(links: Iterable[references.Link]) -> Iterator[tuple[str, str]]:
    """Each condition among the links of a resource, and the FHIRPath of where it is made."""
    return ((text, path) for path, text, kind in links if is_conditional(text, kind))


def target(visit: Visit, text: str, where: str) -> str:
    """`Type/id` of the one resource that is meant; `where` is the element that means it.

    Raises Problem 400 for a condition that cannot be read, 403, 404 for none and 412 for several. To whom the existence
    check is not open (DMP-101), a patient nobody knows is one whose record stays shut.
    """
    identifier = _identifier_of(text)
    if identifier and not existence_is_told(visit.principal, visit.house.matrix):
        one = patients_of_identifier(visit.house, identifier, visit.unit)
        return one[0] if len(one) == 1 else NOBODY
    found = _found(visit, text, where, identifier)
    if not found:
        raise problem(404, "not-found", _none(text, identifier), where)
    if len(found) > 1:
        raise problem(412, "multiple-matches", _several(text, identifier), where)
    return found[0]


def among(
    visit: Visit, asked: Mapping[str, str], written: Mapping[str, Resource], gone: Collection[str]
) -> dict[str, str]:
    """Those of the conditions `asked`, by where they stand, that mean something this transaction writes.

    References are resolved last, when all is written: `written` is what will stand, by `Type/id`, and what it replaces
    or is `gone` no longer counts. Raises Problem 412 where something else is meant as well. Who is not told which
    persons are known (DMP-101) is not told by this either.
    """
    found: dict[str, str] = {}
    for text, where in asked.items():
        type_ = text.partition("?")[0]
        if type_ == "Patient" and not existence_is_told(visit.principal, visit.house.matrix):
            continue
        candidates = {name: each for name, each in written.items() if each["resourceType"] == type_}
        new = here(text, candidates, visit.request.base)
        if not new:
            continue
        identifier = _identifier_of(text)
        try:
            known = (
                patients_of_identifier(visit.house, identifier, visit.unit)
                if identifier and _is_ins(identifier)
                else _found(visit, text, where, identifier)
            )
        except Problem as refused:
            raise refused.at(where) from refused
        others = [each for each in known if each not in written and each not in gone]
        if len(new) + len(others) > 1:
            raise problem(412, "multiple-matches", _several(text, identifier), where)
        found[text] = new[0]
    return found


def here(text: str, candidates: Mapping[str, Resource], base: str) -> list[str]:
    """Which of the candidates (`Type/id`) the condition holds of; what is not valid is refused where it is written."""
    if not candidates:
        return []
    type_, _, query = text.partition("?")
    try:
        asked = criteria(type_, pairs(query), base)
    except Problem:
        return []
    return [
        name
        for name, each in candidates.items()
        if validation.is_good(validation.check(each))
        and matches(asked, _envelope(name, references.relative_to(each, base)))
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


def _identifier_of(text: str) -> str | None:
    """`system|value` of `Patient?identifier=system|value`, the one condition on a person; None for any other."""
    type_, _, query = text.partition("?")
    asked = pairs(query)
    if type_ != "Patient" or len(asked) != 1 or asked[0][0] != "identifier" or len(split(asked[0][1], ",")) > 1:
        return None
    parts = [plain(each) for each in split(asked[0][1], "|")]
    return "|".join(parts) if len(parts) == 2 and all(parts) else None


def _is_ins(identifier: str | None) -> bool:
    return identifier is not None and is_ins_system(identifier.partition("|")[0])


def _found(visit: Visit, text: str, where: str, identifier: str | None) -> list[str]:
    """`Type/id` of those that the condition finds, two at least if there are several, so far as its asker may know."""
    if identifier and (_is_ins(identifier) or visit.principal.kind is Kind.OPERATOR):
        return patients_told(visit.house, identifier, visit.principal, visit.unit)
    type_, _, query = text.partition("?")
    if not load().is_type(type_) or not query:
        raise bad_request(f"`{text[:200]}` is not a conditional reference: write `Type?parameter=value`", where)
    asked = pairs(query)
    by = criteria(type_, asked, visit.request.base)
    if type_ in visit.house.matrix.shared_types:
        return _shared(visit, type_, by)
    return [each.id for each in meant.sought(visit, type_, asked)]


def _shared(visit: Visit, type_: str, asked: Predicate) -> list[str]:
    house, asker, unit = visit.house, visit.principal, visit.unit
    if house.matrix.forbidden(asker) is not None:
        raise forbidden()
    scope = narrow(asker.scopes, type_, "s", asker, compile_criteria)
    door = VisibleStore(house.shelf, house.matrix.shared, EVERYTHING, unit.session if unit else None)
    return [each.id for each in door.page(type_, both(scope, asked), (), 2).entries]


def _none(text: str, identifier: str | None) -> str:
    """What is said where nothing is found: no word of the condition, which may name a person."""
    if _is_ins(identifier):
        return "unknown INS: no patient has this identifier"
    return f"the condition on {text.partition('?')[0]} finds nothing that you may see"


def _several(text: str, identifier: str | None) -> str:
    if identifier:
        return "several patients have this identifier"
    return f"the condition on {text.partition('?')[0]} finds several"
