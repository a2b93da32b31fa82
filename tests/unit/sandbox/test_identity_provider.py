"""The look-alike of Pro Santé Connect, from discovery to userinfo, and what it refuses."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_server.sandbox import dossier
from fhir_server.sandbox.identity_provider import blueprint, connection
from fhir_server.sandbox.psc_claims import claims

BASE = "http://127.0.0.1:8080"
BACK = f"{BASE}/auth/psc/callback"


class Box:
    """As much of a collection as the provider uses."""

    def __init__(self):
        self.kept = {}

    def find_one(self, where):
        found = self.kept.get(where["_id"])
        return {"_id": where["_id"], **found} if found is not None else None

    def update_one(self, where, change, upsert):
        new = where["_id"] not in self.kept
        self.kept.setdefault(where["_id"], change["$setOnInsert"])
        return type("Done", (), {"upserted_id": where["_id"] if new else None})()


@pytest.fixture(scope="module")
def database():
    return {"sandbox": Box()}


@pytest.fixture(scope="module")
def client(database):
    app = Flask(__name__)
    app.register_blueprint(blueprint(database, BASE))
    return app.test_client()


@pytest.fixture(scope="module")
def own(database):
    return connection(database, BASE)


def asked(**changes):
    verifier = changes.pop("verifier", "v" * 50)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return {
        "client_id": "dmp-on-fhir", "redirect_uri": BACK, "response_type": "code", "scope": "openid scope_all",
        "state": "st", "nonce": "no", "code_challenge": challenge, **changes,
    }  # fmt: skip


def code(client, login="dr-roux", **changes):
    person = dossier.people()[login]
    answer = client.post(
        "/sandbox/psc/authorize", data=asked(**changes) | {"login": login, "password": person.password}
    )
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)


def exchange(client, own, code_, **changes):
    body = {
        "grant_type": "authorization_code", "code": code_, "redirect_uri": BACK, "code_verifier": "v" * 50,
        "client_id": own.client_id, "client_secret": own.secret, **changes,
    }  # fmt: skip
    return client.post("/sandbox/psc/token", data=body)


def test_discovery_names_addresses_below_the_issuer(client, own):
    told = client.get("/sandbox/psc/.well-known/openid-configuration").json
    assert told["issuer"] == own.issuer == f"{BASE}/sandbox/psc"
    assert all(told[name].startswith(own.issuer) for name in told if name.endswith(("_endpoint", "_uri")))


def test_a_professional_signs_in_and_our_server_learns_who_it_is(client, own):
    given = code(client)
    assert (given["state"], given["iss"]) == (["st"], [own.issuer])
    tokens = exchange(client, own, given["code"][0]).json
    keys = KeySet.import_key_set(client.get("/sandbox/psc/jwks").json)
    assert "d" not in client.get("/sandbox/psc/jwks").json["keys"][0]
    said = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert (said["aud"], said["nonce"]) == (own.client_id, "no")
    who = client.get("/sandbox/psc/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json
    assert who["sub"] == said["sub"]
    assert who["SubjectRole"] == ["10^1.2.250.1.213.1.1.5.5"]
    assert who["Secteur_Activite"] == "SA01^1.2.250.1.71.4.2.4"


def test_a_code_works_once(client, own):
    given = code(client)["code"][0]
    assert exchange(client, own, given).status_code == 200
    assert exchange(client, own, given).json == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"code_verifier": "x" * 50}, "invalid_grant"),
        ({"redirect_uri": f"{BASE}/elsewhere"}, "invalid_grant"),
        ({"grant_type": "password"}, "invalid_grant"),
        ({"code": "rubbish"}, "invalid_grant"),
    ],
)
def test_an_exchange_that_does_not_fit_is_refused(client, own, changes, error):
    assert exchange(client, own, code(client)["code"][0], **changes).json == {"error": error}


@pytest.mark.parametrize(
    "changes",
    [{"redirect_uri": "https://evil.example/"}, {"redirect_uri": f"{BASE}.evil.example/"}, {"client_id": "other"},
     {"response_type": "token"}, {"scope": "scope_all"}],
)  # fmt: skip
def test_nobody_else_may_send_people_here(client, changes):
    assert client.get("/sandbox/psc/authorize", query_string=asked(**changes)).status_code == 400


@pytest.mark.parametrize(("login", "password"), [("dr-roux", "wrong"), ("nobody", "x"), ("lea", "lea-demo"), ("", "")])
def test_a_wrong_password_and_a_person_who_is_no_professional_stay_on_the_page(client, login, password):
    answer = client.post("/sandbox/psc/authorize", data=asked() | {"login": login, "password": password})
    assert answer.status_code == 401
    assert "Identifiant ou mot de passe inconnu" in answer.text


def test_a_token_of_another_kind_opens_nothing(client, own):
    tokens = exchange(client, own, code(client)["code"][0]).json
    for text in (tokens["id_token"], "rubbish", ""):
        assert client.get("/sandbox/psc/userinfo", headers={"Authorization": f"Bearer {text}"}).status_code == 401


@pytest.mark.parametrize("person", [each for each in dossier.people().values() if each.psc], ids=lambda p: p.login)
def test_the_claims_have_the_names_of_the_real_ones(person):
    said = claims(person, dossier.resource("Organization", person.organization.partition("/")[2]))
    assert set(said) == {
        "sub", "preferred_username", "SubjectNameID", "family_name", "given_name", "acr", "authMode", "otherIds",
        "Secteur_Activite", "SubjectOrganization", "SubjectOrganizationID", "SubjectRole", "PSI_Locale",
        "Mode_Acces_Raison", "Acces_Regulation_Medicale", "UITVersion", "Palier_Authentification", "SubjectRefPro",
    }  # fmt: skip
    assert said["SubjectOrganizationID"][0] in "FS"
    assert said["Acces_Regulation_Medicale"] == ("VRAI" if person.login == "dr-lambert" else "FAUX")
