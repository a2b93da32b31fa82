"""Systems: client_credentials with private_key_jwt, and everything that must not pass."""

import json

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhir_server.foundation.principal import Kind, Purpose
from fhir_server.foundation.problem import Problem
from tests.kit.smart import BASE, RSA, TOKEN, World

JWKS = "https://chu.example/jwks"


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    yield made
    made.smart.close()


def refused(response):
    assert "no-store" in response.headers["Cache-Control"] and "no-cache" in response.headers["Pragma"]
    return response.status_code, response.json["error"]


def ec():
    return ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_system_gets_a_token_for_five_minutes_and_no_refresh_token(world, alg):
    """SMART-K4 SMART-K5 SMART-K14."""
    key = ec() if alg == "ES384" else RSAKey.import_key({**RSA.as_dict(private=True), "alg": "RS384"})
    world.a_system(key=key)
    response = world.system_token(world.assertion(key, alg=alg), "system/DocumentReference.cus system/Patient.s")
    assert 200 == response.status_code and "no-store" in response.headers["Cache-Control"]
    assert {"access_token", "token_type", "expires_in", "scope"} == set(response.json)
    assert ("Bearer", 300, "system/DocumentReference.cus system/Patient.s") == (
        response.json["token_type"],
        response.json["expires_in"],
        response.json["scope"],
    )


def test_the_token_stands_for_the_organisation_in_its_role(world):
    key = world.a_system()
    asker = world.principal(world.system_token(world.assertion(key)).json["access_token"])
    assert (Kind.ESTABLISHMENT, "chu", "chu", "Organization/chu", "org:1750000001", "CHU") == (
        asker.kind,
        asker.subject,
        asker.client,
        asker.reference,
        asker.organization,
        asker.organization_name,
    )
    assert {"Organization/chu", "org:1750000001"} == asker.identities
    assert {"Organization/chu", "org:1750000001", "org:1EJ", "Organization/ej"} == asker.organizations
    assert Purpose.TREATMENT is asker.purpose and asker.patient is None


@pytest.mark.parametrize(
    ("acts_as", "purpose"),
    [
        (Kind.INSURANCE_FEED, Purpose.TREATMENT),
        (Kind.RECEPTION, Purpose.TREATMENT),
        (Kind.OPERATOR, Purpose.ADMINISTRATION),
    ],
)
def test_other_systems_act_in_theirs(world, acts_as, purpose):
    key = world.a_system(client_id="other", acts_as=acts_as)
    asker = world.principal(world.system_token(world.assertion(key, "other")).json["access_token"])
    assert (acts_as, purpose) == (asker.kind, asker.purpose)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"grant_type": "not_a_grant_type"}, (400, "unsupported_grant_type")),
        ({"client_assertion_type": "not_an_assertion_type"}, (401, "invalid_client")),
        ({"client_assertion_type": None}, (401, "invalid_client")),
        ({"client_assertion": "invalid JWT"}, (401, "invalid_client")),
        ({"client_assertion": "e30.e30.e30"}, (401, "invalid_client")),
        ({"client_assertion": None}, (401, "invalid_client")),
        ({"client_assertion": None, "client_assertion_type": None}, (401, "invalid_client")),
        ({"client_assertion": "a." * 9000}, (401, "invalid_client")),
        ({"client_id": "somebody-else"}, (400, "invalid_request")),
        ({"client_secret": "x"}, (400, "invalid_request")),
        ({"scope": None}, (400, "invalid_request")),
        ({"scope": "patient/*.rs"}, (400, "invalid_scope")),
        ({"scope": "system/*.rs user/*.rs"}, (400, "invalid_scope")),
        ({"scope": "openid"}, (400, "invalid_scope")),
        ({"scope": "system/*.rs launch"}, (400, "invalid_scope")),
        ({"scope": "system/Patient.sr"}, (400, "invalid_scope")),
        ({"scope": "system/Foo.r"}, (400, "invalid_scope")),
    ],
)
def test_a_bad_request_of_a_system_is_refused(world, changed, expected):
    """SMART-K1 SMART-K2 SMART-K3 SMART-K13."""
    key = world.a_system()
    assert expected == refused(world.system_token(world.assertion(key), **changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "somebody-else"},
        {"sub": "somebody-else"},
        {"iss": None},
        {"sub": None},
        {"sub": 7},
        {"aud": TOKEN + "/"},
        {"aud": BASE},
        {"aud": TOKEN.replace("token", "authorize")},
        {"aud": None},
        {"aud": [BASE]},
        {"aud": [TOKEN, BASE]},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1},
        {"exp": 9_999_999_999},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
        {"header": {"kid": "unheard-of"}},
        {"header": {"jku": "https://evil.example/jwks"}},
        {"header": {"typ": "at+jwt"}},
    ],
)
def test_a_bad_assertion_is_refused(world, changed):
    """SMART-K6 SMART-K8 SMART-K9 SMART-K10 SMART-K11 SMART-K12."""
    key = world.a_system()
    assert (401, "invalid_client") == refused(world.system_token(world.assertion(key, **changed)))


