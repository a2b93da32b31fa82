"""The example app with `fhirclient` (npm) in a real browser: standalone as a holder, and from an EHR as a doctor."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.interop.conftest import HERE

EXAMPLE = Path(__file__).parents[2] / "examples" / "smart-app"
AT = ("127.0.0.1", 8090)
"""Where the sandbox knows the app to be."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """The test says what went wrong."""


@pytest.fixture(scope="module")
def app():
    with ThreadingHTTPServer(AT, partial(Quiet, directory=str(EXAMPLE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{AT[0]}:{AT[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def seen(untouched, app, tmp_path_factory):
    shots = os.environ.get("SHOTS", str(tmp_path_factory.mktemp("shots")))
    environment = {**os.environ, "ORIGIN": untouched.origin, "APP": app, "SHOTS": shots}
    ran = subprocess.run(
        ["node", "smart_app.mjs"], cwd=HERE, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert 0 == ran.returncode, ran.stderr
    return json.loads(ran.stdout)


def test_a_holder_opens_the_own_record_from_the_app(seen):
    """SMART-A1, SMART-T6: standalone launch; the token is for the record of who signed in."""
    found = seen["holder"]
    assert "Connecté : Paul MARTIN" == found["who"]
    assert "Paul MARTIN" == found["patient"]
    assert "paul-martin" == found["token"]["patient"]
    assert found["sections"]["Documents"] and found["sections"]["Allergies"] and found["sections"]["Traitements"]
    assert "blob:" == found["document"]


def test_a_doctor_opens_the_patient_at_hand_from_an_ehr(seen):
    """SMART-A12: the launch carries the patient, who is not asked for again."""
    found = seen["doctor"]
    assert "MOREAU" in found["who"]
    assert ("paul-martin", True) == (found["token"]["patient"], found["token"]["need_patient_banner"])
    assert "/auth/patient" not in found["path"]
    assert found["sections"]["Documents"]


def test_the_pages_say_nothing_wrong_and_fit_their_screens(seen):
    for name, found in seen.items():
        assert [] == found["faults"], name
        assert not found["overflows"], name
