"""Server: the one object by which other rooms use this one.

May live here: the wiring of this room, and the answers of the token, introspection and revocation addresses as values.
May not know: Flask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidRequestError,
    OAuth2Error,
    UnauthorizedClientError,
    UnsupportedResponseTypeError,
)

from fhir_server.foundation.principal import Kind, Principal
from fhir_server.smart import holders, launching
from fhir_server.smart.accounts import Accounts, SendCode
from fhir_server.smart.approval import Approver, Issued, Refuses, Sees, secret_of
from fhir_server.smart.attempts import Attempts, SecurityLog
from fhir_server.smart.authorization_server import Server
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.client_authentication import METHODS, ClientAuthentication
from fhir_server.smart.clients import Clients, OAuthClient
from fhir_server.smart.directory import Directory
from fhir_server.smart.discovery import ADDRESSES, CALLBACK, RESPONSE_MODES, STYLE, Discovery
from fhir_server.smart.exchange import NO_STORE, Answer, Asked, OAuthRequest
from fhir_server.smart.freshness import Freshness
from fhir_server.smart.introspection import Introspection
from fhir_server.smart.issue import Issuer
from fhir_server.smart.journey import Journey
from fhir_server.smart.key_sets import KeySets
from fhir_server.smart.key_shelf import KeyRecords
from fhir_server.smart.keys import Keys
from fhir_server.smart.launch import Launches
from fhir_server.smart.picker import Finds, nobody
from fhir_server.smart.psc import Provider, RelyingParty
from fhir_server.smart.records import ALIAS, Records
from fhir_server.smart.registration import NOBODY, Recorded, Registration, Vouching
from fhir_server.smart.revocation import Revocation
from fhir_server.smart.scope import Compile
from fhir_server.smart.sessions import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where this room is and what it is called. `issuer` is the origin, without a final slash.

    `provider` signs professionals in (None: they cannot); `vouching` says who lets apps register themselves. `alias` is
    mongoengine's name for the connection, to be changed where two houses live in one process.
    """

    issuer: str
    fhir_base: str
    mongo_uri: str
    database: str
    provider: Provider | None = None
    alias: str = ALIAS
    vouching: Vouching = NOBODY


