"""Routes: every method and template the FHIR base answers to, as a table; `/metadata` is made from it.

May live here: the table, and finding the row of a request (https://hl7.org/fhir/R4/http.html#summary).
May not know: what a row does; `interactions/pipeline.py` calls it by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from fhir_server.definitions.compartments import members
from fhir_server.definitions.compartments import names as compartments
from fhir_server.definitions.library import load
from fhir_server.foundation.light import light
from fhir_server.foundation.problem import Problem, bad_request, problem
from fhir_server.interactions import operation_table as table
from fhir_server.interactions.request import FhirRequest
from fhir_server.resources.kind import kind_of

Right = Literal["c", "r", "u", "d", "s", ""]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the FHIR interaction it is, the scope letter it needs, and whether it writes.

    `conditional`: upon what the query of its address finds.
    """

    method: str
    template: str
    interaction: str
    right: Right
    writes: bool = False
    conditional: bool = False


ROUTES: tuple[Row, ...] = (
    Row("GET", "metadata", "capabilities", ""),
    Row("POST", "", "bundle", "", writes=True),
    Row("GET", "{type}", "search-type", "s"),
    Row("POST", "{type}/_search", "search-type", "s"),
    Row("POST", "{type}", "create", "c", writes=True),
    Row("GET", "{type}/{id}", "read", "r"),
    Row("GET", "{type}/{id}/_history/{version}", "vread", "r"),
    Row("GET", "{type}/{id}/_history", "history-instance", "r"),
    Row("GET", "{type}/_history", "history-type", "s"),
    Row("GET", "{compartment}/{of}/{type}", "search-type", "s"),
    Row("POST", "{compartment}/{of}/{type}/_search", "search-type", "s"),
    Row("GET", "{compartment}/{of}/*", "search-system", ""),
    Row("POST", "{compartment}/{of}/*/_search", "search-system", ""),
    Row("GET", "", "search-system", ""),
    Row("POST", "_search", "search-system", ""),
    Row("GET", "_history", "history-system", ""),
    Row("PUT", "{type}/{id}", "update", "u", writes=True),
    Row("PATCH", "{type}/{id}", "patch", "u", writes=True),
    Row("DELETE", "{type}/{id}", "delete", "d", writes=True),
    Row("PUT", "{type}", "update", "u", writes=True, conditional=True),
    Row("PATCH", "{type}", "patch", "u", writes=True, conditional=True),
    Row("DELETE", "{type}", "delete", "d", writes=True, conditional=True),
    Row("GET", "${operation}", "operation", ""),
    Row("POST", "${operation}", "operation", "", writes=True),
    Row("GET", "{type}/${operation}", "operation", ""),
    Row("POST", "{type}/${operation}", "operation", "", writes=True),
    Row("GET", "{type}/{id}/${operation}", "operation", ""),
    Row("POST", "{type}/{id}/${operation}", "operation", "", writes=True),
)

SEARCH = ROUTES[2]
"""The row of a search: what a condition is asked as."""

_STEPS: dict[Row, tuple[str, ...]] = {row: tuple(row.template.split("/")) if row.template else () for row in ROUTES}
_BY_LENGTH = {
    length: tuple((row, names) for row, names in _STEPS.items() if len(names) == length)
    for length in {len(names) for names in _STEPS.values()}
}
_BY_METHOD = {
    (method, length): tuple((row, names) for row, names in rows if row.method == method)
    for method in {row.method for row in ROUTES}
    for length, rows in _BY_LENGTH.items()
}

