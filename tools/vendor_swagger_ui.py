"""Takes Swagger UI from npm into `fhir_server/http/swagger_ui`, so that the server shows its documentation offline.

Run it by hand for a new version: `python tools/vendor_swagger_ui.py 5.35.0`. What it took, in which version, under
which licence and with which checksums is written to SOURCES.json beside it, and a test compares.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[1] / "fhir_server" / "http" / "swagger_ui"
PACKAGE = "swagger-ui-dist"
SERVED = ("swagger-ui-bundle.js", "swagger-ui.css")
PAPERS = ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt")


def main(version: str) -> None:
    """Fetch, compare with what the registry says its checksum is, and write."""
    with tempfile.TemporaryDirectory() as folder:
        asked = ["npm", "pack", f"{PACKAGE}@{version}", "--json", "--pack-destination", folder]
        told: dict[str, Any] = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)[0]
        archive = Path(folder) / told["filename"]
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if told["integrity"] != f"sha512-{digest}":
            raise SystemExit(f"{archive.name} is not what the registry says it is")
        with tarfile.open(archive) as packed:
            members = {name: packed.extractfile(f"package/{name}") for name in (*SERVED, *PAPERS)}
            files = {name: member.read() for name, member in members.items() if member is not None}
    HOME.mkdir(exist_ok=True)
    for name in SERVED:
        (HOME / f"{name}.gz").write_bytes(gzip.compress(files[name], mtime=0))
    for name in PAPERS:
        (HOME / name.replace("LICENSE.txt", "licenses.txt")).write_bytes(files[name])
    sources = {
        "package": PACKAGE,
        "registry": "npm",
        "version": version,
        "license": "Apache-2.0",
        "integrity": told["integrity"],
        "sha256": {name: hashlib.sha256(files[name]).hexdigest() for name in SERVED},
    }
    (HOME / "SOURCES.json").write_text(json.dumps(sources, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
