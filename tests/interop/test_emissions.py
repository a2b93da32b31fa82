"""HL7's own validator over what the server says while its tests run: no error but those that `exceptions.json` explains.

All that goes through the pipeline or Flask is asked: whole `tests/http` and `tests/conformance`, and of `tests/security`
what is not the twins' battery. `tests/kit/recorder.py` keeps one answer of each shape; RECORDED names a folder of such
answers, to judge them again. What is known to be wrong goes with them: a validator that finds nothing there finds nothing
anywhere.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fhir_server.resources import json_text
from tests.interop.conftest import HERE

ROOT = HERE.parents[1]
ASKED = ("tests/http", "tests/conformance", "tests/security")
APART = (
    # their servers are processes of their own, which say what the others say
    *("test_serve.py", "test_engine.py", "test_commands.py", "test_kill.py", "test_transfer.py"),
    # they put one battery of questions to twins, some ten thousand times
    *("test_might_as_well_not_exist.py", "test_random_worlds.py", "test_planted*.py", "test_same_answer.py"),
)
WRONG = {"resourceType": "Patient", "gender": "xx", "birthDate": "2020-13-01", "name": [{"familly": "x"}]}
# an entry's resource is judged by itself
WITHIN = re.compile(r"Bundle\.entry\[\d+\]\.(resource|response\.outcome)")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, request):
    """A folder of answers, one of each shape."""
    if os.environ.get("RECORDED"):
        return Path(os.environ["RECORDED"])
    folder = tmp_path_factory.mktemp("said")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n", "2"]
    tests = [*run, *ASKED, *(f"--ignore-glob=*{each}" for each in APART)]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        told = {**os.environ, "RECORD": str(folder)}
        ran = subprocess.run(tests, cwd=ROOT, env=told, timeout=2400, check=False)
    assert 0 == ran.returncode, "what the tests find wrong comes first"
    return folder


@pytest.fixture(scope="module")
def found(recorded, request):
    """File and issue, for each error that the validator found."""
    (recorded / "canary.json").write_text(json.dumps(WRONG), "utf-8")
    classpath = (Path(os.environ["INTEROP"]) / "classpath").read_text("utf-8").strip()
    java = ["java", "-Xmx2g", "-cp", classpath, str(HERE / "validator" / "Validate.java"), str(recorded)]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        ran = subprocess.run(java, stdout=subprocess.PIPE, timeout=1500, check=True)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return [
        (line["file"], issue)
        for line in lines
        for issue in line["issues"]
        if issue["severity"] in ("error", "fatal") and not WITHIN.match(issue["where"] or "")
    ]


def test_what_is_judged_is_what_there_is(recorded):
    """Every kind of bundle, outcomes, the statement, traces, and each format."""
    names = Counter(path.name.partition("-")[0] for path in recorded.iterdir())
    assert 0 == names["unreadable"]
    assert names["OperationOutcome"] > 20
    assert names["AuditEvent"] > 20
    assert names["CapabilityStatement"] > 0
    assert len(list(recorded.glob("*.xml"))) > 100
    types = {json_text.read(path.read_bytes())["type"] for path in recorded.glob("Bundle-*.json")}
    assert {"searchset", "history", "batch-response", "transaction-response"} <= types


def test_the_validator_finds_what_is_known_to_be_wrong(found):
    texts = " ".join(issue["text"] for file, issue in found if file == "canary.json")
    for word in ("xx", "2020-13-01", "familly"):
        assert word in texts


def test_the_validator_finds_no_error_but_those_that_are_explained(found):
    exceptions = json.loads((HERE / "exceptions.json").read_text("utf-8"))
    met = set()
    unexplained = []
    for file, issue in found:
        if file == "canary.json":
            continue
        at = next((at for at, each in enumerate(exceptions) if explains(each, file, issue)), None)
        if at is None:
            unexplained.append(f"{file} {issue['where']}: {issue['id']}: {issue['text']}")
        met.add(at)

    assert [] == unexplained
    assert [] == [each for at, each in enumerate(exceptions) if at not in met], "nothing needs these any more"


def explains(exception, file, issue):
    """Whether this is that: the resource's type, the element, the message's id and its words."""
    return (
        file.partition("-")[0] == exception["type"]
        and re.fullmatch(exception["where"], re.sub(r"\[\d+\]", "", issue["where"]))
        and exception["id"] == issue["id"]
        and re.search(exception["text"], issue["text"])
        and exception["reason"]
    )
