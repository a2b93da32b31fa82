"""Pages, discovery and CORS: what everybody may read, and what a page guards against."""

import re

import pytest

from tests.kit.smart import BASE, ORIGIN, PSC, World


@pytest.fixture
def world(mongo_uri, database):
    made = World(mongo_uri, database.name)
    yield made
    made.smart.close()


def test_smart_discovery_tells_what_the_server_does(world):
    """SMART-D1 SMART-D2 SMART-D3 SMART-D4 SMART-D5 SMART-D6 SMART-D7 SMART-D8 SMART-D9 SMART-D16 SMART-D17."""
    response = world.http.get("/fhir/.well-known/smart-configuration", headers={"Accept": "application/json"})
    assert (200, "application/json") == (response.status_code, response.mimetype)
    told = response.json
    assert f"{ORIGIN}/auth/authorize" == told["authorization_endpoint"]
    assert f"{ORIGIN}/auth/token" == told["token_endpoint"]
    assert {"authorization_code", "client_credentials", "refresh_token"} == set(told["grant_types_supported"])
    assert ["S256"] == told["code_challenge_methods_supported"]
    assert ORIGIN == told["issuer"] and f"{ORIGIN}/auth/jwks" == told["jwks_uri"]
    assert {
        "launch-ehr",
        "launch-standalone",
        "client-public",
        "client-confidential-symmetric",
        "client-confidential-asymmetric",
        "sso-openid-connect",
        "context-banner",
        "context-style",
        "context-ehr-patient",
        "context-ehr-encounter",
        "context-standalone-patient",
        "permission-offline",
        "permission-online",
        "permission-patient",
        "permission-user",
        "permission-v1",
        "permission-v2",
        "authorize-post",
    } == set(told["capabilities"])
    assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]
    assert ["ES384", "RS384"] == told["token_endpoint_auth_signing_alg_values_supported"]
    assert "registration_endpoint" not in told


def test_openid_discovery_and_the_keys(world):
    """SMART-O2 SMART-O3 SMART-O4."""
    response = world.http.get("/.well-known/openid-configuration")
    assert (200, "application/json") == (response.status_code, response.mimetype)
    told = response.json
    assert (ORIGIN, ["code"], ["public"], ["RS256"]) == (
        told["issuer"],
        told["response_types_supported"],
        told["subject_types_supported"],
        told["id_token_signing_alg_values_supported"],
    )
    keys = world.http.get("/auth/jwks").json["keys"]
    assert [("EC", "ES256"), ("RSA", "RS256")] == sorted((key["kty"], key["alg"]) for key in keys)


def test_every_address_that_is_told_is_there(world):
    told = world.http.get("/.well-known/openid-configuration").json
    for name, address in told.items():
        if name.endswith(("_endpoint", "_uri")):
            assert 404 != world.http.get(address.removeprefix(ORIGIN)).status_code, name


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/.well-known/smart-configuration",
        "/.well-known/openid-configuration",
        "/auth/jwks",
        "/auth/smart-style.json",
        "/auth/token",
    ],
)
def test_any_page_may_call_what_takes_no_cookie(world, path):
    """SMART-D10 SMART-D12 SMART-D14."""
    origin = {"Origin": "https://app.example"}
    assert "*" == world.http.get(path, headers=origin).headers["Access-Control-Allow-Origin"]
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = world.http.options(path, headers=origin | asked)
    assert 200 == preflight.status_code
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]


def test_no_other_page_may_call_the_authorization_address(world):
    world.an_app()
    person = world.browser().authorize(headers={"Origin": "https://app.example"})
    assert "Access-Control-Allow-Origin" not in person.response.headers


def test_a_page_is_framed_by_nobody_runs_no_script_and_is_not_kept(world):
    """SMART-A15."""
    world.an_app()
    headers = world.browser().authorize().response.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe-inline" not in policy
    assert f"form-action 'self' {PSC.removesuffix('/psc')} https://app.example" in policy
    assert ("DENY", "no-store", "nosniff", "no-referrer") == (
        headers["X-Frame-Options"],
        headers["Cache-Control"],
        headers["X-Content-Type-Options"],
        headers["Referrer-Policy"],
    )


