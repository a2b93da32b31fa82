"""schemathesis asks what nobody thought of, from `/openapi.json`: nothing breaks, and no answer is undescribed.

The sandbox's own addresses are left out: one of them empties the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import OPERATOR
from tests.kit.served import Served

QUESTIONS = 5000
PROGRAM = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
OPTIONS = (
    "--checks=not_a_server_error,status_code_conformance",
    "--phases=examples,coverage,fuzzing",
    "--exclude-path-regex=^/sandbox",
    "--max-examples=75",
    # CPython 3.11 loses count of its recursion where two threads compile at a time
    "--workers=1",
    "--continue-on-failure",
    "--suppress-health-check=all",
    "--request-timeout=20",
    "--report=json",
)


@pytest.mark.slow
def test_no_question_breaks_the_server_and_no_answer_is_undescribed(tmp_path, request):
    """R15, R16."""
    report = Path(os.environ.get("REPORT", tmp_path / "report.json"))
    with Served(tmp_path / "data", "--workers", "1") as served:
        asked = [*PROGRAM, "run", f"{served.origin}/openapi.json", *OPTIONS, f"--report-json-path={report}"]
        asked += ["--header", f"Authorization: Bearer {served.token(*OPERATOR)}"]
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            ran = subprocess.run(asked, cwd=tmp_path, timeout=840, check=False)
        assert "Traceback" not in served.log()

    told = json.loads(report.read_text("utf-8"))
    assert [] == told["failures"]
    assert [] == told["errors"]
    assert told["operations"]["tested"] == told["operations"]["selected"] > 50
    assert told["test_cases"]["generated"] >= QUESTIONS
    assert 0 == ran.returncode