def test_an_assertion_of_another_key_is_refused(world):
    """SMART-K6."""
    key = world.a_system()
    strange = ECKey.generate_key("P-384", {"use": "sig", "kid": key.kid})
    assert (401, "invalid_client") == refused(world.system_token(world.assertion(strange)))


def test_an_assertion_without_a_kid_is_refused(world):
    key = world.a_system()
    claims = jwt.decode(world.assertion(key), key, algorithms=["ES384"]).claims
    bare = jwt.encode({"alg": "ES384"}, claims, key, algorithms=["ES384"])
    assert (401, "invalid_client") == refused(world.system_token(bare))


def test_an_assertion_signed_in_another_way_is_refused(world):
    """SMART-K7: no signature, one made with the public key as a secret, and an algorithm that is not registered."""
    import base64

    key = world.a_system()
    good = world.assertion(key)
    payload = good.split(".")[1]
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": key.kid}).encode()).decode().rstrip("=")
    assert (401, "invalid_client") == refused(world.system_token(f"{none}.{payload}."))
    claims = jwt.decode(good, key, algorithms=["ES384"]).claims
    secret = OctKey.import_key(json.dumps(key.as_dict(private=False)))
    forged = jwt.encode({"alg": "HS256", "kid": key.kid}, claims, secret, algorithms=["HS256"])
    assert (401, "invalid_client") == refused(world.system_token(forged))
    rsa = RSAKey.import_key({name: value for name, value in RSA.as_dict(private=True).items() if name != "alg"})
    world.a_system(client_id="rsa", key=rsa)
    weak = jwt.encode(
        {"alg": "RS256", "kid": rsa.kid}, claims | {"iss": "rsa", "sub": "rsa"}, rsa, algorithms=["RS256"]
    )
    assert (401, "invalid_client") == refused(world.system_token(weak))


def test_an_assertion_is_good_once(world):
    """SMART-K11."""
    key = world.a_system()
    assertion = world.assertion(key)
    assert 200 == world.system_token(assertion).status_code
    assert (401, "invalid_client") == refused(world.system_token(assertion))
    world.a_system(client_id="other", key=key)
    again = world.assertion(key, "other", jti=jwt.decode(assertion, key, algorithms=["ES384"]).claims["jti"])
    assert 200 == world.system_token(again).status_code, "another system may draw the same id"


def test_two_keys_of_one_kid_are_none(world):
    """SMART-K12."""
    key = ec()
    other = ECKey.generate_key("P-384", {"use": "sig", "kid": key.kid})
    world.wire.answers[JWKS] = lambda _: (200, {"keys": [each.as_dict(private=False) for each in (key, other)]}, {})
    world.a_system(key=key, jwks_uri=JWKS)
    assert (401, "invalid_client") == refused(world.system_token(world.assertion(key)))


def test_a_key_set_at_a_url_is_asked_within_two_seconds_and_remembered(world):
    """SMART-K16."""
    key = ec()
    world.wire.answers[JWKS] = lambda _: (
        200,
        {"keys": [key.as_dict(private=False)]},
        {"Cache-Control": "public, max-age=120"},
    )
    world.a_system(key=key, jwks_uri=JWKS)
    for _ in range(3):
        assert 200 == world.system_token(world.assertion(key, header={"jku": JWKS})).status_code
    assert [(JWKS, 2.0)] == world.wire.asked


