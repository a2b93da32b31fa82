"""Contenu: what a Binary needs beyond R4, and its bytes.

May live here: reading and making a Binary (https://hl7.org/fhir/R4/binary.html). May not know: where bytes are kept,
what the Binary is bound to; the server binds it (decisions 14), whatever `securityContext` says.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from fhir_server.foundation.problem import Issue

Resource = Mapping[str, Any]


def check_binary(resource: Resource) -> list[Issue]:
    """A Binary that brings no content is refused: there would be nothing to give back."""
    if resource.get("data"):
        return []
    return [Issue("error", "required", "a Binary has `data`", "Binary.data")]


def content_of(resource: Resource) -> bytes:
    """The bytes of a Binary or an Attachment, b"" where it has no data; white space says nothing, as R4 has it.

    Raises ValueError where `data` is no base64.
    """
    return b64decode("".join(str(resource.get("data", "")).split()), validate=True)


def binary_of(content: bytes, content_type: str) -> dict[str, Any]:
    """The Binary that carries these bytes, as for a body posted in its own media type."""
    return {"resourceType": "Binary", "contentType": content_type, "data": b64encode(content).decode()}
