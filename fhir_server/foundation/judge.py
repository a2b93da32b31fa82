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
    """The function that says of a document, made of dicts as MongoDB gives them, what `matches` does.

    `inside` an element of an array of structures.
    """
    match predicate:
        case All(of):
            return every(tuple(judge(each, inside) for each in of))
        case Any_(of):
            return _any(of, inside)
        case Not(Has(field, str(value))) if _near(field, inside):
            return _one_of(field, frozenset((value,)), inside, wanted=False)
        case Not(Any_(of)) if (one := _of_one_field(of, inside)) is not None:
            return _one_of(*one, inside, wanted=False)
        case Not(inner):
            excluded = judge(inner, inside)
            return lambda document: not excluded(document)
        case Has(field, str(value)) if _near(field, inside):
            return _one_of(field, frozenset((value,)), inside)
        case Exists(field) if _near(field, inside):
            there = _at(path_of(field, inside))
            return lambda document: there(document) not in (None, [])
        case Some(field, inner) if _near(field, inside):
            return _some(_at(path_of(field, inside)), judge(inner, inside=True))
    return lambda document: matches(predicate, document, inside)


def _near(field: str, inside: bool) -> bool:
    """Whether a field lies no deeper than what is looked up here; what does is left to `matches`."""
    return path_of(field, inside).count(".") <= 1


def every(judges: tuple[Judge, ...]) -> Judge:
    """What all of them let pass."""

    def all_of(document: Document) -> bool:
        for each in judges:  # noqa: SIM110 - a generator costs more than the clauses
            if not each(document):
                return False
        return True

    return all_of


def _any(of: tuple[Predicate, ...], inside: bool) -> Judge:
    """Alternatives; those that a field holds a text are asked together."""
    texts: dict[str, set[str]] = {}
    judges: list[Judge] = []
    for each in of:
        if isinstance(each, Has) and isinstance(each.value, str) and _near(each.field, inside):
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


def _of_one_field(of: tuple[Predicate, ...], inside: bool) -> tuple[str, frozenset[str]] | None:
    """The field of which all these alternatives are texts, and the texts; None where they are anything else."""
    texts = [(each.field, each.value) for each in of if isinstance(each, Has) and isinstance(each.value, str)]
    fields = dict.fromkeys(field for field, _ in texts)
    if len(texts) != len(of) or len(fields) != 1:
        return None
    field = next(iter(fields))
    return (field, frozenset(value for _, value in texts)) if _near(field, inside) else None


def _one_of(field: str, texts: frozenset[str], inside: bool, *, wanted: bool = True) -> Judge:
    """Whether the field holds one of the texts, itself or in a list, as is `wanted` or not.

    Asked more than all else together.
    """
    first, _, rest = path_of(field, inside).partition(".")
    unwanted = not wanted

    def holds(document: Document) -> bool:
        value = document.get(first)
        if rest:
            value = value.get(rest) if isinstance(value, dict) else None
        if value is None:
            return unwanted
        if isinstance(value, list):
            try:
                return texts.isdisjoint(value) is unwanted
            except TypeError:  # a structure among them, which is no text
                return any(isinstance(each, str) and each in texts for each in value) is wanted
        return (isinstance(value, str) and value in texts) is wanted

    return holds


def _some(there: Values, inner: Judge) -> Judge:
    def some(document: Document) -> bool:
        value = there(document)
        if value is None:
            return False
        elements = value if isinstance(value, list) else [value]
        return any(isinstance(each, dict) and inner(each) for each in elements)

    return some


def _at(path: str) -> Values:
    """What stands at a path of one or two steps, None where nothing does."""
    first, _, rest = path.partition(".")
    if not rest:
        return lambda document: document.get(first)

    def within(document: Document) -> Any:
        value = document.get(first)
        return value.get(rest) if isinstance(value, dict) else None

    return within