def test_no_page_needs_a_script_or_an_inline_style(world):
    world.an_app()
    world.a_holder(must_change=True)
    person = world.browser().authorize()
    pages = [person.page, person.submit(who="person").page]
    pages.append(person.submit(identifier="lea", password="mot de passe").page)
    pages.append(person.submit(password="un nouveau mot", again="un nouveau mot").page)
    pages.append(person.submit(code=world.sent[-1][1]).page)
    doctor = world.browser().authorize().sign_in_as_professional()
    pages += [doctor.page, doctor.submit().page]
    for page in pages:
        assert "<script" not in page and "style=" not in page and not re.search(r" on[a-z]+=", page)
        labelled = set(re.findall(r'<label for="([^"]+)"', page))
        fields = set(re.findall(r'<input id="([^"]+)"', page)) | set(
            re.findall(r'<input type="(?:radio|checkbox)"[^>]* id="([^"]+)"', page)
        )
        assert fields == labelled
        assert 'name="viewport" content="width=device-width' in page and '<html lang="fr">' in page
        assert 1 == page.count("<h1>")
    with person.client.get("/auth/static/auth.css") as style:
        assert (200, "text/css") == (style.status_code, style.mimetype)


def test_a_form_that_was_not_made_for_this_browser_is_refused(world):
    """SMART-A15."""
    world.an_app()
    world.a_holder()
    person = world.browser().authorize().sign_in()
    for token in ("", "x", None):
        stolen = person.client.post("/auth/approve", data={"r": "x", **({"csrf": token} if token is not None else {})})
        assert 403 == stolen.status_code
    other = world.browser().authorize()
    csrf = re.search(r'name="csrf" value="([^"]+)"', other.page)[1]
    assert 403 == person.client.post("/auth/password", data={"csrf": csrf}).status_code
    assert 403 == world.http.post("/auth/sign-out").status_code


def test_a_page_that_is_only_looked_for_answers_nothing_in_its_readers_name(world):
    """A HEAD needs no token of the page (SMART-A15): it must do no more than a GET."""
    world.an_app()
    world.a_holder()
    person = world.browser().authorize()
    r = re.search(r'name="r" value="([^"]+)"', person.page)[1]
    assert 200 == person.client.head(f"/auth/who?r={r}").status_code
    person.submit(who="person")
    assert 200 == person.client.head(f"/auth/password?r={r}").status_code
    person.submit(identifier="lea", password="mot de passe")
    for _ in range(3):
        assert 200 == person.client.head(f"/auth/code?r={r}").status_code
    person.submit(code=world.sent[-1][1])
    looked = person.client.head(f"/auth/approve?r={r}")
    assert (200, None) == (looked.status_code, looked.headers.get("Location"))
    assert "code" in person.submit(answer="allow").back


def test_a_request_belongs_to_the_browser_that_made_it(world):
    world.an_app()
    world.a_holder()
    person = world.browser().authorize().sign_in()
    request = re.search(r'name="r" value="([^"]+)"', person.page)[1]
    other = world.browser().authorize().sign_in()
    assert 400 == other.client.get(f"/auth/approve?r={request}").status_code
    assert 400 == other.client.get(f"/auth/onward?r={request}").status_code


def test_a_request_is_answered_once(world):
    world.an_app()
    world.a_holder()
    person = world.browser().authorize().sign_in()
    page = person.response
    code = person.submit(answer="allow").back["code"]
    person.response = page
    assert 400 == person.submit(answer="allow").response.status_code
    assert 200 == world.exchange(code).status_code


def test_the_cookie_changes_at_sign_in_and_is_out_of_reach_of_scripts(world):
    world.an_app()
    world.a_holder()
    person = world.browser().authorize()
    before = person.client.get_cookie("dmp")
    assert (True, "Lax", "/") == (before.http_only, before.same_site, before.path)
    person.sign_in()
    after = person.client.get_cookie("dmp")
    assert before.value != after.value
    thief = world.browser()
    thief.client.set_cookie("dmp", before.value)
    assert "Qui êtes-vous ?" == thief.authorize().title


def test_over_https_the_cookie_is_bound_to_the_host(mongo_uri, database):
    world = World(mongo_uri, database.name, alias="smart-https", issuer="https://dmp.example")
    world.an_app()
    response = world.app.test_client().get("/auth/who")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-dmp=") and "Secure" in cookie and "HttpOnly" in cookie and "Domain" not in cookie
    world.smart.close()


