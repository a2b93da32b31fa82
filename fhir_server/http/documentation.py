"""Documentation: the OpenAPI description of every route for programs, at `/openapi.json`.

May live here: flask-smorest's Api; the paths of the FHIR base made from `interactions.routes.ROUTES`, which are one
catch-all for Flask; and what each address may answer. May not know: what a route does
(https://spec.openapis.org/oas/v3.0.3).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Flask
from flask_smorest import Api
from werkzeug.routing import Map, Rule

from fhir_server import __version__
from fhir_server.definitions.compartments import names as compartments
from fhir_server.definitions.library import load
from fhir_server.interactions.operation_table import TABLE
from fhir_server.interactions.routes import ROUTES, Row

FHIR = ("application/fhir+json", "application/fhir+xml")
_FORM = "application/x-www-form-urlencoded"
_EVERY = ("400", "401", "403", "404", "405", "406", "414", "503")
"""What any interaction may come to: the address, the token, the access, the format, the database."""
_WRITTEN = ("409", "412", "413", "415", "422")
_READ = ("200", *_EVERY)
_ANSWERS: dict[str, tuple[str, ...]] = {
    "capabilities": ("200", "400", "406", "414"),
    "bundle": ("200", *_EVERY, *_WRITTEN),
    "create": ("200", "201", *_EVERY, *_WRITTEN),
    "read": ("200", "304", "410", *_EVERY),
    "vread": ("200", "304", "410", *_EVERY),
    "update": ("200", "201", *_EVERY, *_WRITTEN),
    "patch": ("200", *_EVERY, *_WRITTEN),
    "delete": ("200", "204", *_EVERY, "409", "412"),
}
_PAGE = ("200", "302", "303", "400", "403", "413", "429", "503")
"""A page of the sign-in."""
_OAUTH = ("200", "400", "401", "405", "413", "429", "503")
_ADDRESSES: dict[str, tuple[str, ...]] = {
    "/health/ready": ("200", "503"),
    "/auth/token": _OAUTH,
    "/auth/introspect": _OAUTH,
    "/auth/revoke": _OAUTH,
    "/auth/launch": _OAUTH,
    "/auth/register": ("201", "400", "404", "413", "429", "503"),
    "/auth/static/<path:filename>": ("200", "304", "404"),
    "/docs/<name>": ("200", "304", "404"),
    "/auth/jwks": ("200", "503"),
    "/auth/smart-style.json": ("200",),
    "/sandbox/token": ("200", "400", "401", "403", "503"),
    "/sandbox/launch": ("200", "400", "401", "403", "503"),
    "/sandbox/clock": ("200", "400"),
    "/sandbox/psc/authorize": ("200", "302", "400"),
    "/sandbox/psc/token": ("200", "400", "401"),
    "/sandbox/psc/userinfo": ("200", "401"),
    "/": ("302",),
}
_OF_JSON = frozenset({"/sandbox/token", "/sandbox/launch", "/sandbox/clock", "/sandbox/reset"})
_TEXT = {"type": "string"}
_OF_A_BINARY = frozenset({"{type}", "{type}/{id}", "{type}/{id}/_history/{version}"})
_ANY = "application/octet-stream"
_BYTES = {"type": "string", "format": "binary"}
_HEADERS = {
    "create": ("If-None-Exist", "Prefer"),
    "update": ("If-Match", "If-None-Match", "Prefer"),
    "patch": ("If-Match", "Prefer"),
    "delete": ("If-Match",),
    "read": ("If-None-Match", "If-Modified-Since"),
    "vread": ("If-None-Match", "If-Modified-Since"),
    "search-type": ("Prefer",),
}
_SHAPES: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"},
    "of": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"},
    "version": {"type": "string", "pattern": r"^[1-9][0-9]{0,9}$"},
}


class _Exact(Api):  # type: ignore[misc]
    """Says which statuses there are, and of no other that it were the default."""

    DEFAULT_ERROR_RESPONSE_NAME = None


def api(app: Flask, issuer: str) -> Api:
    """The Api of an application; blueprints registered with it describe themselves."""
    app.config.update(
        API_TITLE="DMP on FHIR",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    made = _Exact(app, spec_kwargs={"servers": [{"url": issuer}]})
    made.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    made.spec.components.schema("Resource", _RESOURCE)
    paths: dict[str, dict[str, Any]] = {}
    for row in ROUTES:
        for template, parameters in _templates(row):
            path = f"/fhir/{template}".rstrip("/")
            paths.setdefault(path, {"parameters": parameters})[row.method.lower()] = _operation(row, path)
    for path, operations in paths.items():
        _add(made, path, operations.pop("parameters"), operations)
    return made


def complete(app: Flask, made: Api) -> None:
    """Describe what no blueprint described of itself: the pages for people, and what a described route may answer."""
    paths: dict[str, Any] = made.spec._paths  # noqa: SLF001 - apispec has no other way to them
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<path:", "<").replace("<", "{").replace(">", "}")
        if path.startswith("/fhir") and not path.startswith("/fhir/.well-known"):
            continue
        told = (app.view_functions[rule.endpoint].__doc__ or "").strip().split("\n")[0]
        parameters = [{"in": "path", "name": name, "required": True, "schema": _TEXT} for name in rule.arguments]
        known = paths.get(path, {})
        for each in _refused(rule.rule):
            known.pop(each, None)
        methods = sorted(
            {each.lower() for each in rule.methods or ()} - {"head", "options", *known, *_refused(rule.rule)}
        )
        _add(made, path, [] if known else parameters, {each: {"tags": ["pages"], "summary": told} for each in methods})
        for method, operation in paths[path].items():
            if method == "parameters":
                continue
            operation["responses"] = _responses(_of_address(rule.rule))
            if method == "post":
                kind = "application/json" if rule.rule in _OF_JSON else _FORM
                operation["requestBody"] = {"content": _content({"type": "object"}, kind)}


def _refused(rule: str) -> tuple[str, ...]:
    """The methods that an address takes only to refuse them, in OAuth's own words."""
    return ("get",) if _ADDRESSES.get(rule) is _OAUTH else ()


