"""Parameters in and out of an operation: https://hl7.org/fhir/R4/parameters.html, read by a table.

May live here: the table's row and its reading. The same rows make the OperationDefinition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.foundation.problem import Issue, unprocessable

_JSON: dict[str, type | tuple[type, ...]] = {"boolean": bool, "string": str, "Reference": dict, "code": str}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input: its name, FHIR type, cardinality (`maximum` None is unbounded) and what it says."""

    name: str
    type: str
    minimum: int
    maximum: int | None
    what: str


def read(resource: dict[str, Any], rows: tuple[Parameter, ...]) -> dict[str, Any]:
    """Value by name, a list where several may come. Raises Problem 422 naming every parameter that does not fit."""
    issues: list[Issue] = []
    by_name = {row.name: row for row in rows}
    found: dict[str, list[Any]] = {}
    given = resource.get("parameter", [])
    if not isinstance(given, list):
        raise unprocessable((Issue("error", "structure", "`parameter` is an array", "Parameters.parameter"),))
    for index, each in enumerate(given):
        name = each.get("name") if isinstance(each, dict) else None
        row = by_name.get(str(name))
        value = each.get(f"value{row.type[0].upper()}{row.type[1:]}") if row else None
        if row is None:
            issues.append(_issue(f"`{name}` is not a parameter of this operation", index))
        elif not isinstance(value, _JSON[row.type]) or (row.type == "Reference" and not _refers(value)):
            issues.append(_issue(f"`{name}` must be a {row.type}", index))
        else:
            found.setdefault(row.name, []).append(value)
    for row in rows:
        number = len(found.get(row.name, []))
        if number < row.minimum or (row.maximum is not None and number > row.maximum):
            issues.append(
                Issue("error", "required", f"`{row.name}` must be given {_times(row)}", "Parameters.parameter")
            )
    if issues:
        raise unprocessable(tuple(issues))
    return {name: values if by_name[name].maximum is None else values[0] for name, values in found.items()}


def definition(name: str, type_: str, rows: tuple[Parameter, ...], canonical: str, description: str) -> dict[str, Any]:
    """The OperationDefinition (https://hl7.org/fhir/R4/operationdefinition.html) of an operation on an instance."""
    inputs = [
        {
            "name": row.name,
            "use": "in",
            "min": row.minimum,
            "max": "*" if row.maximum is None else str(row.maximum),
            "documentation": row.what,
            "type": row.type,
        }
        for row in rows
    ]
    return {
        "resourceType": "OperationDefinition",
        "id": name,
        "url": f"{canonical}/OperationDefinition/{name}",
        "name": "".join(part.capitalize() for part in name.split("-")),
        "status": "active",
        "kind": "operation",
        "affectsState": True,
        "description": description,
        "code": name,
        "resource": [type_],
        "system": False,
        "type": False,
        "instance": True,
        "parameter": [*inputs, {"name": "return", "use": "out", "min": 1, "max": "1", "type": type_}],
    }


def _issue(text: str, index: int) -> Issue:
    return Issue("error", "value", text, f"Parameters.parameter[{index}]")


def _refers(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("reference"), str) and "/" in value["reference"]


def _times(row: Parameter) -> str:
    if row.minimum and row.maximum == 1:
        return "once"
    return f"at most {row.maximum} times" if row.maximum is not None else f"at least {row.minimum} times"
