"""Occasion: what happened to a record, and the notice of it that one person is to get, or nothing (DMP-81, DMP-82).

May live here: whether there is a notice, for whom, in which words. May not know: how it travels, what else is in the
record. A notice tells nothing of what its reader may not see, and holds no health data: no title, no type of
document, no profession, no reason of an emergency.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.resources.reach import spelt

Channel = Literal["mail", "text", "post", "nobody"]
"""`post` is a letter; what is for `nobody` is written and never sent: who is unknown costs what who is known does."""
Reader = Literal["holder", "representative"]
Occasion = Literal[
    "deposit",
    "first-connection",
    "connection",
    "emergency",
    "otp",
    "opened",
    "opened-automatically",
    "closed",
    "reopened",
    "destroyed",
    "announcement",
    "shown",
    "majority",
    "directives",
    "creation",
    "recovery",
    "identifier",
    "identifiers",
    "password-changed",
    "authenticator",
    "consent-unreadable",
    "consent-contradictory",
]
PARIS = ZoneInfo("Europe/Paris")
_SHORT_LIVED = ("otp", "recovery")
_OF_PROFESSIONALS = ("first-connection", "connection", "emergency")


@dataclass(frozen=True, slots=True)
class Contact:
    """Where one person wants notices: an e-mail address or a mobile number (DMP-25), and how often (K1).

    `reader` is who may read what comes there: what is hidden from them is not sent to it.
    """

    to: str
    channel: Channel
    language: Literal["fr", "en"] = "fr"
    reader: Reader = "holder"
    every_connection: bool = False


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to the record of `patient` at `at` (domain clock).

    `key` makes it one: two happenings of an occasion with the same key are told once (the id of the document or the
    submission, the identity that connected, the sign-in of each connection, the token of an emergency, the id of a
    one-time code). `about` is the `Type/id` it is about and `labels` are its labels; `sign_in` is that of a connection.
    """

    occasion: Occasion
    patient: str
    key: str
    at: datetime
    by: Principal | None = None
    about: str | None = None
    labels: frozenset[str] = frozenset()
    code: str | None = None
    sign_in: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one address. `key` is the same for the same message; `due` None is at once.

    `labels` are those of what it is about, so that it can be withheld until it is sent; `expires` (protocol clock,
    minutes from its making) ends a one-time code.
    """

    key: str
    patient: str
    occasion: Occasion
    to: str
    channel: Channel
    subject: str
    text: str
    code: str | None = None
    due: datetime | None = None
    labels: frozenset[str] = frozenset()
    about: str | None = None
    reader: Reader = "holder"
    sign_in: str | None = None

    @property
    def life(self) -> timedelta:
        """How long it is kept at most: a one-time code as long as it is valid, anything else for days."""
        rules = profile_json("dmp/notices.json")
        if self.channel == "nobody" or (self.code and self.occasion in _SHORT_LIVED):
            return timedelta(minutes=rules["code_minutes"])
        return timedelta(days=rules["kept_days"])


def contacts_of(
    patient: Mapping[str, Any], representatives: Iterable[Mapping[str, Any]] = (), own: AbstractSet[str] | None = None
) -> tuple[Contact, ...]:
    """The contacts of a Patient, and of the RelatedPersons who represent the holder; those without one are left out.

    Somebody who is represented is told at an address of his `own` (`resources/reach.py`); where he has none, those who
    represent him may read what comes, and it is sent to no other reader (DMP-92).
    """
    every = any(
        each.get("url") == profile_json("dmp/notices.json")["every_connection"] and each.get("valueBoolean") is True
        for each in patient.get("extension", [])
    )
    mine = [each for each in patient.get("telecom", ()) if own is None or spelt(each) in own]
    alone = _contact({**patient, "telecom": mine}, "holder", every_connection=every)
    found = [alone or _contact(patient, "representative", every_connection=every)]
    found += [_contact(each, "representative", every_connection=every) for each in representatives]
    return tuple(each for each in found if each is not None)


def notices(happening: Happening, contacts: Iterable[Contact]) -> tuple[Notice, ...]:
    """The notice of each contact that gets one."""
    return tuple(each for contact in contacts if (each := notice(happening, contact)) is not None)


def notice(happening: Happening, contact: Contact) -> Notice | None:
    """What this contact is told, None when it is to hear nothing of it."""
    labels = happening.labels
    if happening.by is not None and happening.by.secret_session:
        labels |= {profile_json("dmp/notices.json")["trace_hidden_from_representatives"]}
    if hidden(contact.reader, labels) or not _wanted(happening, contact):
        return None
    words = _words(contact.language)
    said = words["notices"][happening.occasion]
    text = text_of(happening, contact.language)
    frame = words[said.get("frame", "code" if happening.code else "mail")]
    return Notice(
        key=sha256(f"{happening.occasion}|{happening.patient}|{happening.key}|{contact.to}".encode()).hexdigest(),
        patient=happening.patient,
        occasion=happening.occasion,
        to=contact.to,
        channel=contact.channel,
        subject=said["subject"],
        text=text if contact.channel == "text" else frame.format(text=text),
        code=happening.code,
        labels=labels,
        about=happening.about,
        reader=contact.reader,
        sign_in=happening.sign_in,
    )


def text_of(happening: Happening, language: Literal["fr", "en"] = "fr") -> str:
    """What is said of a happening, as a text message says it."""
    words = _words(language)
    said: str = words["notices"][happening.occasion]["text"]
    return said.format(
        who=_who(happening.by, words),
        mode=words["emergency"].get(happening.by.purpose.value, "") if happening.by else "",
        moment=happening.at.astimezone(PARIS).strftime(words["moment"]),
        code=happening.code,
        minutes=profile_json("dmp/notices.json")["code_minutes"],
        days=profile_json("dmp/rules.json")["creation"]["codeDays"],
        deadline=opposition_ends(happening.at).strftime("%d/%m/%Y"),
    )


def opposition_ends(at: datetime) -> date:
    """The last day, in French legal time, to oppose a record that is opened automatically at that moment (DMP-103)."""
    return (at.astimezone(PARIS) + timedelta(days=profile_json("dmp/rules.json")["life"]["oppositionDays"])).date()


def hidden(reader: Reader, labels: Iterable[str]) -> bool:
    """Whether what carries these labels is hidden from this reader, and so not to be announced."""
    return not _hidden_from(reader).isdisjoint(labels)


@cache
def _hidden_from(reader: Reader) -> frozenset[str]:
    return frozenset(profile_json("dmp/notices.json")["hidden_from"][reader])


def _wanted(happening: Happening, contact: Contact) -> bool:
    """Deposits, first connections and emergencies always, each connection on request (K1), one's own never."""
    by = happening.by
    if happening.occasion in _OF_PROFESSIONALS and (by is None or by.kind != Kind.PROFESSIONAL):
        return False
    match happening.occasion:
        case "connection":
            return contact.every_connection
        case "emergency":
            return by is not None and by.purpose.emergency
        case "otp" | "creation" | "recovery" | "identifier":
            return bool(happening.code)
    return True


