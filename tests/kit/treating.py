"""Designations of a médecin traitant DMP: made, and read from what a Patient says."""

from __future__ import annotations

from typing import Any

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.world import Answer, World

NOW = "2026-11-23T10:00:00Z"
CALLER = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-medecin-traitant"


def designation(who: str, patient: str = "lea") -> dict[str, Any]:
    return consent_patterns.consent("medecin-traitant", f"Patient/{patient}", NOW, actor=who)


def designate(world: World, who: str, principal: Any = None) -> str:
    """The address of a Consent by which somebody, the holder if not told, designates."""
    made = world.ask(principal or people.holder(), "POST", "Consent", designation(who))
    assert made.status == 201, made.json
    return f"Consent/{made.json['id']}"


def by(who: str) -> list[dict[str, Any]]:
    """An actor of a provision."""
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
    return [{"role": role, "reference": {"reference": who}}]


def said(patient: dict[str, Any]) -> list[str]:
    """Whom a Patient names."""
    return [each.get("reference", "") for each in patient.get("generalPractitioner", ())]


def told(patient: dict[str, Any]) -> list[bool]:
    """What a Patient tells its reader of himself."""
    return [each["valueBoolean"] for each in patient.get("extension", ()) if each["url"] == CALLER]


def resources(answered: Answer) -> list[dict[str, Any]]:
    """Every resource of an answer, also of the answers within a batch."""
    assert answered.status == 200, answered.json
    whole = answered.json
    if whole["resourceType"] != "Bundle":
        return [whole]
    return [each["resource"] for each in whole.get("entry", ()) if "resource" in each]


def patient_of(answered: Answer) -> dict[str, Any]:
    """The first Patient of an answer."""
    return next(each for each in resources(answered) if each["resourceType"] == "Patient")
