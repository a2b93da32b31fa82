"""Abuse: what strangers send to tire, confuse or frame the server, over real HTTP."""

import contextlib
import json
import socket
import threading
import time

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey
from lxml import html

from fhir_server.foundation.principal import Kind
from tests.kit.online import ASSERTION_TYPE, online
from tests.kit.served import Served

DOCTOR = "openid fhirUser user/Patient.rs"
FORM = b"Host: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def there(mongo_uri, mongo_client):
    with online(mongo_uri, mongo_client) as made:
        yield made


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("abuse"), "--workers", "2") as made:
        yield made


@pytest.fixture(autouse=True)
def nobody_has_asked(request):
    """A code is sent so many times an hour to one account; these tests sign in more often."""
    if "there" in request.fixturenames:
        request.getfixturevalue("there").app.extensions["smart"].records.attempts.drop()


# --- mix-up (RFC 9207) ---


def test_every_answer_to_an_app_says_who_answers(there):
    """RFC 9207: a code, a refusal, and a request that was bad from the start."""
    told = there.get("/fhir/.well-known/smart-configuration").json()
    assert told["authorization_response_iss_parameter_supported"] is True
    bad = there.browser().authorize("doctor-app", DOCTOR, code_challenge_method="plain").back
    visitor = there.browser().authorize("doctor-app", DOCTOR).sign_in_as_professional("dr-moreau")
    page = visitor.response
    denied = visitor.submit(answer="deny").back
    visitor.authorize("doctor-app", DOCTOR).submit()
    given = visitor.allow()
    assert ["invalid_request", "access_denied", None] == [each.get("error") for each in (bad, denied, given)]
    assert [told["issuer"]] * 3 == [each["iss"] for each in (bad, denied, given)]
    assert page.status_code == 200


def test_an_answer_that_another_provider_gives_signs_nobody_in(there):
    """RFC 9207 section 2.4, for the provider that professionals sign in with."""
    visitor = there.browser().authorize("doctor-app", DOCTOR).submit(who="professional")
    found = html.fromstring(visitor.response.text).forms[0]
    form = dict(found.form_values()) | {"login": "dr-moreau", "password": "dr-moreau-demo"}
    answered = visitor.session.post(visitor.response.url, data=form, allow_redirects=False, timeout=20)
    back = answered.headers["Location"]
    assert "iss=" in back
    stolen = back.partition("&iss=")[0] + "&iss=https%3A%2F%2Fevil.example"
    assert 400 == visitor.session.get(stolen, allow_redirects=False, timeout=20).status_code
    assert 303 == visitor.session.get(back, allow_redirects=False, timeout=20).status_code


# --- open redirect, framing, scripts ---


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%09/evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/sandbox\r\nSet-Cookie: a=b",
    ],
)
def test_a_sign_in_leads_to_nobody_elses_page(there, where):
    visitor = there.browser()
    visitor.follow(visitor.session.get(there.url("/auth/sign-in"), params={"next": where}, allow_redirects=False))
    visitor.sign_in("paul")
    assert visitor.response.url.startswith(f"{there.origin}/") and not visitor.response.is_redirect
    assert "a=b" not in visitor.response.headers.get("Set-Cookie", "")


def pages(there):
    """Every page there is, as (name, response)."""
    visitor = there.browser()
    yield "who", visitor.authorize("doctor-app", DOCTOR).response
    yield "provider", visitor.submit(who="professional").response
    visitor.submit(login="dr-moreau", password="dr-moreau-demo")
    yield "mode", visitor.response
    yield "approve", visitor.submit().response
    alone = there.browser().authorize("doctor-app", "openid launch/patient user/Patient.rs")
    yield "patient", alone.sign_in_as_professional("dr-moreau").response
    yield "found", alone.submit(1, name="martin").response
    holder = there.browser().authorize("patient-app", "patient/*.rs").submit(who="person")
    yield "password", holder.response
    yield "code", holder.submit(identifier="paul", password="paul-demo").response
    yield "done", there.browser().get("/auth/sign-in").sign_in("paul").response
    yield "error", there.browser().authorize("unheard-of", DOCTOR).response
    yield "forged", requests.post(there.url("/auth/approve"), data={"csrf": "x"}, timeout=20)
    for path in ("/sandbox", "/sandbox/outbox", "/docs"):
        yield path, there.get(path)


def test_every_page_may_not_be_framed_runs_no_inline_script_and_says_what_it_is(there):
    """SMART-A15: RFC 9700 section 4.16; https://www.w3.org/TR/CSP3/."""
    seen = []
    for name, page in pages(there):
        assert page.headers["Content-Type"].startswith("text/html"), (name, page.status_code)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, name
        assert "unsafe-inline" not in policy.partition("style-src")[0] and "unsafe-eval" not in policy, name
        # a browser must say whose page a form of the sandbox comes from
        referrer = "same-origin" if name in ("provider", "/sandbox", "/sandbox/outbox") else "no-referrer"
        assert ("DENY", "nosniff", referrer) == tuple(
            page.headers[each] for each in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")
        ), name
        found = html.fromstring(page.text)
        assert not [each for each in found.iter("script") if (each.text or "").strip()], name
        assert not [each for each in found.iter() if any(str(key).startswith("on") for key in each.attrib)], name
        assert not found.xpath("//*[@style] | //style | //a[starts-with(@href, 'javascript')]"), name
        seen.append(name)
    assert 14 == len(seen)


