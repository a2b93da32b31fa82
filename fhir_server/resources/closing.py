"""Fermeture: when and why a record was closed, as its Patient says it (DMP-101, DMP-105, DMP-106).

May live here: both halves of the draft ANS extension `dmp-fermeture`, and whether the person has died. May not know:
who may close a record, what follows from it (`consent/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.definitions.library import profile_json
from fhir_server.resources.shape import extensions, text

Resource = Mapping[str, Any]

CLOSING = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-fermeture"


@dataclass(frozen=True, slots=True)
class Closing:
    """A closing: its day (FHIR date, None where it is not said), its motive (a code of `closing-reasons.json`)."""

    day: str | None = None
    motive: str | None = None


def of(patient: Resource) -> Closing | None:
    """The closing that a Patient tells of, None where it tells of none."""
    found = next(iter(extensions(patient, CLOSING)), None)
    if found is None:
        return None
    day = next((text(each, "valueDate") for each in extensions(found, "dateFermeture")), None)
    motives = (text(each, "valueCodeableConcept.coding.code") for each in extensions(found, "motifFermeture"))
    return Closing(day, next(motives, None))


def closed(patient: Mapping[str, Any], day: str, motive: str, reason: str | None = None) -> dict[str, Any]:
    """The Patient of a record that is closed on a day (FHIR date), for a motive; `reason` is said in words.

    Raises KeyError for a motive that is none.
    """
    table = profile_json("dmp/closing-reasons.json")
    row = table["codes"][motive]
    coding = {"system": table["system" if row["certainty"] == "A" else "localSystem"], "code": motive}
    parts: list[dict[str, Any]] = [
        {"url": "dateFermeture", "valueDate": day},
        {"url": "motifFermeture", "valueCodeableConcept": {"coding": [{**coding, "display": row["display"]}]}},
    ]
    if reason:
        parts.append({"url": "raisonFermeture", "valueString": reason})
    others = [each for each in patient.get("extension", ()) if each.get("url") != CLOSING]
    return {**patient, "active": False, "extension": [*others, {"url": CLOSING, "extension": parts}]}


def opened(patient: Mapping[str, Any]) -> dict[str, Any]:
    """The Patient of a record that is open, and of whose closing its history alone tells."""
    others = [each for each in patient.get("extension", ()) if each.get("url") != CLOSING]
    made = {name: value for name, value in patient.items() if name != "extension"}
    return {**made, "active": True, **({"extension": others} if others else {})}


def is_dead(patient: Resource) -> bool:
    """Whether the person has died (`Patient.deceased[x]`)."""
    return patient.get("deceasedBoolean") is True or bool(patient.get("deceasedDateTime"))
