"""The journey: from an app's authorization request, past the questions a person answers, to a code.

May live here: which question comes next, and what an answer changes. May not know: pages, forms, how somebody signs
in. An answer is never believed to come in order: each step asks again what is missing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError, OAuth2Error

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.smart import records
from fhir_server.smart.approval import Approval, Approver, secret_of
from fhir_server.smart.clients import Clients, OAuthClient
from fhir_server.smart.directory import Directory
from fhir_server.smart.issue import CODE_LIFE, Issuer
from fhir_server.smart.launch import Launches
from fhir_server.smart.records import fingerprint
from fhir_server.smart.scope import parse, wants_patient
from fhir_server.smart.sessions import Sessions

Step = Literal["who", "mode", "patient", "approve"]
LIFE = timedelta(minutes=30)
RECOGNISED = timedelta(hours=24)
"""How long a used code is kept, so that a second use ends what the first one gave."""


class InteractionNeeded(OAuth2Error):  # type: ignore[misc] # authlib is untyped
    """`prompt=none`, and there is something to ask (OpenID Connect Core 3.1.2.6)."""

    error = "interaction_required"


class LoginNeeded(OAuth2Error):  # type: ignore[misc]
    """`prompt=none`, and nobody is signed in."""

    error = "login_required"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the person is asked to approve: the scopes that may be granted."""

    client: OAuthClient
    approval: Approval


