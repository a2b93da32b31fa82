"""Apps: the code flow of holders and professionals, walked with real forms (smart.md sections 2, 3, 4 and 5)."""

import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from fhir_server.foundation.principal import Kind, Purpose
from fhir_server.foundation.problem import Problem
from tests.kit.smart import APP, BASE, INS, ORIGIN, PATIENT_SCOPE, USER_SCOPE, VERIFIER, World, professional


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    yield made
    made.smart.close()


def error_of(response):
    assert "no-store" in response.headers["Cache-Control"] and "no-cache" in response.headers["Pragma"]
    return response.status_code, response.json["error"]


def test_a_holder_signs_in_and_an_app_gets_the_tokens_of_the_own_record(world):
    # A1 A3 T1 T2 T4 T6 T9 T10
    world.an_app()
    world.a_holder()
    person = world.browser().authorize()
    assert "Qui êtes-vous ?" == person.title
    person.sign_in()
    assert "Autoriser « L’app » ?" == person.title
    back = person.submit(answer="allow").back
    assert {"code", "state", "here"} == set(back) and "s" * 22 == back["state"]
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
    # O1 O5 O6 O7 O8 O9
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
    # A2
    world.an_app()
    world.a_holder()
    person = world.browser().authorize("post").sign_in().submit(answer="allow")
    assert 200 == world.exchange(person.back["code"]).status_code


def test_the_base_with_a_final_slash_is_the_same_audience(world):
    # A5
    world.an_app()
    assert "Qui êtes-vous ?" == world.browser().authorize(aud=BASE + "/").title


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"aud": "https://elsewhere.example/fhir"}, "invalid_request"),  # A4
        ({"aud": None}, "invalid_request"),  # A5
        ({"state": None}, "invalid_request"),  # A6
        ({"code_challenge": None}, "invalid_request"),  # A8
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),  # A9
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": 'code"é'}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),  # RFC 6749 3.3
        ({"state": ["a" * 22, "b" * 22]}, "invalid_request"),  # A14
        ({"nonce": ["a", "b"]}, "invalid_request"),
        ({"launch": "unheard-of", "scope": "launch patient/*.rs"}, "invalid_request"),  # A13
        ({"request": "e30."}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"max_age": "soon"}, "invalid_request"),
    ],
)
def test_a_bad_request_is_told_to_the_app_and_gives_no_code(world, changed, error):
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
    # A7
    world.an_app()
    person = world.browser().authorize(**changed)
    assert 400 == person.response.status_code and person.response.location is None
    assert "Connexion impossible" == person.title


def test_refusing_tells_the_app_so(world):
    # A11
    world.an_app()
    world.a_holder()
    back = world.browser().authorize().sign_in().submit(answer="deny").back
    assert ("access_denied", "s" * 22) == (back["error"], back["state"]) and "code" not in back


def test_only_what_remains_ticked_is_granted(world):
    # C4
    world.an_app()
    world.a_holder()
    scope = "launch/patient openid patient/Observation.rs patient/Condition.rs"
    person = world.browser().authorize(scope=scope).sign_in()
    code = person.submit(answer="allow", scope=["patient/Condition.rs", "patient/Patient.rs"]).back["code"]
    assert {"launch/patient", "openid", "patient/Condition.rs"} == set(world.exchange(code).json["scope"].split())


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("patient/*.read launch/patient", "patient/*.read launch/patient"),  # C1 C3
        ("patient/Observation.rs?category=lab patient/Foo.rs", "patient/Observation.rs?category=lab"),  # C2 C6
        ("patient/Observation.rs?unheard=of patient/Patient.r", "patient/Patient.r"),
        ("system/*.rs patient/Patient.rs", "patient/Patient.rs"),
        ("patient/Patient.sr patient/Patient.rsx patient/Patient. openid", "openid"),
    ],
)
def test_what_may_not_be_granted_is_left_out_and_told(world, scope, granted):
    # A10
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code(scope=scope)).json
    assert granted.split() == told["scope"].split()


def test_when_nothing_may_be_granted_the_scope_is_invalid(world):
    # A10 C2
    world.an_app()
    world.a_holder()
    assert "invalid_scope" == world.browser().authorize(scope="patient/patient.rs x").sign_in().back["error"]


@pytest.mark.parametrize("verifier", [None, "", "w" * 43, "short"])
def test_a_code_without_its_verifier_is_worth_nothing(world, verifier):
    # T11
    world.an_app()
    world.a_holder()
    status, error = error_of(world.exchange(world.browser().code(), code_verifier=verifier))
    assert 400 == status and error in ("invalid_grant", "invalid_request")


def test_the_challenge_is_no_verifier(world):
    # T11
    from tests.kit.smart import CHALLENGE

    world.an_app()
    world.a_holder()
    assert (400, "invalid_grant") == error_of(world.exchange(world.browser().code(), code_verifier=CHALLENGE))


