"""fhir-kit-client, from npm: `kit.mjs` is its script, told here whom it is to speak to."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import subprocess
import uuid
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.interop.conftest import HERE

BACK = "http://127.0.0.1:8765/callback"
STEPS = """capabilities, create, read, update, vread and history, patch, conditional writes, transaction,
search and pages, search and pages by POST, resolve, delete, smart"""


def test_a_client_in_javascript_goes_through_its_day(served, operator, signed_in):
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code",
        "client_id": "patient-app",
        "redirect_uri": BACK,
        "scope": "openid fhirUser launch/patient patient/*.rs",
        "state": secrets.token_urlsafe(16),
        "aud": served.fhir,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    came = signed_in("paul", f"{served.origin}/auth/authorize?{urlencode(asked)}", BACK)
    environment = {
        **os.environ,
        "FHIR": served.fhir,
        "TOKEN": operator,
        "TAG": f"urn:uuid:{uuid.uuid4()}",
        "CODE": parse_qs(urlsplit(came).query)["code"][0],
        "VERIFIER": verifier,
        "BACK": BACK,
    }
    ran = subprocess.run(
        ["node", "kit.mjs"], cwd=HERE, env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    steps = [each.strip() for each in STEPS.replace("\n", " ").split(",")]
    assert (0, steps) == (ran.returncode, ran.stdout.splitlines()), ran.stderr
