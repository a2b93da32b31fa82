"""Actors: everybody who matters to a record, as who each would be, signed in (`$explain-access`).

May live here: gathering whom Consents and documents name, and making principals of them by the directory. May not know:
what any of them may see. Nobody here has signed in: what is made stands for a question, never for an asker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.consent.directive import actors_named
from fhir_server.consent.provision import Members
from fhir_server.consent.settings import settings
from fhir_server.definitions.identifiers import key_of
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.interactions.directory import NOWHERE, StoredDirectory

DOCTOR = "10"
"""As whom those are asked about of whom nobody says what they are: médecin (TRE_G15)."""
_SAID = "urgence"
"""Whatever reason is given of a bris de glace."""
_PERSONS = "Practitioner/"
_PLACES = "Organization/"

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, once for each place where he may sign in. `roles` are codes of `words/` (`actor.…`).

    `reference` is None where nobody in particular is meant; `assumed` says that the profession is not the directory's.
    """

    roles: tuple[str, ...]
    seated: tuple[Principal, ...]
    reference: str | None = None
    assumed: bool = False

    def called(self, role: str) -> Actor:
        """The same, with one more role."""
        return self if role in self.roles else replace(self, roles=(*self.roles, role))

    def asking(self, profession: str | None, purpose: Purpose | None) -> Actor:
        """The same, of another profession or in another mode, with all that this mode asks of who uses it."""
        return replace(self, seated=tuple(_as(each, profession, purpose) for each in self.seated))


def _as(who: Principal, profession: str | None, purpose: Purpose | None) -> Principal:
    if who.kind not in (Kind.PROFESSIONAL, Kind.UNKNOWN):
        return who
    if profession is not None:
        who = replace(who, profession=profession, kind=Kind.PROFESSIONAL)
    if purpose is None:
        return who
    mode = settings().emergencies.get(purpose.value)
    needs = mode is not None
    return replace(who, purpose=purpose, reason=_SAID if needs else None, regulation=bool(mode and mode.regulation))


def holder(patient: str) -> Actor:
    """Titulaire."""
    return Actor(("actor.holder",), (_own(Kind.HOLDER, f"Patient/{patient}", patient),), f"Patient/{patient}")


def representative(reference: str, patient: str) -> Actor:
    """Représentant légal: a RelatedPerson of this record."""
    return Actor(("actor.representative",), (_own(Kind.REPRESENTATIVE, reference, patient),), reference)


def _own(kind: Kind, reference: str, patient: str) -> Principal:
    identities = frozenset({reference})
    purpose = Purpose.PATIENT_REQUEST
    return Principal(kind, reference, "", reference=reference, identities=identities, patient=patient, purpose=purpose)


def anyone(role: str, purpose: Purpose = Purpose.TREATMENT, profession: str | None = None) -> Actor:
    """Any professional, whom nobody named."""
    stranger = Principal(Kind.PROFESSIONAL, "", "", profession=profession or DOCTOR)
    return Actor((role,), (stranger,), assumed=True).asking(None, purpose)


def in_general() -> tuple[Actor, ...]:
    """Those whom no Consent names: any doctor in each of the three modes."""
    return (
        anyone("actor.any-doctor"),
        anyone("actor.break-glass", Purpose.BREAK_GLASS),
        anyone("actor.dispatch", Purpose.EMERGENCY_DISPATCH),
    )


def named_in(consents: Iterable[Resource], members: Members) -> dict[str, str]:
    """Whom Consents name, and the members of the teams and roles they name: key, and the role in which it is told."""
    found: dict[str, str] = {}
    for consent in consents:
        for reference in sorted(actors_named(consent)):
            known = {key.partition("@")[0] for key in members.get(reference, {})} - {reference}
            role = "actor.member" if reference.startswith(("CareTeam/", "Group/")) else "actor.named"
            keys = [reference, *sorted(known)] if role == "actor.named" else sorted(known)
            for key in keys:
                if key.startswith((_PERSONS, _PLACES)):
                    found.setdefault(key, role)
        for key in _numbers(consent.get("provision")):
            found.setdefault(key, "actor.named")
    return found


def _numbers(provision: Any) -> Iterator[str]:
    """The national numbers by which a provision, and those nested in it, name somebody without an address."""
    if not isinstance(provision, Mapping):
        return
    for each in provision.get("actor") or ():
        reference = each.get("reference") if isinstance(each, Mapping) else None
        if not isinstance(reference, Mapping) or reference.get("reference"):
            continue
        identifier = reference.get("identifier")
        if isinstance(identifier, Mapping) and identifier.get("value"):
            yield key_of(identifier.get("system"), str(identifier["value"]))
    for each in provision.get("provision") or ():
        yield from _numbers(each)


def written_by(facts: Mapping[str, Any]) -> dict[str, str]:
    """Who wrote a resource, among those of whom the directory knows: key, and the role in which it is told."""
    keys = [str(each) for each in facts.get("author", ())]
    return {each: "actor.author" for each in keys if each.startswith((_PERSONS, _PLACES, "ps:"))}


def known(directory: StoredDirectory, told: Iterable[tuple[str, str]]) -> list[Actor]:
    """The actors of these keys, each once in all its roles; who is not in the directory has this key alone."""
    wanted = list(dict.fromkeys(told))
    keys = {key for key, _ in wanted}
    numbers = {key: directory.practitioner(key) for key in sorted(keys) if key.startswith("ps:")}
    by_number = {key: each[0] for key, each in numbers.items() if each is not None}
    persons = directory.professionals({*by_number.values(), *(key for key in keys if key.startswith(_PERSONS))})
    found: dict[str, Actor] = {}
    for key, role in wanted:
        reference = by_number.get(key, key)
        if reference not in found:
            found[reference] = _actor(directory, reference, persons.get(reference, ()))
        found[reference] = found[reference].called(role)
    return list(found.values())


def _actor(directory: StoredDirectory, reference: str, seated: tuple[Principal, ...]) -> Actor:
    if reference.startswith(_PLACES):
        place = directory.place(reference)
        keys = place.keys if place is not NOWHERE else frozenset({reference})
        staff = Principal(Kind.PROFESSIONAL, "", "", name=place.name, organizations=keys, profession=DOCTOR)
        staff = replace(staff, organization=reference, organization_name=place.name, sector=place.sector)
        return Actor(("actor.establishment",), (staff,), reference, assumed=True)
    told = seated or (
        Principal(Kind.UNKNOWN, reference, "", reference=_address(reference), identities=frozenset({reference})),
    )
    assumed = any(each.kind is Kind.UNKNOWN for each in told)
    actor = Actor((), told, _address(reference), assumed)
    return actor.asking(DOCTOR, None) if assumed else actor


def _address(reference: str) -> str | None:
    """`Type/id`, or None for a national number that the directory does not know."""
    return reference if "/" in reference and "|" not in reference else None
