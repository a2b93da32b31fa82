"""Tokens: what is exchanged, refreshed, revoked, introspected, and what is not."""

import base64
import json
import time
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from fhir_server.foundation.problem import Problem
from tests.kit.smart import (
    APP,
    BASE,
    CHALLENGE,
    PATIENT_SCOPE,
    VERIFIER,
    World,
    payload_of,
)


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    yield made
    made.smart.close()


def error_of(response):
    assert "no-store" in response.headers["Cache-Control"] and "no-cache" in response.headers["Pragma"]
    return response.status_code, response.json["error"]


@pytest.mark.parametrize("verifier", [None, "", "w" * 43, "short"])
def test_a_code_without_its_verifier_is_worth_nothing(world, verifier):
    """SMART-T11."""
    world.an_app()
    world.a_holder()
    status, error = error_of(world.exchange(world.browser().code(), code_verifier=verifier))
    assert 400 == status and error in ("invalid_grant", "invalid_request")


def test_the_challenge_is_no_verifier(world):
    """SMART-T11."""
    world.an_app()
    world.a_holder()
    assert (400, "invalid_grant") == error_of(world.exchange(world.browser().code(), code_verifier=CHALLENGE))


def test_a_bad_code_an_unknown_client_and_another_address_are_refused(world):
    """SMART-T12 SMART-T13 SMART-T15."""
    world.an_app()
    world.an_app(client_id="other")
    world.a_holder()
    assert (400, "invalid_grant") == error_of(world.exchange("BAD_CODE"))
    person = world.browser()
    assert (401, "invalid_client") == error_of(world.exchange(person.code(), client_id="unheard-of"))
    code = person.authorize().submit(answer="allow").back["code"]
    assert (400, "invalid_grant") == error_of(world.exchange(code, client_id="other"))
    assert (400, "invalid_grant") == error_of(world.exchange(code, redirect_uri="https://app.example/other"))


def test_a_code_is_good_once_and_its_second_use_ends_what_the_first_one_gave(world):
    """SMART-T14."""
    world.an_app()
    world.a_holder()
    code = world.browser().code()
    told = world.exchange(code).json
    assert "p1" == world.principal(told["access_token"]).patient
    assert (400, "invalid_grant") == error_of(world.exchange(code))
    with pytest.raises(Problem) as refused:
        world.principal(told["access_token"])
    assert 401 == refused.value.status
    assert (400, "invalid_grant") == error_of(
        world.token(grant_type="refresh_token", refresh_token=told["refresh_token"], client_id="app")
    )


def test_a_code_is_good_for_a_minute(world):
    """SMART-T14."""
    world.an_app()
    world.a_holder()
    code = world.browser().code()
    world.clock.ahead = timedelta(seconds=61)
    assert (400, "invalid_grant") == error_of(world.exchange(code))


def test_the_token_address_takes_forms_by_post_and_nothing_else(world):
    """SMART-T16 SMART-T17."""
    assert 405 == world.http.get("/auth/token").status_code
    assert 400 == world.http.post("/auth/token", json={"grant_type": "client_credentials"}).status_code
    assert (400, "invalid_request") == error_of(world.token())
    assert (400, "unsupported_grant_type") == error_of(world.token(grant_type="not_a_grant_type"))
    assert (400, "unsupported_grant_type") == error_of(world.token(grant_type="password", client_id="app"))
    twice = world.http.post(
        "/auth/token",
        data="grant_type=refresh_token&grant_type=refresh_token",
        content_type="application/x-www-form-urlencoded",
    )
    assert (400, "invalid_request") == error_of(twice)
    assert 400 == world.http.post("/auth/token?client_secret=x", data={"grant_type": "refresh_token"}).status_code


