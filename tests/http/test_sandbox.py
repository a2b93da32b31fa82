"""The sandbox as decision 4 has it: its pages, its short cuts, its limits."""

import atexit
import subprocess
import sys
import time

import pytest
from lxml import html

from fhir_server.app import close_house, create_app
from fhir_server.sandbox import dossier
from fhir_server.settings import Settings

READS = "user/Patient.rs user/DocumentReference.rs"
PSC = (
    "/sandbox/psc/authorize?response_type=code&client_id=dmp-on-fhir&scope=openid&state=s&nonce=n&code_challenge=c"
    "&code_challenge_method=S256&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fauth%2Fpsc%2Fcallback"
)


@pytest.fixture(scope="module")
def name(mongo_client):
    name = f"sandbox{time.time_ns()}"
    yield name
    mongo_client.drop_database(name)


@pytest.fixture(scope="module")
def app(mongo_uri, name):
    app = create_app(Settings.read({}, mongo_uri=mongo_uri, database=name, sandbox=True))
    yield app
    close(app)


def close(app):
    """What the end of a process does, while there is a database still."""
    app.extensions["rounds"].stop()
    atexit.unregister(close_house)
    close_house(app.extensions["house"])
    app.extensions["smart"].close()
    for each in app.extensions["clients"]:
        each.close()


@pytest.fixture
def client(app):
    return app.test_client()


def token(client, **asked):
    return client.post("/sandbox/token", json=asked)


def bearer(client, **asked):
    answer = token(client, **asked)
    assert answer.status_code == 200, answer.json
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def test_the_card_of_the_sandbox_has_exactly_the_published_shape(client):
    card = client.get("/sandbox.json").json
    assert set(card) == {"fhir", "clients", "people", "records", "canonical"}
    assert card["fhir"] == "http://127.0.0.1:8080/fhir"
    assert card["canonical"] == "https://dmp-on-fhir.example"
    for row in card["clients"]:
        secret = {"symmetric": {"client_secret"}, "asymmetric": {"private_jwks"}, "backend": {"private_jwks"}}
        assert set(row) == {"client_id", "kind", "redirect_uris", "scope", "what"} | secret.get(row["kind"], set())
    for row in card["people"]:
        assert {"login", "password", "fhirUser", "what"} <= set(row) <= {
            "login", "password", "fhirUser", "what", "profession", "organization",
        }  # fmt: skip
    for row in card["records"]:
        assert set(row) == {"patient", "ins", "what"}
        assert len(row["ins"]) == 15


def test_every_page_is_html_in_french_with_the_banner(client):
    for path in ("/sandbox", "/sandbox/outbox"):
        page = client.get(path)
        assert page.mimetype == "text/html"
        assert "Bac à sable : tout est fictif" in page.text
        assert '<html lang="fr">' in page.text
    for login in dossier.people():
        assert f"<code>{login}</code>" in client.get("/sandbox").text


@pytest.mark.parametrize("kind", ["text/html; charset=iso-8859-1", "text/html"])
def test_a_stored_page_is_given_as_it_was_stored(client, kind):
    """Rows 109 and 110: what a person stored is no page of the server, and gets no banner."""
    header = bearer(client, **{"as": "operateur", "scope": "user/*.cruds"})
    content = "<html><body><p>é</p></body></html>".encode("latin-1")
    made = client.post(
        "/fhir/Binary", data=content, content_type=kind, headers={**header, "Accept": "application/fhir+json"}
    )
    where = f"/fhir/Binary/{made.json['id']}"
    got, asked = (client.open(where, method=each, headers={**header, "Accept": "*/*"}) for each in ("GET", "HEAD"))

    assert (200, content, kind) == (got.status_code, got.data, got.headers["Content-Type"])
    assert (200, str(len(content)), b"") == (asked.status_code, asked.headers["Content-Length"], asked.data)
    for each in (got, asked):
        assert "default-src 'none'; sandbox" == each.headers["Content-Security-Policy"]


def test_the_origin_alone_leads_a_browser_to_the_sandboxs_page(client):
    came = client.get("/")
    assert (came.status_code, came.headers["Location"]) == (302, "/sandbox")


def test_every_field_of_the_pages_has_its_label_and_a_type_that_the_style_sheet_knows(client):
    for path in ("/sandbox/outbox", PSC):
        page = html.fromstring(client.get(path).text)
        fields = page.xpath("//input[not(@type='hidden')]")
        assert fields, path
        for field in fields:
            assert page.xpath(f"//label[@for='{field.get('id')}']"), (path, field.get("name"))
            assert field.get("type") in ("text", "password"), (path, field.get("name"))


