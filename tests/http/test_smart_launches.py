"""Launches and tokens over real HTTP: the whole sandbox, its pages, its identity provider, its FHIR API."""

import re

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.kit.online import CALLBACK, online

HOLDER = "openid fhirUser launch/patient offline_access patient/*.rs"
DOCTOR = "openid fhirUser launch launch/patient offline_access user/Patient.rs user/Encounter.rs user/Practitioner.rs"


@pytest.fixture(scope="module")
def there(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(scope="module")
def encounter(there):
    """A stay of Paul's."""
    made = {
        "resourceType": "Encounter", "status": "in-progress", "subject": {"reference": "Patient/paul-martin"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    }  # fmt: skip
    stored = there.send("POST", "fhir/Encounter", there.operator(), made)
    assert 201 == stored.status_code, stored.text
    return stored.json()["id"]


def test_a_holder_launches_an_app_alone_and_it_reads_the_own_record(there):
    """SMART-A1 SMART-A3 SMART-T1 SMART-T2 SMART-T3 SMART-T4 SMART-T6 SMART-T9 SMART-T10 SMART-O7 SMART-D13."""
    visitor = there.browser().authorize("patient-app", HOLDER)
    back = visitor.sign_in("paul").allow()
    assert {"code", "state", "iss"} == set(back) and visitor.state == back["state"]
    answer = visitor.exchange(back["code"], "patient-app")
    told = answer.json()
    assert 200 == answer.status_code
    assert ("no-store", "no-cache") == (answer.headers["Cache-Control"], answer.headers["Pragma"])
    assert "bearer" == told["token_type"].lower()
    assert [str, str, str, int] == [type(told[n]) for n in ("access_token", "scope", "refresh_token", "expires_in")]
    assert set(HOLDER.split()) == set(told["scope"].split()) and "paul-martin" == told["patient"]
    read = there.get("fhir/Patient/paul-martin", told["access_token"], headers={"Origin": "https://app.example"})
    assert (200, "*") == (read.status_code, read.headers["Access-Control-Allow-Origin"])
    claims = jwt.decode(told["id_token"], keys(there), algorithms=["RS256"]).claims
    assert f"{there.base}/Patient/paul-martin" == claims["fhirUser"]
    user = there.get(claims["fhirUser"], told["access_token"], headers={"Origin": "https://app.example"})
    assert (200, "Patient", "*") == (
        user.status_code,
        user.json()["resourceType"],
        user.headers["Access-Control-Allow-Origin"],
    )


def keys(there):
    return KeySet.import_key_set(there.get("auth/jwks").json())


def launched(there, encounter=None, scope=DOCTOR, **more):
    """The token response of an app that Dr Moreau's software launched for Paul, and what the launch said."""
    context = {"encounter": encounter} if encounter else {}
    made = there.launch("dr-moreau", "doctor-app", "paul-martin", **context)
    visitor = there.browser().authorize("doctor-app", scope, launch=made["launch"], aud=made["iss"], **more)
    back = visitor.sign_in_as_professional("dr-moreau").allow()
    return visitor.exchange(back["code"], "doctor-app").json(), made


def test_software_launches_an_app_for_a_patient_and_a_stay(there, encounter):
    """SMART-A12 SMART-T5 SMART-T6 SMART-T7 SMART-T8: each thing that is told of the launch can be read."""
    told, made = launched(there, encounter)
    assert there.base == made["iss"]
    assert ("paul-martin", encounter) == (told["patient"], told["encounter"])
    assert 200 == there.get("fhir/Patient/paul-martin", told["access_token"]).status_code
    stay = there.get(f"fhir/Encounter/{encounter}", told["access_token"])
    assert (200, "Encounter") == (stay.status_code, stay.json()["resourceType"])
    style = requests.get(told["smart_style_url"], timeout=20)
    assert (200, "application/json") == (style.status_code, style.headers["Content-Type"])
    assert "color_background" in style.json() and told["need_patient_banner"] in (True, False)


def test_a_launch_is_taken_once_whatever_scope_comes_with_it(there):
    """SMART-A13: an unknown, used or strange handle is `invalid_request`, also beside scopes that do not speak of it."""
    _, made = launched(there)
    for scope in (DOCTOR, "openid fhirUser user/Patient.rs"):
        for handle in (made["launch"], "unheard-of"):
            back = there.browser().authorize("doctor-app", scope, launch=handle).back
            assert ("invalid_request", None) == (back["error"], back.get("code"))
    other = there.launch("dr-moreau", "doctor-web", "paul-martin")["launch"]
    assert "invalid_request" == there.browser().authorize("doctor-app", DOCTOR, launch=other).back["error"]


def test_a_professional_launches_an_app_alone_and_names_the_patient(there):
    """SMART-T6 SMART-T19 SMART-A2: the request is posted; with `launch/patient` there is a patient, without none."""
    ins = next(row["ins"] for row in there.get("/sandbox.json").json()["records"] if row["patient"] == "paul-martin")
    scope = "openid fhirUser launch/patient user/Patient.rs"
    visitor = there.browser().authorize("doctor-app", scope, "post").sign_in_as_professional("dr-moreau")
    told = visitor.exchange(visitor.submit(ins=ins).allow()["code"], "doctor-app").json()
    assert "paul-martin" == told["patient"]
    visitor.authorize("doctor-app", "openid fhirUser user/Patient.rs")
    told = visitor.exchange(visitor.submit().allow()["code"], "doctor-app").json()
    assert not {"patient", "encounter", "need_patient_banner", "smart_style_url"} & set(told)


def test_the_id_token_is_what_openid_connect_says(there):
    """SMART-O1 SMART-O2 SMART-O3 SMART-O4 SMART-O5 SMART-O6 SMART-O8 SMART-O9."""
    told, _ = launched(there, nonce="n-0S6_WzA2Mj")
    answer = there.get("/.well-known/openid-configuration")
    configuration = answer.json()
    assert (200, "application/json") == (answer.status_code, answer.headers["Content-Type"])
    assert {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"} <= set(
        configuration
    )
    assert "RS256" in configuration["id_token_signing_alg_values_supported"]
    published = requests.get(configuration["jwks_uri"], timeout=20).json()["keys"]
    assert not [key for key in published if {"d", "p", "q", "dp", "dq", "qi"} & set(key)]
    token = jwt.decode(told["id_token"], keys(there), algorithms=["RS256"])
    rsa = {key["kid"] for key in published if key["kty"] == "RSA"}
    assert ("RS256", True) == (token.header["alg"], token.header["kid"] in rsa)
    claims = token.claims
    assert (configuration["issuer"], "doctor-app", "n-0S6_WzA2Mj") == (claims["iss"], claims["aud"], claims["nonce"])
    assert claims["exp"] > claims["iat"] and 0 < len(claims["sub"]) < 256
    assert re.fullmatch(rf"{there.base}/(Patient|Practitioner|RelatedPerson|Person)/[^/]+", claims["fhirUser"])
    user = there.get(claims["fhirUser"], told["access_token"])
    assert (200, "Practitioner") == (user.status_code, user.json()["resourceType"])
    again = jwt.decode(launched(there)[0]["id_token"], keys(there), algorithms=["RS256"]).claims
    smart = there.get("fhir/.well-known/smart-configuration").json()
    assert (claims["sub"], smart["issuer"]) == (again["sub"], configuration["issuer"])
    assert not {"?", "#"} & set(configuration["issuer"])


def test_a_key_is_rotated_without_a_restart(there):
    """SMART-O4 SMART-O5: the new key is published with the old one, and signs from then on."""
    before, _ = launched(there)
    kid = there.app.extensions["smart"].keys.rotate("RS256")
    after, _ = launched(there)
    assert kid == jwt.decode(after["id_token"], keys(there), algorithms=["RS256"]).header["kid"]
    assert jwt.decode(before["id_token"], keys(there), algorithms=["RS256"]).claims["sub"]


def test_introspection_echoes_the_launch(there, encounter):
    """SMART-R7 SMART-R8 SMART-R9 SMART-R10 SMART-R11."""
    told, _ = launched(there, encounter)
    card = there.card("doctor-web")
    basic = {"auth": (card["client_id"], card["client_secret"])}
    url = there.url("/auth/introspect")
    found = requests.post(url, data={"token": told["access_token"]}, timeout=20, **basic).json()
    claims = jwt.decode(told["id_token"], keys(there), algorithms=["RS256"]).claims
    assert (True, "doctor-app", "paul-martin", encounter) == (
        found["active"],
        found["client_id"],
        found["patient"],
        found["encounter"],
    )
    assert sorted(told["scope"].split()) == sorted(found["scope"].split()) and isinstance(found["exp"], int)
    assert [claims[name] for name in ("iss", "sub", "fhirUser")] == [found[n] for n in ("iss", "sub", "fhirUser")]
    nothing = requests.post(url, data={"token": "invalid_token_value"}, timeout=20, **basic)
    assert (200, {"active": False}) == (nothing.status_code, nothing.json())
    assert 401 == requests.post(url, data={"token": told["access_token"]}, timeout=20).status_code


def test_what_was_revoked_opens_nothing_on_the_next_request(there):
    """SMART-R6."""
    told, _ = launched(there)
    assert 200 == there.get("fhir/Patient/paul-martin", told["access_token"]).status_code
    assert 200 == there.post("/auth/revoke", token=told["refresh_token"], client_id="doctor-app").status_code
    assert 401 == there.get("fhir/Patient/paul-martin", told["access_token"]).status_code
    refresh = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], "client_id": "doctor-app"}
    assert 400 == there.token(**refresh).status_code


