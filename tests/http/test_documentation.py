"""The description of the routes: it names every one with what it may answer, and people read it without the network."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from importlib.resources import files

import pytest

from fhir_server.interactions.operation_table import TABLE
from fhir_server.interactions.routes import ROUTES
from tests.kit.application import application

KEPT = files("fhir_server.http.swagger_ui")
POSTED = ("/auth/token", "/auth/introspect", "/auth/revoke", "/auth/launch")


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(scope="module")
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def paths(client):
    return client.get("/openapi.json").json["paths"]


def test_every_route_is_described_with_its_methods_and_statuses(app, paths):
    described = {(path, method) for path, told in paths.items() for method in told if method != "parameters"}
    there = {
        (re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith("/fhir") or ".well-known" in rule.rule
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    for row in ROUTES:
        if row.interaction != "operation":
            there.add((f"/fhir/{row.template}".rstrip("/"), row.method.lower()))
            if row.template in ("{type}", "{type}/{id}", "{type}/{id}/_history/{version}"):
                there.add((f"/fhir/{row.template.replace('{type}', 'Binary')}", row.method.lower()))
    for each in TABLE:
        for type_ in each.types or ("{type}",):
            for path in ([f"{type_}/{{id}}"] if each.instance else []) + ([type_] if each.type else []):
                there.add((f"/fhir/{path}/${each.name}", "post"))
                if not each.affects:
                    there.add((f"/fhir/{path}/${each.name}", "get"))
        there |= {(f"/fhir/${each.name}", method) for method in ("get", "post") if each.system}

    assert there - {(path, "get") for path in POSTED} == described
    for path, told in paths.items():
        for method, operation in told.items():
            if method != "parameters":
                assert operation["responses"], path
                assert "default" not in operation["responses"], path
                assert operation.get("summary"), (path, method)
        named = {each["name"] for each in told.get("parameters", ()) if each["in"] == "path"}
        assert set(re.findall(r"{(\w+)}", path)) == named, path


def test_the_bytes_of_a_binary_are_described_as_they_come_and_go(client, paths):
    """R109: it is sent as itself, and given as itself."""
    sent = (paths["/fhir/Binary"]["post"], paths["/fhir/Binary/{id}"]["put"])
    given = (paths["/fhir/Binary/{id}"]["get"], paths["/fhir/Binary/{id}/_history/{version}"]["get"])
    for each in sent:
        assert "binary" == each["requestBody"]["content"]["application/octet-stream"]["schema"]["format"]
        assert "X-Security-Context" in {one["name"] for one in each["parameters"]}
    for each in given:
        assert "binary" == each["responses"]["200"]["content"]["*/*"]["schema"]["format"]
    assert "application/octet-stream" not in paths["/fhir/{type}"]["post"]["requestBody"]["content"]


@pytest.mark.parametrize("path", POSTED)
def test_what_is_only_refused_is_not_described(client, paths, path):
    """A token request by GET is 405 in OAuth's words, and stood among what one can ask."""
    assert 405 == client.get(path).status_code
    assert {"post"} == paths[path].keys() - {"parameters"}


def test_the_page_runs_no_script_of_its_own_and_asks_nobody_else(client):
    page = client.get("/docs")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert [] == re.findall(r"<script(?![^>]*src=)", page.text)
    assert [] == re.findall(r"\son\w+=|style=|https?://", page.text)
    for name in re.findall(r'(?:src|href)="/docs/([\w.-]+)"', page.text):
        assert 200 == client.get(f"/docs/{name}").status_code
    for name in ("nothing.js", "SOURCES.json", "__init__.py", "%2e%2e", "swagger-ui.css.gz"):
        assert 404 == client.get(f"/docs/{name}").status_code


def test_what_is_served_is_what_was_published(client):
    sources = json.loads((KEPT / "SOURCES.json").read_text("utf-8"))
    assert "Apache-2.0" == sources["license"]
    for name, digest in sources["sha256"].items():
        assert digest == hashlib.sha256(gzip.decompress((KEPT / f"{name}.gz").read_bytes())).hexdigest()
        plain = client.get(f"/docs/{name}", headers={"Accept-Encoding": "identity"})
        packed = client.get(f"/docs/{name}", headers={"Accept-Encoding": "br, gzip"})
        assert "gzip" == packed.headers["Content-Encoding"]
        assert digest == hashlib.sha256(plain.data).hexdigest()
        assert plain.data == gzip.decompress(packed.data)