def test_a_confidential_app_proves_itself_by_its_secret_in_one_way(world):
    """SMART-T18."""
    _, secret = world.an_app("symmetric", secret="a+b/c: é%")
    world.a_holder()
    assert "a+b/c: é%" == secret
    person = world.browser()

    def code():
        return person.authorize().submit(answer="allow").back["code"]

    person.code()
    basic = {"Authorization": "Basic " + base64.b64encode(b"app:a%2Bb%2Fc%3A+%C3%A9%25").decode()}
    form = {"grant_type": "authorization_code", "redirect_uri": APP, "code_verifier": VERIFIER}
    assert 200 == world.token(basic, code=code(), **form).status_code
    assert 200 == world.exchange(code(), client_secret=secret).status_code
    refused = world.exchange(code())
    assert (401, "invalid_client") == error_of(refused)
    assert (401, "invalid_client") == error_of(world.exchange(code(), client_secret="wrong"))
    assert (400, "invalid_request") == error_of(world.token(basic, code=code(), client_secret=secret, **form))
    wrong = world.token({"Authorization": "Basic " + base64.b64encode(b"app:x").decode()}, code=code(), **form)
    assert (401, "invalid_client") == error_of(wrong) and wrong.headers["WWW-Authenticate"].startswith("Basic")
    public = world.token({"Authorization": "Basic ###"}, code=code(), client_id="app", **form)
    assert (401, "invalid_client") == error_of(public)


def test_an_asymmetric_app_proves_itself_by_an_assertion(world):
    """SMART-K15."""
    key = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
    world.an_app("asymmetric", jwks={"keys": [key.as_dict(private=False)]})
    world.a_holder()
    person = world.browser()
    kind = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    told = world.exchange(person.code(), client_id=None, client_assertion=world.assertion(key, "app"), **kind).json
    assert "id_token" in told
    refresh = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    assert (401, "invalid_client") == error_of(world.token(**refresh, client_id="app"))
    strange = ECKey.generate_key("P-384", {"use": "sig", "kid": key.kid})
    wrong = world.token(**refresh, client_assertion=world.assertion(strange, "app"), **kind)
    assert (401, "invalid_client") == error_of(wrong)
    right = world.token(**refresh, client_assertion=world.assertion(key, "app"), **kind)
    assert 200 == right.status_code


def test_refreshing_rotates_never_widens_and_a_token_that_comes_back_ends_its_family(world):
    """SMART-R1 SMART-R2 SMART-R3 SMART-R4 SMART-R5."""
    world.an_app()
    world.an_app(client_id="other")
    world.a_holder()
    first = world.exchange(world.browser().code()).json

    def refresh(token, **more):
        return world.token(**{"grant_type": "refresh_token", "refresh_token": token, "client_id": "app", **more})

    assert (400, "invalid_grant") == error_of(refresh("random"))
    assert (400, "invalid_grant") == error_of(refresh(first["refresh_token"], client_id="other"))
    assert (400, "invalid_scope") == error_of(refresh(first["refresh_token"], scope=PATIENT_SCOPE + " user/*.rs"))
    second = refresh(first["refresh_token"])
    assert 200 == second.status_code and "no-store" in second.headers["Cache-Control"]
    assert {"access_token", "token_type", "expires_in", "scope", "refresh_token", "patient"} <= set(second.json)
    assert set(first["scope"].split()) == set(second.json["scope"].split())
    third = refresh(second.json["refresh_token"], scope="openid patient/*.rs").json
    assert "openid patient/*.rs" == third["scope"]
    assert "p1" == world.principal(third["access_token"]).patient
    assert (400, "invalid_grant") == error_of(refresh(first["refresh_token"]))
    with pytest.raises(Problem):
        world.principal(third["access_token"])
    assert (400, "invalid_grant") == error_of(refresh(third["refresh_token"]))


def test_signing_out_ends_every_token_of_the_sign_in(world):
    """SMART-R5."""
    world.an_app()
    world.a_holder()
    person = world.browser()
    told = world.exchange(person.code(scope="online_access patient/*.rs launch/patient")).json
    assert "p1" == world.principal(told["access_token"]).patient
    person.get("/auth/sign-in").submit()
    with pytest.raises(Problem):
        world.principal(told["access_token"])
    assert (400, "invalid_grant") == error_of(
        world.token(grant_type="refresh_token", refresh_token=told["refresh_token"], client_id="app")
    )
    assert "Qui êtes-vous ?" == person.authorize().title


