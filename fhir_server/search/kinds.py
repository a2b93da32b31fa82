"""Kinds: how each kind of parameter is asked for, and by which modifiers.

May live here: the tables over the files of the kinds, one of which is a type of R4 or a parameter that is read in a way
of its own (`supported.kind_of`). May not know: query strings (`parse.py`), how a kind means a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.foundation.predicate import Predicate
from fhir_server.search import age, composite, date, near, number, phonetic, quantity, reference, string, token, uri
from fhir_server.search.query import Asked
from fhir_server.search.supported import elements, kind_of

CLAUSES: Mapping[str, Callable[[Asked, str], Predicate]] = {
    **composite.CLAUSES,
    "composite": composite.clause,
    "phonetic": phonetic.clause,
    "age": age.clause,
    "near": near.clause,
}
# Beside these every parameter takes `:missing`, and a reference takes the types it may name.
MODIFIERS: Mapping[str, frozenset[str]] = {
    "string": string.MODIFIERS,
    "token": token.MODIFIERS,
    "reference": reference.MODIFIERS,
    "date": date.MODIFIERS,
    "uri": uri.MODIFIERS,
    "number": number.MODIFIERS,
    "quantity": quantity.MODIFIERS,
    "composite": composite.MODIFIERS,
    "phonetic": phonetic.MODIFIERS,
    "age": age.MODIFIERS,
    "near": near.MODIFIERS,
}
NEGATIONS = frozenset({"not", "not-in"})
# What is kept in arrays of structures is narrowed first to what has a value at all: an index over tokens serves that.
BY_PRESENCE = frozenset({"number", "quantity", "composite"})


def modifiers_of(type_: str, parameter: SearchParameter) -> set[str]:
    """The modifiers that one parameter of a type takes."""
    if parameter.code == "_id":
        return set()
    offered = {"missing", *MODIFIERS[kind_of(parameter)]}
    kinds = {kind for kind, _ in elements(type_, parameter)}
    match parameter.type:
        case "reference":
            offered.update(reference.targets(parameter))
            offered -= set() if "canonical" in kinds or reference.has_hierarchy(parameter) else uri.HIERARCHY
        case "token":
            # what only a few have is not kept of every trace: the ledger is written with each request
            offered -= token.BY_WORDS if type_ == "AuditEvent" else set()
            offered -= set() if "Identifier" in kinds else {"of-type"}
            offered -= set() if kinds & token.WORDED else {"text"}
            offered -= token.BY_CODES if kinds and kinds <= {"boolean", "ContactPoint", "Identifier"} else set()
    return offered


def is_literal(asked: Asked) -> bool:
    """Whether what stands behind a reference parameter refers to resources, and not by a canonical URL."""
    return "canonical" not in {kind for kind, _ in elements(asked.type, asked.parameter)}