@pytest.mark.parametrize(
    ("login", "scope"), [("paul", "patient/*.rs"), ("dr-moreau", READS), ("lea-pour-noe", "patient/*.rs")]
)
def test_people_get_the_token_they_would_have_got(client, login, scope):
    answer = token(client, **{"as": login, "scope": f"openid fhirUser {scope}"})
    assert answer.status_code == 200, answer.json
    assert answer.json["token_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "id_token" in answer.json


def test_an_operator_gets_every_right(client):
    header = bearer(client, **{"as": "operateur", "scope": "user/*.cruds"})
    assert client.get("/fhir/Organization", headers=header).json["total"] == 15


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"as": "nobody", "scope": READS}, 400),
        ({"as": "dr-moreau"}, 400),
        ({"as": "dr-moreau", "scope": ""}, 400),
        ({"as": "dr-moreau", "scope": READS, "colour": "red"}, 400),
        ({"as": "dr-moreau", "scope": 7}, 400),
        ({"as": "dr-moreau", "scope": READS, "client_id": "nobody"}, 401),
        ({"as": "dr-moreau", "scope": "patient/*.rs"}, 400),
        ({"as": "paul", "scope": "system/*.cruds", "client_id": "admin-app"}, 400),
        ({"as": "dr-roux", "scope": READS, "purpose": "BTG", "patient": "paul-martin"}, 400),
        ({"as": "dr-roux", "scope": READS, "purpose": "BTG", "reason": "urgence"}, 400),
        ({"as": "dr-roux", "scope": READS, "purpose": "HPAYMT", "patient": "paul-martin"}, 400),
    ],
)
def test_what_would_be_refused_is_refused_as_the_token_endpoint_does(client, asked, status):
    answer = token(client, **asked)
    assert answer.status_code == status, answer.json
    assert answer.json["error"]
    assert "access_token" not in answer.json


@pytest.mark.parametrize("client_id", ["operator", "hospital"])
def test_nobody_gets_the_token_of_a_system_in_whose_place_no_browser_can_stand(client, client_id):
    """Decision 4: the token that this person would have got through the browser; a system proves itself by its key."""
    answer = token(client, **{"as": "operateur", "scope": "system/DocumentReference.cus", "client_id": client_id})
    assert (400, "unauthorized_client") == (answer.status_code, answer.json["error"])


@pytest.mark.parametrize("asked", [{"as": "nobody", "scope": READS}, {"as": "dr-moreau", "scope": "system/*.rs"}, {}])
def test_no_answer_about_a_token_is_kept_by_a_cache_refusals_included(client, asked):
    """SMART-T4 SMART-T17."""
    answer = token(client, **asked)
    assert (400, "no-store", "no-cache") == (
        answer.status_code,
        answer.headers.get("Cache-Control"),
        answer.headers.get("Pragma"),
    )


@pytest.mark.parametrize(
    "login",
    ["agent-assureur", "agent-mutuelle", "agent-banque", "agent-employeur", "agent-caisse", "dr-garnier", "secretaire"],
)
@pytest.mark.parametrize("purpose", ["TREAT", "BTG", "ETREAT"])
def test_forbidden_parties_get_no_token_in_any_mode(client, login, purpose):
    """DMP-46, DMP-47."""
    asked = {"as": login, "scope": READS, "patient": "paul-martin", "purpose": purpose, "reason": "urgence"}
    answer = token(client, **asked)
    assert answer.status_code in (400, 403)
    assert "access_token" not in answer.json


def test_only_the_regulator_of_centre_15_may_ask_for_its_mode(client):
    """DMP-118."""
    asked = {"scope": READS, "patient": "paul-martin", "purpose": "ETREAT"}
    assert token(client, **{"as": "dr-lambert", **asked}).status_code == 200
    assert token(client, **{"as": "dr-roux", **asked}).status_code >= 400


def test_a_launch_is_made_for_a_known_client_only(client):
    made = client.post("/sandbox/launch", json={"as": "dr-moreau", "client_id": "doctor-app", "patient": "paul-martin"})
    assert made.status_code == 200
    assert made.json["iss"] == "http://127.0.0.1:8080/fhir"
    assert made.json["launch"]
    unknown = client.post("/sandbox/launch", json={"as": "dr-moreau", "client_id": "x", "patient": "paul-martin"})
    assert unknown.json["error"] == "invalid_client"
    assert client.post("/sandbox/launch", json={"as": "dr-moreau", "client_id": "doctor-app"}).status_code == 400


