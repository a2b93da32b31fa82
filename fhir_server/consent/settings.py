"""Settings of the rules: the words, switches and durations of `profiles/dmp/rules.json`, as typed values.

May live here: reading that file once. May not know: any rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.definitions.library import profile_json


@dataclass(frozen=True, slots=True)
class Emergency:
    """One emergency mode: the type of Consent that speaks of it, and what it asks of the professional."""

    consent: str
    reason: bool
    regulation: bool
    professions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Motive:
    """One motive of closing: who may give it, whether the record may be opened again, whether it is an opposition."""

    parties: frozenset[str]
    reopens: bool
    opposes: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What the rules read; see `profiles/dmp/rules.json` for what each means."""

    masked: str
    hidden_from_holder: str
    hidden_from_representatives: str
    enforce_write_classes: bool
    deposit_author_is_actor: bool
    majority: int
    most_representatives: int
    history_months: int
    feeders: tuple[str, ...]
    history_except_classes: tuple[str, ...]
    history_except_types: tuple[str, ...]
    treating_professions: frozenset[str]
    emergencies: Mapping[str, Emergency]
    closed_operations: frozenset[str]
    closed_reads: frozenset[str]
    closed_consents: frozenset[str]
    opening: frozenset[str]
    deposit_types: frozenset[str]
    feed_classes: tuple[str, ...]
    feed_types: tuple[str, ...]
    feed_resources: frozenset[str]
    holder_classes: tuple[str, ...]
    holder_types: tuple[str, ...]
    holder_own: frozenset[str]
    holder_identity: frozenset[str]
    holder_consents: frozenset[str]
    representative_identity: frozenset[str]
    representative_consents: frozenset[str]
    collected: frozenset[str]
    card_reading: Mapping[str, Any]
    one_active: Mapping[str, str]
    steps: Mapping[str, frozenset[str]]
    opening_consents: frozenset[str]
    motives: Mapping[str, Motive]
    retention_years: int


@cache
def settings() -> Settings:
    """The settings this server ships."""
    return read(profile_json("dmp/rules.json"))


def read(rules: Mapping[str, Any], closing: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the JSON of `rules.json`, and of `closing-reasons.json` where it is not the one that is shipped.

    KeyError where something is missing, for nothing is guessed.
    """
    motives = (closing or profile_json("dmp/closing-reasons.json"))["codes"]
    switches, labels, history = rules["switches"], rules["labels"], rules["careHistory"]
    closed, deposit, holder = rules["closed"], rules["deposit"], rules["holder"]
    feed = deposit["insuranceFeed"]
    return Settings(
        masked=labels["masked"],
        hidden_from_holder=labels["hiddenFromHolder"],
        hidden_from_representatives=labels["hiddenFromRepresentatives"],
        enforce_write_classes=switches["enforce_write_classes"],
        deposit_author_is_actor=switches["deposit_author_is_actor"],
        majority=rules["ages"]["majority"],
        most_representatives=rules["representatives"]["maximum"],
        history_months=history["months"],
        feeders=tuple(history["feeders"]),
        history_except_classes=tuple(history["exceptClasses"]),
        history_except_types=tuple(history["exceptTypes"]),
        treating_professions=frozenset(rules["treatingPhysician"]["professions"]),
        emergencies={purpose: _emergency(each) for purpose, each in rules["emergency"].items()},
        closed_operations=frozenset(closed["holder"]["operations"]),
        closed_reads=frozenset(closed["holder"]["reads"]),
        closed_consents=frozenset(closed["holder"]["consents"]),
        opening=frozenset(closed["opening"]),
        deposit_types=frozenset(deposit["types"]),
        feed_classes=tuple(feed["classes"]),
        feed_types=tuple(feed["types"]),
        feed_resources=frozenset(feed["resources"]),
        holder_classes=tuple(holder["documentClasses"]),
        holder_types=tuple(holder["documentTypes"]),
        holder_own=frozenset(holder["own"]),
        holder_identity=frozenset(holder["identity"]),
        holder_consents=frozenset(holder["consents"]),
        representative_identity=frozenset(rules["representative"]["identity"]),
        representative_consents=frozenset(rules["representative"]["consents"]),
        collected=frozenset(rules["collected"]),
        card_reading=rules["cardReading"],
        one_active=rules["oneActive"],
        steps={step: frozenset(parties) for step, parties in rules["life"]["steps"].items()},
        opening_consents=frozenset(rules["life"]["openingConsents"]),
        motives={
            code: Motive(frozenset(each["parties"]), each["reopens"], each.get("opposes", False))
            for code, each in motives.items()
        },
        retention_years=rules["retention"]["yearsAfterClosure"],
    )


def _emergency(rule: Mapping[str, Any]) -> Emergency:
    return Emergency(
        consent=rule["type"],
        reason=rule["reason"],
        regulation=rule.get("regulation", False),
        professions=frozenset(rule.get("professions", ())),
    )