ASKED = frozenset(
    {
        "capabilities",
        "search-type",
        "search-system",
        "history-instance",
        "history-type",
        "history-system",
        "operation",
    }
)
"""The interactions that read the query of their address."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_OF_ONE = ("{type}", "{id}")
_VERSION = re.compile(r"[1-9]\d{0,9}")


@light(frozen=True, slots=True)
class Route:
    """A row, filled in with the request's own type, id, version and operation.

    `compartment_of` is the `Type/id` in whose compartment a search is made; `type` is "" for what is of several types.
    """

    row: Row
    type: str = ""
    id: str = ""
    version: int = 0
    operation: str = ""
    compartment_of: str = ""

    @property
    def address(self) -> str:
        """Where a search is made, below the base: `Observation`, `Patient/x/Observation`, `Patient/x/*`, or nothing."""
        inside = f"{self.compartment_of}/" if self.compartment_of else ""
        return f"{inside}{self.type or ('*' if inside else '')}"

    @property
    def interaction(self) -> str:
        """The FHIR interaction code."""
        return self.row.interaction

    @property
    def right(self) -> str:
        """The scope letter: an operation's own, else the row's; "" for what is of several types."""
        if not self.operation:
            return self.row.right
        if not self.type:
            return ""
        return (self.operates.right_of_type if not self.id else "") or self.operates.right

    @property
    def operates(self) -> table.Operation:
        """The operation that is asked for. Raises LookupError where none is."""
        found = table.named(self.type, self.operation, instance=bool(self.id))
        if found is None:
            raise LookupError(f"{self.type} has no operation of this name")
        return found

    def at(self, id_: str) -> Route:
        """The same interaction upon one instance: the one that its condition was found to mean. Raises Problem 405."""
        row = next(each for each in ROUTES if (each.method, each.template) == (self.row.method, "{type}/{id}"))
        found = replace(self, row=row, id=id_)
        if not offered(found):
            raise problem(405, "not-supported", f"`{self.row.method}` is not supported here", Allow="GET, HEAD")
        return found


def match(request: FhirRequest) -> Route:
    """The route of a request. Raises Problem 404 for an unknown address, 405 with `Allow` for a known one.

    Raises Problem 400 for a parameter of an interaction that takes none: it would be answered with more than was asked
    for, or written without the condition that was made (decisions 9).
    """
    steps = request.steps
    method = "GET" if request.method == "HEAD" else request.method
    find = _of_type if len(steps) == 1 and steps[0] in load().endpoints else _first
    route, allowed = find(method, steps, bool(request.query))
    if route is not None:
        _unasked(route, request)
        return _reading(route)
    if allowed:
        names = sorted({*allowed, *(("HEAD",) if "GET" in allowed else ())})
        raise Problem(
            405,
            problem(405, "not-supported", f"`{request.method}` is not supported here").issues,
            {"Allow": ", ".join(names)},
        )
    raise _unknown(steps)


def _first(method: str, steps: tuple[str, ...], queried: bool) -> tuple[Route | None, list[str]]:
    """The first row that fits, filled in; None, and the methods of those that fit otherwise, where there is none."""
    for row, template in _BY_METHOD.get((method, len(steps)), ()):
        route = _found(row, template, steps, queried)
        if route is not None:
            return route, []
    every = _BY_LENGTH.get(len(steps), ())
    return None, [row.method for row, template in every if _found(row, template, steps, queried) is not None]


_of_type = lru_cache(maxsize=2_048)(_first)
"""Of the address of a type: there are few, and what is created or searched has one."""


def _found(row: Row, template: tuple[str, ...], steps: tuple[str, ...], queried: bool) -> Route | None:
    """What a row offers at an address, if anything: without a condition it would be upon all there is."""
    route = _fits(row, template, steps)
    return None if route is None or not offered(route) or (row.conditional and not queried) else route


def _unasked(route: Route, request: FhirRequest) -> None:
    if route.interaction in ASKED or route.row.conditional:
        return
    for name, value in request.query:
        if (name, value) == ("_summary", "false") or name in ("_format", "_pretty"):
            continue
        if name in ("_summary", "_elements") and route.interaction in ("read", "vread"):
            continue
        if request.lenient and not route.row.writes and not name.startswith("_"):
            continue  # leniency passes over what is unknown, never over what is known and not there
        raise bad_request(f"`{name[:64]}` is not supported on this interaction", code="not-supported")


def _reading(route: Route) -> Route:
    """An operation that changes nothing writes nothing, however it is asked for."""
    if not route.operation or route.operates.affects:
        return route
    return replace(route, row=replace(route.row, writes=False))


def offered(route: Route) -> bool:
    """Whether this interaction exists for this type."""
    if route.type and route.type not in load().endpoints:
        return False
    owner = route.compartment_of.partition("/")[0]
    if owner and (route.type or owner) not in members(owner):
        return False
    if route.row.interaction == "operation":
        found = table.named(route.type, route.operation, instance=bool(route.id))
        return found is not None and (route.row.method == "POST" or not found.affects)
    if route.row.writes and route.type == "OperationDefinition" and route.id in table.BY_ID:
        return False  # it is what the server does that says what they say
    return not route.type or route.interaction in kind_of(route.type).interactions


def interactions_of(type_: str) -> list[str]:
    """The interactions this server offers for a type, for `/metadata`."""
    rows = [row for row in ROUTES if "{type}" in row.template and row.interaction != "operation"]
    return list(dict.fromkeys(row.interaction for row in rows if offered(Route(row, type_))))


def of_the_system() -> list[str]:
    """The interactions that are of no one type, for `/metadata`."""
    return list(dict.fromkeys(row.interaction for row in ROUTES if row.interaction.endswith("-system")))


def _fits(row: Row, names: tuple[str, ...], steps: tuple[str, ...]) -> Route | None:
    if names == _OF_ONE:  # what is read by its id is read most of all
        type_, id_ = steps
        known = _ID.fullmatch(id_) and type_[0] not in "_$" and type_ != "metadata"
        return Route(row, type_, id_) if known else None
    found: dict[str, str] = {}
    for name, step in zip(names, steps, strict=True):
        if name == "${operation}":
            if not step.startswith("$"):
                return None
            found["operation"] = step[1:]
        elif name.startswith("{"):
            found[name[1:-1]] = step
        elif name != step:
            return None
    if found.get("type", "").startswith(("_", "$")) or found.get("type") == "metadata":
        return None
    if "id" in found and not _ID.fullmatch(found["id"]):
        return None
    owner, of = found.pop("compartment", ""), found.pop("of", "")
    if owner and not _ID.fullmatch(of):
        return None
    version = found.pop("version", None)
    if version is not None and not _VERSION.fullmatch(version):
        return None
    return Route(row, version=int(version or 0), compartment_of=f"{owner}/{of}" if owner else "", **found)


def _unknown(steps: tuple[str, ...]) -> Problem:
    if steps and steps[0] not in load().endpoints and not steps[0].startswith("$"):
        near = get_close_matches(steps[0], load().endpoints, 1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        return problem(404, "not-supported", f"`{steps[0]}` is not a resource type{hint}")
    if steps and steps[-1].startswith("$"):
        type_ = steps[0] if len(steps) in (2, 3) else ""
        return problem(404, "not-supported", table.unknown(type_, steps[-1][1:]))
    if len(steps) > 2 and steps[2] in load().endpoints:
        return problem(404, "not-supported", _no_compartment(steps[0], steps[2]))
    return problem(404, "not-found", "no such resource")


def _no_compartment(owner: str, type_: str) -> str:
    if not members(owner):
        return f"a {owner} has no compartment; these have one: {', '.join(compartments())}"
    return f"no {type_} is in the compartment of a {owner}"