def _who(by: Principal | None, words: Mapping[str, Any]) -> str:
    if by is None:
        return str(words["who"]["unknown"])
    if by.kind == Kind.PROFESSIONAL and not by.name:
        return str(words["who"]["unknown"])
    return str(words["who"][by.kind.value].format(name=by.name))


def _contact(person: Mapping[str, Any], reader: Reader, *, every_connection: bool) -> Contact | None:
    """The preferred one: the lowest rank, else the first e-mail address, else the first mobile number."""
    reachable = [
        (channel, point)
        for point in person.get("telecom", [])
        if (channel := _channel(point)) is not None and point.get("value") and point.get("use") != "old"
    ]
    if not reachable:
        return None
    reachable.sort(key=lambda each: (each[1].get("rank", 1_000), each[0]))
    channel, point = reachable[0]
    return Contact(point["value"], channel, _language(person), reader, every_connection)


def _channel(point: Mapping[str, Any]) -> Channel | None:
    match point.get("system"), point.get("use"):
        case "email", _:
            return "mail"
        case ("sms", _) | ("phone", "mobile"):
            return "text"
    return None


def _language(person: Mapping[str, Any]) -> Literal["fr", "en"]:
    spoken = sorted(person.get("communication", []), key=lambda each: not each.get("preferred", False))
    codes = [coding.get("code", "") for each in spoken for coding in each.get("language", {}).get("coding", [])]
    return "en" if codes and codes[0].partition("-")[0] == "en" else "fr"


@cache
def _words(language: Literal["fr", "en"]) -> Mapping[str, Any]:
    words: dict[str, Any] = json.loads((files(__package__) / "words" / f"{language}.json").read_text("utf-8"))
    return words