class Smart:
    """This room, wired. What http, sandbox and commands use of it are its members and methods."""

    def __init__(self, server: Server, issued: Issued, *, config: Config, **rooms: Any) -> None:
        self._server, self._issued = server, issued
        self.config = config
        self.discovery = Discovery(config.issuer, registers=config.vouching.on)
        self.records: Records = server.records
        self.clients: Clients = server.clients
        self.revocation: Revocation = server.revocation
        self.approver: Approver = server.approver
        self.issuer: Issuer = server.issuer
        self.directory: Directory = server.directory
        self.keys: Keys = rooms["keys"]
        self.bearer: Bearer = rooms["bearer"]
        self.accounts: Accounts = rooms["accounts"]
        self.holders: holders.Holders = rooms["holders"]
        self.attempts: Attempts = rooms["attempts"]
        self.security: SecurityLog = rooms["security"]
        self.sessions: Sessions = rooms["sessions"]
        self.launches: Launches = rooms["launches"]
        self.journey: Journey = rooms["journey"]
        self.introspection: Introspection = rooms["introspection"]
        self.provider: RelyingParty | None = rooms["provider"]
        self.finds: Finds = rooms["finds"]
        self.registration: Registration = rooms["registration"]

    def prepare(self) -> None:
        """Make indexes and first keys; once, before the first request."""
        self.records.prepare()
        self.keys.published()

    def close(self) -> None:
        """Give the connection back."""
        self.records.close()

    def authorization(self, asked: Asked) -> tuple[OAuthClient, dict[str, str]]:
        """The client and the parameters of an authorization request that may be put to somebody.

        Raises OAuth2Error: with a `redirect_uri` to tell the client, without one to tell nobody but the person.
        """
        request = OAuthRequest(asked)
        data: dict[str, str] = request.payload.data
        lists = request.payload.datalist
        client = self.clients.find(data.get("client_id"))
        redirect_uri = data.get("redirect_uri", "")
        if client is None or len(lists["client_id"]) > 1:
            raise InvalidRequestError("this app is not registered here")
        if len(lists["redirect_uri"]) != 1 or not client.check_redirect_uri(redirect_uri):
            raise InvalidRequestError("this app may not be answered at the address it gives")
        try:
            if request.repeated():
                raise InvalidRequestError("a parameter was sent twice")
            if not data.get("response_type"):
                raise InvalidRequestError("response_type is missing")
            if data["response_type"] != "code":
                raise UnsupportedResponseTypeError("")
            if data.get("response_mode", "query") not in RESPONSE_MODES:
                raise InvalidRequestError("response_mode must be query")
            if {"request", "request_uri"} & set(data):
                raise InvalidRequestError("request objects are not supported")
            if data.get("launch") and not self.launches.waits(data["launch"], client.id):
                raise InvalidRequestError("the launch is not known, was used, or is too old")
            self._server.get_consent_grant(request)
        except OAuth2Error as error:
            error.redirect_uri = redirect_uri
            error.state = data.get("state")
            raise
        return client, data

    def token(self, asked: Asked) -> Answer:
        """The answer of the token address to a form (RFC 6749 section 5)."""
        request = OAuthRequest(asked)
        try:
            if request.repeated():
                raise InvalidRequestError("a parameter was sent twice")
            if not request.payload.grant_type:
                raise InvalidRequestError("grant_type is missing")
        except OAuth2Error as error:
            return self._refused(error, request)
        answer: Answer = self._server.create_token_response(request)
        if answer.status != 200 and request.client is not None and answer.body is not None:
            self._tell_refusal(request, str(answer.body.get("error")))
        if answer.status == 401:
            self.security.failed("client refused", asked.address)
        if answer.body is not None and answer.body.get("error") == "access_denied":
            # RFC 6749 section 5.2 has no access_denied: what was granted may not be redeemed any more
            return Answer(400, {**answer.body, "error": "invalid_grant"}, answer.headers)
        return answer

    def introspect(self, asked: Asked) -> Answer:
        """The answer of the introspection address (RFC 7662)."""
        return self._for_client(asked, list(METHODS), _of_a_token(self.introspection.introspect))

    def revoke(self, asked: Asked) -> Answer:
        """The answer of the revocation address (RFC 7009)."""

        def end(token: str, client: OAuthClient) -> dict[str, Any]:
            self.introspection.revoke(token, client)
            return {}

        return self._for_client(asked, ["none", *METHODS], _of_a_token(end))

    def launch(self, asked: Asked) -> Answer:
        """The answer to an EHR that starts an app (SMART, EHR launch)."""

        def begin(form: Mapping[str, str], client: OAuthClient) -> dict[str, Any]:
            return launching.begin(form, client, self.clients, self.launches, self.config.fhir_base)

        return self._for_client(asked, list(METHODS), begin)

    def issue_for(
        self,
        person: Principal,
        client_id: str,
        scope: str,
        *,
        patient: str | None = None,
        purpose: str | None = None,
        reason: str | None = None,
        secret: str | None = None,
    ) -> Answer:
        """The token response that this person would have got for this client through a browser, or the same error."""
        client = self.clients.find(client_id)
        try:
            if client is None:
                raise InvalidClientError(description="the client is not known", status_code=401)
            if not client.check_response_type("code"):
                raise UnauthorizedClientError("this client may not ask people")
            approval = self.approver.approve(
                person, client, scope, patient=patient, purpose=purpose, reason=reason, secret=secret_of(secret)
            )
            body = self.issuer.tokens(self.issuer.grant(approval))
        except OAuth2Error as error:
            refused: Answer = self._server.handle_error_response(None, error)
            return refused
        return Answer(200, body, NO_STORE)

    def _for_client(
        self, asked: Asked, methods: list[str], answer: Callable[[Mapping[str, str], OAuthClient], dict[str, Any]]
    ) -> Answer:
        request = OAuthRequest(asked)
        try:
            client = self._server.authenticate_client(request, methods)
            if request.auth_method not in methods:
                raise InvalidClientError(description="the client could not prove who it is", status_code=401)
            if request.repeated():
                raise InvalidRequestError("a parameter was sent twice")
            return Answer(200, answer(request.form, client))
        except OAuth2Error as error:
            return self._refused(error, request)

    def _refused(self, error: OAuth2Error, request: OAuthRequest) -> Answer:
        if error.status_code == 401:
            self.security.failed("client refused", request.asked.address)
        refused: Answer = self._server.handle_error_response(request, error)
        return refused

    def _tell_refusal(self, request: OAuthRequest, error: str) -> None:
        """A token refused to a client that proved who it is goes to the ledger; to others, to the security log."""
        if error in ("access_denied", "unauthorized_client"):
            return  # the approver told it, with its reason
        nobody = Principal(kind=Kind.UNKNOWN, subject=request.client.id, client=request.client.id)
        self._issued(nobody, "4", error)


