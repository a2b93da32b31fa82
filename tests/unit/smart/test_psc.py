"""Pro Santé Connect: what the relying party sends, and what it does not believe."""

import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhir_server.smart.psc import Provider, ProviderFault, RelyingParty
from tests.kit.outside import PSC, RSA, Psc, Wire, professional

CALLBACK = "https://dmp.example/auth/callback"


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def psc(wire):
    return Psc(wire, lambda: datetime.now(UTC))


def party(wire, issuer=PSC):
    return RelyingParty(Provider(issuer, "dmp", "secret"), CALLBACK, session=wire)


def sign_in(party, psc):
    start = party.start()
    code = parse_qs(urlsplit(psc.sign_in(start.url)).query)["code"][0]
    return party.finish(code, start.nonce, start.verifier)


def test_the_browser_is_sent_with_state_nonce_and_a_challenge(wire, psc):
    start = party(wire).start()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(start.url).query).items()}
    assert start.url.startswith(f"{PSC}/auth?")
    assert ("code", "dmp", CALLBACK, "openid scope_all", start.state, start.nonce, "S256") == tuple(
        asked[name]
        for name in ("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge_method")
    )
    assert start.verifier not in start.url


def test_who_signed_in_is_told_by_userinfo(wire, psc):
    assert professional() == sign_in(party(wire), psc)


def test_configuration_and_keys_are_remembered(wire, psc):
    one = party(wire)
    sign_in(one, psc)
    sign_in(one, psc)
    asked = [url for url, _ in wire.asked]
    assert 1 == asked.count(f"{PSC}/.well-known/openid-configuration") and 1 == asked.count(f"{PSC}/jwks")
    assert {5.0} == {timeout for _, timeout in wire.asked}


def test_a_new_key_of_the_provider_is_found(wire, psc):
    one = party(wire)
    sign_in(one, psc)
    psc.key = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
    assert professional() == sign_in(one, psc)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "other"},
        {"aud": []},
        {"azp": "other"},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": 9_999_999_999},
        {"nonce": "other"},
        {"nonce": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "somebody-else"},
    ],
)
def test_an_id_token_that_does_not_hold_signs_nobody_in(wire, psc, changed):
    psc.changed = changed
    with pytest.raises(ProviderFault):
        sign_in(party(wire), psc)


def test_several_audiences_are_fine_if_we_are_among_them(wire, psc):
    psc.changed = {"aud": ["dmp", "other"], "azp": "dmp"}
    assert professional() == sign_in(party(wire), psc)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"alg": "HS256"}, OctKey.import_key("s" * 40)),
        ({"alg": "RS512", "kid": RSA.kid}, RSAKey.import_key({**RSA.as_dict(private=True), "alg": "RS512"})),
        ({"alg": "ES256", "kid": RSA.kid}, ECKey.generate_key("P-256")),
        ({"alg": "RS256", "kid": "unheard-of"}, RSA),
        ({"alg": "RS256", "kid": RSA.kid}, RSAKey.generate_key(2048)),
    ],
)
def test_an_id_token_signed_in_another_way_signs_nobody_in(wire, psc, header, key):
    now = int(time.time())
    start = party(wire).start()
    claims = {"iss": PSC, "aud": "dmp", "sub": professional()["sub"], "iat": now, "exp": now + 60}
    claims["nonce"] = start.nonce
    forged = jwt.encode(header, claims, key, algorithms=[header["alg"]])
    wire.answers[f"{PSC}/token"] = lambda _: (200, {"access_token": "a", "id_token": forged}, {})
    with pytest.raises(ProviderFault):
        party(wire).finish("c", start.nonce, start.verifier)


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        (".well-known/openid-configuration", (200, {"issuer": "https://elsewhere.example"}, {})),
        (".well-known/openid-configuration", (404, {}, {})),
        (".well-known/openid-configuration", (200, b"<html>", {})),
        ("token", (400, {"error": "invalid_grant"}, {})),
        ("token", (200, {"access_token": "a"}, {})),
        ("token", (200, {"access_token": "a", "id_token": "x.y.z"}, {})),
        ("token", (302, {}, {"Location": "https://evil.example"})),
        ("userinfo", (401, {}, {})),
        ("userinfo", (200, [], {})),
        ("userinfo", (200, {"sub": "somebody-else"}, {})),
        ("jwks", (200, {"keys": []}, {})),
        ("jwks", (500, {}, {})),
    ],
)
def test_a_provider_that_does_not_answer_as_it_must_signs_nobody_in(wire, psc, address, answer):
    assert f"{PSC}/{address}" in wire.answers
    wire.answers[f"{PSC}/{address}"] = lambda request: answer
    with pytest.raises(ProviderFault):
        sign_in(party(wire), psc)


def test_an_issuer_far_away_must_be_https(wire):
    with pytest.raises(ProviderFault, match="https"):
        party(wire, "http://psc.example").start()


def test_nobody_there_signs_nobody_in(wire):
    with pytest.raises(ProviderFault, match="does not answer"):
        party(wire).start()
