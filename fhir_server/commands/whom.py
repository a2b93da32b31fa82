"""Whom: somebody named on the command line, as who they would be, signed in.

May live here: reading an id, a reference, a national number or a sign-in identifier. May not know: what is asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fhir_server.commands.place import Place
    from fhir_server.foundation.principal import Principal
    from fhir_server.store.shelf import Shelf

_KINDS = ("Practitioner", "Patient", "RelatedPerson")
_NUMBER = re.compile(r"(?:ps:)?(\d{11,12})")
_RPPS = 11


def principals_of(shelf: Shelf, place: Place, who: str) -> tuple[Principal, ...]:
    """Who `who` is, once for each place where they may sign in; ClickException if nobody has that name."""
    from fhir_server.foundation.principal import Kind, Principal
    from fhir_server.interactions import actors
    from fhir_server.interactions.directory import StoredDirectory
    from fhir_server.store import unguarded

    if who == "operator":
        return (Principal(kind=Kind.OPERATOR, subject=who, client="", name=who),)
    directory = StoredDirectory(shelf)
    wanted = [who] if "/" in who else [f"{kind}/{who}" for kind in _KINDS]
    reference = next(iter(unguarded.bodies(shelf, wanted)), None) or _by_number(directory, who) or _by_login(place, who)
    if reference is None:
        raise click.ClickException(
            f"nobody is `{who}`: give an id, Practitioner/id, Patient/id, RelatedPerson/id, a national number, or the "
            "identifier that somebody signs in with"
        )
    type_, _, id_ = reference.partition("/")
    match type_:
        case "Practitioner":
            return directory.professionals([reference])[reference]
        case "Patient":
            return actors.holder(id_).seated
        case "RelatedPerson":
            return actors.representative(reference, id_).seated
        case "Organization":
            return actors.known(directory, [(reference, "actor.asked")])[0].seated
    raise click.ClickException(f"`{reference}` is nobody who signs in")


def _by_number(directory: Any, who: str) -> str | None:
    found = _NUMBER.fullmatch(who)
    if found is None:
        return None
    number = found.group(1)
    known = directory.practitioner(f"ps:8{number}" if len(number) == _RPPS else f"ps:{number}")
    return known[0] if known else None


def _by_login(place: Place, who: str) -> str | None:
    from fhir_server.smart.accounts import canonical
    from fhir_server.smart.records import Records

    records = Records.open(place.uri, place.database.name)
    try:
        found = records.accounts.all(identifier=canonical(who))
    finally:
        records.close()
    return found[0].reference if found else None
