"""CORS: pages of any origin, or of those that are set, may call the API with a token; a cookie opens nothing (SMART 2.2)."""

import pytest

from tests.kit.application import FHIR_JSON, application, bearer

ORIGIN = {"Origin": "https://app.example"}
PATHS = ["/fhir/metadata", "/fhir/Patient", "/fhir/Patient/paul-martin", "/fhir/Patient/nobody", "/fhir/Nonsense"]
READ = {"ETag", "Location", "Content-Location", "Last-Modified", "X-Request-Id", "WWW-Authenticate"}
SENT = {"Authorization", "Content-Type", "Accept", "Prefer", "If-Match", "If-None-Match", "If-Modified-Since"}


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(scope="module")
def chosen(mongo_uri, mongo_client):
    origins = "https://app.example https://other.example:8443"
    with application(mongo_uri, mongo_client, cors_origins=origins) as made:
        yield made


def listed(answered, name):
    return {each.strip() for each in answered.headers.get(name, "").split(",")}


@pytest.mark.parametrize("path", PATHS)
def test_any_page_may_read_any_answer_also_a_refusal(app, path):
    for headers in ({}, bearer(app), bearer(app, "system/Basic.r"), {"Authorization": "Bearer rubbish"}):
        answered = app.test_client().get(path, headers={**ORIGIN, **headers})
        assert "*" == answered.headers["Access-Control-Allow-Origin"]
        assert READ <= listed(answered, "Access-Control-Expose-Headers")
        assert "Access-Control-Allow-Credentials" not in answered.headers
        assert ("nosniff", "no-store") == (
            answered.headers["X-Content-Type-Options"],
            answered.headers["Cache-Control"],
        )


@pytest.mark.parametrize("path", ["/fhir", "/fhir/", *PATHS, "/fhir/Patient/1/_history/1", "/fhir/Patient/_search"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_is_answered_without_a_token(app, path, method):
    headers = {
        **ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type, prefer, if-match",
    }
    answered = app.test_client().options(path, headers=headers)

    assert answered.status_code in (200, 204), answered.text
    assert "*" == answered.headers["Access-Control-Allow-Origin"]
    assert method in listed(answered, "Access-Control-Allow-Methods")
    assert SENT <= listed(answered, "Access-Control-Allow-Headers")
    assert int(answered.headers["Access-Control-Max-Age"]) > 0


def test_a_preflight_leaves_no_entry_in_the_ledger(app):
    ledger = app.extensions["house"].shelf.database["ledger"]
    before = ledger.count_documents({})
    app.test_client().options("/fhir/Patient/paul-martin", headers=ORIGIN)
    assert before == ledger.count_documents({})


def test_a_cookie_opens_nothing(app):
    client = app.test_client()
    token = bearer(app)["Authorization"].partition(" ")[2]
    for name in ("dmp", "__Host-dmp", "access_token", "Authorization"):
        client.set_cookie(name, token)
    assert 401 == client.get("/fhir/Patient/paul-martin", headers=ORIGIN).status_code


def test_what_was_written_from_a_page_tells_where_it_is(app):
    answered = app.test_client().post(
        "/fhir/Organization",
        json={"resourceType": "Organization", "name": "x"},
        headers={**ORIGIN, **bearer(app), "Content-Type": FHIR_JSON},
    )
    assert 201 == answered.status_code
    assert {"Location", "ETag"} <= listed(answered, "Access-Control-Expose-Headers") & set(answered.headers.keys())


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/Patient/paul-martin"])
def test_with_origins_set_only_their_pages_may_read(chosen, path):
    client = chosen.test_client()
    for origin in ("https://app.example", "https://other.example:8443"):
        answered = client.get(path, headers={"Origin": origin})
        assert origin == answered.headers["Access-Control-Allow-Origin"]
        assert "Origin" in listed(answered, "Vary")
    for origin in ("https://evil.example", "null", "https://app.example.evil.example", "http://app.example", ""):
        answered = client.get(path, headers={"Origin": origin} if origin else {})
        assert "Access-Control-Allow-Origin" not in answered.headers
        assert "Origin" in listed(answered, "Vary")


def test_no_page_of_a_sign_in_may_be_read_by_another(app):
    for path in ("/auth/sign-in", "/auth/authorize", "/auth/approve"):
        assert "Access-Control-Allow-Origin" not in app.test_client().get(path, headers=ORIGIN).headers
