"""Désignation: whether each actor of a Consent that is about to be recorded is one person or place, and one there is.

May live here: checks of whom provisions name. May not know: the store, who records. They are made when a Consent is
written and never when it is read: who leaves the directory later must not make a refusal unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.consent.provision import ACTOR_TYPES, Json, Members, target
from fhir_server.definitions.identifiers import is_national, key_of
from fhir_server.foundation.problem import Issue


def misnamed(provision: Json, members: Members, at: str = "Consent.provision") -> Iterator[Issue]:
    """What is wrong with the actors of a provision and of those nested in it, each with its element.

    DMP-43, DMP-44, DMP-112. A refusal that names nobody would refuse nobody; an agreement whose address is one person
    and whose number is another would show one and let in both.
    """
    permit = provision.get("type") != "deny"
    for number, actor in enumerate(_objects(provision.get("actor"))):
        reference = actor.get("reference")
        wrong = _wrong(reference, permit, members) if isinstance(reference, Mapping) else None
        if wrong is not None:
            yield Issue("error", "business-rule", wrong, f"{at}.actor[{number}].reference")
    for number, nested in enumerate(_objects(provision.get("provision"))):
        yield from misnamed(nested, members, f"{at}.provision[{number}]")


def _wrong(reference: Json, permit: bool, members: Members) -> str | None:
    address, key = target(reference), _number(reference)
    known = members.get(address)
    if permit and address and key is not None and key not in (known or ()):
        return "an agreement names two at once: its address is not who has its identifier"
    if address.startswith(ACTOR_TYPES) and known is None and not permit:
        return "a refusal names somebody who is not in the directory of this server"
    if not permit and not address and key is not None and not is_national(key):
        return "a refusal names whom it refuses by an address of this server or a national identifier, written whole"
    return None


def _number(reference: Json) -> str | None:
    """The key of the identifier that a Reference has beside its address, or instead."""
    identifier = reference.get("identifier")
    if not isinstance(identifier, Mapping) or not identifier.get("value"):
        return None
    return key_of(identifier.get("system"), str(identifier["value"]))


def _objects(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
