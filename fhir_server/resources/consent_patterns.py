"""Consentements du DMP: the Consents this server writes itself, one pattern for each category (IHE PCF).

May live here: building them. May not know: who may, or what follows from one (`consent/`). Every one satisfies
PCF's FoundationConsent: https://profiles.ihe.net/ITI/PCF/
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from fhir_server.definitions.library import profile_json

REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is peculiar to a category: the purpose it speaks of, whether it is a refusal, whether it names labels."""

    purpose: str | None = "TREAT"
    permit: bool = True
    labels: bool = False


PATTERNS: dict[str, Pattern] = {
    "dmp-creation": Pattern(),
    "alimentation": Pattern(),
    "ps-autorisation": Pattern(),
    "ps-blocage": Pattern(purpose=None, permit=False),
    "etablissement": Pattern(),
    "urgence-bris-de-glace": Pattern(purpose="BTG"),
    "urgence-samu": Pattern(purpose="ETREAT"),
    "medecin-traitant": Pattern(labels=True),
    "representant-legal": Pattern(purpose=None),
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
    mode: str | None = None,
    cites: str | None = None,
) -> dict[str, Any]:
    """An active Consent of one of our categories; `patient`, `actor` and `performer` are references, `now` an instant.

    Its source says in which `mode` it was collected (K5), and what it `cites`, as a measure of protection.

    Raises KeyError for a category without a pattern.
    """
    collected = f" ({mode})" if mode else ""
    said = f" {cites}" if cites else ""
    pattern, policy = PATTERNS[category], profile_json("dmp/policies.json")["policies"][category]
    granted = pattern.permit if permit is None else permit
    provision: dict[str, Any] = {"type": "permit" if granted else "deny"}
    if period:
        provision["period"] = period
    elif actor and granted:
        provision["period"] = {"start": now}
    if actor:
        provision["actor"] = [
            {
                "role": {"coding": [_coding(ROLE, "IRCP")]},
                "reference": {"reference": actor},
            }
        ]
    if pattern.labels:
        provision["securityLabel"] = _labels()
    if pattern.purpose:
        provision["purpose"] = [_coding(REASON, pattern.purpose)]
    return {
        "resourceType": "Consent",
        "meta": {"profile": [policy["profile"]]},
        "status": "active",
        "scope": {"coding": [_coding(SCOPE, "patient-privacy")]},
        "category": [
            {"coding": [_coding(*_document())]},
            {"coding": [_coding(profile_json("dmp/consent-types.json")["url"], category)]},
        ],
        "patient": {"reference": patient},
        "dateTime": now,
        "performer": [{"reference": performer or patient}],
        "organization": [{"display": "Assurance Maladie"}],
        "sourceAttachment": {
            "contentType": "text/plain; charset=utf-8",
            "language": "fr-FR",
            "data": b64encode(f"{policy['title']} : {'accepté' if granted else 'refusé'}.{said}".encode()).decode(),
            "title": f"{policy['title']}{collected}",
        },
        "policy": [{"uri": policy["uri"]}],
        "provision": provision,
    }


def _document() -> tuple[str, str]:
    """The LOINC code by which a privacy consent is found (IHE PCF)."""
    found = profile_json("dmp/rules.json")["consentDocument"]
    return found["system"], found["code"]


def _labels() -> list[dict[str, str]]:
    """Every label a médecin traitant DMP may read (DMP-52)."""
    table, rules = profile_json("dmp/labels.json"), profile_json("dmp/rules.json")["labels"]
    levels = [code for code in table["dmp"] if code in table["confidentiality"]]
    visibility = _coding(table["emitted"]["visibility"], rules["masked"])
    return [*(_coding(table["emitted"]["confidentiality"], code) for code in levels), visibility]


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}
