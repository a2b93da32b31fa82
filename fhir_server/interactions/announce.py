"""Announcements: of what a holder is told when his record is deposited into or opened (DMP-72, DMP-81, DMP-82, K1).

May live here: from a deed to the notices of it. May not know: their words (`notices/`), how they travel.
A notice is written with what it tells of, never before it and never without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from fhir_server.consent.obligations import Obligation, TellHolder
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.interactions.house import House
from fhir_server.interactions.subject import persons_of
from fhir_server.notices.occasion import Happening, Notice, Occasion, Reader, contacts_of, hidden, notices
from fhir_server.resources.closing import is_dead
from fhir_server.smart.claims import grant_of
from fhir_server.store.documents import Stored, held_of

REMEMBERED = 50_000
READERS: tuple[Reader, ...] = ("holder", "representative")


def readers_of(shown: Iterable[Stored]) -> tuple[Reader, ...]:
    """Who of those a notice goes to may see any of what was shown: who may not is not told of it (decisions 16)."""
    seen: tuple[Reader, ...] = ()
    for each in shown:
        may = _who_may_see(each)
        if len(may) == len(READERS):
            return READERS
        if may:
            seen = tuple(reader for reader in READERS if reader in seen or reader in may)
    return seen


def _who_may_see(version: Stored) -> tuple[Reader, ...]:
    """Whom labels let see it. A List, and what is about one, is seen by what it holds."""
    facts = version.facts
    if facts.get("joint"):
        return ()
    may = _not_hidden(tuple(facts.get("label", ())))
    held = held_of(version.id, facts)
    if not held:
        return may
    of_held = [_not_hidden(tuple(each.get("label", ()))) for each in held]
    return tuple(reader for reader in may if any(reader in each for each in of_held))


@lru_cache(1024)
def _not_hidden(labels: tuple[str, ...]) -> tuple[Reader, ...]:
    return tuple(reader for reader in READERS if not hidden(reader, labels))


def of_access(
    house: House, principal: Principal, patient: str, obligations: Iterable[Obligation], readers: tuple[Reader, ...]
) -> tuple[Notice, ...]:
    """What is told of a professional's access: his first connection, each to who asked for it, every emergency (K1).

    A connection that showed nothing to one of the readers is yet to be told to them, and will be when one does. One in
    an emergency is told as that.
    """
    if principal.kind is not Kind.PROFESSIONAL:
        return ()
    if principal.secret_session:  # to who represents it has not been: what comes after it is the first
        readers = tuple(each for each in readers if each == "holder")
    who = principal.reference or principal.subject
    sign_in = grant_of(principal.token)

    def first() -> Happening:
        return Happening("first-connection", patient, who, house.clock(), by=principal, sign_in=sign_in)

    if readers:
        known = who if readers == READERS else "|".join((who, *readers))
        house.outbox.first_connection(
            patient, known, lambda: (each for each in told(house, patient, first()) if each.reader in readers)
        )
    if not any(isinstance(each, TellHolder) for each in obligations):
        return _of_sign_in(house, patient, first, sign_in, readers)
    if _newly(house, patient, principal.token):
        return told(house, patient, Happening("emergency", patient, principal.token, house.clock(), by=principal))
    return ()


def _of_sign_in(
    house: House, patient: str, happened: Callable[[], Happening], sign_in: str, readers: tuple[Reader, ...]
) -> tuple[Notice, ...]:
    """What is told of a connection, once for each sign-in, to those who want it and were not told it was the first."""
    if not readers or not _newly(house, patient, "|".join((sign_in, *readers))):
        return ()
    first = happened()
    connection = replace(first, occasion="connection", key=sign_in)
    made = [each for each in told(house, patient, connection) if each.reader in readers]
    if not made:
        return ()
    keys = {each.key: each.to for each in told(house, patient, first)}
    already = {keys[each] for each in house.outbox.told_in(sign_in, keys)}
    return tuple(each for each in made if each.to not in already)


def of_deposit(house: House, principal: Principal, document: Stored) -> tuple[Notice, ...]:
    """What is told of a new document, to those it is not hidden from; a holder is not told of his own."""
    happened = [
        Happening(
            "deposit",
            patient,
            document.id,
            house.clock(),
            by=principal,
            about=document.id,
            labels=frozenset(document.facts.get("label", ())),
        )
        for patient in document.facts.get("patients", ())
        if principal.reference != f"Patient/{patient}"
    ]
    return tuple(each for happening in happened for each in told(house, happening.patient, happening))


def of_showing(house: House, document: Stored) -> tuple[Notice, ...]:
    """What is told of a document that was hidden from the holder and is not any more: that there is one (DMP-81).

    Its deposit was not told then. Nor is now who deposited it: it is for the document itself to say.
    """
    labels = frozenset(document.facts.get("label", ()))
    return tuple(
        each
        for patient in document.facts.get("patients", ())
        for each in told(
            house, patient, Happening("shown", patient, document.id, house.clock(), about=document.id, labels=labels)
        )
    )


def of_opening(house: House, principal: Principal, patient: Mapping[str, Any]) -> tuple[Notice, ...]:
    """What is told when a record is opened, at the address just given (DMP-25, DMP-107)."""
    opened = Happening("opened", patient["id"], house.ids(), house.clock(), by=principal)
    return notices(opened, contacts_of(patient))


def of_life(
    house: House, principal: Principal, patient: str, occasion: Occasion, people: Iterable[Mapping[str, Any]]
) -> tuple[Notice, ...]:
    """What the holder and who represents him are told of a step in the life of the record (DMP-107).

    `people` are the Patient and RelatedPersons as the step leaves them; who has died is told nothing.
    """
    known = persons_of(house, patient)
    written = {str(each["id"]): each for each in people}
    holder = written.pop(patient, known.holder)
    if holder is None:
        return ()
    related = [each for each in known.representatives if each.get("id") not in written]
    happened = Happening(occasion, patient, house.ids(), house.clock(), by=principal)
    # who gives another address does not keep the one that is known from being told
    own = () if is_dead(holder) else (*known.contacts(alone=True), *contacts_of(holder, (), known.own))
    contacts = {each.to: each for each in (*own, *contacts_of({}, [*related, *written.values()]))}
    return notices(happened, contacts.values())


def told(house: House, patient: str, happening: Happening) -> tuple[Notice, ...]:
    """The notices of a happening, to the holder and to those who represent him."""
    return notices(happening, persons_of(house, patient).contacts())


def _newly(house: House, patient: str, key: str) -> bool:
    """Whether this process has not thought of this yet: spares the database a question for every request."""
    known = (patient, key)
    if known in house.announced:
        return False
    if len(house.announced) >= REMEMBERED:
        house.announced.clear()
    house.announced.add(known)
    return True