def test_a_bad_code_an_unknown_client_and_another_address_are_refused(world):
    # T12 T13 T15
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
    # T14
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
    # T14
    from datetime import timedelta

    world.an_app()
    world.a_holder()
    code = world.browser().code()
    world.clock.ahead = timedelta(seconds=61)
    assert (400, "invalid_grant") == error_of(world.exchange(code))


def test_the_token_address_takes_forms_by_post_and_nothing_else(world):
    # T16 T17
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
    # T18
    import base64

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
    # K15
    key = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
    world.an_app("asymmetric", jwks={"keys": [key.as_dict(private=False)]})
    world.a_holder()
    person = world.browser()
    kind = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    told = world.exchange(
        person.code(), client_id=None, client_assertion=world.assertion(key, "app"), **kind
    ).json
    assert "id_token" in told
    refresh = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    assert (401, "invalid_client") == error_of(world.token(**refresh, client_id="app"))
    strange = ECKey.generate_key("P-384", {"use": "sig", "kid": key.kid})
    wrong = world.token(**refresh, client_assertion=world.assertion(strange, "app"), **kind)
    assert (401, "invalid_client") == error_of(wrong)
    right = world.token(**refresh, client_assertion=world.assertion(key, "app"), **kind)
    assert 200 == right.status_code


def test_refreshing_rotates_never_widens_and_a_token_that_comes_back_ends_its_family(world):
    # R1 R2 R3 R4 R5
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
    # R5
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
    from datetime import timedelta

    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code()).json
    world.clock.ahead = timedelta(hours=8, seconds=1)
    assert (400, "invalid_grant") == error_of(
        world.token(grant_type="refresh_token", refresh_token=told["refresh_token"], client_id="app")
    )


def test_no_refresh_token_is_given_that_was_not_asked_for(world):
    # T19
    world.an_app()
    world.a_holder()
    told = world.exchange(world.browser().code(scope="user/Patient.rs")).json
    assert {"access_token", "token_type", "expires_in", "scope"} == set(told)


def test_revoking_a_token_ends_it_at_once_for_its_own_client_only(world):
    # R6
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
    # R7 R8 R9 R10 R11
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
    id_token = json.loads(jws_payload(told["id_token"]))
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


def jws_payload(token):
    import base64

    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


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


def test_an_app_launched_by_the_software_gets_its_context_once(world):
    # A12 A13 T5 T7 T8
    world.an_app()
    world.an_app(client_id="other")
    made = world.smart.launches.create("app", world.a_doctor(), "p1", encounter="e1", intent="prescribe")
    scope = "launch launch/encounter openid fhirUser user/Patient.rs patient/*.rs"
    assert "invalid_request" == world.browser().authorize(client_id="other", launch=made, scope=scope).back["error"]
    person = world.browser().authorize(launch=made, scope=scope).sign_in_as_professional()
    assert "Pourquoi accédez-vous au dossier ?" == person.title
    back = person.submit().submit(answer="allow").back
    told = world.exchange(back["code"]).json
    assert ("p1", "e1", "prescribe", True) == (
        told["patient"],
        told["encounter"],
        told["intent"],
        told["need_patient_banner"],
    )
    assert set(scope.split()) == set(told["scope"].split())
    assert "invalid_request" == world.browser().authorize(launch=made, scope=scope).back["error"]


def test_a_launch_is_for_the_person_it_was_made_for(world):
    world.an_app()
    world.a_holder()
    made = world.smart.launches.create("app", world.a_doctor(), "p1")
    person = world.browser().authorize(launch=made, scope="launch patient/*.rs").sign_in()
    assert "access_denied" == person.back["error"]


def test_a_launch_is_good_for_five_minutes(world):
    from datetime import timedelta

    world.an_app()
    made = world.smart.launches.create("app", world.a_doctor(), "p1")
    world.clock.ahead = timedelta(minutes=5, seconds=1)
    assert "invalid_request" == world.browser().authorize(launch=made, scope="launch patient/*.rs").back["error"]


def test_a_professional_signs_in_through_the_provider_and_names_the_patient(world):
    world.an_app()
    person = world.browser().authorize(scope=PATIENT_SCOPE).sign_in_as_professional().submit()
    assert "Quel patient ?" == person.title
    assert "Aucun dossier ne porte ce matricule." in person.submit(ins="1 55 06 99 999 999 34").page
    person.submit(ins="2 55 06 99 999 999 34")
    assert "Dans un seul dossier" in person.page
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    asker = world.principal(told["access_token"])
    assert (Kind.PROFESSIONAL, "ps:899700000001", "Practitioner/diallo", "Awa Diallo", "10", Purpose.TREATMENT, "p1") == (
        asker.kind,
        asker.subject,
        asker.reference,
        asker.name,
        asker.profession,
        asker.purpose,
        asker.patient,
    )
    assert {"SM26"} == asker.specialties and "SA01" == asker.sector
    assert {"org:1750000001", "Organization/chu", "org:1EJ", "Organization/ej"} == asker.organizations
    assert {"ps:899700000001", "Practitioner/diallo"} == asker.identities