def _of_address(rule: str) -> tuple[str, ...]:
    if rule in _ADDRESSES:
        return _ADDRESSES[rule]
    return _PAGE if rule.startswith("/auth/") else ("200",)


def _add(made: Api, path: str, parameters: list[dict[str, Any]], operations: dict[str, Any]) -> None:
    rule = Rule(path.replace("{", "<").replace("}", ">"), defaults={})
    Map([rule])  # a rule knows its parameters once it is bound
    made.spec.path(rule=rule, parameters=parameters, operations=operations)


def _templates(row: Row) -> list[tuple[str, list[dict[str, Any]]]]:
    """The row's address, once for each operation where it is an operation's."""
    shapes = {
        **_SHAPES,
        "type": {"type": "string", "enum": sorted(load().endpoints)},
        "compartment": {"type": "string", "enum": sorted(compartments())},
    }
    names = [step[1:-1] for step in row.template.split("/") if step.startswith("{")]
    parameters = [{"in": "path", "name": name, "required": True, "schema": shapes.get(name, _TEXT)} for name in names]
    if row.interaction != "operation":
        # a Binary goes in and out as itself too, so it stands apart
        others = [each for each in parameters if each["name"] != "type"]
        apart = [(row.template.replace("{type}", "Binary"), others)] if row.template in _OF_A_BINARY else []
        return [(row.template, parameters), *apart]
    asked = [
        (each.name, type_)
        for each in TABLE
        for type_ in each.types or ("{type}",)
        if getattr(each, _level(row)) and (row.method == "POST" or not each.affects)
    ]
    return [
        (
            row.template.replace("{type}", type_).replace("${operation}", f"${name}"),
            [each for each in parameters if each["name"] == "id" or (each["name"] == "type" and type_ == "{type}")],
        )
        for name, type_ in asked
    ]


def _level(row: Row) -> str:
    """What an operation of this row is asked of, as the table says it."""
    return "instance" if "{id}" in row.template else "type" if "{type}" in row.template else "system"


def _operation(row: Row, path: str) -> dict[str, Any]:
    upon = " upon a condition" if row.conditional else ""
    made: dict[str, Any] = {
        "tags": ["FHIR"],
        "summary": row.interaction + upon,
        "responses": _responses(_ANSWERS.get(row.interaction, (*_READ, *_WRITTEN) if row.writes else _READ), *FHIR),
        "parameters": [{"in": "header", "name": name, "schema": _TEXT} for name in _HEADERS.get(row.interaction, ())],
    }
    if row.conditional or row.interaction.startswith(("search", "history")):
        made["parameters"].append(_QUERY)
    if row.interaction != "capabilities":
        made["security"] = [{"bearer": []}]
    if row.method in ("POST", "PUT", "PATCH"):
        if row.template.endswith("_search"):
            content = _content(_QUERY["schema"], _FORM)
        else:
            content = _content({"$ref": "#/components/schemas/Resource"}, FHIR[0]) | _content({}, FHIR[1])
        if row.method == "PATCH":
            content |= _content({"type": "array", "items": {"type": "object"}}, "application/json-patch+json")
        made["requestBody"] = {"content": content, "required": not row.template.endswith("_search")}
    if path.startswith("/fhir/Binary"):
        _as_itself(made, row)
    return made


def _as_itself(operation: dict[str, Any], row: Row) -> None:
    """Say of a Binary that it is sent, or given, as the bytes it holds, of any type (R4, binary.html#rest)."""
    if row.interaction in ("create", "update"):
        operation["requestBody"]["content"] |= _content(_BYTES, _ANY)
        operation["requestBody"]["description"] = f"a Binary, or what it holds under its own type as {_ANY} is here"
        operation["parameters"].append({"in": "header", "name": "X-Security-Context", "schema": _TEXT})
    elif row.interaction in ("read", "vread"):
        operation["responses"]["200"]["content"] |= _content(_BYTES, "*/*")


_RESOURCE = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}, "id": {"type": "string"}},
    "additionalProperties": True,
}
_QUERY: dict[str, Any] = {
    "in": "query",
    "name": "parameters",
    "description": "Search parameters, as `/fhir/metadata` lists them",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}


def _responses(statuses: tuple[str, ...], *kinds: str) -> dict[str, Any]:
    return {
        status: {
            "description": HTTPStatus(int(status)).phrase,
            **({"content": _content({"type": "object"}, *kinds)} if kinds and status not in ("204", "304") else {}),
        }
        for status in sorted(set(statuses))
    }


def _content(schema: dict[str, Any], *kinds: str) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind in kinds}
