"""client: the apps and systems that may ask for tokens.

May live here: reading the command line of a registration, putting it on record, showing its outcome. May not know: what
a registration must satisfy (`smart/clients.py`).
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import reach

if TYPE_CHECKING:
    from fhir_server.smart.clients import Clients
    from fhir_server.smart.records import Records
    from fhir_server.store.connection import Database
    from fhir_server.store.freshness import Freshness

Tell = Callable[[str, str], AbstractContextManager[None]]
"""What is about to be done, and to which client or key: on record before it is, and as failed if it cannot be."""

KINDS = ("public", "symmetric", "asymmetric", "backend")
SYSTEMS = ("establishment", "insurance-feed", "reception", "operator")
"""As `smart/clients.py` has them; written again so that `--help` imports nothing, and a test compares."""


@click.group()
def client() -> None:
    """Register the apps and systems that may ask for tokens, list them, renew a secret, shut one out.

    An application for people is `public` (it cannot keep a secret), `symmetric` (it has one) or `asymmetric` (it has
    a key); a system without people is `backend`. A change holds at once, on every worker of a running server.
    """


@client.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--id", "client_id", help="client_id; drawn if it is not given.")
@click.option("--name", default="", help="Name that people see when they are asked.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where people are sent back to; may be repeated.")
@click.option("--scope", required=True, help="SMART scopes it may ask for, separated by spaces.")
@click.option("--keys", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Public JWK set, in a file.")
@click.option("--keys-url", help="Address of its public JWK set.")
@click.option("--acts-as", type=click.Choice(SYSTEMS), help="What a backend system is.")
@click.option("--organization", help="For whom a system acts, such as Organization/hopital-vallee.")
@click.option("--organization-key", help="The same by number: org:1 and the FINESS, such as org:1380990029.")
@click.option("--introspects", is_flag=True, help="It may ask whether tokens still hold.")
@click.option("--launches", is_flag=True, help="It is an EHR that starts apps for professionals.")
@setting_options(*PLACE)
def add(
    *,
    kind: str,
    scope: str,
    keys: Path | None,
    keys_url: str | None,
    data: Any,
    mongo_uri: Any,
    database: Any,
    **said: Any,
) -> None:
    """Register a client of KIND, and show its id and, once, its secret.

    \b
    fhir-server client add backend --id my-hospital --acts-as establishment --organization Organization/x \\
      --keys public.jwks.json --scope 'system/DocumentReference.cus system/List.c system/Binary.c system/Patient.s'
    fhir-server client add public --id my-app --redirect-uri https://app.example.org/callback \\
      --scope 'launch openid fhirUser user/DocumentReference.rs user/Binary.r'
    """  # noqa: D301 - click's own mark for lines it must not join
    from fhir_server.smart.clients import RegistrationFault

    jwks = _read(keys)
    with _register(data=data, mongo_uri=mongo_uri, database=database) as (clients, tell):
        said["client_id"] = said["client_id"] or token_hex(12)
        try:
            with tell("add", said["client_id"]):
                made, secret = clients.add(kind, scope=scope, jwks=jwks, jwks_uri=keys_url, **said)
        except RegistrationFault as fault:
            raise click.ClickException(str(fault)) from fault
    click.echo(f"client_id      {made.key}")
    if secret:
        click.echo(f"client_secret  {secret}   (shown this once)")


@client.command(name="list")
@setting_options(*PLACE)
def list_(**place: Any) -> None:
    """List every client, also those that are shut out."""
    with _register(**place) as (clients, _):
        rows = clients.list()
    if not rows:
        click.echo("no client is registered: see `fhir-server client add --help`")
    for row in rows:
        click.echo("  ".join(filter(None, (row.key, row.kind, "disabled" if row.disabled else "enabled", _for(row)))))
        click.echo(f"    {row.scope}")


def _for(row: Any) -> str:
    """What a client is called, what it is and for whom, as far as it was said."""
    told = (row.name, row.acts_as and f"as {row.acts_as}", row.organization and f"for {row.organization}")
    return ", ".join(filter(None, told))


@client.command()
@click.argument("client_id")
@click.option("--keys", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="New public JWK set.")
@click.option("--keys-url", help="New address of its public JWK set.")
@setting_options(*PLACE)
def rotate(client_id: str, *, keys: Path | None, keys_url: str | None, **place: Any) -> None:
    """Give a symmetric client a new secret and show it, once, or another one new keys; the old ones are refused."""
    from fhir_server.smart.clients import RegistrationFault

    jwks = _read(keys)
    with _register(**place) as (clients, tell), tell("rotate", client_id):
        if jwks or keys_url:
            try:
                changed = clients.replace_keys(client_id, jwks, keys_url)
            except RegistrationFault as fault:
                raise click.ClickException(str(fault)) from fault
            if not changed:
                raise click.ClickException(f"there is no client `{client_id}` with keys: see `fhir-server client list`")
            click.echo(f"{client_id}  has other keys")
            return
        secret = clients.rotate(client_id)
        if secret is None:
            raise click.ClickException(f"there is no client `{client_id}` with a secret: see `fhir-server client list`")
    click.echo(f"client_secret  {secret}   (shown this once)")


@client.command()
@click.argument("client_id")
@click.option("--undo", is_flag=True, help="Let it in again.")
@setting_options(*PLACE)
def disable(client_id: str, *, undo: bool, **place: Any) -> None:
    """Shut a client out at once: it gets no token, and the tokens it has open nothing."""
    with _register(**place) as (clients, tell), tell("enable" if undo else "disable", client_id):
        done = clients.enable(client_id) if undo else clients.disable(client_id)
        if not done:
            raise click.ClickException(f"there is no client `{client_id}`: see `fhir-server client list`")
    click.echo(f"{client_id}  {'enabled' if undo else 'disabled'}")
    sys.exit(0)


def _read(keys: Path | None) -> dict[str, Any] | None:
    """The public key set in a file."""
    try:
        read: dict[str, Any] | None = json.loads(keys.read_text("utf-8")) if keys else None
    except ValueError as cause:
        raise click.ClickException(f"`{keys}` is no JSON: give the public half of the key set") from cause
    return read


@contextmanager
def _register(**place: Any) -> Iterator[tuple[Clients, Tell]]:
    """The register of clients of a database, and what puts a change on record before it is made.

    A running server's workers are told as by one of their own.
    """
    from fhir_server.smart.clients import Clients
    from fhir_server.smart.revocation import Revocation

    with room(**place) as (records, freshness, tell):
        yield Clients(records, Revocation(records, freshness, _now), _now), tell


@contextmanager
def room(**place: Any) -> Iterator[tuple[Records, Freshness, Tell]]:
    """The records of the OAuth server of a database, its leases, and what tells the ledger of a change to come."""
    from fhir_server.smart.records import Records
    from fhir_server.store.freshness import Freshness

    settings = chosen(**place)
    with reach(settings) as found:
        freshness = Freshness(found.database, f"command-{os.getpid()}-{uuid4().hex[:8]}")
        freshness.prepare()
        records = Records.open(found.uri, settings.database)
        try:
            records.prepare()
            yield records, freshness, _teller(found.database, settings.fhir_base)
        finally:
            records.close()
            freshness.stop()


def _teller(database: Database, base: str) -> Tell:
    """Put on record, as an operator with this account, what is about to be done."""
    from fhir_server.audit_event.event import envelope
    from fhir_server.audit_event.ledger import Ledger
    from fhir_server.audit_event.managed import managed
    from fhir_server.foundation.principal import Kind, Principal, Purpose
    from fhir_server.foundation.uuid7 import uuid7

    user = getpass.getuser()
    operator = Principal(
        kind=Kind.OPERATOR, subject=user, client="fhir-server", name=user, purpose=Purpose.ADMINISTRATION
    )

    def write(what: str, which: str, *, failed: bool) -> None:
        ledger = Ledger(database)
        ledger.prepare()
        ledger.start()
        try:
            ledger.settle([envelope(managed(operator, what, which, _now(), uuid7(), failed=failed), uuid7(), base)])
        finally:
            ledger.stop()

    @contextmanager
    def tell(what: str, which: str) -> Iterator[None]:
        write(what, which, failed=False)
        try:
            yield
        except Exception:
            write(what, which, failed=True)
            raise

    return tell


def _now() -> datetime:
    return datetime.now(UTC)
