"""The tables are those of the published package, and no others."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TABLES = ROOT / "fhir_server" / "definitions" / "r4"
CACHE = ROOT / ".cache" / "definitions"


def build(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "build_definitions.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def package():
    """Arguments that give the tool its package: the file that FHIR_R4_PACKAGE names, or what pip fetches."""
    if named := os.environ.get("FHIR_R4_PACKAGE"):
        return ["--package", named]
    if not list(CACHE.glob("*.whl")) and "No matching distribution" in build("--cache", CACHE, "--check").stderr:
        pytest.skip("no package index in reach: set FHIR_R4_PACKAGE to the file of hl7.fhir.r4.core 4.0.1")
    return ["--cache", CACHE]


@pytest.mark.slow
def test_the_tables_are_what_the_package_gives(package):
    run = build(*package, "--check")
    assert (0, "") == (run.returncode, run.stderr)


@pytest.mark.slow
def test_a_changed_a_missing_and_a_stray_table_are_told(package, tmp_path):
    target = tmp_path / "r4"
    shutil.copytree(TABLES, target)
    text = gzip.decompress((target / "elements.json.gz").read_bytes())
    assert b'"path":"Patient.gender","types"' in text
    changed = text.replace(b'"path":"Patient.gender","types"', b'"path":"Patient.gender","min":1,"types"')
    (target / "elements.json.gz").write_bytes(gzip.compress(changed))
    (target / "value_sets.json.gz").unlink()
    (target / "stray.json").write_text("{}")
    run = build(*package, "--check", "--target", target)
    assert 1 == run.returncode
    assert "elements.json, stray.json, value_sets.json;" in run.stderr


@pytest.mark.slow
def test_building_writes_the_same_bytes_again(package, tmp_path):
    assert 0 == build(*package, "--target", tmp_path).returncode
    assert {path.name for path in TABLES.iterdir()} == {path.name for path in tmp_path.iterdir()}
    assert (TABLES / "SOURCES.json").read_bytes() == (tmp_path / "SOURCES.json").read_bytes()
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert 0 == build(*package, "--target", tmp_path).returncode
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_package_with_another_checksum_is_refused(tmp_path):
    (tmp_path / "other.tgz").write_bytes(b"other")
    run = build("--package", tmp_path / "other.tgz", "--target", tmp_path / "r4")
    assert 1 == run.returncode
    assert "the package has checksum" in run.stderr
    assert not (tmp_path / "r4").exists()


def test_the_sources_say_where_every_table_comes_from():
    sources = json.loads((TABLES / "SOURCES.json").read_text("utf-8"))
    assert ("hl7.fhir.r4.core", "4.0.1", "CC0-1.0") == (sources["package"], sources["version"], sources["license"])
    assert 1400 == sources["read"]["SearchParameter"]
    assert 655 == sources["read"]["StructureDefinition"]
    present = {path.name.removesuffix(".gz") for path in TABLES.iterdir()} - {"SOURCES.json"}
    assert present == sources["tables"].keys()
    for name, facts in sources["tables"].items():
        text = gzip.decompress((TABLES / f"{name}.gz").read_bytes())
        assert facts["sha256"] == hashlib.sha256(text).hexdigest()
