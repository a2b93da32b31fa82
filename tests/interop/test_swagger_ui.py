"""The documentation for people, in a real browser: it works under its policy, fits a phone, and asks nobody else."""

from __future__ import annotations

import json
import os
import subprocess

from tests.interop.conftest import HERE


def test_a_browser_shows_every_route_and_tries_one(served, tmp_path):
    shots = os.environ.get("SHOTS", str(tmp_path))
    environment = {**os.environ, "ORIGIN": served.origin, "SHOTS": shots}
    ran = subprocess.run(
        ["node", "look.mjs"], cwd=HERE, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert 0 == ran.returncode, ran.stderr
    for name, seen in json.loads(ran.stdout).items():
        assert [] == seen["faults"], name
        assert [served.origin] == seen["asked"], name
        assert "200" == seen["status"], name
        assert seen["operations"] > 50, name
        assert not seen["overflows"], name
