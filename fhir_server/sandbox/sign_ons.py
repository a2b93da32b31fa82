"""The sandbox's clients and accounts: registered as anywhere, with secrets that are drawn here and shown to everybody.

May live here: registering the dossier's applications and people, and telling their secrets. May not know: how a token
is made.
"""

from __future__ import annotations

import secrets
from typing import Any

from joserfc.jwk import ECKey, KeyParameters, RSAKey

from fhir_server.definitions.identifiers import keys_of
from fhir_server.foundation.principal import Kind
from fhir_server.sandbox import dossier
from fhir_server.sandbox.mark import kept
from fhir_server.smart.server import Smart
from fhir_server.store.connection import Database

_KINDS = {"holder": Kind.HOLDER, "representative": Kind.REPRESENTATIVE, "operator": Kind.OPERATOR}


def register(smart: Smart, database: Database) -> None:
    """Register what is not registered yet: every application, and everybody who has an account here."""
    for application in dossier.applications():
        if smart.clients.find(application.client_id) is None:
            _register_client(smart, database, application)
    for person in dossier.people().values():
        if person.kind in _KINDS and smart.accounts.find(person.login) is None:
            smart.accounts.add(
                person.login,
                person.password,
                kind=_KINDS[person.kind],
                reference=person.fhir_user,
                patient=_patient_of(person),
                channel="mail",
                address=person.mail or "",
                name=person.name,
                must_change=False,
            )


def cards(database: Database) -> list[dict[str, Any]]:
    """The clients of `/sandbox.json`, with their secrets and private keys."""
    told = []
    for application in dossier.applications():
        card: dict[str, Any] = {"client_id": application.client_id, "kind": application.kind}
        card |= _secrets(database, application)
        card |= {"redirect_uris": list(application.redirect_uris), "scope": application.scope, "what": application.what}
        told.append(card)
    return told


def _register_client(smart: Smart, database: Database, application: dossier.Application) -> None:
    drawn = _secrets(database, application)
    private = drawn.get("private_jwks", {}).get("keys", [])
    organization = application.organization
    known = dossier.resource(*organization.split("/")) if organization else None
    number = next((key for key in sorted(keys_of(known)) if key.startswith("org:")), None) if known else None
    smart.clients.add(
        application.kind,
        client_id=application.client_id,
        name=application.name,
        redirect_uris=application.redirect_uris,
        scope=application.scope,
        jwks={"keys": [_public(key) for key in private]} if private else None,
        secret=drawn.get("client_secret"),
        acts_as=application.acts_as,
        organization=organization,
        organization_key=number,
        introspects=application.kind in ("symmetric", "asymmetric"),
        launches=application.kind in ("symmetric", "asymmetric"),
    )


def _secrets(database: Database, application: dossier.Application) -> dict[str, Any]:
    """`client_secret` or `private_jwks`, drawn at the first start and the same after a reset."""

    def draw() -> dict[str, Any]:
        if application.kind == "symmetric":
            return {"client_secret": secrets.token_urlsafe(32)}
        keys = [_key(algorithm).as_dict(private=True) for algorithm in application.algorithms]
        return {"private_jwks": {"keys": keys}} if keys else {}

    return kept(database, f"client:{application.client_id}", draw)


def _key(algorithm: str) -> ECKey | RSAKey:
    parameters: KeyParameters = {"alg": algorithm, "use": "sig"}
    if algorithm.startswith("ES"):
        return ECKey.generate_key("P-384", parameters, auto_kid=True)
    return RSAKey.generate_key(2048, parameters, auto_kid=True)


def _public(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}


def _patient_of(person: dossier.Person) -> str:
    """The id of the record this account opens; the operator's is nobody's."""
    type_, _, id_ = person.fhir_user.partition("/")
    if type_ == "Patient":
        return id_
    if type_ == "RelatedPerson":
        return str(dossier.resource(type_, id_)["patient"]["reference"]).partition("/")[2]
    return "-"