def _of_a_token(
    answer: Callable[[str, OAuthClient], dict[str, Any]],
) -> Callable[[Mapping[str, str], OAuthClient], dict[str, Any]]:
    """What is asked of the token in a form."""

    def read(form: Mapping[str, str], client: OAuthClient) -> dict[str, Any]:
        if not form.get("token"):
            raise InvalidRequestError("token is missing")
        return answer(form["token"], client)

    return read


def build(
    config: Config,
    *,
    directory: Directory,
    refuses: Refuses,
    sees: Sees,
    freshness: Freshness,
    issued: Issued,
    send_code: SendCode,
    compile_: Compile,
    finds: Finds = nobody,
    recorded: Recorded = lambda *_: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    session: Callable[[], requests.Session] = requests.Session,
) -> Smart:
    """Wire this room. `clock` is the protocol clock; `session` makes the HTTP sessions that fetch keys and claims.

    `refuses(principal)` gives the reason why a principal may have no token, or None; `sees(principal, reference)` says
    whether they may read what a launch names, `finds` the patients of a name whom they may open. `issued(principal,
    outcome, reason)` is told of every token before it leaves (outcome `0`) and of every one refused (`4`, `8`); what it
    raises stops the answer.
    """

    def seconds() -> float:
        return clock().timestamp()

    issuer_url = config.issuer.rstrip("/")
    records = Records.open(config.mongo_uri, config.database, config.alias)
    revocation = Revocation(records, freshness, clock)
    keys = Keys(KeyRecords(records, clock), freshness, clock)
    bearer = Bearer(keys, revocation, freshness, issuer=issuer_url, fhir_base=config.fhir_base, clock=seconds)
    clients = Clients(records, revocation, clock)
    approver = Approver(directory, refuses, sees, issued, compile_, issuer_url)
    issuer = Issuer(
        records,
        keys,
        approver,
        issued,
        fhir_base=config.fhir_base,
        style_url=f"{issuer_url}{STYLE}",
        clock=clock,
    )
    authentication = ClientAuthentication(
        clients, records, KeySets(session, time.monotonic), f"{issuer_url}{ADDRESSES['token_endpoint']}", clock
    )
    server = Server(
        records=records,
        clients=clients,
        authentication=authentication,
        approver=approver,
        issuer=issuer,
        revocation=revocation,
        directory=directory,
        fhir_base=config.fhir_base,
        clock=clock,
    )
    attempts, security = Attempts(records, clock), SecurityLog()
    sessions = Sessions(records, revocation, clock)
    launches = Launches(records, clock)
    accounts = Accounts(records, attempts, security, send_code, clock)
    return Smart(
        server,
        issued,
        config=config,
        keys=keys,
        bearer=bearer,
        accounts=accounts,
        holders=holders.build(
            kept=records,
            accounts=accounts,
            attempts=attempts,
            security=security,
            directory=directory,
            revocation=revocation,
            send=send_code,
            clock=clock,
        ),
        attempts=attempts,
        security=security,
        sessions=sessions,
        launches=launches,
        finds=finds,
        registration=Registration(clients, attempts, config.vouching, recorded, clock),
        journey=Journey(
            kept=records,
            clients=clients,
            sessions=sessions,
            launches=launches,
            approver=approver,
            issuer=issuer,
            directory=directory,
            clock=clock,
        ),
        introspection=Introspection(records, bearer, revocation, clock),
        provider=RelyingParty(config.provider, f"{issuer_url}{CALLBACK}", session=session, clock=seconds)
        if config.provider
        else None,
    )