def test_user_scopes_need_no_patient(world):
    world.an_app()
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional().submit()
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    assert "patient" not in told and world.principal(told["access_token"]).patient is None


def test_breaking_the_glass_needs_a_reason_and_opens_one_record_for_fifteen_minutes(world):
    # DMP-117, K3
    world.an_app()
    person = world.browser().authorize(scope=f"{USER_SCOPE} offline_access").sign_in_as_professional()
    assert "centre 15" not in person.page
    person.submit(purpose="BTG", reason="  ")
    assert "Indiquez le motif" in person.page
    person.submit(purpose="BTG", reason="inconscient aux urgences")
    assert "Quel patient ?" == person.title
    person.submit(ins=INS)
    assert "quinze minutes au plus" in person.page
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    assert told["expires_in"] <= 900 and "refresh_token" not in told and "p1" == told["patient"]
    asker = world.principal(told["access_token"])
    assert (Purpose.BREAK_GLASS, "inconscient aux urgences", "p1") == (asker.purpose, asker.reason, asker.patient)
    claims = json.loads(jws_payload(told["access_token"]))
    assert "inconscient" not in json.dumps(claims)
    assert claims["jti"].partition(".")[0] == claims["extensions"]["fr_dmp"]["reason_handle"]
    assert "bris_de_glace" == claims["extensions"]["fr_dmp"]["mode"]
    assert "BTG" == claims["extensions"]["ihe_iua"]["purpose_of_use"][0]["code"]


def test_centre_15_is_offered_to_those_alone_who_have_the_right(world):
    # DMP-118
    world.an_app()
    world.psc.claims = professional(Acces_Regulation_Medicale="VRAI")
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional()
    assert "centre 15" in person.page
    person.submit(purpose="ETREAT").submit(ins=INS)
    told = world.exchange(person.submit(answer="allow").back["code"]).json
    assert Purpose.EMERGENCY_DISPATCH is world.principal(told["access_token"]).purpose
    world.psc.claims = professional()
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional().submit(purpose="ETREAT")
    assert "access_denied" == person.back["error"]


def test_a_purpose_that_the_app_asks_for_is_chosen_beforehand(world):
    world.an_app()
    asked = "http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG"
    person = world.browser().authorize(scope=USER_SCOPE, purpose_of_use=asked).sign_in_as_professional()
    assert 'value="BTG" checked' in person.page


def test_the_reason_given_to_the_provider_is_proposed(world):
    world.an_app()
    world.psc.claims = professional(Mode_Acces_Raison="coma")
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional()
    assert 'value="coma"' in person.page


def test_a_forbidden_party_gets_no_token_and_the_ledger_hears_why(world):
    # DMP-46, DMP-47
    world.an_app()
    world.psc.claims = professional(SubjectRole=["331^1.2.250.1.213.1.6.1.999"])
    person = world.browser().authorize(scope=USER_SCOPE).sign_in_as_professional()
    assert "access_denied" == person.back["error"]
    assert [(Kind.UNKNOWN, "app", "8", "party.unknown")] == [
        (asker.kind, asker.client, outcome, reason) for asker, outcome, reason in world.told
    ]


def test_a_refused_patient_and_an_unknown_one_are_answered_alike(world):
    world.an_app()
    world.refused["ps:899700000001", "p1"] = "directive.blocked"
    answers = [
        world.smart.issue_for(world.a_doctor(), "app", "patient/*.rs launch/patient", patient=patient)
        for patient in ("p1", "unheard-of")
    ]
    assert (400, "access_denied") == (answers[0].status, answers[0].body["error"])
    assert answers[0] == answers[1]
    assert ["directive.blocked", "record.unknown"] == [reason for _, _, reason in world.told]


def test_a_refusal_that_comes_between_the_approval_and_the_code_stops_the_token(world):
    world.an_app()
    account = world.a_holder()
    code = world.browser().code()
    world.refused[account.key] = "record.closed"
    assert (400, "invalid_grant") == error_of(world.exchange(code))
    assert ("8", "record.closed") == world.told[-1][1:]


def test_what_the_ledger_cannot_record_is_not_answered(world):
    from fhir_server.foundation.problem import problem

    def unable(*_):
        raise problem(503, "transient", "the ledger cannot be written")

    world.an_app()
    world.a_holder()
    code = world.browser().code()
    world.smart.issuer._issued = unable
    response = world.exchange(code)
    assert (503, "temporarily_unavailable") == error_of(response) and "access_token" not in response.json


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
