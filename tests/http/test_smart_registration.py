"""Apps that register themselves (RFC 7591): in a sandbox any, elsewhere those that somebody known vouches for."""

import json
import time

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from tests.kit.application import application
from tests.kit.online import CALLBACK, online

PROFILE = {"client_name": "Mon carnet", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


@pytest.fixture(scope="module")
def there(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture
def afresh(there):
    """Nobody has asked yet: an address may register twenty apps an hour."""
    there.app.extensions["smart"].records.attempts.drop()
    return there


@pytest.fixture(scope="module")
def vouched(mongo_uri, mongo_client, tmp_path_factory):
    """A server that is no sandbox, and believes one key."""
    path = tmp_path_factory.mktemp("keys") / "statements.jwks.json"
    path.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    with application(mongo_uri, mongo_client, sandbox=False, statement_keys=str(path)) as made:
        yield made.test_client()


@pytest.fixture(autouse=True)
def nobody_has_asked(request):
    if "vouched" in request.fixturenames:
        client = request.getfixturevalue("vouched")
        client.application.extensions["smart"].records.attempts.drop()


def registered(there, **said):
    return requests.post(there.url("/auth/register"), json=PROFILE | said, timeout=20)


def statement(key=KEY, header=None, **claims):
    told = {"iss": "https://ans.example", "software_id": "carnet", **PROFILE} | claims
    return jwt.encode({"alg": "ES256", "kid": key.kid} | (header or {}), told, key, algorithms=["ES256", "HS256"])


def test_in_a_sandbox_an_app_registers_itself_and_works_at_once(afresh):
    there = afresh
    told = there.get("/fhir/.well-known/smart-configuration").json()
    assert f"{there.origin}/auth/register" == told["registration_endpoint"]
    answer = registered(there, scope="openid fhirUser launch/patient patient/*.rs", grant_types=["authorization_code"])
    made = answer.json()
    assert (201, "no-store", "Mon carnet", [CALLBACK]) == (
        answer.status_code,
        answer.headers["Cache-Control"],
        made["client_name"],
        made["redirect_uris"],
    )
    assert "client_secret" not in made and abs(made["client_id_issued_at"] - time.time()) < 60
    visitor = there.browser().authorize(made["client_id"], "launch/patient patient/Patient.rs").sign_in("paul")
    assert "Autoriser « Mon carnet » ?" == visitor.title
    tokens = visitor.exchange(visitor.allow()["code"], made["client_id"]).json()
    assert 200 == there.get("fhir/Patient/paul-martin", tokens["access_token"]).status_code


def test_a_secret_is_shown_once_and_kept_as_a_hash_and_the_ledger_has_the_registration(afresh):
    made = registered(afresh, token_endpoint_auth_method="client_secret_basic").json()
    assert 0 == made["client_secret_expires_at"]
    database = afresh.app.extensions["house"].shelf.database
    assert made["client_secret"] not in str(database["smart_clients"].find_one({"_id": made["client_id"]}))
    events = [json.loads(each["body"]) for each in database["ledger"].find({}, {"body": 1})]
    assert [event for event in events if made["client_id"] in json.dumps(event["agent"])]
    other = registered(afresh, token_endpoint_auth_method="private_key_jwt",
                       jwks={"keys": [ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True).as_dict(private=False)]})  # fmt: skip
    assert 201 == other.status_code and "client_secret" not in other.json()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": CALLBACK}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://me@app.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://[app/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/a b"]}, "invalid_redirect_uri"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["authorization_code", "client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"scope": "system/*.rs"}, "invalid_client_metadata"),
        ({"scope": "nonsense"}, "invalid_client_metadata"),
        ({"scope": 7}, "invalid_client_metadata"),
        ({"client_name": "x" * 201}, "invalid_client_metadata"),
        ({"client_name": "a\u202eb"}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://x.example"}, "invalid_client_metadata"),
        ({"software_statement": "x.y.z"}, "invalid_software_statement"),
        ({"software_statement": 7}, "invalid_software_statement"),
        ({"software_statement": statement()}, "unapproved_software_statement"),
    ],
)
def test_what_cannot_be_registered_says_why(afresh, said, error):
    answer = registered(afresh, **said)
    assert (400, error) == (answer.status_code, answer.json()["error"])
    assert answer.json()["error_description"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 5_000])
def test_a_body_that_is_no_object_is_refused(afresh, body):
    url, headers = afresh.url("/auth/register"), {"Content-Type": "application/json"}
    assert 400 == requests.post(url, data=body, headers=headers, timeout=20).status_code
    assert 413 == requests.post(url, data=b" " * 200_000, headers=headers, timeout=20).status_code
    assert 400 == requests.post(url, data={"client_name": "x"}, timeout=20).status_code


def test_one_address_registers_so_many_apps_and_no_more(afresh):
    answers = [registered(afresh, redirect_uris=[]).status_code for _ in range(21)]
    assert [400] * 20 + [429] == answers


def test_where_nobody_vouches_no_app_registers_itself(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, sandbox=False) as app:
        client = app.test_client()
        assert "registration_endpoint" not in client.get("/fhir/.well-known/smart-configuration").json
        assert 404 == client.post("/auth/register", json=PROFILE).status_code


def test_a_statement_of_who_is_known_lets_an_app_in_and_overrules_what_it_says(vouched):
    told = {"client_name": "Autre chose", "redirect_uris": ["https://evil.example/cb"]}
    answer = vouched.post("/auth/register", json=told | {"software_statement": statement()})
    assert (201, "Mon carnet", [CALLBACK]) == (
        answer.status_code,
        answer.json["client_name"],
        answer.json["redirect_uris"],
    )


def test_a_statement_that_is_missing_foreign_forged_or_out_of_date_lets_nobody_in(vouched):
    """RFC 7591 section 3.2.2; RFC 8725 section 2.1: an algorithm is of the key, and never of the attacker."""
    strange = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
    twin = ECKey.generate_key("P-256", {"use": "sig", "kid": KEY.kid})
    public = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    cases = [
        (None, "invalid_software_statement"),
        (statement(strange, {"kid": strange.kid}), "unapproved_software_statement"),
        (statement(twin), "invalid_software_statement"),
        (statement(public, {"alg": "HS256", "kid": KEY.kid}), "invalid_software_statement"),
        (statement(exp=int(time.time()) - 1), "invalid_software_statement"),
        (statement(exp="never"), "invalid_software_statement"),
        (statement(nbf=int(time.time()) + 600), "invalid_software_statement"),
        (statement(iss=None), "invalid_software_statement"),
        (jwt.encode({"alg": "ES256", "kid": KEY.kid}, {"iss": "x"}, KEY), "invalid_software_statement"),
        ("eyJhbGciOiJub25lIn0.e30.", "invalid_software_statement"),
    ]
    for made, error in cases:
        said = PROFILE | ({"software_statement": made} if made else {})
        answer = vouched.post("/auth/register", json=said)
        assert (400, error) == (answer.status_code, answer.json["error"]), made
