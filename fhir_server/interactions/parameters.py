"""Parameters in and out of an operation: https://hl7.org/fhir/R4/parameters.html, read by a table.

May live here: the table's row, and its reading from a body or from a query. The same rows make the OperationDefinition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.definitions.library import load
from fhir_server.foundation.problem import Issue, Problem, bad_request, unprocessable
from fhir_server.interactions.request import FhirRequest
from fhir_server.resources import validation
from fhir_server.search.nearest import meant, shown

RESOURCE = "Resource"
_WHOLE = frozenset({"integer", "positiveInt", "unsignedInt"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input: its name, FHIR type, cardinality (`maximum` None is unbounded) and what it says.

    A `type` that is a resource's, or `Resource`, is brought as `parameter.resource`.
    """

    name: str
    type: str
    minimum: int
    maximum: int | None
    what: str

    @property
    def is_resource(self) -> bool:
        """Whether it is brought as a resource."""
        return self.type == RESOURCE or load().is_type(self.type)

    @property
    def key(self) -> str:
        """Where its value stands in `Parameters.parameter`."""
        return "resource" if self.is_resource else f"value{self.type[0].upper()}{self.type[1:]}"


def of(request: FhirRequest, rows: tuple[Parameter, ...]) -> dict[str, Any]:
    """What a request gives, from its body or its query: value by name, a list where several may come.

    A body that is no Parameters is the one parameter that is a resource; the others may stand in the query then. Raises
    Problem 400 for what is unknown or of another type, 422 (400 in a query) for what is missing.
    """
    resource = request.resource
    if resource is None:
        return read(_of_query(request, rows), rows, missing=400)
    if resource.get("resourceType") != "Parameters":
        alone = next((row for row in rows if row.is_resource), None)
        if alone is None:
            raise bad_request("the body is no Parameters", "resourceType")
        beside = _of_query(request, rows).get("parameter", ())
        resource = {"resourceType": "Parameters", "parameter": [{"name": alone.name, "resource": resource}, *beside]}
    elif request.query:
        raise bad_request(f"`{shown(request.query[0][0])}` goes into the body's Parameters", code="not-supported")
    return read(resource, rows)


def read(resource: dict[str, Any], rows: tuple[Parameter, ...], missing: int = 422) -> dict[str, Any]:
    """Value by name, a list where several may come. Raises Problem naming every parameter that does not fit."""
    given = resource.get("parameter", [])
    if not isinstance(given, list):
        raise bad_request("`parameter` is an array", "Parameters.parameter")
    # what is brought as a resource is for the operation to judge; all else is what the definitions say it is
    plain = [{name: each for name, each in one.items() if name != "resource"} for one in given if isinstance(one, dict)]
    told = [each for each in plain if set(each) != {"name"}]
    wrong = [
        each
        for each in validation.check({**resource, "parameter": told} if told else {"resourceType": "Parameters"})
        if each.severity in ("fatal", "error")
    ]
    found, issues = _sorted(given, {row.name: row for row in rows})
    if wrong or issues:
        raise Problem(400, (*issues, *wrong))
    for row in rows:
        number = len(found.get(row.name, []))
        if number < row.minimum or (row.maximum is not None and number > row.maximum):
            issues.append(
                Issue("error", "required", f"`{row.name}` must be given {_times(row)}", "Parameters.parameter")
            )
    if issues:
        raise unprocessable(tuple(issues)) if missing == 422 else Problem(missing, tuple(issues))
    several = {row.name for row in rows if row.maximum is None}
    return {name: values if name in several else values[0] for name, values in found.items()}


def _sorted(given: list[Any], by_name: dict[str, Parameter]) -> tuple[dict[str, list[Any]], list[Issue]]:
    """The values by name, and an issue for each parameter that is unknown or of another type."""
    issues: list[Issue] = []
    found: dict[str, list[Any]] = {}
    for index, each in enumerate(given):
        name = each.get("name") if isinstance(each, dict) else None
        row = by_name.get(str(name))
        where = f"Parameters.parameter[{index}]"
        if row is None:
            near = meant(str(name), by_name)
            text = f"`{shown(str(name))}` is not a parameter of this operation{near}"
            issues.append(Issue("error", "not-supported", text, where))
        elif not _fits(row, each.get(row.key)):
            issues.append(Issue("error", "value", f"`{name}` must be a {row.type}", where))
        else:
            found.setdefault(row.name, []).append(each[row.key])
    return found, issues


def _fits(row: Parameter, value: Any) -> bool:
    if row.is_resource:
        return isinstance(value, dict) and (row.type == RESOURCE or value.get("resourceType") == row.type)
    if row.type == "Reference":
        return isinstance(value, dict) and isinstance(value.get("reference"), str) and "/" in value["reference"]
    return value is not None  # whether it is well formed, `validation.check` has said


def _of_query(request: FhirRequest, rows: tuple[Parameter, ...]) -> dict[str, Any]:
    """The pairs of a query as Parameters: primitives alone can be said there, and a Coding as a token."""
    by_name = {row.name: row for row in rows}
    made = []
    for name, text in request.query:
        row = by_name.get(name)
        if row is None:
            made.append({"name": name, "valueString": text})
        elif row.is_resource or row.type in ("Reference", "Meta"):
            raise bad_request(f"`{name}` is given in a body", code="not-supported")
        else:
            made.append({"name": name, row.key: _value(row, text)})
    return {"resourceType": "Parameters", **({"parameter": made} if made else {})}


def _value(row: Parameter, text: str) -> Any:
    if row.type == "boolean":
        if text not in ("true", "false"):
            raise bad_request(f"`{row.name}` must be a boolean", code="value")
        return text == "true"
    if row.type in _WHOLE:
        if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 11:
            raise bad_request(f"`{row.name}` must be a whole number", code="value")
        return int(text)
    if row.type == "Coding":
        system, bar, code = text.rpartition("|")
        return {**({"system": system} if bar and system else {}), "code": code}
    if not text:
        raise bad_request(f"`{row.name}` has no value", code="value")
    return text


def answered(name: str, type_: str, value: Any) -> dict[str, Any]:
    """Parameters that hold one value: what an operation that returns no resource answers."""
    return {"resourceType": "Parameters", "parameter": [{"name": name, f"value{type_}": value}]}


def _times(row: Parameter) -> str:
    if row.minimum and row.maximum == 1:
        return "once"
    return f"at most {row.maximum} times" if row.maximum is not None else f"at least {row.minimum} times"
