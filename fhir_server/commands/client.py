"""client: the apps and systems that may ask for tokens.

May live here: reading the command line of a registration and showing its outcome. May not know: what a registration
must satisfy (`smart/clients.py`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from fhir_server.commands.options import PLACE, chosen, setting_options
from fhir_server.commands.place import reach

if TYPE_CHECKING:
    from fhir_server.smart.clients import Clients

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

    try:
        jwks = json.loads(keys.read_text("utf-8")) if keys else None
    except ValueError as cause:
        raise click.ClickException(f"`{keys}` is no JSON: give the public half of the key set") from cause
    with _register(data=data, mongo_uri=mongo_uri, database=database) as clients:
        try:
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
    with _register(**place) as clients:
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
@setting_options(*PLACE)
def rotate(client_id: str, **place: Any) -> None:
    """Give a symmetric client a new secret and show it, once; the old one is refused from now on."""
    with _register(**place) as clients:
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
    with _register(**place) as clients:
        done = clients.enable(client_id) if undo else clients.disable(client_id)
    if not done:
        raise click.ClickException(f"there is no client `{client_id}`: see `fhir-server client list`")
    click.echo(f"{client_id}  {'enabled' if undo else 'disabled'}")
    sys.exit(0)


@contextmanager
def _register(**place: Any) -> Iterator[Clients]:
    """The register of clients of a database, told to a running server's workers as one of their own would."""
    from fhir_server.smart.clients import Clients
    from fhir_server.smart.records import Records
    from fhir_server.smart.revocation import Revocation
    from fhir_server.store.freshness import Freshness

    settings = chosen(**place)
    with reach(settings) as found:
        freshness = Freshness(found.database, f"command-{os.getpid()}-{uuid4().hex[:8]}")
        freshness.prepare()
        records = Records.open(found.uri, settings.database)
        try:
            records.prepare()
            yield Clients(records, Revocation(records, freshness, _now), _now)
        finally:
            records.close()
            freshness.stop()


def _now() -> datetime:
    return datetime.now(UTC)