# --- what is too large, too slow, or hangs ---


@pytest.mark.parametrize("size", [9_000, 60_000])
def test_an_oversized_token_is_refused_and_nothing_else_happens(there, size):
    good = there.quick("paul", "patient/Patient.rs", client_id="patient-app").json()["access_token"]
    for token in ("a" * size, good + "a" * size, f"{good}.{'a' * size}"):
        assert there.get("fhir/Patient/paul-martin", token).status_code in (400, 401, 431)
        assert there.post("/auth/revoke", token=token, client_id="patient-app").status_code in (200, 400)
        card = there.card("doctor-web")
        auth = (card["client_id"], card["client_secret"])
        told = requests.post(there.url("/auth/introspect"), data={"token": token}, auth=auth, timeout=20)
        assert {"active": False} == told.json()
        refresh = there.token(grant_type="refresh_token", refresh_token=token, client_id="patient-app")
        assert (400, "invalid_grant") == (refresh.status_code, refresh.json()["error"])
    assert 200 == there.get("fhir/Patient/paul-martin", good).status_code


@contextlib.contextmanager
def dawdling(served, path, number):
    """Connections that began to send a form, and send no more of it."""
    wires = [socket.create_connection(("127.0.0.1", served.port), timeout=5) for _ in range(number)]
    try:
        for wire in wires:
            wire.sendall(f"POST {path} HTTP/1.1\r\n".encode() + FORM + b"Content-Length: 500\r\n\r\ngrant_type=")
        time.sleep(1)
        yield
    finally:
        for wire in wires:
            wire.close()


@pytest.mark.parametrize("path", ["/auth/token", "/auth/password", "/auth/register"])
def test_forms_that_come_byte_by_byte_keep_nobody_else_waiting(served, path):
    """Fifty of them, with two workers of sixteen threads: whoever has a token reads on."""
    token = served.token("paul", "patient/Patient.rs")
    header = {"Authorization": f"Bearer {token}"}
    with dawdling(served, path, 50):
        for address in ("/fhir/Patient/paul-martin", "/auth/jwks", "/health/live", "/auth/who"):
            begun = time.monotonic()
            assert 200 == requests.get(f"{served.origin}{address}", headers=header, timeout=10).status_code
            assert time.monotonic() - begun < 3, address
    assert 400 == requests.post(f"{served.origin}/auth/token", data={"grant_type": "x"}, timeout=10).status_code


@pytest.fixture
def hanging():
    """An address that takes connections and says nothing."""
    listening, held = socket.create_server(("127.0.0.1", 0), backlog=64), []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                held.append(listening.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/jwks"
    listening.close()
    for each in held:
        each.close()


def test_a_key_set_that_hangs_refuses_its_client_in_two_seconds_while_others_are_served(there, hanging):
    """SMART-K12."""
    key = ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True)
    there.app.extensions["smart"].clients.add(
        "backend", client_id="hangs", acts_as=Kind.OPERATOR, scope="system/*.rs", jwks_uri=hanging
    )

    def ask():
        now = int(time.time())
        claims = {"iss": "hangs", "sub": "hangs", "aud": f"{there.origin}/auth/token", "exp": now + 60, "jti": str(now)}
        made = jwt.encode({"alg": "ES384", "kid": key.kid}, claims, key, algorithms=["ES384"])
        begun = time.monotonic()
        answer = there.token(grant_type="client_credentials", scope="system/*.rs", client_assertion=made,
                             client_assertion_type=ASSERTION_TYPE)  # fmt: skip
        told.append((answer.status_code, answer.json()["error"], time.monotonic() - begun))

    told = []
    token = there.quick("paul", "patient/Patient.rs", client_id="patient-app").json()["access_token"]
    asking = [threading.Thread(target=ask) for _ in range(6)]
    for each in asking:
        each.start()
    time.sleep(0.3)
    begun = time.monotonic()
    assert 200 == there.get("fhir/Patient/paul-martin", token).status_code
    assert time.monotonic() - begun < 1.5
    for each in asking:
        each.join(20)
    assert [(401, "invalid_client")] * 6 == [each[:2] for each in told]
    assert max(each[2] for each in told) < 4, json.dumps(told)


# --- replay, once more over the wire ---


def test_what_was_used_once_is_used_up(there):
    """SMART-T14 SMART-R5 SMART-K11: codes, refresh tokens and assertions that come back."""
    visitor = there.browser().authorize("doctor-app", f"{DOCTOR} offline_access").sign_in_as_professional("dr-moreau")
    code = visitor.allow()["code"]
    first = visitor.exchange(code, "doctor-app").json()
    refresh = {"grant_type": "refresh_token", "client_id": "doctor-app"}
    second = there.token(**refresh, refresh_token=first["refresh_token"]).json()
    assert 400 == there.token(**refresh, refresh_token=first["refresh_token"]).status_code
    for token in (first, second):
        assert 401 == there.get("fhir/Practitioner/dr-moreau", token["access_token"]).status_code
        assert 400 == there.token(**refresh, refresh_token=token["refresh_token"]).status_code
    assert 400 == visitor.exchange(code, "doctor-app").status_code
