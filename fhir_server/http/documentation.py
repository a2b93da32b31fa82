"""Documentation: the OpenAPI description of every route for programs, at `/openapi.json`.

May live here: flask-smorest's Api, and the paths of the FHIR base made from `interactions.routes.ROUTES`, which are one
catch-all for Flask. May not know: what a route does (https://spec.openapis.org/oas/v3.0.3).
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_smorest import Api
from werkzeug.routing import Map, Rule

from fhir_server import __version__
from fhir_server.interactions.operation_table import TABLE
from fhir_server.interactions.routes import ROUTES, Row

FHIR = ("application/fhir+json", "application/fhir+xml")
_ANSWERS = {
    "capabilities": ("200",),
    "bundle": ("200", "400", "403", "404", "409", "413", "415", "422"),
    "search-type": ("200", "400", "403", "404"),
    "search-system": ("200", "400", "403", "404"),
    "create": ("201", "400", "403", "404", "409", "412", "413", "415", "422"),
    "read": ("200", "304", "400", "403", "404", "406", "410"),
    "vread": ("200", "304", "400", "403", "404", "406", "410"),
    "history-instance": ("200", "400", "403", "404"),
    "history-type": ("200", "400", "403"),
    "history-system": ("200", "400", "403"),
    "update": ("200", "201", "400", "403", "404", "409", "412", "415", "422"),
    "patch": ("200", "400", "403", "404", "405", "412", "415", "422"),
    "delete": ("204", "400", "403", "404", "412"),
    "operation": ("200", "400", "403", "404", "409", "415", "422"),
}


def api(app: Flask, issuer: str) -> Api:
    """The Api of an application; blueprints registered with it describe themselves."""
    app.config.update(
        API_TITLE="DMP on FHIR",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    made = Api(app, spec_kwargs={"servers": [{"url": issuer}]})
    made.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    paths: dict[str, dict[str, Any]] = {}
    for row in ROUTES:
        for template, parameters in _templates(row):
            path = f"/fhir/{template}".rstrip("/")
            paths.setdefault(path, {"parameters": parameters})[row.method.lower()] = _operation(row)
    for path, operations in paths.items():
        rule = Rule(path.replace("{", "<").replace("}", ">"), defaults={})
        Map([rule])  # a rule knows its parameters once it is bound
        made.spec.path(rule=rule, parameters=operations.pop("parameters"), operations=operations)
    return made


def _templates(row: Row) -> list[tuple[str, list[dict[str, Any]]]]:
    """The row's address, once for each operation where it is an operation's."""
    names = [step[1:-1] for step in row.template.split("/") if step.startswith("{")]
    parameters = [{"in": "path", "name": name, "required": True, "schema": {"type": "string"}} for name in names]
    if row.interaction != "operation":
        return [(row.template, parameters)]
    asked = [
        (each.name, type_)
        for each in TABLE
        for type_ in each.types or ("{type}",)
        if (each.instance if "{id}" in row.template else each.type) and (row.method == "POST" or not each.affects)
    ]
    return [
        (
            row.template.replace("{type}", type_).replace("${operation}", f"${name}"),
            [each for each in parameters if each["name"] == "id" or (each["name"] == "type" and type_ == "{type}")],
        )
        for name, type_ in asked
    ]


def _operation(row: Row) -> dict[str, Any]:
    made: dict[str, Any] = {
        "tags": ["FHIR"],
        "summary": row.interaction,
        "responses": {
            status: {"description": "", "content": _content({"type": "object"}, *FHIR)}
            for status in (*_ANSWERS[row.interaction], *(("401", "503") if row.interaction != "capabilities" else ()))
        },
    }
    if row.interaction != "capabilities":
        made["security"] = [{"bearer": []}]
    if row.method in ("POST", "PUT", "PATCH"):
        kinds: tuple[str, ...] = FHIR
        if row.template.endswith("_search"):
            kinds = ("application/x-www-form-urlencoded",)
        content = _content({"type": "object"}, *kinds)
        if row.method == "PATCH":
            content |= _content({"type": "array", "items": {"type": "object"}}, "application/json-patch+json")
        made["requestBody"] = {"content": content}
    return made


def _content(schema: dict[str, Any], *kinds: str) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind in kinds}
