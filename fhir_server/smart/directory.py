"""The directory: what this room asks of the record's shared resources, and is answered by whoever wires it.

May live here: the questions, and a person as the directory knows them. May not know: how they are answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from fhir_server.foundation.principal import Principal


@dataclass(frozen=True, slots=True)
class Insured:
    """Whom the insurance scheme knows by the number of a carte Vitale, and where a code may go; None where it may not.

    `mail` and `post` are where the scheme or the holder himself said, and nobody's who represents the holder or did.

    `online` says whether they may open online: adults whom the scheme does not keep to a third party (DMP-90, K12).
    """

    patient: str
    name: str
    mail: str | None
    post: str | None
    language: str
    online: bool


class Directory(Protocol):
    """Annuaire: who professionals and organisations are, and whether a patient is known; nothing clinical."""

    def practitioner(self, key: str) -> tuple[str, str] | None:
        """The reference (`Practitioner/x`) and display name of an identity key; None if unknown."""

    def organization(self, key: str) -> tuple[str, str, frozenset[str]] | None:
        """The reference, the name, and every key and reference of it and of what it is part of; by key or reference."""

    def patient_by_ins(self, system: str, value: str) -> str | None:
        """The id of the Patient with this INS; None if unknown."""

    def patient_exists(self, patient: str) -> bool:
        """Whether there is a Patient with this id."""

    def insured(self, number: str) -> Insured | None:
        """Whom a number of a carte Vitale names, at the same cost whether it names somebody or not; None if nobody."""


def recognised(person: Principal, directory: Directory) -> Principal:
    """The person, with what the directory knows: the Practitioner, the organisation and what that is part of."""
    found = next((known for key in sorted(person.identities) if (known := directory.practitioner(key))), None)
    if found:
        person = replace(person, reference=found[0], identities=person.identities | {found[0]})
        person = replace(person, name=person.name or found[1])
    place = directory.organization(person.organization) if person.organization else None
    if place:
        person = replace(
            person,
            organization_name=person.organization_name or place[1],
            organizations=person.organizations | {place[0]} | place[2],
        )
    return person
