"""Consentements du DMP: the Consents this server writes itself, one pattern for each category (IHE PCF).

May live here: building them. May not know: who may, or what follows from one (`consent/`). Every one satisfies
PCF's FoundationConsent: https://profiles.ihe.net/ITI/PCF/
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

CANONICAL = "https://dmp-on-fhir.example"
TYPES = f"{CANONICAL}/CodeSystem/dmp-consent-type"
PROFILE = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF."
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
LABELS = (
    ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "N"),
    ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R"),
    ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "V"),
    (
        "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument",
        "MASQUE_PS",
    ),
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is peculiar to a category: its PCF profile, purpose, whether it is a refusal, the words the holder saw."""

    profile: str
    title: str
    purpose: str | None = "TREAT"
    permit: bool = True
    labels: bool = False


PATTERNS: dict[str, Pattern] = {
    "dmp-creation": Pattern("consentBasic", "Consentement à l'ouverture du dossier médical partagé"),
    "alimentation": Pattern("consentBasic", "Alimentation du dossier par les professionnels de santé"),
    "ps-autorisation": Pattern("consentBasic", "Autorisation d'accès d'un professionnel de santé"),
    "ps-blocage": Pattern("consentBasic", "Blocage d'un professionnel de santé", purpose=None, permit=False),
    "etablissement": Pattern("consentIntermediate", "Autorisation d'accès d'un établissement"),
    "urgence-bris-de-glace": Pattern("consentIntermediate", "Accès en mode bris de glace", purpose="BTG"),
    "urgence-samu": Pattern("consentIntermediate", "Accès du médecin régulateur du centre 15", purpose="ETREAT"),
    "medecin-traitant": Pattern("consentAdvanced", "Désignation du médecin traitant DMP", labels=True),
}


def consent(
    category: str,
    patient: str,
    now: str,
    *,
    permit: bool | None = None,
    actor: str | None = None,
    performer: str | None = None,
    period: dict[str, str] | None = None,
) -> dict[str, Any]:
    """An active Consent of one of our categories; `patient`, `actor` and `performer` are references, `now` an instant.

    Raises KeyError for a category without a pattern.
    """
    pattern = PATTERNS[category]
    granted = pattern.permit if permit is None else permit
    provision: dict[str, Any] = {"type": "permit" if granted else "deny"}
    if period:
        provision["period"] = period
    elif actor and granted:
        provision["period"] = {"start": now}
    if actor:
        provision["actor"] = [
            {
                "role": {"coding": [_coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")]},
                "reference": {"reference": actor},
            }
        ]
    if pattern.labels:
        provision["securityLabel"] = [_coding(*label) for label in LABELS]
    if pattern.purpose:
        provision["purpose"] = [_coding(REASON, pattern.purpose)]
    return {
        "resourceType": "Consent",
        "meta": {"profile": [f"{PROFILE}{pattern.profile}"]},
        "status": "active",
        "scope": {"coding": [_coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")]},
        "category": [
            {"coding": [_coding("http://loinc.org", "59284-0")]},
            {"coding": [_coding(TYPES, category)]},
        ],
        "patient": {"reference": patient},
        "dateTime": now,
        "performer": [{"reference": performer or patient}],
        "organization": [{"display": "Assurance Maladie"}],
        "sourceAttachment": {
            "contentType": "text/plain; charset=utf-8",
            "language": "fr-FR",
            "data": b64encode(f"{pattern.title} : {'accepté' if granted else 'refusé'}.".encode()).decode(),
            "title": pattern.title,
        },
        "policy": [{"uri": f"{CANONICAL}/policies/{category}-v1"}],
        "provision": provision,
    }


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}
