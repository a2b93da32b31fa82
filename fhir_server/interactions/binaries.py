"""Binaries: https://hl7.org/fhir/R4/binary.html, as a resource or as the document itself (ITI-68).

What a person stored is never run by a browser: native content is an attachment, unsniffed, in a sandbox of its own.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from fhir_server.interactions import answers
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.summary import cut
from fhir_server.resources import json_text
from fhir_server.store.documents import Stored
from fhir_server.store.visible import VisibleStore

NATIVE_HEADERS = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def shown(visit: Visit, door: VisibleStore, found: Stored) -> FhirResponse:
    """The bytes with their own content type, or the resource with its data, or the part of it that is asked for."""
    content = door.content(found)
    resource = found.resource()
    if visit.request.native and visit.shape is None:
        return FhirResponse(
            200,
            content,
            str(resource.get("contentType", "application/octet-stream")),
            {**answers.versioned(found), **NATIVE_HEADERS},
        )
    if found.blob:
        found = whole(found, content)
    return answers.one(cut(visit.shape, found))


def whole(binary: Stored, content: bytes) -> Stored:
    """The Binary with its content in it."""
    text = json_text.write({**binary.resource(), "data": b64encode(content).decode()})
    return replace(binary, body=text, blob=None)
