"""Queries: what a search asks for, as values.

May live here: the shape of a parsed search, of one clause on its way to be compiled, and of an order.
May not know: how a query string is written (`parse.py`), MongoDB, who asks (https://hl7.org/fhir/R4/search.html).

INVARIANT (order): what has several values is sorted by the least of them going up and by the greatest going down, what
has none comes last either way, and ties go by id in the direction of the last key: `store/ordering.py` does the same.
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

    `codes` tells what value sets hold, `now` is the moment of the question in microseconds, None where none is meant.
    """

    type: str
    parameter: SearchParameter
    modifier: str | None = None
    base: str = ""
    codes: Codes = PUBLISHED
    now: int | None = None

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
    """One key of a sort: `updated`, `id`, `date:<parameter>`, or what tokens and numbers begin with.

    `text:Type.code^` and `text:Type.code=` go by index tokens, `code:Type.code=` by those without a system,
    `number:Type.code` by numbers as they are written, whatever their unit.
    """

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """`source:parameter[:target]`, `*` for any; `reverse` for those that point at a match.

    `iterate`: it is asked of what was brought along as well.
    """

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
    belongs to one of them. `cursor` is a sealed page token, still closed. `where` lacks `patient_identifier` and the
    `lists` (ids of Lists in each of which a match stands), which must be resolved first: `for_patient`, `listed`.
    `chained`: it holds `Linked` nodes, which must be followed first.
    `contained` is "true" where it asks of contained resources alone, "both" where of others too; `returns` is then
    "contained" where they themselves are wanted, and not what holds them.
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
    lists: tuple[str, ...] = ()
    contained: str = ""
    returns: str = ""

    def listed(self, items: Iterable[str]) -> Query:
        """The query confined to what stands in one of its Lists (`Type/id`); it matches nothing where there is none."""
        return replace(self, where=both(self.where, one_of("id", [*items])))

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
    """Where a stored envelope stands in an order: what it has of each key, then its `_id`.

    Of an update, an id and a date going down that is the value (int, str or None), of others whether it is missing and
    the value.
    """
    keys = list(order)
    values = [part for each in keys for part in _parts(each, envelope)]
    return values if any(each.field == "id" for each in keys) else [*values, envelope["_id"]]


def in_order(order: Iterable[Order], envelopes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The envelopes as the store's sort gives them: the order's other interpreter, for tests and explanations."""
    keys = list(order)
    if not any(each.field == "id" for each in keys):
        keys.append(Order("id", keys[-1].descending if keys else False))
    ordered = list(envelopes)
    for each in reversed(keys):
        ordered.sort(key=lambda envelope, key=each: _rank(_value(key, envelope)), reverse=each.descending)  # type: ignore[misc]
        ordered.sort(key=lambda envelope, key=each: _value(key, envelope) is None)  # type: ignore[misc]
    return ordered


def merged(order: Iterable[Order], placed: Iterable[tuple[Sequence[Any], Item]]) -> list[tuple[Sequence[Any], Item]]:
    """What stands at positions (`position`) of one order, in that order."""
    keys = list(order)
    down = [turn for each in keys for turn in ((each.descending,) if _is_stored(each) else (False, each.descending))]
    if not any(each.field == "id" for each in keys):
        down.append(down[-1] if down else False)
    ordered = list(placed)
    for index, descending in reversed(list(enumerate(down))):
        ordered.sort(key=lambda each, at=index: _rank(each[0][at]), reverse=descending)  # type: ignore[misc]
    return ordered


def _value(order: Order, envelope: Mapping[str, Any]) -> Any:
    kind, _, name = order.field.partition(":")
    if not name:
        return envelope["_id" if kind == "id" else kind]
    match kind:
        case "date":
            values = [each["lo"] for each in envelope.get("dates", {}).get(name, ())]
        case "number":
            end = "hi" if order.descending else "lo"
            values = [each[end] for each in envelope.get("numbers", ()) if name in each["key"]]
        case _:
            values = [each for each in envelope.get("index", ()) if each.startswith(name)]
            values = [each for each in values if kind != "code" or "|" not in each]
    if not values:
        return None
    return max(values) if order.descending else min(values)


def _is_stored(order: Order) -> bool:
    return order.field in ("updated", "id") or (order.field.startswith("date:") and order.descending)


def _parts(order: Order, envelope: Mapping[str, Any]) -> tuple[Any, ...]:
    value = _value(order, envelope)
    return (value,) if _is_stored(order) else (value is None, value)


def _rank(value: Any) -> tuple[int, Any]:
    return (0, 0) if value is None else (1, value)
