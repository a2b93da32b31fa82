"""What was ended stops on the next request in every worker: a served sandbox of two, and the commands beside it."""

import json
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.store.connection import connect
from fhir_server.store.engine import address_of
from tests.kit.online import ASSERTION_TYPE
from tests.kit.served import PROGRAM, Served

READS = 48


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("two"), "--workers", "2") as made:
        yield made


def command(served, *arguments):
    done = subprocess.run([*PROGRAM, *arguments, "--data", str(served.data)], capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def statuses(served, token, number=READS):
    """What as many readers get who come at once, each on a connection of its own."""

    def read(_):
        header = {"Authorization": f"Bearer {token}", "Connection": "close"}
        return requests.get(f"{served.fhir}/Patient/paul-martin", headers=header, timeout=20).status_code

    with ThreadPoolExecutor(16) as readers:
        return set(readers.map(read, range(number)))


def workers_that_answered(served):
    with connect(address_of(served.data).uri) as client:
        return len(client["fhir"]["ledger"].distinct("chain.writer", {"index": "AuditEvent.subtype=read"}))


def warm(served, token):
    """Read until both workers remember the token."""
    deadline = time.monotonic() + 60
    while True:
        assert {200} == statuses(served, token)
        if workers_that_answered(served) >= 2:
            assert {200} == statuses(served, token)
            return
        assert time.monotonic() < deadline, "one worker takes every connection"


def given(served, client_id="patient-app"):
    asked = {"as": "paul", "client_id": client_id, "scope": "openid patient/Patient.rs offline_access"}
    told = requests.post(f"{served.origin}/sandbox/token", json=asked, timeout=20)
    assert 200 == told.status_code, told.text
    return told.json()


def test_a_revoked_token_stops_on_the_next_request_in_both_workers(served):
    """SMART-R6, decisions 19: ten times over, whichever worker took the revocation."""
    warm(served, given(served)["access_token"])
    for _ in range(10):
        token = given(served)["access_token"]
        assert {200} == statuses(served, token, 16)
        form = {"token": token, "client_id": "patient-app"}
        assert 200 == requests.post(f"{served.origin}/auth/revoke", data=form, timeout=20).status_code
        assert {401} == statuses(served, token, 16)


def test_a_disabled_client_stops_on_the_next_request_in_both_workers_and_comes_back(served):
    token = given(served)["access_token"]
    warm(served, token)
    command(served, "client", "disable", "patient-app")
    assert {401} == statuses(served, token)
    command(served, "client", "disable", "--undo", "patient-app")
    assert {200} == statuses(served, token)


def test_a_withdrawn_key_ends_its_tokens_on_the_next_request_in_both_workers_and_a_rotated_one_does_not(served):
    """SMART-O4: and new tokens are signed with the new key at once."""
    old = given(served)["access_token"]
    warm(served, old)
    kid = json.loads(_part(old))["kid"]
    new = command(served, "keys", "rotate", "ES256").split()[0]
    assert {200} == statuses(served, old)
    assert {new} == {json.loads(_part(given(served)["access_token"]))["kid"] for _ in range(12)}
    command(served, "keys", "withdraw", kid)
    assert {401} == statuses(served, old)
    assert {200} == statuses(served, given(served)["access_token"])


def _part(token):
    from base64 import urlsafe_b64decode

    head = token.partition(".")[0]
    return urlsafe_b64decode(head + "=" * (-len(head) % 4))


def test_a_clients_rotated_key_and_secret_prove_nothing_on_the_next_request_in_both_workers(served, tmp_path):
    """SMART-K16: twelve tries each, on connections of their own."""
    first, second = (ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True) for _ in range(2))
    files = []
    for number, key in enumerate((first, second)):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    command(served, "client", "add", "backend", "--id", "sih", "--acts-as", "operator", "--scope", "system/*.rs",
            "--keys", str(files[0]))  # fmt: skip

    def asked(key):
        now = int(time.time())
        claims = {
            "iss": "sih",
            "sub": "sih",
            "aud": f"{served.origin}/auth/token",
            "exp": now + 60,
            "jti": uuid.uuid4().hex,
        }
        made = jwt.encode({"alg": "ES384", "kid": key.kid}, claims, key, algorithms=["ES384"])
        form = {"grant_type": "client_credentials", "scope": "system/Patient.rs", "client_assertion": made,
                "client_assertion_type": ASSERTION_TYPE}  # fmt: skip
        return requests.post(f"{served.origin}/auth/token", data=form, timeout=20).status_code

    assert [{200}, {401}] == [{asked(key) for _ in range(12)} for key in (first, second)]
    command(served, "client", "rotate", "sih", "--keys", str(files[1]))
    assert [{401}, {200}] == [{asked(key) for _ in range(12)} for key in (first, second)]

    secret = next(each for each in requests.get(f"{served.origin}/sandbox.json", timeout=20).json()["clients"]
                  if each["client_id"] == "doctor-web")["client_secret"]  # fmt: skip

    def introspected(secret):
        form = {"token": "x", "client_id": "doctor-web", "client_secret": secret}
        return requests.post(f"{served.origin}/auth/introspect", data=form, timeout=20).status_code

    assert 200 == introspected(secret)
    new = command(served, "client", "rotate", "doctor-web").split()[1]
    assert [{401}, {200}] == [{introspected(each) for _ in range(12)} for each in (secret, new)]
