"""Every route there is, asked without a token, with each kind of bad one, and with one of too small a scope."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.definitions.library import load
from fhir_server.interactions.operation_table import named
from fhir_server.interactions.routes import ROUTES, Route, offered
from tests.kit.application import FHIR_JSON, READER, application, bearer, claims, granted, signed

ABSENT = "00000000-0000-7000-8000-ffffffffffff"
THERE = "paul-martin"

# Whatever answers without a token says so here, with its reason.
PUBLIC = {
    "/health/live": "says that the process runs",
    "/health/ready": "says that the database answers",
    "/openapi.json": "describes the routes",
    "/docs": "shows that description to people",
    "/docs/<name>": "a style or a script of that page",
    "/.well-known/openid-configuration": "OpenID Connect discovery",
    "/fhir/.well-known/smart-configuration": "SMART discovery",
    "/auth/jwks": "public keys",
    "/auth/smart-style.json": "how apps may look like us",
    "/auth/static/<path:filename>": "style sheets",
    "/auth/authorize": "asks a person to sign in",
    "/auth/token": "proves a client by its own credentials (RFC 6749 section 3.2)",
    "/auth/introspect": "proves a client by its own credentials (RFC 7662)",
    "/auth/launch": "proves a client by its own credentials",
    "/auth/register": "lets an app register itself, where that is on (RFC 7591)",
    "/auth/revoke": "proves a client by its own credentials (RFC 7009)",
    "/auth/onward": "leads through the sign-in, by the session",
    "/auth/sign-in": "a page of the sign-in",
    "/auth/who": "a page of the sign-in",
    "/auth/password": "a page of the sign-in",
    "/auth/new-password": "a page of the sign-in",
    "/auth/code": "a page of the sign-in",
    "/auth/authenticator-code": "a page of the sign-in",
    "/auth/opening": "asks for a creation code and the carte Vitale",
    "/auth/identifiers.pdf": "repeats what its form says, to the browser that was just shown it",
    "/auth/creation-code": "sends a code to an address that is known",
    "/auth/forgotten-password": "sends a code to an address that is known",
    "/auth/recovery-code": "asks for that code",
    "/auth/recovered-password": "asks for a password, once that code was entered",
    "/auth/forgotten-identifier": "sends an identifier to an address that is known",
    "/auth/authenticator": "asks to sign in",
    "/auth/callback": "where Pro Santé Connect answers",
    "/auth/mode": "a page of the sign-in",
    "/auth/patient": "a page of the sign-in",
    "/auth/approve": "a page of the sign-in",
    "/auth/sign-out": "ends the session",
}
OF_A_SANDBOX = ("/sandbox", "/sandbox.json", "/sandbox/")
ORIGIN = "/"
"""In a sandbox it leads to `/sandbox`; without one it is not there."""
BASE = {"/fhir", "/fhir/", "/fhir/<path:path>"}


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture
def client(app):
    return app.test_client()


def body_of(type_):
    return {
        "Patient": {"resourceType": "Patient", "id": THERE},
        "Organization": {"resourceType": "Organization", "id": THERE, "name": "x"},
        "Parameters": {"resourceType": "Parameters"},
        "Bundle": {"resourceType": "Bundle", "type": "batch", "entry": []},
    }.get(type_, {"resourceType": type_, "id": THERE})


def operation_of(row):
    """An operation that is offered by this row, of Patient."""
    if "{type}" not in row.template:
        return "meta"
    if "{id}" not in row.template:
        return "explain" if row.method == "GET" else "match"
    return "everything" if row.method == "GET" else "open-record"


def request_of(row, type_, id_=THERE):
    """Method, address and what goes with it, for a row of the table and a type."""
    operation = operation_of(row)
    path = row.template.format(type=type_, id=id_, version=1, operation=operation, compartment="Patient", of=id_)
    how = {"method": row.method, "path": f"/fhir/{path}".rstrip("/")}
    if row.conditional:
        how |= {"query_string": f"_id={id_}"}
    if row.interaction == "search-system":
        how |= {"query_string": f"_type={type_}"}
    if row.interaction == "patch":
        how |= {"data": json.dumps([{"op": "replace", "path": "/status", "value": "superseded"}]),
                "content_type": "application/json-patch+json"}  # fmt: skip
    elif row.method in ("POST", "PUT") and not path.endswith("_search"):
        body = "Bundle" if row.interaction == "bundle" else "Parameters" if row.interaction == "operation" else type_
        how |= {"data": json.dumps(body_of(body)), "content_type": FHIR_JSON}
    return how


def type_for(row):
    if "{compartment}" in row.template:
        return "Observation"
    return {"patch": "DocumentReference", "operation": "Patient"}.get(row.interaction, "Organization")


SIGNED = [row for row in ROUTES if row.interaction != "capabilities"]
ids = [f"{row.method} {row.template or '(base)'}" for row in SIGNED]


def bad_tokens(app):
    """Every kind of bad token, by name, as the Authorization header that carries it."""
    good, now = claims(app), int(datetime.now(UTC).timestamp())
    kid, key = app.extensions["smart"].keys.signing("ES256")
    header = {"alg": "ES256", "typ": "at+jwt", "kid": kid}

    def encoded(part):
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    stranger = ECKey.generate_key("P-256")
    hashed = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(good)}"
    mac = hmac.digest(key.as_pem(private=False), hashed.encode(), "sha256")
    head, _, rest = signed(app, good).partition(".")
    payload, _, signature = rest.partition(".")
    tokens = {
        "garbage": "rubbish",
        "three parts of garbage": "a.b.c",
        "expired": signed(app, {**good, "iat": now - 900, "nbf": now - 900, "exp": now - 1}),
        "not yet": signed(app, {**good, "nbf": now + 600}),
        "without an end": signed(app, {name: value for name, value in good.items() if name != "exp"}),
        "wrong audience": signed(app, {**good, "aud": "https://other.example/fhir"}),
        "without an audience": signed(app, {name: value for name, value in good.items() if name != "aud"}),
        "the issuer as audience": signed(app, {**good, "aud": good["iss"]}),
        "wrong issuer": signed(app, {**good, "iss": "https://other.example"}),
        "alg none": f"{encoded({'alg': 'none', 'typ': 'at+jwt'})}.{encoded(good)}.",
        "alg none, our kid": f"{encoded({**header, 'alg': 'none'})}.{encoded(good)}.",
        "alg none, old signature": f"{encoded({**header, 'alg': 'none'})}.{payload}.{signature}",
        "HS256 with our public key": f"{hashed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "a stranger's key": jwt.encode(header, good, stranger, algorithms=["ES256"]),
        "a key it brings itself": jwt.encode(
            {"alg": "ES256", "typ": "at+jwt", "jwk": stranger.as_dict(private=False)}, good, stranger, algorithms=["ES256"]
        ),
        "changed claims": f"{head}.{encoded({**good, 'scope': 'system/*.cruds user/*.cruds'})}.{signature}",
        "without its signature": f"{head}.{payload}.",
        "an id_token": signed(app, good, typ="JWT", alg="RS256"),
        "no type": signed(app, good, typ=""),
        "a grant nobody made": signed(app, {**good, "jti": "nobody.1"}),
        "another client's grant": signed(app, {**good, "client_id": "hospital"}),
        "a kind nobody knows": signed(
            app, {**good, "extensions": {**good["extensions"], "fr_dmp": {"kind": "king"}}}
        ),
        "no extensions": signed(app, {name: value for name, value in good.items() if name != "extensions"}),
        "overlong": "a" * 9000,
    }  # fmt: skip
    headers = {name: f"Bearer {token}" for name, token in tokens.items()}
    whole = signed(app, good)
    return headers | {
        "an empty header": "",
        "a scheme alone": "Bearer",
        "another scheme": f"Basic {whole}",
        "no scheme": whole,
        "two tokens": f"Bearer {whole} {whole}",
        "a comma": f"Bearer {whole}, Bearer {whole}",
        "not ASCII": "Bearer \u00e9\u00e9",
    }


def test_every_route_of_the_application_is_the_fhir_base_or_named_as_public(app):
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    unnamed = {rule for rule in rules - BASE - set(PUBLIC) - {ORIGIN} if not rule.startswith(OF_A_SANDBOX)}

    assert set() == unnamed
    assert set(PUBLIC) | BASE <= rules


def test_without_the_sandbox_there_is_no_other_route(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, sandbox=False) as plain:
        rules = {rule.rule for rule in plain.url_map.iter_rules()}

    assert set(PUBLIC) | BASE == rules


def test_what_is_public_answers_without_a_token_and_tells_of_no_record(app, client):
    for rule in PUBLIC:
        path = rule.replace("<path:filename>", "page.css")
        for method in ("GET", "POST"):
            answered = client.open(path, method=method)
            assert answered.status_code < 500, (method, rule)
            assert "insufficient_scope" not in answered.headers.get("WWW-Authenticate", "")
            assert "martin" not in answered.text.lower(), (method, rule)


@pytest.mark.parametrize("path", ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/launch"])
def test_a_client_that_does_not_prove_who_it_is_gets_nothing_of_the_oauth_server(client, app, path):
    for form in ({"token": signed(app, claims(app))}, {"grant_type": "client_credentials", "client_id": "hospital"}):
        answered = client.post(path, data=form)
        assert answered.status_code in (400, 401)
        assert "active" not in answered.json
        assert "access_token" not in answered.json


@pytest.mark.parametrize("row", SIGNED, ids=ids)
def test_no_token_or_a_bad_one_is_401_on_every_route_of_the_base(app, client, row):
    security = app.extensions["smart"].security
    bad = bad_tokens(app)
    before = sum(security.counts.values())

    how = request_of(row, type_for(row))
    expected = set()
    for name, header in (("none", None), *bad.items()):
        answered = client.open(**how, headers={} if header is None else {"Authorization": header})
        assert 401 == answered.status_code, (name, answered.text)
        assert answered.headers["WWW-Authenticate"].startswith("Bearer"), name
        assert answered.content_type.startswith(FHIR_JSON), name
        assert "OperationOutcome" == answered.json["resourceType"], name
        expected.add(name)

    # decisions 20: what nobody signed goes to the counted security log, not to the ledger
    assert len(expected) == sum(security.counts.values()) - before


def test_what_nobody_signed_leaves_no_ledger_entry(app, client):
    ledger = app.extensions["house"].shelf.database["ledger"]
    before = ledger.count_documents({})
    for header in ({}, {"Authorization": "Bearer rubbish"}):
        for row in SIGNED:
            client.open(**request_of(row, type_for(row)), headers=header)

    assert before == ledger.count_documents({})


@pytest.mark.parametrize("row", [row for row in SIGNED if "{id}" in row.template], ids=lambda row: row.interaction)
def test_no_401_tells_whether_something_stands_at_the_address(client, row):
    type_ = "DocumentReference" if row.interaction == "patch" else "Patient"
    there, absent = (
        client.open(**request_of(row, type_, id_), headers={"Authorization": "Bearer rubbish"})
        for id_ in (THERE, ABSENT)
    )

    assert (there.status_code, there.data) == (absent.status_code, absent.data)
    kept = [{k: v for k, v in each.headers.items() if k not in ("Date", "X-Request-Id")} for each in (there, absent)]
    assert kept[0] == kept[1]


def test_an_unknown_type_and_a_bad_body_are_401_too_without_a_token(client):
    for how in (
        {"path": "/fhir/Nonsense/1"},
        {"path": "/fhir/Patient?nonsense=1"},
        {"path": "/fhir/%24nothing", "method": "POST"},
        {"path": "/fhir/Patient", "method": "POST", "data": b"{", "content_type": FHIR_JSON},
        {"path": "/fhir/Patient", "method": "POST", "data": b"x", "content_type": "text/plain"},
        {"path": "/fhir/Patient/1", "headers": {"Accept": "text/html"}},
        {"path": "/fhir/metadata", "method": "POST"},
    ):
        assert 401 == client.open(**{"method": "GET", **how}).status_code, how


def test_metadata_needs_no_token_and_minds_no_bad_one(client):
    for headers in ({}, {"Authorization": "Bearer rubbish"}):
        assert 200 == client.get("/fhir/metadata", headers=headers).status_code
        assert 200 == client.head("/fhir/metadata", headers=headers).status_code


def test_a_good_token_opens_what_the_bad_ones_did_not(app, client):
    assert 200 == client.get(f"/fhir/Patient/{THERE}", headers=bearer(app)).status_code


def test_a_token_in_the_query_or_in_a_form_is_refused(app, client):
    token = signed(app, claims(app))

    assert 401 == client.get(f"/fhir/Patient/{THERE}?access_token={token}").status_code
    assert 401 == client.get(f"/fhir/Patient?access_token={token}").status_code
    assert 401 == client.post("/fhir/Patient/_search", data={"access_token": token}).status_code
    # RFC 6750 section 2: one method at a time
    assert 400 == client.get(f"/fhir/Patient?access_token={token}", headers=bearer(app)).status_code


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(app, client, scheme):
    header = {"Authorization": f"{scheme} {signed(app, claims(app))}"}

    assert 200 == client.get(f"/fhir/Patient/{THERE}", headers=header).status_code


def test_a_revoked_grant_and_a_disabled_client_are_401_at_once(app, client):
    smart = app.extensions["smart"]
    key = granted(app)
    header = bearer(app, grant=key)
    assert 200 == client.get(f"/fhir/Patient/{THERE}", headers=header).status_code
    smart.revocation.end_grant(key)
    assert 401 == client.get(f"/fhir/Patient/{THERE}", headers=header).status_code

    header = bearer(app)
    assert 200 == client.get(f"/fhir/Patient/{THERE}", headers=header).status_code
    smart.clients.disable(READER)
    assert 401 == client.get(f"/fhir/Patient/{THERE}", headers=header).status_code
    smart.clients.enable(READER)
    assert 200 == client.get(f"/fhir/Patient/{THERE}", headers=header).status_code


def scopes_without(type_, right):
    others = "".join(each for each in "cruds" if each != right)
    return f"system/{type_}.{others}"


def inside(row, type_):
    return Route(row, type_, compartment_of=f"Patient/{THERE}" if "{compartment}" in row.template else "")


OF_RIGHT = [row for row in SIGNED if row.right or (row.interaction == "operation" and "{type}" in row.template)]


@pytest.mark.parametrize("row", OF_RIGHT, ids=[f"{row.method} {row.template}" for row in OF_RIGHT])
def test_a_scope_that_lacks_the_right_is_403_and_says_so(app, client, row):
    type_ = type_for(row)
    instance = "{id}" in row.template
    right = named(type_, operation_of(row), instance=instance).right if row.interaction == "operation" else row.right
    for scopes in (scopes_without(type_, right), "system/Basic.cruds", "openid", "system/nonsense", "patient/*.cruds"):
        header = bearer(app, scopes)
        bodies = set()
        for id_ in (THERE, ABSENT):
            answered = client.open(**request_of(row, type_, id_), headers=header)
            assert 403 == answered.status_code, (scopes, answered.text)
            assert 'error="insufficient_scope"' in answered.headers["WWW-Authenticate"], scopes
            bodies.add(answered.data)
        assert 1 == len(bodies), "hidden and absent are told apart"


@pytest.mark.parametrize("row", [row for row in SIGNED if row.template == "${operation}"], ids=lambda row: row.method)
def test_what_is_of_every_type_is_403_for_a_token_that_may_search_none(app, client, row):
    for scopes in ("system/*.crud", "system/Patient.r", "openid", "system/nonsense", "patient/*.cruds"):
        answered = client.open(**request_of(row, "Patient"), headers=bearer(app, scopes))
        assert 403 == answered.status_code, (scopes, answered.text)
        assert 'error="insufficient_scope"' in answered.headers["WWW-Authenticate"], scopes
    assert 200 == client.open(**request_of(row, "Patient"), headers=bearer(app, "system/Basic.s")).status_code


@pytest.mark.parametrize("type_", load().endpoints)
def test_too_small_a_scope_is_403_for_every_interaction_of_every_type(app, client, type_):
    header = bearer(app, "system/Parameters.cruds")
    for row in SIGNED:
        if row.interaction in ("bundle", "operation") or not offered(inside(row, type_)):
            continue
        answered = client.open(**request_of(row, type_), headers=header)
        assert 403 == answered.status_code, (row, answered.text)
        assert "insufficient_scope" in answered.headers["WWW-Authenticate"]


def test_an_entry_of_a_bundle_needs_its_own_scope(app, client):
    entries = [
        {"request": {"method": "GET", "url": f"Patient/{THERE}"}},
        {"request": {"method": "GET", "url": "Organization?name=x"}},
        {
            "request": {"method": "POST", "url": "Organization"},
            "resource": {"resourceType": "Organization", "name": "x"},
        },
    ]
    header = bearer(app, "system/Organization.s")
    batch = client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": entries}, headers=header)
    assert ["403", "200", "403"] == [each["response"]["status"][:3] for each in batch.json["entry"]]

    refused = client.post(
        "/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}, headers=header
    )
    assert 403 == refused.status_code
    assert "insufficient_scope" in refused.headers["WWW-Authenticate"]


def test_a_refused_request_that_somebody_signed_is_in_the_ledger(app, client):
    ledger = app.extensions["house"].shelf.database["ledger"]
    header = bearer(app, "system/Basic.cruds")
    for how in (
        {"path": f"/fhir/Patient/{THERE}", "method": "GET"},
        {"path": "/fhir/Patient", "method": "POST", "data": b"{", "content_type": FHIR_JSON},
        {"path": "/fhir/Patient", "method": "POST", "data": b"x", "content_type": "text/plain"},
        {"path": "/fhir/Nonsense", "method": "GET"},
        {"path": "/fhir/Patient/1", "method": "GET", "headers": {"Accept": "text/html"}},
    ):
        before = ledger.count_documents({})
        answered = client.open(**{**how, "headers": {**header, **how.get("headers", {})}})
        assert 400 <= answered.status_code < 500
        assert before + 1 == ledger.count_documents({}), how
