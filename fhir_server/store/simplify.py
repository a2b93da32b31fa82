"""Simplifying: a guard as it reads once the type and the record asked for are known, compiled once and remembered.

May live here: rewriting a predicate into a smaller one that holds for the same documents among those asked for, and
remembering what it compiles to. May not know: what a rule meant, who asks.

A guard is some thirty rules joined; most of their clauses are about other types than the one a query asks for. MongoDB
would parse, plan and test all of them for every document (DMP-52 and its like stay in the query, never after it).

INVARIANT (same documents): among documents that satisfy what is `given`, the simplified predicate selects exactly
those that the predicate selects (tests/unit/store/test_simplify.py). Of a stored one more is known: its type has
some facts never (`resources/facts.py`), who is `patient` is among its `patients`, and it has tokens that say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from fhir_server.foundation.judge import Judge, every, judge
from fhir_server.foundation.predicate import (
    EVERYTHING,
    NOTHING,
    All,
    Any_,
    Exists,
    Has,
    Linked,
    Not,
    Predicate,
    Some,
    Under,
    path_of,
)
from fhir_server.resources.facts import may_be_about, never_of_class, owner_tokens
from fhir_server.store.mongo import Filter, joined, to_mongo

REMEMBERED = 4_096
LONG = 64
"""How many alternatives a clause has at most to be remembered."""
_SCALARS = frozenset({"id", "resource", "patient"})
_OWN = frozenset({"id", "resource", "version", "updated", "deposited"})

Given = Mapping[str, str]
"""What every document asked for is known to hold: the value of a field, by the field's name."""


def filter_of(predicates: Iterable[Predicate], type_: str = "") -> Filter:
    """The filter of all of them together; `type_` is the FHIR type of everything that the query asks for, if one is.

    What a guard compiles to is remembered; a single clause, such as an id, is not worth it, and a long list of values,
    such as what a chain found, too large.
    """
    alone: list[Predicate] = []
    guard: list[Predicate] = []
    for each in predicates:
        parts = each.of if isinstance(each, All) and any(map(_is_long, each.of)) else (each,)
        for part in parts:
            (alone if isinstance(part, Has) or _is_long(part) else guard).append(part)
    said = tuple(guard)
    record = _said_of("patients", alone) or _record_of(said)
    owner = _said_of("patient", alone) or _owner_of(said)
    named = [each for each in alone if not _goes_without_saying(each, type_, owner)]
    return joined([*map(to_mongo, named), *_compiled(said, type_, record, owner)])


def judge_of(predicates: Iterable[Predicate], type_: str) -> Judge | None:
    """The same of one document in memory, which is of that type and has no index; None where that is asked as well."""
    clauses = tuple(dict.fromkeys(clause for each in predicates for clause in _clauses(each)))
    if not all(map(_asks_no_index, clauses)):
        return None
    record = _record_of(clauses)
    simple = ((each if isinstance(each, Has) else _simple(each, type_, record)) for each in clauses)
    return every(tuple(_judged(each) for each in simple if each != EVERYTHING))


def _judged(clause: Predicate) -> Judge:
    return judge(clause) if isinstance(clause, Has) or _is_long(clause) else _judged_alike(clause)


@lru_cache(REMEMBERED)
def _judged_alike(clause: Predicate) -> Judge:
    """What one clause compiles to: that of each record, where it says nothing of one."""
    return judge(clause)


def simplified(predicate: Predicate, given: Given) -> Predicate:
    """The predicate without what is settled by `given`, and without empty or nested junctions."""
    match predicate:
        case Has(field, value):
            known = given.get(field)
            if known is None or not isinstance(value, str):
                return NOTHING if _never(field, value, given) else predicate
            if known == value:
                return EVERYTHING
            return NOTHING if field in _SCALARS else predicate
        case Exists(field):
            if field in given:
                return EVERYTHING
            return NOTHING if _is_never_about(field, given) else predicate
        case Not(inner):
            return _negated(simplified(inner, given))
        case All(of):
            return _all(simplified(each, given) for each in of)
        case Any_(of):
            return _any(simplified(each, given) for each in of)
        case Some(field, inner):
            within = simplified(inner, {})
            return NOTHING if within == NOTHING else Some(field, within)
    return predicate


