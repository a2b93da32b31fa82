"""smart-fetch, from PyPI: a batch job with a key of its own fetches a record, as a data warehouse would."""

from __future__ import annotations

import json
import subprocess
import sys

import requests

RUN = [sys.executable, "-c", "from smart_fetch.cli.main import main_cli; main_cli()"]
TYPES = ("AllergyIntolerance", "Condition", "DocumentReference", "MedicationRequest", "Observation", "Patient")


def fetched(served, tmp_path, client, patient):
    """What it wrote, by type, after a crawl with the keys of a client of the sandbox; and what it said."""
    clients = requests.get(f"{served.origin}/sandbox.json", timeout=20).json()["clients"]
    keys = next(each["private_jwks"]["keys"] for each in clients if each["client_id"] == client)
    # it takes keys that say by `key_ops`, not by `use`, what they are for (RFC 7517 section 4.3)
    signing = [{**{name: said for name, said in key.items() if name != "use"}, "key_ops": ["sign"]} for key in keys]
    (tmp_path / "keys.jwks").write_text(json.dumps({"keys": signing}), "utf-8")
    out = tmp_path / "out"
    asked = ["--fhir-url", served.fhir, "--smart-client-id", client, "--smart-key", str(tmp_path / "keys.jwks")]
    asked += ["--id-list", patient, "--type", ",".join(TYPES), "--no-compression", str(out)]
    ran = subprocess.run([*RUN, "crawl", *asked], capture_output=True, text=True, timeout=120, check=False)
    found = {}
    for path in out.glob("*.ndjson"):
        found[path.stem] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return found, ran


def test_an_operators_job_gets_a_token_by_its_key_and_fetches_a_record(untouched, tmp_path):
    """SMART-K4, SMART-K5: private_key_jwt with ES384, then searches page by page."""
    found, ran = fetched(untouched, tmp_path, "operator", "paul-martin")

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert ["paul-martin"] == [each["id"] for each in found["Patient"]]
    assert all(found[type_] for type_ in TYPES)
    assert {"Patient/paul-martin"} == {each["subject"]["reference"] for each in found["DocumentReference"]}


def test_a_hospital_that_feeds_fetches_nothing(untouched, tmp_path):
    """DMP-152: the token of a system that feeds does not consult, whoever asks with it."""
    found, ran = fetched(untouched, tmp_path, "hospital", "paul-martin")
    assert "No cohort patients found" in " ".join((ran.stdout + ran.stderr).split()), (
        ran.stdout + ran.stderr
    )  # it got in, and found nobody

    assert [] == [type_ for type_ in TYPES if found.get(type_)]