def test_discovery_is_at_the_base_and_the_metadata_says_the_same(there):
    """SMART-D1 SMART-D2 SMART-D8 SMART-D11 SMART-D15 SMART-D17: also where a client adds a slash to the base."""
    origin = {"Origin": "https://app.example"}
    for path in ("fhir/.well-known/smart-configuration", "fhir//.well-known/smart-configuration"):
        answer = there.get(path, headers=origin, allow_redirects=False)
        assert (200, "application/json", "*") == (
            answer.status_code,
            answer.headers["Content-Type"],
            answer.headers["Access-Control-Allow-Origin"],
        )
    smart = answer.json()
    assert 404 == there.get("/.well-known/smart-configuration").status_code
    told = [value for name, value in smart.items() if name.endswith(("_endpoint", "_uri"))]
    assert told and all(each.startswith(f"{there.origin}/") for each in told)
    metadata = there.get("fhir/metadata", headers=origin)
    assert "*" == metadata.headers["Access-Control-Allow-Origin"]
    security = metadata.json()["rest"][0]["security"]
    assert "SMART-on-FHIR" == security["service"][0]["coding"][0]["code"]
    uris = {each["url"]: each["valueUri"] for each in security["extension"][0]["extension"]}
    assert (smart["authorization_endpoint"], smart["token_endpoint"]) == (uris["authorize"], uris["token"])


def test_a_redirect_uri_that_is_almost_registered_gets_a_page(there):
    """SMART-A7."""
    for near in (
        f"{CALLBACK}/",
        f"{CALLBACK}?x=1",
        CALLBACK.replace("8765", "8766"),
        CALLBACK.replace("http", "https"),
    ):
        visitor = there.browser().authorize("doctor-app", DOCTOR, redirect_uri=near)
        assert (400, None) == (visitor.response.status_code, visitor.response.headers.get("Location"))
