"""Every page of the sign-in in a real browser: it fits a phone, axe-core finds nothing, and its picture is kept.

The pictures are those of `docs/pages`: `<page>-390.png` and `<page>-1440.png`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import requests
from PIL import Image

from fhir_server.sandbox import dossier
from tests.interop.conftest import HERE, OPERATOR

BACK = "http://127.0.0.1:8765/callback"
SHOTS = Path(__file__).parents[2] / "docs" / "pages"
NUMBER, MAIL = "269054958815780", "jeanne.roche@example.org"
PAGES = """who password opening opening-refused creation-code creation-code-sent identifiers new-password code code-refused
authenticator authenticator-refused forgotten-identifier forgotten-identifier-sent forgotten-password recovery-code
recovered-password password-changed password-refused approve done error professional mode mode-refused patient
patient-refused approve-emergency patient-picker patient-found"""


def address(served, client, scope):
    verifier = secrets.token_urlsafe(48)
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": BACK,
        "scope": scope,
        "state": secrets.token_urlsafe(16),
        "aud": served.fhir,
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    return f"{served.origin}/auth/authorize?{urlencode(asked)}"


def an_insured(served, operator):
    """Somebody whom the insurance scheme knows and who has no identifiers yet."""
    known = dossier.resource("Patient", "lea-martin")
    identifier = {**known["identifier"][0], "value": NUMBER}
    patient = {
        "resourceType": "Patient",
        "identifier": [identifier],
        "name": [{"family": "ROCHE", "given": ["Jeanne"]}],
        "gender": "female",
        "birthDate": "1969-05-03",
        "telecom": [{"system": "email", "value": MAIL}],
        "address": [{"line": ["3 rue du Lac"], "postalCode": "38000", "city": "Grenoble"}],
    }
    headers = {"Authorization": f"Bearer {operator}", "Content-Type": "application/fhir+json"}
    answer = requests.post(f"{served.fhir}/Patient", json=patient, headers=headers, timeout=20)
    assert 201 == answer.status_code, answer.text


def test_everybody_can_use_every_page_of_the_sign_in(untouched):
    an_insured(untouched, untouched.token(*OPERATOR))
    paul = dossier.people()["paul"]
    shots = Path(os.environ.get("SHOTS", SHOTS))
    shots.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "ORIGIN": untouched.origin,
        "SHOTS": str(shots),
        "HOLDER": address(untouched, "patient-app", "openid fhirUser launch/patient patient/*.rs"),
        "PROFESSIONAL": address(untouched, "doctor-app", "openid fhirUser launch/patient user/DocumentReference.rs"),
        "NUMBER": NUMBER,
        "MAIL": MAIL,
        "PAUL": paul.mail or "",
        "PASSWORD": paul.password,
        "INS": next(each["ins"] for each in dossier.records() if each["patient"] == "paul-martin"),
    }
    ran = subprocess.run(
        ["node", "pages.mjs"], cwd=HERE, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert 0 == ran.returncode, ran.stderr
    seen = json.loads(ran.stdout)
    for each in shots.glob("*.png"):
        # flat colours: a palette says as much in a third of the bytes
        Image.open(each).convert("RGB").quantize(64).save(each, optimize=True)
    assert "identifiants-dmp.pdf" == seen.pop("pdf")["name"]
    assert seen.pop("first")["path"].startswith("/auth/"), "the first sign-in leads on"
    assert PAGES.split() == list(seen)
    for what in ("violations", "overflows", "unreached", "faults", "scripts"):
        assert {} == {name: told[what] for name, told in seen.items() if told[what]}, what
    for name, told in seen.items():
        assert told["title"].rstrip().endswith("dossier médical partagé") or "Pro Santé Connect" in told["title"], name
        assert all((shots / f"{name}-{width}.png").exists() for width in (390, 1440)), name
