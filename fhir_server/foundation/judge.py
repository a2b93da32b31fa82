"""Judges: what `matches` means, compiled for a predicate that is asked of many documents.

May live here: turning a predicate into a function of a document. May not know: what a clause means beyond `matches`.
A guard is walked once, when it is compiled, and not for every document that it is asked of; alternatives of one field
become one look into a set. What is rare is left to `matches` itself, and the two agree by law (tests/security).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.foundation.predicate import All, Any_, Exists, Has, Not, Predicate, Some, matches, path_of

Document = Mapping[str, Any]
Judge = Callable[[Document], bool]
Values = Callable[[Document], Any]


def judge(predicate: Predicate, inside: bool = False) -> Judge:
    """The function that says of a document what `matches` does; `inside` an element of an array of structures."""
    match predicate:
        case All(of):
            return _all(tuple(judge(each, inside) for each in of))
        case Any_(of):
            return _any(of, inside)
        case Not(inner):
            excluded = judge(inner, inside)
            return lambda document: not excluded(document)
        case Has(field, str(value)):
            return _one_of(field, frozenset((value,)), inside)
        case Exists(field):
            there = _at(path_of(field, inside))
            return lambda document: there(document) not in (None, [])
        case Some(field, inner):
            return _some(_at(path_of(field, inside)), judge(inner, inside=True))
    return lambda document: matches(predicate, document, inside)


def _all(judges: tuple[Judge, ...]) -> Judge:
    def every(document: Document) -> bool:
        for each in judges:  # noqa: SIM110 - a generator costs more than the clauses
            if not each(document):
                return False
        return True

    return every


def _any(of: tuple[Predicate, ...], inside: bool) -> Judge:
    """Alternatives; those that a field holds a text are asked together."""
    texts: dict[str, set[str]] = {}
    judges: list[Judge] = []
    for each in of:
        if isinstance(each, Has) and isinstance(each.value, str):
            texts.setdefault(each.field, set()).add(each.value)
        else:
            judges.append(judge(each, inside))
    judges[:0] = [_one_of(field, frozenset(values), inside) for field, values in texts.items()]
    several = tuple(judges)
    if len(several) == 1:
        return several[0]

    def one(document: Document) -> bool:
        for each in several:  # noqa: SIM110
            if each(document):
                return True
        return False

    return one


def _one_of(field: str, texts: frozenset[str], inside: bool) -> Judge:
    there = _at(path_of(field, inside))

    def holds(document: Document) -> bool:
        value = there(document)
        if value is None:
            return False
        if type(value) is str:
            return value in texts
        if isinstance(value, list):
            return any(type(each) is str and each in texts for each in value)
        return False

    return holds


def _some(there: Values, inner: Judge) -> Judge:
    def some(document: Document) -> bool:
        value = there(document)
        if value is None:
            return False
        elements = value if isinstance(value, list) else [value]
        return any(isinstance(each, Mapping) and inner(each) for each in elements)

    return some


def _at(path: str) -> Values:
    """What stands at a dotted path, None where nothing does."""
    first, _, rest = path.partition(".")
    if not rest:
        return lambda document: document.get(first)
    if "." in rest:
        raise ValueError(f"no field lies at `{path}`")

    def within(document: Document) -> Any:
        value = document.get(first)
        return value.get(rest) if isinstance(value, Mapping) else None

    return within
