"""Answers: the common shapes of a response (https://hl7.org/fhir/R4/http.html#ops).

May live here: one version as an answer, a written one as `Prefer: return` wants it, bundles assembled from stored text.
May not know: what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import orjson

from fhir_server.foundation.problem import Issue
from fhir_server.interactions.request import FhirRequest, FhirResponse
from fhir_server.interactions.summary import declared
from fhir_server.store.documents import Stored

JSON = "application/fhir+json; charset=utf-8"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def etag(version: int) -> str:
    """The weak ETag of a version."""
    return f'W/"{version}"'


def http_date(updated: int) -> str:
    """RFC 7231 date of microseconds since 1970."""
    return _date_of(updated // 1_000_000)


@lru_cache(4096)
def _date_of(second: int) -> str:
    return formatdate(second, usegmt=True)


def versioned(version: Stored) -> dict[str, str]:
    """ETag and Last-Modified."""
    return {"ETag": etag(version.version), "Last-Modified": http_date(version.updated)}


def one(version: Stored, status: int = 200, headers: Mapping[str, str] | None = None) -> FhirResponse:
    """One version, its stored bytes untouched."""
    return FhirResponse(status, version.body.encode(), JSON, {**versioned(version), **(headers or {})}, version.updated)


def written(request: FhirRequest, version: Stored, status: int) -> FhirResponse:
    """What a write answers, as `Prefer: return` wants it; `Location` names the version."""
    headers = {**versioned(version), "Location": f"{request.base}/{version.id}/_history/{version.version}"}
    if request.returning == "minimal":
        return FhirResponse(status, b"", JSON, headers, version.updated)
    if request.returning == "OperationOutcome":
        told = outcome_bytes((Issue("information", "informational", "stored"),))
        return FhirResponse(status, told, JSON, headers, version.updated)
    return FhirResponse(status, declared(version).body.encode(), JSON, headers, version.updated)


def outcome(issues: tuple[Issue, ...]) -> dict[str, Any]:
    """An OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html)."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": each.severity,
                "code": each.code,
                "diagnostics": _fit(each.text),
                **({"expression": [_fit(each.expression)]} if each.expression else {}),
            }
            for each in issues
        ],
    }


def _fit(text: str) -> str:
    """The text as a FHIR string may have it (https://hl7.org/fhir/R4/datatypes.html#string): it may quote the asker."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def outcome_bytes(issues: tuple[Issue, ...]) -> bytes:
    """An OperationOutcome as JSON."""
    return orjson.dumps(outcome(issues))


def remark(issues: tuple[Issue, ...]) -> dict[str, Any]:
    """A searchset's entry that says what of the search was passed over, with a name as each entry needs one."""
    made = outcome(issues)
    name = uuid5(NAMESPACE_OID, "\n".join(each.text for each in issues))
    return {"fullUrl": name.urn, "resource": made, "search": {"mode": "outcome"}}


def fragment(version: Stored) -> orjson.Fragment:
    """The stored text, to stand inside a bundle as it is; of a Binary without its content, and saying so."""
    return orjson.Fragment(declared(version).body)


def joined(entries: list[dict[str, Any]]) -> bytes:
    """Entries as they stand one after the other in a bundle."""
    return orjson.dumps(entries)[1:-1]


def told(text: bytes) -> orjson.Fragment:
    """What `joined` made, to stand in the list of a bundle's entries as if it were one: all of them are in it."""
    return orjson.Fragment(text)


def bundle(type_: str, entries: Sequence[Any], *, id_: str, now: datetime, **elements: Any) -> bytes:
    """A Bundle of the given type; elements with the value None are left out."""
    made = {
        "resourceType": "Bundle",
        "id": id_,
        "meta": {"lastUpdated": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")},
        "type": type_,
        **{name: value for name, value in elements.items() if value is not None},
    }
    if entries:
        made["entry"] = entries
    return orjson.dumps(made)