def test_the_clock_of_the_record_moves_and_a_reset_brings_it_back(client):
    header = bearer(client, **{"as": "operateur", "scope": "user/*.cruds"})
    moved = client.post("/sandbox/clock", json={"now": "2031-05-01T08:00:00Z"})
    assert moved.json["now"].startswith("2031-05-01T08:00:0")
    assert client.post("/sandbox/clock", json={"advance": "P1M"}).json["now"].startswith("2031-06-01T08:00:0")
    written = client.post("/fhir/Organization", json={"resourceType": "Organization", "name": "x"}, headers=header)
    assert written.json["meta"]["lastUpdated"].startswith("2031-06-01")
    assert client.post("/sandbox/clock", json={"advance": "soon"}).status_code == 400
    assert client.post("/sandbox/reset").json == {"reset": True}
    again = bearer(client, **{"as": "operateur", "scope": "user/*.cruds"})
    assert (
        client.get(
            written.headers["Location"].partition(":8080")[2].partition("/_history")[0], headers=again
        ).status_code
        == 404
    )
    assert client.get("/fhir/Organization", headers=again).json["total"] == 15
    assert client.get("/fhir/Patient/lea-martin", headers=again).json["meta"]["lastUpdated"] < "2031"


def test_a_token_of_before_the_reset_opens_nothing_after_it(client):
    header = bearer(client, **{"as": "operateur", "scope": "user/*.cruds"})
    client.post("/sandbox/reset")
    assert client.get("/fhir/Organization", headers=header).status_code == 401


def test_secrets_are_the_same_after_a_reset(client):
    before = client.get("/sandbox.json").json["clients"]
    client.post("/sandbox/reset")
    assert client.get("/sandbox.json").json["clients"] == before


def test_what_was_sent_is_shown_newest_first_and_by_recipient(client, app):
    header = bearer(
        client,
        **{"as": "dr-roux", "scope": READS, "patient": "paul-martin", "purpose": "BTG", "reason": "urgence vitale"},
    )
    assert client.get("/fhir/DocumentReference?patient=paul-martin&status=current", headers=header).status_code == 200
    deadline = time.monotonic() + 5
    while not (sent := client.get("/sandbox/outbox.json?to=paul.martin@example.org").json):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {"to", "channel", "subject", "text", "sent"} <= set(sent[0])
    assert sent[0]["to"] == "paul.martin@example.org"
    assert sent[0]["channel"] in ("mail", "text")
    assert "urgence vitale" not in str(sent)
    assert client.get("/sandbox/outbox.json?to=nobody@example.org").json == []
    assert sent[0]["subject"] in client.get("/sandbox/outbox").text


def test_without_a_token_it_is_401_as_anywhere(client):
    assert client.get("/fhir/Patient/lea-martin").status_code == 401


def test_another_name_of_the_machine_is_refused(client):
    assert client.get("/fhir/metadata", headers={"Host": "evil.example"}).status_code == 421


def test_open_an_unsigned_request_is_an_operators(mongo_uri, mongo_client):
    name = f"open{time.time_ns()}"
    app = create_app(Settings.read({}, mongo_uri=mongo_uri, database=name, sandbox=True, open=True))
    try:
        client = app.test_client()
        assert client.get("/fhir/Patient/lea-martin").status_code == 200
        assert client.post("/fhir/Organization", json={"resourceType": "Organization", "name": "x"}).status_code == 201
        assert client.get("/fhir/Patient/lea-martin", headers={"Authorization": "Bearer rubbish"}).status_code == 401
    finally:
        close(app)
        mongo_client.drop_database(name)


def test_without_the_flag_nothing_of_the_sandbox_is_in_the_process(mongo_uri, mongo_client):
    name = f"plain{time.time_ns()}"
    code = (
        "import sys\nfrom fhir_server.app import close_house, create_app\nfrom fhir_server.settings import Settings\n"
        f"app = create_app(Settings.read({{}}, mongo_uri={mongo_uri!r}, database={name!r}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('fhir_server.sandbox')))\n"
        "print(app.test_client().get('/sandbox.json').status_code, app.test_client().post('/sandbox/reset').status_code)\n"
    )
    try:
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    finally:
        mongo_client.drop_database(name)
    assert said.splitlines() == ["[]", "404 404"]


def test_a_browser_says_whose_page_a_form_of_the_sandbox_comes_from(client):
    """Fetch, origin header: under `no-referrer` it would say `null`, and the sign-in of professionals be refused."""
    assert "same-origin" == client.get("/sandbox").headers["Referrer-Policy"]
    assert 403 == client.post("/sandbox/reset", headers={"Origin": "null"}).status_code
