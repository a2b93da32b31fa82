"""Queries: what a search asks for, as values.

May live here: the shape of a parsed search, of one clause on its way to be compiled, and of an order.
May not know: how a query string is written (`parse.py`), MongoDB, who asks (https://hl7.org/fhir/R4/search.html).

INVARIANT (order): a date is sorted by the least beginning of its values going up and by the greatest going down, a
missing one below every other, and ties go by id in the direction of the last key: what MongoDB's sort of an array
does, and what the store's `first` and `last` hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.foundation.predicate import Predicate, both, one_of
from fhir_server.foundation.problem import Issue
from fhir_server.search.codes import PUBLISHED, Codes

Total = Literal["none", "accurate", "estimate"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Asked:
    """One clause on its way to be compiled: the parameter, its modifier if any, and the server's own base URL.

    `codes` tells what value sets hold.
    """

    type: str
    parameter: SearchParameter
    modifier: str | None = None
    base: str = ""
    codes: Codes = PUBLISHED

    @property
    def name(self) -> str:
        """What index tokens of the parameter begin with: `Type.code`."""
        return f"{self.type}.{self.parameter.code}"

    @property
    def field(self) -> str:
        """The predicate field of a date parameter."""
        return f"date:{self.parameter.code}"


@dataclass(frozen=True, slots=True)
class Order:
    """One key of a sort: `updated`, `id` or `date:<parameter>`."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """`source:parameter[:target]`; `reverse` for those that point at a match. `iterate` is always False."""

    source: str
    parameter: str
    target: str | None = None
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class PatientIdentifier:
    """`patient.identifier=system|value` (IHE ITI-67): a record named by a national identifier, to be resolved."""

    parameter: str
    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """A search, parsed.

    `where` says nothing of the type: whoever runs it adds `Has("resource", type)`. `count` is the page size, 0 when
    `summary` is "count" and no entry is wanted. `asked` is what the self link states, but for the page; `ignored` is
    what was left out of it. `total` is never "estimate": that is answered accurately.
    `compartment` is the `Type/id` within whose compartment it is asked, "" for none; `where` says so too.
    `patients` are the ids of records the query is confined to by an owner parameter (or `_id` on Patient); every match
    belongs to one of them. `cursor` is a sealed page token, still closed. `where` lacks `patient_identifier`, which
    must be resolved first: `for_patient`. `chained`: it holds `Linked` nodes, which must be followed first.
    """

    type: str
    where: Predicate
    order: tuple[Order, ...]
    count: int
    total: Total
    includes: tuple[Include, ...] = ()
    summary: str | None = None
    asked: tuple[tuple[str, str], ...] = ()
    ignored: tuple[Issue, ...] = ()
    cursor: str | None = None
    patients: tuple[str, ...] = ()
    patient_identifier: PatientIdentifier | None = None
    chained: bool = False
    compartment: str = ""

    def for_patient(self, ids: Iterable[str]) -> Query:
        """The query with its `patient_identifier` resolved to Patient ids; it matches nothing when there is none."""
        if self.patient_identifier is None:
            return self
        found = tuple(dict.fromkeys(ids))
        name = f"{self.type}.{self.patient_identifier.parameter}"
        named = one_of("token", [f"{name}=Patient/{id_}" for id_ in found])
        patients = tuple(dict.fromkeys((*self.patients, *found)))
        return replace(self, where=both(self.where, named), patients=patients, patient_identifier=None)


NEWEST_FIRST = (Order("updated", descending=True), Order("id", descending=True))


def position(order: Iterable[Order], envelope: Mapping[str, Any]) -> list[Any]:
    """Where a stored envelope stands in an order: the value of each key (int, str or None), then its `_id`."""
    keys = list(order)
    values = [_value(each, envelope) for each in keys]
    return values if any(each.field == "id" for each in keys) else [*values, envelope["_id"]]


def in_order(order: Iterable[Order], envelopes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The envelopes as the store's sort gives them: the order's other interpreter, for tests and explanations."""
    keys = list(order)
    if not any(each.field == "id" for each in keys):
        keys.append(Order("id", keys[-1].descending if keys else False))
    ordered = list(envelopes)
    for each in reversed(keys):
        ordered.sort(key=lambda envelope, key=each: _rank(_value(key, envelope)), reverse=each.descending)  # type: ignore[misc]
    return ordered


def merged(order: Iterable[Order], placed: Iterable[tuple[Sequence[Any], Item]]) -> list[tuple[Sequence[Any], Item]]:
    """What stands at positions (`position`) of one order, in that order."""
    keys = list(order)
    down = [each.descending for each in keys]
    if not any(each.field == "id" for each in keys):
        down.append(down[-1] if down else False)
    ordered = list(placed)
    for index, descending in reversed(list(enumerate(down))):
        ordered.sort(key=lambda each, at=index: _rank(each[0][at]), reverse=descending)  # type: ignore[misc]
    return ordered


def _value(order: Order, envelope: Mapping[str, Any]) -> Any:
    if not order.field.startswith("date:"):
        return envelope["_id" if order.field == "id" else order.field]
    starts = [each["lo"] for each in envelope.get("dates", {}).get(order.field[5:], ())]
    if not starts:
        return None
    return max(starts) if order.descending else min(starts)


def _rank(value: Any) -> tuple[int, Any]:
    return (0, 0) if value is None else (1, value)