def test_a_refresh_token_ends_with_the_sign_in(world):
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code()).json
    world.clock.ahead = timedelta(hours=8, seconds=1)
    assert (400, "invalid_grant") == error_of(
        world.token(grant_type="refresh_token", refresh_token=told["refresh_token"], client_id="app")
    )


def test_no_refresh_token_is_given_that_was_not_asked_for(world):
    """SMART-T19."""
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code(scope="user/Patient.rs")).json
    assert {"access_token", "token_type", "expires_in", "scope"} == set(told)


def test_revoking_a_token_ends_it_at_once_for_its_own_client_only(world):
    """SMART-R6."""
    world.an_app()
    world.an_app(client_id="other")
    world.a_holder()
    told = world.exchange(world.browser().code()).json
    assert 200 == world.post("/auth/revoke", token=told["access_token"], client_id="other").status_code
    assert "p1" == world.principal(told["access_token"]).patient
    assert 200 == world.post("/auth/revoke", token="nothing", client_id="app").status_code
    assert 200 == world.post("/auth/revoke", token=told["refresh_token"], client_id="app").status_code
    with pytest.raises(Problem):
        world.principal(told["access_token"])
    assert (401, "invalid_client") == error_of(world.post("/auth/revoke", token=told["access_token"]))


def test_introspection_tells_what_the_token_response_told(world):
    """SMART-R7 SMART-R8 SMART-R9 SMART-R10 SMART-R11."""
    world.an_app()
    world.a_holder()
    _, secret = world.an_app("symmetric", client_id="resource-server", introspects=True)
    _, stranger = world.an_app("symmetric", client_id="stranger")
    told = world.exchange(world.browser().code()).json
    asked = {"token": told["access_token"], "client_id": "resource-server", "client_secret": secret}
    found = world.post("/auth/introspect", **asked).json
    assert (True, "app", "p1", f"{BASE}/Patient/p1") == (
        found["active"],
        found["client_id"],
        found["patient"],
        found["fhirUser"],
    )
    assert told["scope"] == found["scope"] and isinstance(found["exp"], int) and found["exp"] > time.time()
    id_token = json.loads(payload_of(told["id_token"]))
    assert (id_token["iss"], id_token["sub"]) == (found["iss"], found["sub"])
    assert world.post("/auth/introspect", **asked | {"token": told["refresh_token"]}).json["active"] is True
    nothing = {"active": False}
    for token in ("invalid_token_value", told["id_token"]):
        assert nothing == world.post("/auth/introspect", **asked | {"token": token}).json
    others = asked | {"client_id": "stranger", "client_secret": stranger}
    assert nothing == world.post("/auth/introspect", **others).json
    assert 401 == world.post("/auth/introspect", token=told["access_token"]).status_code
    assert 401 == world.post("/auth/introspect", token=told["access_token"], client_id="app").status_code
    world.post("/auth/revoke", token=told["access_token"], client_id="app")
    assert nothing == world.post("/auth/introspect", **asked).json


def test_disabling_a_client_stops_it_at_once(world):
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code()).json
    assert "app" == world.principal(told["access_token"]).client
    assert world.smart.clients.disable("app")
    with pytest.raises(Problem):
        world.principal(told["access_token"])
    assert (401, "invalid_client") == error_of(
        world.token(grant_type="refresh_token", refresh_token=told["refresh_token"], client_id="app")
    )
    assert 400 == world.browser().authorize().response.status_code


def test_withdrawing_a_key_stops_its_tokens_and_rotating_does_not(world):
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code()).json
    old = {key["kid"] for key in world.smart.keys.published()["keys"] if key["kty"] == "EC"}
    new = world.smart.keys.rotate("ES256")
    assert "app" == world.principal(told["access_token"]).client
    assert old | {new} == {key["kid"] for key in world.smart.keys.published()["keys"] if key["kty"] == "EC"}
    world.smart.keys.withdraw(old.pop())
    with pytest.raises(Problem):
        world.principal(told["access_token"])
