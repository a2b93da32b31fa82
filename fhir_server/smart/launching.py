"""Launching: what a registered EHR asks for when it starts an app for a professional, and what it is given.

May live here: the reading of that request, and SMART's fhirContext. May not know: how the EHR proved who it is, who
signs in afterwards. An EHR that names a professional proves nothing by it: the launch is taken by that one alone, who
signs in, and their own rights decide. https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError

from fhir_server.definitions.identifiers import key_of
from fhir_server.definitions.library import load
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.smart.approval import secret_of
from fhir_server.smart.clients import Clients, OAuthClient
from fhir_server.smart.identity import PROFESSIONAL_SYSTEM
from fhir_server.smart.launch import LIFE, Launches

MOST_CONTEXT = 20
LONGEST = 4_000
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(r"(?P<type>[A-Z][A-Za-z]*)/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?")
_MEMBERS = {"reference": str, "canonical": str, "identifier": dict, "type": str, "role": str}


def begin(form: Mapping[str, str], ehr: OAuthClient, clients: Clients, launches: Launches, base: str) -> dict[str, Any]:
    """`launch`, `iss` and `expires_in` (seconds) of the app that a form names. Raises OAuth2Error.

    The form: `app` (a client_id), `professional` (PS_IdNat, such as 899700000001), `patient` and `encounter` (ids),
    `intent`, `fhirContext` (JSON), `need_patient_banner`, `secret_session`. Whether there is such a record is not told.
    """
    if not ehr.record.launches:
        raise UnauthorizedClientError("this client may not launch apps")
    app = clients.find(form.get("app"))
    if app is None or not app.check_response_type("code"):
        raise InvalidRequestError("app is not the client_id of an app for people")
    national = "".join(form.get("professional", "").split())
    if not national.isalnum() or len(national) > 40:
        raise InvalidRequestError("professional must be a national identifier (PS_IdNat)")
    banner = form.get("need_patient_banner", "true")
    if banner not in ("true", "false"):
        raise InvalidRequestError("need_patient_banner must be true or false")
    intent = form.get("intent")
    if intent is not None and len(intent) > LONGEST:
        raise InvalidRequestError(f"intent must have at most {LONGEST} characters")
    handle = launches.create(
        app.id,
        Principal(kind=Kind.PROFESSIONAL, subject=key_of(PROFESSIONAL_SYSTEM, national), client=app.id),
        _id(form, "patient"),
        encounter=_id(form, "encounter") if form.get("encounter") else None,
        intent=intent,
        context=context_of(form.get("fhirContext")),
        banner=banner == "true",
        secret=secret_of(form.get("secret_session")),
    )
    return {"launch": handle, "iss": base, "expires_in": int(LIFE.total_seconds())}


def context_of(text: str | None) -> tuple[Mapping[str, Any], ...]:
    """SMART's fhirContext: objects with a relative `reference`, a `canonical` or an `identifier`. Raises OAuth2Error.

    Patient and Encounter have claims of their own, and stand here in another role than `launch` only.
    """
    if text is None:
        return ()
    try:
        read = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, list) or len(read) > MOST_CONTEXT or not all(isinstance(each, dict) for each in read):
        raise InvalidRequestError(f"fhirContext must be an array of at most {MOST_CONTEXT} objects")
    for number, each in enumerate(read):
        fault = _fault(each)
        if fault:
            raise InvalidRequestError(f"fhirContext, item {number}: {fault}")
    return tuple(read)


def _fault(item: Mapping[str, Any]) -> str:
    if unknown := sorted(item.keys() - _MEMBERS.keys()):
        return f"{unknown[0]} is no member of it"
    if wrong := [name for name, value in item.items() if not isinstance(value, _MEMBERS[name])]:
        return f"{wrong[0]} is of another type"
    if not {"reference", "canonical", "identifier"} & item.keys():
        return "it needs a reference, a canonical or an identifier"
    found = _REFERENCE.fullmatch(item.get("reference", "")) if "reference" in item else None
    type_ = item.get("type", found["type"] if found else None)
    if "reference" in item and (found is None or found["type"] not in load().types):
        return "reference must be relative, such as ImagingStudy/1"
    if type_ is not None and (type_ not in load().types or (found is not None and found["type"] != type_)):
        return "type must be that of the resource"
    if "canonical" in item and not item["canonical"].startswith(("http://", "https://")):
        return "canonical must be an absolute URL"
    if type_ in ("Patient", "Encounter") and item.get("role", "launch") == "launch":
        return f"{type_} needs another role than launch"
    if "role" in item and item["role"] != "launch" and ":" not in item["role"]:
        return "role must be launch, or a URI"
    return ""


def _id(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not _ID.fullmatch(value):
        raise InvalidRequestError(f"{name} must be an id")
    return value