def _never(field: str, value: str | int | bool, given: Given) -> bool:
    """Whether nothing of the type that is given has such a fact."""
    return (field == "class" and value in never_of_class(given.get("resource", ""))) or _is_never_about(field, given)


def _is_never_about(field: str, given: Given) -> bool:
    return field == "about" and "resource" in given and not may_be_about(given["resource"])


def _goes_without_saying(clause: Predicate, type_: str, owner: str) -> bool:
    """Whether what has an owner for its first has that too: him among its owners, the tokens that find it by him.

    Traces alone are found by their owners.
    """
    if not owner or type_ in ("", "AuditEvent") or not isinstance(clause, Has):
        return False
    if clause.field == "token":
        return any(clause.value == f"{each}{owner}" for each in owner_tokens(type_))
    return clause == Has("patients", owner)


@lru_cache(REMEMBERED)
def _compiled(guard: tuple[Predicate, ...], type_: str, record: str, owner: str) -> tuple[Filter, ...]:
    """The filters of the clauses that are not settled; shared, so not to be changed."""
    clauses = dict.fromkeys(clause for each in guard for clause in _clauses(each))
    asked = (each for each in clauses if not _goes_without_saying(each, type_, owner))
    compiled = (to_mongo(each) if isinstance(each, Has) else _filter(each, type_, record) for each in asked)
    return tuple(each for each in compiled if each is not None)


@lru_cache(REMEMBERED)
def _filter(clause: Predicate, type_: str, record: str) -> Filter | None:
    """What one clause compiles to, None when it is settled."""
    simple = _simple(clause, type_, record)
    return None if simple == EVERYTHING else to_mongo(simple)


def _simple(clause: Predicate, type_: str, record: str) -> Predicate:
    given = {**({"resource": type_} if type_ else {}), **({"patients": record} if record else {})}
    return simplified(clause, given)


def _asks_no_index(clause: Predicate) -> bool:
    """Whether it asks of a document nothing but the envelope's own fields and its facts."""
    match clause:
        case All(of) | Any_(of):
            return all(map(_asks_no_index, of))
        case Not(inner):
            return _asks_no_index(inner)
        case Linked() | Under():
            return False
    return clause.field in _OWN or path_of(clause.field).startswith("facts.")


@lru_cache(REMEMBERED)
def _record_of(guard: tuple[Predicate, ...]) -> str:
    """The record to which a guard confines, "" for none."""
    return _said_of("patients", (clause for each in guard for clause in _clauses(each)))


@lru_cache(REMEMBERED)
def _owner_of(guard: tuple[Predicate, ...]) -> str:
    """The first of its owners that a guard asks for, "" for none."""
    return _said_of("patient", (clause for each in guard for clause in _clauses(each)))


def _said_of(field: str, clauses: Iterable[Predicate]) -> str:
    return next((str(each.value) for each in clauses if isinstance(each, Has) and each.field == field), "")


def _is_long(predicate: Predicate) -> bool:
    return isinstance(predicate, Any_) and len(predicate.of) > LONG


def _clauses(predicate: Predicate) -> tuple[Predicate, ...]:
    """What a predicate joins, conjunctions within it opened."""
    if not isinstance(predicate, All):
        return (predicate,)
    return tuple(clause for each in predicate.of for clause in _clauses(each))


def _negated(inner: Predicate) -> Predicate:
    if inner == EVERYTHING:
        return NOTHING
    if inner == NOTHING:
        return EVERYTHING
    return inner.inner if isinstance(inner, Not) else Not(inner)


def _all(of: Iterable[Predicate]) -> Predicate:
    parts: list[Predicate] = []
    for each in of:
        if each == NOTHING:
            return NOTHING
        parts.extend(each.of if isinstance(each, All) else (each,))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _any(of: Iterable[Predicate]) -> Predicate:
    parts: list[Predicate] = []
    for each in of:
        if each == EVERYTHING:
            return EVERYTHING
        parts.extend(each.of if isinstance(each, Any_) else (each,))
    return parts[0] if len(parts) == 1 else Any_(tuple(parts))