def test_english_is_spoken_where_it_is_preferred_or_asked_for(world):
    world.an_app()
    person = world.browser().authorize(headers={"Accept-Language": "en-GB,en;q=0.9"})
    assert "Qui êtes-vous ?" == person.title, "the redirect of the test browser carries no preference"
    page = person.client.get("/auth/who", headers={"Accept-Language": "en-GB,en;q=0.9"}).get_data(as_text=True)
    assert '<html lang="en">' in page and "Who are you?" in page
    assert "Who are you?" == person.get("/auth/who?lang=en").title
    assert "Who are you?" == person.get("/auth/who").title, "the choice is kept"
    assert "Qui êtes-vous ?" == person.get("/auth/who?lang=fr").title


def test_an_app_cannot_write_into_our_pages(world):
    world.smart.clients.add(
        "public",
        client_id="app",
        name="<script>alert(1)</script>",
        redirect_uris=("https://app.example/callback?here=1",),
        scope="patient/*.rs",
    )
    assert "<script" not in world.browser().authorize().page
    person = world.browser().get('/auth/authorize?client_id="><script>&redirect_uri=x')
    assert 400 == person.response.status_code and "<script" not in person.page


def test_a_provider_that_does_not_answer_or_lies_signs_nobody_in(world):
    world.an_app()
    person = world.browser().authorize(scope="openid user/*.rs").submit(who="professional")
    assert "Qui êtes-vous ?" == world.browser().authorize().title
    start = person.response.location
    assert 400 == person.client.get("/auth/callback?code=x&state=wrong").status_code
    assert 400 == world.browser().client.get(world.psc.sign_in(start)).status_code, "another browser"
    world.psc.changed = {"nonce": "wrong"}
    assert 502 == person.client.get(world.psc.sign_in(start)).status_code
    assert 400 == person.client.get(world.psc.sign_in(start)).status_code, "a state is good once"
    world.wire.answers.clear()
    world.smart.provider._remembered.clear()
    assert 502 == world.browser().authorize().submit(who="professional").response.status_code


def test_somebody_who_gives_up_at_the_provider_may_choose_again(world):
    world.an_app()
    person = world.browser().authorize().submit(who="professional")
    state = re.search("state=([^&]+)", person.response.location)[1]
    assert "Qui êtes-vous ?" == person.get(f"/auth/callback?error=access_denied&state={state}").title


def test_the_sandbox_is_told_apart(world):
    from flask import Flask

    from fhir_server.http import sign_in
    from fhir_server.http.browser import Browser

    app = Flask("sandbox")
    app.register_blueprint(sign_in.blueprint(world.smart, Browser(world.smart, banner=True)))
    assert "données fictives" in app.test_client().get("/auth/who").get_data(as_text=True)


def test_both_catalogues_say_everything(world):
    import json
    from importlib.resources import files

    french, english = (
        json.loads((files("fhir_server.http") / "words" / f"{name}.json").read_text("utf-8")) for name in ("fr", "en")
    )
    assert list(french) == list(english)
    assert not [
        key for key in french if set(re.findall(r"{\w+}", french[key])) != set(re.findall(r"{\w+}", english[key]))
    ]


def test_the_same_rules_and_errors_hold_without_a_browser(world):
    world.an_app()
    doctor = world.a_doctor()
    issue = world.smart.issue_for
    assert 200 == issue(doctor, "app", "user/Patient.rs").status
    told = issue(doctor, "app", "user/*.rs", patient="p1", purpose="BTG", reason="coma")
    assert told.status == 200 and told.body["expires_in"] <= 900 and "refresh_token" not in told.body
    cases = [
        ({"purpose": "BTG", "patient": "p1"}, "invalid_request"),
        ({"purpose": "BTG", "reason": "coma"}, "invalid_request"),
        ({"purpose": "ETREAT", "patient": "p1"}, "access_denied"),
        ({"purpose": "HPAYMT"}, "invalid_request"),
        ({"purpose": "HSYSADMIN"}, "access_denied"),
    ]
    for changed, error in cases:
        answer = issue(doctor, "app", "user/*.rs", **changed)
        assert (400, error) == (answer.status, answer.body["error"]), changed
    assert "invalid_request" == issue(doctor, "app", "patient/*.rs").body["error"]
    assert "invalid_scope" == issue(doctor, "app", "system/*.rs").body["error"]
    assert (401, "invalid_client") == (
        issue(doctor, "unheard-of", "user/*.rs").status,
        issue(doctor, "unheard-of", "user/*.rs").body["error"],
    )
    refreshed = issue(doctor, "app", "user/*.rs offline_access").body["refresh_token"]
    again = world.token(grant_type="refresh_token", refresh_token=refreshed, client_id="app")
    assert 200 == again.status_code and BASE in str(world.smart.bearer.claims(again.json["access_token"])["aud"])
