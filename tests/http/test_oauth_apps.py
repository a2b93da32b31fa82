"""Apps: the authorization request, and the code flow of a holder with real forms."""

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_server.foundation.principal import Kind, Purpose
from tests.kit.smart import APP, BASE, ORIGIN, PATIENT_SCOPE, World


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    yield made
    made.smart.close()


def error_of(response):
    assert "no-store" in response.headers["Cache-Control"] and "no-cache" in response.headers["Pragma"]
    return response.status_code, response.json["error"]


def test_a_holder_signs_in_and_an_app_gets_the_tokens_of_the_own_record(world):
    """SMART-A1 SMART-A3 SMART-T1 SMART-T2 SMART-T4 SMART-T6 SMART-T9 SMART-T10."""
    world.an_app()
    world.a_holder()
    person = world.browser().authorize()
    assert "Qui êtes-vous ?" == person.title
    person.sign_in()
    assert "Autoriser « L’app » ?" == person.title
    back = person.submit(answer="allow").back
    assert {"code", "state", "here", "iss"} == set(back) and "s" * 22 == back["state"]
    response = world.exchange(back["code"])
    assert 200 == response.status_code
    assert "no-store" in response.headers["Cache-Control"] and "no-cache" == response.headers["Pragma"]
    told = response.json
    assert ("Bearer", 900, "p1", True) == (
        told["token_type"],
        told["expires_in"],
        told["patient"],
        told["need_patient_banner"],
    )
    assert set(PATIENT_SCOPE.split()) == set(told["scope"].split())
    assert 200 == world.http.get(told["smart_style_url"]).status_code
    asker = world.principal(told["access_token"])
    assert (Kind.HOLDER, "Patient/p1", "p1", "app", Purpose.PATIENT_REQUEST) == (
        asker.kind,
        asker.reference,
        asker.patient,
        asker.client,
        asker.purpose,
    )
    assert [("0", None)] == [(outcome, reason) for _, outcome, reason in world.told]


def test_the_id_token_says_who_signed_in_and_is_signed_with_a_published_rsa_key(world):
    """SMART-O1 SMART-O5 SMART-O6 SMART-O7 SMART-O8 SMART-O9."""
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code(nonce="n-1")).json
    keys = world.http.get("/auth/jwks").json
    token = jwt.decode(told["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"])
    assert {"RS256", "JWT"} == {token.header["alg"], token.header["typ"]}
    claims = token.claims
    assert (ORIGIN, "app", "n-1", f"{BASE}/Patient/p1") == (
        claims["iss"],
        claims["aud"],
        claims["nonce"],
        claims["fhirUser"],
    )
    assert claims["sub"] == world.principal(told["access_token"]).subject
    assert {"RSA", "EC"} == {key["kty"] for key in keys["keys"]}
    assert not [key for key in keys["keys"] if {"d", "p", "q"} & set(key)]


def test_the_same_request_may_come_as_a_form(world):
    """SMART-A2."""
    world.an_app()
    world.a_holder()
    person = world.browser().authorize("post").sign_in().submit(answer="allow")
    assert 200 == world.exchange(person.back["code"]).status_code


def test_the_base_with_a_final_slash_is_the_same_audience(world):
    """SMART-A5."""
    world.an_app()
    assert "Qui êtes-vous ?" == world.browser().authorize(aud=BASE + "/").title


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"aud": "https://elsewhere.example/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": 'code"é'}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),  # RFC 6749 3.3
        ({"state": ["a" * 22, "b" * 22]}, "invalid_request"),
        ({"nonce": ["a", "b"]}, "invalid_request"),
        ({"launch": "unheard-of", "scope": "launch patient/*.rs"}, "invalid_request"),
        ({"request": "e30."}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"max_age": "soon"}, "invalid_request"),
    ],
)
def test_a_bad_request_is_told_to_the_app_and_gives_no_code(world, changed, error):
    """SMART-A4 SMART-A5 SMART-A6 SMART-A8 SMART-A9 SMART-A13 SMART-A14."""
    world.an_app()
    back = world.browser().authorize(**changed).back
    assert error == back["error"] and "code" not in back


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "unheard-of"},
        {"client_id": None},
        {"client_id": ["app", "app"]},
        {"redirect_uri": None},
        {"redirect_uri": [APP, APP]},
        {"redirect_uri": "https://app.example/callback"},
        {"redirect_uri": APP + "&more=1"},
        {"redirect_uri": APP + "/.."},
        {"redirect_uri": "https://app.example:444/callback?here=1"},
        {"redirect_uri": "http://app.example/callback?here=1"},
        {"redirect_uri": "https://app.example.evil/callback?here=1"},
        {"redirect_uri": "https://me@app.example/callback?here=1"},
        {"redirect_uri": 'https://app.example/"é\\'},
    ],
)
def test_who_cannot_be_trusted_with_an_answer_gets_a_page_and_no_redirect(world, changed):
    """SMART-A7."""
    world.an_app()
    person = world.browser().authorize(**changed)
    assert 400 == person.response.status_code and person.response.location is None
    assert "Connexion impossible" == person.title


def test_refusing_tells_the_app_so(world):
    """SMART-A11."""
    world.an_app()
    world.a_holder()
    back = world.browser().authorize().sign_in().submit(answer="deny").back
    assert ("access_denied", "s" * 22) == (back["error"], back["state"]) and "code" not in back


def test_only_what_remains_ticked_is_granted(world):
    """SMART-C4."""
    world.an_app()
    world.a_holder()
    scope = "launch/patient openid patient/Observation.rs patient/Condition.rs"
    person = world.browser().authorize(scope=scope).sign_in()
    code = person.submit(answer="allow", scope=["patient/Condition.rs", "patient/Patient.rs"]).back["code"]
    assert {"launch/patient", "openid", "patient/Condition.rs"} == set(world.exchange(code).json["scope"].split())


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("patient/*.read launch/patient", "patient/*.read launch/patient"),
        ("patient/Observation.rs?category=lab patient/Foo.rs", "patient/Observation.rs?category=lab"),
        ("patient/Observation.rs?unheard=of patient/Patient.r", "patient/Patient.r"),
        ("system/*.rs patient/Patient.rs", "patient/Patient.rs"),
        ("patient/Patient.sr patient/Patient.rsx patient/Patient. openid", "openid"),
    ],
)
def test_what_may_not_be_granted_is_left_out_and_told(world, scope, granted):
    """SMART-A10 SMART-C1 SMART-C2 SMART-C3."""
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code(scope=scope)).json
    assert granted.split() == told["scope"].split()


def test_when_nothing_may_be_granted_the_scope_is_invalid(world):
    """SMART-A10 SMART-C2."""
    world.an_app()
    world.a_holder()
    assert "invalid_scope" == world.browser().authorize(scope="patient/patient.rs x").sign_in().back["error"]


def test_prompt_and_max_age_ask_who_is_there_once_more(world):
    world.an_app()
    world.a_holder()
    person = world.browser()
    person.code()
    assert "Autoriser « L’app » ?" == person.authorize().title
    assert "interaction_required" == person.authorize(prompt="none").back["error"]
    assert "Qui êtes-vous ?" == person.authorize(prompt="login").title
    assert "Autoriser « L’app » ?" == person.sign_in().title
    assert "Qui êtes-vous ?" == person.authorize(max_age="0").title
