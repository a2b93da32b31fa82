"""keys: what the server signs tokens with.

May live here: showing, rotating and withdrawing them from the command line. May not know: what is signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from fhir_server.commands.client import Tell, room
from fhir_server.commands.options import PLACE, setting_options

if TYPE_CHECKING:
    from fhir_server.smart.key_shelf import KeyRecords
    from fhir_server.smart.keys import Keys

ALGORITHMS = ("ES256", "RS256")
"""As `smart/keys.py` has them, of access tokens and of id_tokens; a test compares."""


@click.group()
def keys() -> None:
    """Show the keys that sign tokens, sign with a new one, or believe nothing more that one has signed.

    A change holds at once, on every worker of a running server, without a restart.
    """


@keys.command(name="list")
@setting_options(*PLACE)
def list_(**place: Any) -> None:
    """List the keys that are published, oldest first, and until when."""
    with _keys(**place) as (_, shelf, _tell):
        for row in shelf.published_keys():
            until = f"published until {row['ends']:%Y-%m-%d %H:%M} UTC" if row["ends"] else "signs"
            click.echo(f"{row['kid']}  {row['alg']}  {until}")


@keys.command()
@click.argument("algorithm", type=click.Choice(ALGORITHMS))
@setting_options(*PLACE)
def rotate(algorithm: str, **place: Any) -> None:
    """Sign with a new key of ALGORITHM from now on; the old one is published for another hour."""
    with _keys(**place) as (known, _, tell), tell("rotate-key", algorithm):
        kid = known.rotate(algorithm)
    click.echo(f"{kid}  {algorithm}  signs")


@keys.command(context_settings={"ignore_unknown_options": True})  # a kid is drawn, and one in 64 begins with a dash
@click.argument("kid")
@setting_options(*PLACE)
def withdraw(kid: str, **place: Any) -> None:
    """Believe nothing more that the key KID has signed: for a key that somebody else may have."""
    with _keys(**place) as (known, shelf, tell):
        if kid not in {row["kid"] for row in shelf.published_keys()}:
            raise click.ClickException(f"there is no key `{kid}`: see `fhir-server keys list`")
        with tell("withdraw-key", kid):
            known.withdraw(kid)
    click.echo(f"{kid}  withdrawn")


@contextmanager
def _keys(**place: Any) -> Iterator[tuple[Keys, KeyRecords, Tell]]:
    from fhir_server.smart.key_shelf import KeyRecords
    from fhir_server.smart.keys import Keys

    with room(**place) as (records, freshness, tell):
        shelf = KeyRecords(records, _now)
        yield Keys(shelf, freshness, _now), shelf, tell


def _now() -> datetime:
    return datetime.now(UTC)
