"""The directory: who a national identifier names, for those who sign in (annuaire).

May live here: lookups of the shared types Practitioner and Organization, and whether a Patient exists.
May not know: tokens, consents. It satisfies `smart.directory.Directory`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_server.consent.case import of_age
from fhir_server.consent.directive import is_guardian
from fhir_server.consent.settings import settings
from fhir_server.definitions.identifiers import key_of, keys_of, spellings
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import micros
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.notices.occasion import contacts_of
from fhir_server.resources.reach import placed, set_by, spelt
from fhir_server.smart.directory import Insured
from fhir_server.store import unguarded
from fhir_server.store.shelf import Shelf

CHAIN_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody signs in: an organisation, its keys with those of all it is part of, its sector of activity."""

    reference: str | None = None
    name: str = ""
    keys: frozenset[str] = frozenset()
    sector: str | None = None


NOWHERE = Place()


class StoredDirectory:
    """The directory that the store itself holds."""

    def __init__(self, shelf: Shelf, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._shelf, self._clock = shelf, clock

    def practitioner(self, key: str) -> tuple[str, str] | None:
        """(`Practitioner/x`, display name) of a professional by identity key, or None."""
        found = self._one("Practitioner", key)
        return (f"Practitioner/{found['id']}", _name(found)) if found else None

    def organization(self, key: str) -> tuple[str, str, frozenset[str]] | None:
        """(`Organization/x`, name, keys of it and of all it is part of) by identity key or reference, or None."""
        found = self._by_reference(key) if key.startswith("Organization/") else self._one("Organization", key)
        if found is None:
            return None
        chain: dict[str, dict[str, Any]] = {}
        current: dict[str, Any] | None = found
        while current is not None and len(chain) < CHAIN_AT_MOST and current["id"] not in chain:
            chain[current["id"]] = current
            parent = current.get("partOf", {}).get("reference", "")
            current = self._by_reference(parent) if parent.startswith("Organization/") else None
        keys = {f"Organization/{id_}" for id_ in chain}
        for each in chain.values():
            keys |= {key_of(one.get("system", ""), one.get("value", "")) for one in each.get("identifier", [])}
        return f"Organization/{found['id']}", str(found.get("name", "")), frozenset(keys)

    def professionals(self, references: Iterable[str]) -> dict[str, tuple[Principal, ...]]:
        """Who these professionals (`Practitioner/x`) would be, signed in: once for each place the directory gives them.

        Who is not in the directory is left out. Three round trips, and for each place those of `organization`.
        """
        persons = unguarded.bodies(self._shelf, sorted(references))
        roles: dict[str, list[str]] = {each: [] for each in persons}
        for role in unguarded.by_tokens(self._shelf, [f"PractitionerRole.practitioner={each}" for each in persons]):
            person = role.get("practitioner", {}).get("reference", "").partition("/_history/")[0]
            place = role.get("organization", {}).get("reference")
            if person in roles and place and role.get("active") is not False:
                roles[person].append(place)
        places = {place: self.place(place) for each in roles.values() for place in each}
        return {
            reference: tuple(
                _signed_in(body, places.get(place, NOWHERE)) for place in sorted(set(roles[reference])) or [""]
            )
            for reference, body in persons.items()
        }

    def place(self, reference: str) -> Place:
        """An organisation as a place where somebody signs in; nowhere if the directory does not know it."""
        known = self.organization(reference)
        if known is None:
            return NOWHERE
        body = self._by_reference(known[0]) or {}
        codes = [coding.get("code") for each in body.get("type", []) for coding in each.get("coding", [])]
        return Place(known[0], known[1], known[2] | {known[0]}, next(iter(codes), None))

    def patient_by_ins(self, system: str, value: str) -> str | None:
        """The id of the one Patient with this INS, or None."""
        found = unguarded.by_token(self._shelf, f"Patient.identifier={system}|{value}")
        return found[0][0].partition("/")[2] if len(found) == 1 else None

    def patient_exists(self, id_: str) -> bool:
        """Whether there is such a Patient."""
        return bool(unguarded.facts_of(self._shelf, [f"Patient/{id_}"]))

    def insured(self, number: str) -> Insured | None:
        """Whom this number of a carte Vitale names; who is not known costs as much (decisions 17)."""
        systems = profile_json("dmp/identifier-systems.json")["ins"]
        found = [self.patient_by_ins(system, number) for system in systems]
        known = next(filter(None, found), secrets.token_hex(16))
        stored, people = unguarded.people_of(self._shelf, known)
        people = [*people, *unguarded.people_before(self._shelf, known)]
        if stored is None:
            return None
        patient = stored.resource()
        # INVARIANT (own word): a code goes where the scheme or the holder said, to nobody who represents him or did
        good = set_by(stored.reach, "scheme", "holder", but=filter(is_guardian, people))
        born, barred = str(patient.get("birthDate", "")), profile_json("dmp/rules.json")["creation"]["notOnline"]
        # a date that is known in part could make an adult of a minor: then a third party opens (DMP-90)
        grown = len(born) == len("2000-01-31") and of_age(born, micros(self._clock()), settings().majority)
        kept_out = any(each.get("url") == barred and each.get("valueBoolean") for each in patient.get("extension", []))
        dead = patient.get("deceasedBoolean") or "deceasedDateTime" in patient
        mails = [
            each["value"]
            for each in patient.get("telecom", [])
            if each.get("system") == "email" and each.get("use") != "old" and spelt(each) in good
        ]
        contact = next(iter(contacts_of(patient)), None)
        return Insured(
            patient=known,
            name=_name(patient),
            mail=next(iter(mails), None),
            post=_post(patient, good),
            language=contact.language if contact else "fr",
            online=grown and not kept_out and not dead,
        )

    def _one(self, type_: str, key: str) -> dict[str, Any] | None:
        for system, value in spellings(key):
            found = unguarded.by_token(self._shelf, f"{type_}.identifier={system}|{value}")
            if len(found) == 1:
                return self._by_reference(found[0][0])
        return None

    def _by_reference(self, reference: str) -> dict[str, Any] | None:
        return unguarded.bodies(self._shelf, [reference]).get(reference)


def _signed_in(practitioner: dict[str, Any], place: Place) -> Principal:
    """The professional a sign-in at a place would give; of UNKNOWN kind where no profession is known."""
    words = profile_json("dmp/professions.json")
    accepted = {*words["accepted"], *words["systems"].values()}
    codings = [one for each in practitioner.get("qualification", []) for one in each.get("code", {}).get("coding", [])]
    profession = next((each["code"] for each in codings if each.get("system") in accepted), None)
    reference = f"Practitioner/{practitioner['id']}"
    return Principal(
        kind=Kind.PROFESSIONAL if profession else Kind.UNKNOWN,
        subject=reference,
        client="",
        name=_name(practitioner),
        reference=reference,
        identities=keys_of(practitioner),
        organization=place.reference,
        organization_name=place.name,
        organizations=place.keys,
        profession=profession,
        specialties=frozenset(each["code"] for each in codings if each.get("system") not in accepted),
        sector=place.sector,
    )


def _name(practitioner: dict[str, Any]) -> str:
    name: dict[str, Any] = next(iter(practitioner.get("name", [])), {})
    return " ".join([*name.get("prefix", []), *name.get("given", []), name.get("family", "")]).strip()


def _post(patient: dict[str, Any], good: frozenset[str]) -> str | None:
    """Where a letter is to go: the name and the lines of a `good` address; None where none of them is whole."""
    for each in patient.get("address", []):
        town = " ".join(part for part in (each.get("postalCode"), each.get("city")) if part)
        if town and each.get("use") != "old" and placed(each) in good:
            lines = [_name(patient), *each.get("line", []), town, each.get("country", "")]
            return "\n".join(line for line in lines if line)
    return None
