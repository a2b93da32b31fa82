"""Published: the OperationDefinitions of the operations there are, laid into the store at every start.

May live here: a row of the table as https://hl7.org/fhir/R4/operationdefinition.html has it. They are read, searched
and included as any definition is; nobody writes them (docs/adr/0022). May not know: what an operation does.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from fhir_server.foundation.moment import micros
from fhir_server.interactions.house import House
from fhir_server.interactions.operation_table import TABLE, Operation
from fhir_server.interactions.parameters import Parameter
from fhir_server.store import laid

DATE = "2026-11-24"


def lay(house: House) -> None:
    """Put the definitions into the store, where they are not there as they are."""
    laid.lay(house.shelf, definitions(house.canonical), micros(datetime.fromisoformat(f"{DATE}T00:00:00+00:00")))


@cache
def definitions(canonical: str) -> tuple[dict[str, Any], ...]:
    """Every OperationDefinition, in the order of the table, without `meta`."""
    return tuple(definition(each, canonical) for each in TABLE)


def url(operation: Operation, canonical: str) -> str:
    """The canonical URL of an operation's definition."""
    return f"{canonical}/OperationDefinition/{operation.id}"


def definition(operation: Operation, canonical: str) -> dict[str, Any]:
    """The OperationDefinition of one operation."""
    returned = {"name": "return", "use": "out", "min": 1, "max": "1", "documentation": "what is answered"}
    made = {
        "resourceType": "OperationDefinition",
        "id": operation.id,
        "url": url(operation, canonical),
        "name": "".join(part[:1].upper() + part[1:] for part in operation.id.split("-")),
        "title": operation.title,
        "status": "active",
        "kind": "operation",
        "date": DATE,
        "publisher": "DMP on FHIR",
        "description": operation.what,
        "affectsState": operation.affects,
        "code": operation.name,
        "base": operation.base,
        "resource": list(operation.types or ("Resource",)),
        "system": operation.system,
        "type": operation.type,
        "instance": operation.instance,
        "parameter": [*map(_input, operation.parameters), {**returned, "type": operation.returns}],
    }
    return {name: value for name, value in made.items() if value is not None}


def _input(row: Parameter) -> dict[str, Any]:
    said = "Any" if row.type == "Resource" else row.type
    return {
        "name": row.name,
        "use": "in",
        "min": row.minimum,
        "max": "*" if row.maximum is None else str(row.maximum),
        "documentation": row.what,
        "type": said,
    }
