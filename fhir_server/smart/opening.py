"""Opening: how a holder comes by identifiers: a creation code and the carte Vitale (DMP-20, DMP-23 to DMP-27, DMP-90).

May live here: who may ask for a creation code, where it is sent, what it is good for. May not know: pages, how a letter
travels, what a record is opened with (`$open-record` asks that of whoever is then signed in). A code goes to where the
insurance scheme or the holder himself says that he is reached, never to an address that somebody else typed, nor to
that of somebody who represents him or did (docs/adr/0035); who is not known costs what who is known does.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind
from fhir_server.smart.accounts import FROM_ONE_ADDRESS, NOBODY, WINDOW, Accounts, Recipient, SendCode, recipient
from fhir_server.smart.attempts import Attempts, SecurityLog
from fhir_server.smart.contact import contact_of, number_of
from fhir_server.smart.directory import Directory, Insured
from fhir_server.smart.records import Account, CreationCode, Records, fingerprint

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Letters and digits that nobody takes for each other, so that a code may be read off a letter."""
CODE, IDENTIFIER, PASSWORD = 10, 8, 12


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What is shown once (DMP-27): the identifier, the initial password, and where codes will be sent."""

    account: str
    identifier: str
    password: str
    address: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was opened, as the key of a sentence."""

    fault: Literal["opening.wrong", "opening.contact", "opening.known"]


class Opening:
    """One per process."""

    def __init__(
        self,
        *,
        kept: Records,
        accounts: Accounts,
        attempts: Attempts,
        security: SecurityLog,
        directory: Directory,
        send: SendCode,
        clock: Callable[[], datetime],
    ) -> None:
        self._kept, self._accounts, self._attempts, self._security = kept, accounts, attempts, security
        self._directory, self._send, self._clock = directory, send, clock
        rules = profile_json("dmp/rules.json")
        self._failures = int(rules["access"]["failuresBeforeLock"])
        self._life = timedelta(days=rules["creation"]["codeDays"])
        self._at_once = int(rules["creation"]["codesAtOnce"])

    def ask(self, number: str, way: Literal["mail", "post"], address: str) -> None:
        """Send a creation code to whom this carte Vitale names, as far as they are reached this way. Raises TooMany.

        The codes before stay good, since one of them may be in a letter: nobody can end the code of somebody else by
        asking again. No more are sent while `codesAtOnce` are on their way.
        """
        insured = self._insured("creation", number, address)
        patient = insured.patient if insured is not None and insured.online else secrets.token_hex(16)
        now = self._clock()
        theirs = self._of_representatives(patient)
        under_way = self._kept.creation_codes.all(patient=patient, expires__gt=now)
        place = None
        if insured is not None and insured.online and len(under_way) < self._at_once:
            place = insured.mail if way == "mail" else insured.post
            place = None if place is not None and place.casefold() in theirs else place
        if insured is None or place is None:
            patient, to = secrets.token_hex(16), replace(NOBODY, what="creation")
        else:
            to = Recipient("", f"Patient/{patient}", patient, way, place, insured.language, "creation")
        code = _draw(CODE)
        self._kept.creation_codes.insert(key=_key(patient, code), patient=patient, expires=now + self._life)
        self._send(to, grouped(code))

    def open(self, number: str, code: str, contact: str, language: str, address: str) -> Identifiers | Refusal:
        """An account for the holder whose carte Vitale and creation code these are. Raises TooMany.

        One that was opened before and never used is replaced: its identifiers were lost, or its address was wrong.
        """
        wanted = contact_of(contact)
        if wanted is None:
            return Refusal("opening.contact")
        insured = self._insured("opening", number, address)
        patient = insured.patient if insured is not None and insured.online else secrets.token_hex(16)
        kept = self._kept.creation_codes.find(_key(patient, _canonical(code)), expires__gt=self._clock())
        if insured is None or kept is None:
            self._security.failed("creation code refused", address)
            return Refusal("opening.wrong")
        self._attempts.forgive("opening", address, number_of(number), window=WINDOW)
        before = self._kept.accounts.all(reference=f"Patient/{patient}", disabled=False)
        if any(not each.must_change for each in before):
            return Refusal("opening.known")
        # whoever removes it has it: two at once cannot both open
        if self._kept.creation_codes.drop(key=kept.key) != 1:
            return Refusal("opening.wrong")
        return self._open(insured, before, wanted, language, kept)

    def _open(
        self,
        insured: Insured,
        before: list[Account],
        wanted: tuple[Literal["mail", "text"], str],
        language: str,
        kept: CreationCode,
    ) -> Identifiers:
        for each in before:
            self._kept.accounts.drop(key=each.key)
        identifier, password = _draw(IDENTIFIER).lower(), grouped(_draw(PASSWORD).lower(), 4)
        channel, place = wanted
        account = self._accounts.add(
            identifier,
            password,
            kind=Kind.HOLDER,
            reference=f"Patient/{kept.patient}",
            patient=kept.patient,
            channel=channel,
            address=place,
            name=insured.name,
            language=language,
        )
        if account is None:
            raise RuntimeError("a random identifier was drawn twice")
        self._kept.creation_codes.drop(patient=kept.patient)
        self._send(recipient(account, "identifiers"), "")
        return Identifiers(account.key, identifier, password, place)

    def _of_representatives(self, patient: str) -> frozenset[str]:
        """Where the codes of those who represent the holder go, or went: the holder's do not (DMP-142)."""
        accounts = self._kept.accounts.all(patient=patient)
        return frozenset(each.address.casefold() for each in accounts if each.kind != Kind.HOLDER.value)

    def _insured(self, what: str, number: str, address: str) -> Insured | None:
        number = number_of(number)
        self._attempts.count("address", address, limit=FROM_ONE_ADDRESS, window=WINDOW)
        self._attempts.count(what, address, number, limit=self._failures, window=WINDOW)
        return self._directory.insured(number)


def grouped(code: str, size: int = 5) -> str:
    """`ABCDEFGHJK` → `ABCDE-FGHJK`."""
    return "-".join(code[start : start + size] for start in range(0, len(code), size))


def _draw(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _canonical(code: str) -> str:
    return "".join(each for each in code.upper()[:40] if each.isalnum())


def _key(patient: str, code: str) -> str:
    return fingerprint("creation", patient, code)
