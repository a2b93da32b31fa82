"""The published R4 package: its resources, and the words in which they point at each other.

May live here: opening hl7.fhir.r4.core (https://hl7.org/fhir/R4/downloads.html). May not know: what is made of it.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from typing import Any

Resource = dict[str, Any]
Table = dict[str, Any]
Package = dict[str, list[Resource]]
CORE = "http://hl7.org/fhir/StructureDefinition/"


def read_package(package: bytes) -> Package:
    """The package's resources by type, each list in the order of the file names."""
    found: dict[str, list[tuple[str, Resource]]] = {}
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
        for member in archive:
            match = re.fullmatch(r"package/([A-Za-z]+)-[^/]+\.json", member.name)
            file = archive.extractfile(member) if match else None
            if match and file:
                found.setdefault(match[1], []).append((member.name, json.load(file)))
    return {
        type_: [resource for _, resource in sorted(named, key=lambda pair: pair[0])] for type_, named in found.items()
    }


def bare(url: str) -> str:
    """A canonical URL without its version."""
    return url.split("|", 1)[0]


def last(url: str) -> str:
    """The last step of a URL, which names a type."""
    return url.rsplit("/", 1)[-1]


def extension(element: Resource, name: str) -> Any:
    """The value of the first core extension of that name, or None."""
    for each in element.get("extension", []):
        if each["url"] == CORE + name:
            return next(value for key, value in each.items() if key.startswith("value"))
    return None