def test_a_new_key_is_found_without_a_restart(world):
    """SMART-K16."""
    key, new = ec(), ec()
    served = [key]
    world.wire.answers[JWKS] = lambda _: (
        200,
        {"keys": [each.as_dict(private=False) for each in served]},
        {"Cache-Control": "max-age=3600"},
    )
    world.a_system(key=key, jwks_uri=JWKS)
    assert 200 == world.system_token(world.assertion(key)).status_code
    served[:] = [new]
    assert 200 == world.system_token(world.assertion(new)).status_code
    assert (401, "invalid_client") == refused(world.system_token(world.assertion(key))), "the old one is gone"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        lambda _: (500, {}, {}),
        lambda _: (302, {}, {"Location": "https://evil.example"}),
        lambda _: (200, b"<html>", {}),
        lambda _: (200, [], {}),
        lambda _: (200, {"keys": [7, {"kty": "EC"}]}, {}),
        lambda _: (200, b" " * 300_000, {}),
    ],
)
def test_a_key_set_that_cannot_be_had_refuses_the_client_and_breaks_nothing(world, answer):
    """SMART-K12."""
    key = ec()
    if answer:
        world.wire.answers[JWKS] = answer
    world.a_system(key=key, jwks_uri=JWKS)
    assert (401, "invalid_client") == refused(world.system_token(world.assertion(key)))


def test_a_system_gets_no_more_than_it_is_registered_for(world):
    """SMART-K13."""
    key = world.a_system(scope="system/DocumentReference.cus system/Patient.s")
    told = world.system_token(world.assertion(key), "system/*.cruds").json
    assert "system/DocumentReference.cus system/Patient.s" == told["scope"]
    assert (400, "invalid_scope") == refused(world.system_token(world.assertion(key), "system/Observation.rs"))


def test_a_system_may_not_use_the_code_flow_nor_an_app_this_one(world):
    key = world.a_system()
    world.an_app()
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    code = world.token(
        grant_type="authorization_code", code="x", client_assertion=world.assertion(key), client_assertion_type=kind
    )
    assert (400, "unauthorized_client") == refused(code)
    assert (400, "unauthorized_client") == refused(
        world.token(grant_type="client_credentials", client_id="app", scope="system/*.rs")
    )


def test_a_form_may_write_a_space_as_plus_or_percent(world):
    key = world.a_system()
    for space in ("+", "%20"):
        body = (
            "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
            f"%3Ajwt-bearer&client_assertion={world.assertion(key)}&scope=system/Patient.s{space}system/List.c"
        )
        response = world.http.post("/auth/token", data=body, content_type="application/x-www-form-urlencoded")
        assert "system/Patient.s system/List.c" == response.json["scope"]


def test_a_forbidden_party_gets_no_token_and_the_ledger_hears_why(world):
    key = world.a_system()
    world.refused["chu"] = "party.insurer"
    assert (400, "unauthorized_client") == refused(world.system_token(world.assertion(key)))
    assert [("chu", "8", "party.insurer")] == [(asker.subject, *rest) for asker, *rest in world.told]


def test_a_token_refused_to_a_client_that_proved_itself_goes_to_the_ledger(world):
    key = world.a_system()
    world.system_token(world.assertion(key), "system/Foo.rs")
    assert [("chu", "4", "invalid_scope")] == [(asker.subject, *rest) for asker, *rest in world.told]
    world.system_token("no assertion")
    assert 1 == len(world.told) and 1 == world.smart.security.counts["client refused"]


def test_a_disabled_system_is_refused_and_its_tokens_stop(world):
    key = world.a_system()
    token = world.system_token(world.assertion(key)).json["access_token"]
    assert "chu" == world.principal(token).client
    world.smart.clients.disable("chu")
    with pytest.raises(Problem):
        world.principal(token)
    assert (401, "invalid_client") == refused(world.system_token(world.assertion(key)))
