"""Trail (traces d'accès): who opened my record, when, as what, and why, in words (DMP-80).

May live here: one AuditEvent read back as a row for a page or a terminal; words come from `words/`, those of the
professions from the French terminologies. May not know: which events a reader may see.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fhir_server.audit_event.parts import ACT_REASON
from fhir_server.audit_event.shapes import INTERACTION, PROVIDER
from fhir_server.definitions.library import profile_json

Language = Literal["fr", "en"]
PARIS = ZoneInfo("Europe/Paris")
_USERS = ("IRCP", "AUT", "INF", "CST")


@dataclass(frozen=True, slots=True)
class Row:
    """One access. Texts are ready to be shown; what the event does not say is empty, but for `profession`.

    `date` and `time` are French legal time. `who` is the name and `identity` the national identifier or reference;
    `mode` is normal access, break the glass or emergency dispatch, and `reason` what was given for an emergency.
    """

    date: str
    time: str
    who: str
    identity: str
    profession: str
    action: str
    mode: str
    reason: str
    organisation: str


def row(audit_event: Mapping[str, Any], language: Language = "fr") -> Row:
    """The row of an AuditEvent of ours, in French or English."""
    words = _words(language)
    moment = datetime.fromisoformat(audit_event["recorded"]).astimezone(PARIS)
    agents = audit_event.get("agent", [])
    user = next((agent for agent in agents if _first_code(agent.get("type")) in _USERS), None)
    organisation: Mapping[str, Any] = next(
        (agent for agent in agents if _first_code(agent.get("type")) == PROVIDER.code), {}
    )
    asker: Mapping[str, Any] = user or next((agent for agent in agents if agent.get("requestor")), {})
    return Row(
        date=moment.strftime(words["date"]),
        time=moment.strftime(words["time"]),
        who=asker.get("name") or _display(asker) or _display(organisation),
        identity=_identity(asker),
        profession=_profession(asker, words, person=user is not None),
        action=_action(audit_event, words),
        mode=_mode(asker, audit_event, words),
        reason=next((each["text"] for each in audit_event.get("purposeOfEvent", []) if each.get("text")), ""),
        organisation=_display(organisation) or _identity(organisation),
    )


def _action(event: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    subtype: Mapping[str, Any] = next(iter(event.get("subtype", [])), {})
    code = subtype.get("code", "")
    action = words["actions"].get(code) or words["actions"]["operation"]
    thing = words["things"].get(_thing(event))
    if thing and subtype.get("system") == INTERACTION:
        action = words["of"].format(action=action, thing=thing)
    match event.get("outcome"):
        case "4":
            return str(words["refused"].format(action=action))
        case "8" | "12":
            return str(words["failed"].format(action=action))
    return str(action)


def _thing(event: Mapping[str, Any]) -> str:
    """The FHIR type that the deed was about: of what it named, else of what it searched."""
    for entity in event.get("entity", []):
        role = entity.get("role", {}).get("code")
        if role == "24" and entity.get("query"):
            asked = b64decode(entity["query"]).decode("utf-8", "replace")
            return re.split(r"[/?]", asked, maxsplit=1)[0]
        if role in ("3", "4", "20"):
            return str(entity.get("what", {}).get("reference", "")).partition("/")[0]
    return ""


def _profession(agent: Mapping[str, Any], words: Mapping[str, Any], *, person: bool) -> str:
    for each in profile_json("dmp/audit.json")["professions"]:
        code = _code_in(agent, each["system"])
        if code:
            return str(words["professions"].get(code) or each["codes"].get(code) or words["unknown"])
    if not person:
        return str(words["system"])
    kind = str(agent.get("who", {}).get("reference", "")).partition("/")[0]
    return str(words["people"].get(kind, words["unknown"]))


def _code_in(agent: Mapping[str, Any], system: str) -> str:
    return next(
        (
            coding.get("code", "")
            for role in agent.get("role", [])
            for coding in role.get("coding", [])
            if coding.get("system") == system
        ),
        "",
    )


def _mode(agent: Mapping[str, Any], event: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    concepts = [*event.get("purposeOfEvent", []), *agent.get("purposeOfUse", [])]
    codes = (
        coding.get("code", "")
        for concept in concepts
        for coding in concept.get("coding", [])
        if coding.get("system") == ACT_REASON
    )
    return str(words["modes"].get(next(codes, ""), ""))


def _identity(agent: Mapping[str, Any]) -> str:
    who = agent.get("who", {})
    return str(who.get("identifier", {}).get("value") or who.get("reference", ""))


def _display(agent: Mapping[str, Any]) -> str:
    return str(agent.get("who", {}).get("display", ""))


def _first_code(concept: Mapping[str, Any] | None) -> str:
    return next((coding.get("code", "") for coding in (concept or {}).get("coding", [])), "")


@cache
def _words(language: Language) -> Mapping[str, Any]:
    name = language if language in ("fr", "en") else "fr"
    words: dict[str, Any] = json.loads((files(__package__) / "words" / f"{name}.json").read_text("utf-8"))
    return words
