"""Short cuts: the token and the launch that a person would have got through the browser, without one.

May live here: who a login of the sandbox is, as a Principal. May not know: what may be granted; `smart` decides that,
by the same code and under the same rules as for a browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.foundation.principal import Principal
from fhir_server.sandbox import dossier
from fhir_server.sandbox.psc_claims import claims
from fhir_server.smart import accounts, identity
from fhir_server.smart.directory import recognised
from fhir_server.smart.server import Smart

Answer = tuple[int, dict[str, Any]]
_DEFAULT_CLIENT = {"holder": "patient-app", "representative": "patient-app", "operator": "admin-app"}


def token(smart: Smart, asked: Mapping[str, str]) -> Answer:
    """The token response of `{"as", "client_id"?, "scope", "patient"?, "purpose"?, "reason"?, "secret_session"?}`."""
    person = dossier.people()[asked["as"]]
    answer = smart.issue_for(
        principal(smart, person),
        asked.get("client_id") or _DEFAULT_CLIENT.get(person.kind, "doctor-app"),
        asked["scope"],
        patient=asked.get("patient") or None,
        purpose=asked.get("purpose") or None,
        reason=asked.get("reason") or None,
        secret=asked.get("secret_session") or None,
    )
    return answer.status, dict(answer.body or {})


def launch(smart: Smart, asked: Mapping[str, str]) -> Answer:
    """`{"launch", "iss"}` for `{"as", "client_id", "patient", "encounter"?}`."""
    if smart.clients.find(asked["client_id"]) is None:
        return 401, {"error": "invalid_client", "error_description": "the client is not known"}
    person = principal(smart, dossier.people()[asked["as"]])
    handle = smart.launches.create(
        asked["client_id"], person, asked["patient"], encounter=asked.get("encounter") or None
    )
    return 200, {"launch": handle, "iss": smart.config.fhir_base}


def principal(smart: Smart, person: dossier.Person) -> Principal:
    """Whom this person is once signed in: by an account here, or by what Pro Santé Connect says."""
    if not person.psc:
        account = smart.accounts.find(person.login)
        if account is None:
            raise LookupError("the sandbox's accounts are not loaded")
        return accounts.person_of(account, smart.config.issuer)
    organization = dossier.resource(*(person.organization or "").split("/"))
    return recognised(identity.person_of(claims(person, organization), smart.config.issuer), smart.directory)