class Journey:
    """One per process."""

    def __init__(
        self,
        *,
        kept: records.Records,
        clients: Clients,
        sessions: Sessions,
        launches: Launches,
        approver: Approver,
        issuer: Issuer,
        directory: Directory,
        clock: Callable[[], datetime],
    ) -> None:
        self._kept, self._clients, self._sessions, self._launches = kept, clients, sessions, launches
        self._approver, self._issuer, self._directory, self._clock = approver, issuer, directory, clock

    def begin(
        self, parameters: Mapping[str, str], client: OAuthClient, session: records.Session
    ) -> records.AuthorizationRequest:
        """Keep a checked authorization request for this browser. Raises OAuth2Error, for the app to hear."""
        try:
            return self._begin(parameters, client, session)
        except OAuth2Error as error:
            error.redirect_uri, error.state = parameters["redirect_uri"], parameters["state"]
            raise

    def _begin(
        self, parameters: Mapping[str, str], client: OAuthClient, session: records.Session
    ) -> records.AuthorizationRequest:
        scope = parameters["scope"]
        launch: dict[str, Any] = {}
        secret = secret_of(parameters.get("secret_session"))
        if "launch" in scope.split() and parameters.get("launch"):
            taken = self._launches.take(parameters["launch"], client.id)
            if taken is None:
                raise InvalidRequestError("the launch is not known, was used, or is too old")
            launch = {"subject": taken.subject, "patient": taken.patient, "context": dict(taken.context)}
            secret = secret or taken.secret
        made = self._kept.requests.insert(
            key=secrets.token_urlsafe(18),
            session=session.key,
            client=client.id,
            redirect_uri=parameters["redirect_uri"],
            scope=scope,
            state=parameters["state"],
            nonce=parameters.get("nonce"),
            challenge=parameters["code_challenge"],
            launch=launch,
            purpose=_purpose(parameters.get("purpose_of_use")),
            secret=secret,
            since=self._since(parameters),
            expires=self._clock() + LIFE,
        )
        if made is None:
            raise RuntimeError("a random key was drawn twice")
        if "none" in parameters.get("prompt", "").split():
            self._kept.requests.drop(key=made.key)
            raise LoginNeeded if self.step(made, session) == "who" else InteractionNeeded
        return made

    def find(self, key: str | None, session: records.Session) -> records.AuthorizationRequest | None:
        """The request under way in this browser."""
        found = self._kept.requests.find(key, session=session.key)
        return found if found is not None and found.expires > self._clock() else None

    def adopt(self, key: str | None, old: records.Session, new: records.Session) -> None:
        """Take a request along when somebody signs in and the session changes."""
        if key:
            self._kept.requests.change(key, {"session": old.key}, set__session=new.key)

    def step(self, request: records.AuthorizationRequest, session: records.Session) -> Step:
        """The next question. Raises OAuth2Error where there is none any more."""
        person = self._sessions.person(session)
        if person is None or (request.since and session.signed_in and session.signed_in < request.since):
            return "who"
        if request.launch and request.launch["subject"] != person.subject:
            raise AccessDeniedError("this launch was made for somebody else")
        if person.kind is Kind.PROFESSIONAL and not request.chosen:
            # a forbidden party is told so before it is asked anything
            self._approver.check(replace(person, client=request.client))
            return "mode"
        if not self._patient(request) and self._needs_patient(request, person):
            return "patient"
        return "approve"

    def choose_mode(
        self, request: records.AuthorizationRequest, person: Principal, purpose: str, reason: str
    ) -> records.AuthorizationRequest:
        """Take the access mode (DMP-116). Raises OAuth2Error for one that this person may not have."""
        asker = replace(person, secret_session=request.secret or person.secret_session)
        chosen, kept = self._approver.mode(asker, self._client(request), purpose, reason, self._patient(request))
        changed = self._kept.requests.change(request.key, set__purpose=chosen.value, set__reason=kept, set__chosen=True)
        return changed or request

    def choose_patient(
        self, request: records.AuthorizationRequest, person: Principal, ins: str
    ) -> records.AuthorizationRequest | None:
        """Take the patient with this INS; None if there is none, or none whose record is open to this person.

        Raises OAuth2Error for what another patient would not mend.
        """
        number = "".join(ins.split()).upper()
        systems = profile_json("dmp/identifier-systems.json")["ins"]
        found = [self._directory.patient_by_ins(system, number) for system in systems]
        # who nobody knows is asked about as well: a shut record and none at all cost the same (decisions 17)
        patient = next(filter(None, found), secrets.token_hex(16))
        try:
            self._approve(request, person, self._client(request), request.scope, patient)
        except AccessDeniedError:
            return None
        return self._kept.requests.change(request.key, set__patient=patient)

    def offer(self, request: records.AuthorizationRequest, person: Principal) -> Offer:
        """What may be granted. Raises OAuth2Error."""
        client = self._client(request)
        return Offer(client, self._approve(request, person, client, request.scope))

    def approve(self, request: records.AuthorizationRequest, session: records.Session, chosen: tuple[str, ...]) -> str:
        """The address to send the browser to, with a code for what was chosen of the offer. Raises OAuth2Error."""
        person = self._sessions.person(session)
        if person is None:
            raise AccessDeniedError("nobody is signed in")
        client = self._client(request)
        offered = self._approve(request, person, client, request.scope)
        kept = tuple(each for each in offered.scope if each in chosen or parse(each) is None)
        approval = self._approve(request, person, client, " ".join(kept))
        # one request, one code: whoever removes it has it
        if self._kept.requests.drop(key=request.key) != 1:
            raise InvalidRequestError("this request was answered already")
        grant = self._issuer.grant(approval, session=session, nonce=request.nonce)
        code, now = secrets.token_urlsafe(32), self._clock()
        self._kept.codes.insert(
            key=fingerprint(code),
            grant=grant.key,
            client=client.id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.challenge,
            ends=now + CODE_LIFE,
            expires=now + RECOGNISED,
        )
        return str(add_params_to_uri(request.redirect_uri, [("code", code), ("state", request.state)]))

    def refuse(self, request: records.AuthorizationRequest, error: OAuth2Error) -> str:
        """The address to send the browser to, with an error; the request is over."""
        self._kept.requests.drop(key=request.key)
        told = [("error", error.error)]
        if error.description:
            told.append(("error_description", error.description))
        return str(add_params_to_uri(request.redirect_uri, [*told, ("state", request.state)]))

    def _approve(
        self,
        request: records.AuthorizationRequest,
        person: Principal,
        client: OAuthClient,
        scope: str,
        patient: str | None = None,
    ) -> Approval:
        return self._approver.approve(
            person,
            client,
            scope,
            patient=patient or self._patient(request),
            purpose=request.purpose,
            reason=request.reason,
            secret=request.secret,
            launch=request.launch.get("context", {}) if request.launch else None,
        )

    def _client(self, request: records.AuthorizationRequest) -> OAuthClient:
        client = self._clients.find(request.client)
        if client is None:
            raise AccessDeniedError("this app may not ask any more")
        return client

    def _patient(self, request: records.AuthorizationRequest) -> str | None:
        patient: str | None = request.launch.get("patient") if request.launch else request.patient
        return patient

    def _needs_patient(self, request: records.AuthorizationRequest, person: Principal) -> bool:
        if person.kind in (Kind.HOLDER, Kind.REPRESENTATIVE):
            return False
        client = self._client(request)
        purpose, _ = self._approver.mode(person, client, request.purpose, request.reason)
        scopes = self._approver.scopes(person, client, request.scope, purpose)
        return wants_patient(scopes) or purpose.emergency

    def _since(self, parameters: Mapping[str, str]) -> datetime | None:
        """From when on somebody must have signed in."""
        if "login" in parameters.get("prompt", "").split():
            return self._clock()
        age = parameters.get("max_age", "")
        if not age:
            return None
        if not age.isdecimal() or len(age) > 9:
            raise InvalidRequestError("max_age is no number of seconds")
        return self._clock() - timedelta(seconds=int(age))


def _purpose(asked: str | None) -> str | None:
    """The purpose of use that the app asks for; who signs in may still choose another."""
    return asked[:200] if asked else None
