"""What is written about a patient: the nine types of a create-read-update-delete round, and a whole history.

May live here: synthetic resources, drawn from a seeded generator, in the shapes that public benches use. May not know:
how they reach the server, or who asks. A reference is what the caller says it is: an id, or a `urn:uuid:` of a bundle.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.town import FAMILIES, GIVEN, LOINC

Resource = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
ROUND = (
    "Patient",
    "Location",
    "Organization",
    "Practitioner",
    "Encounter",
    "Observation",
    "MedicationRequest",
    "Claim",
    "ExplanationOfBenefit",
)
"""The nine types of a round, in the order in which each may refer to those before it."""

MEASURES = (
    ("29463-7", "Body weight", "kg", 45, 110),
    ("8302-2", "Body height", "cm", 145, 200),
    ("8867-4", "Heart rate", "/min", 50, 110),
    ("8310-5", "Body temperature", "Cel", 35, 40),
    ("2339-0", "Glucose", "mg/dL", 60, 240),
    ("718-7", "Hemoglobin", "g/dL", 9, 18),
)
CONDITIONS = (("38341003", "Hypertension"), ("44054006", "Diabète de type 2"), ("195967001", "Asthme"))
MEDICINES = (("C07AB07", "bisoprolol"), ("A10BA02", "metformine"), ("N02BE01", "paracétamol"))
_FROM = datetime(2016, 1, 1, tzinfo=UTC)
_DAYS = 3_650


def coded(system: str, code: str, display: str = "") -> Resource:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


def to(reference: str) -> Resource:
    """A Reference."""
    return {"reference": reference}


def moment(rng: random.Random) -> str:
    """An instant within ten years."""
    when = _FROM + timedelta(days=rng.randrange(_DAYS), seconds=rng.randrange(86_400))
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def person(rng: random.Random) -> Resource:
    """A name, a gender and a birth date."""
    return {
        "name": [{"family": rng.choice(FAMILIES), "given": [rng.choice(GIVEN)]}],
        "gender": rng.choice(("female", "male")),
        "birthDate": f"{rng.randint(1930, 2000)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
    }


def made(type_: str, rng: random.Random, ids: Mapping[str, str]) -> Resource:
    """A valid resource of one of the nine types; `ids` gives the reference of each type it may refer to."""
    return {"resourceType": type_, **_WHAT[type_](rng, ids)}


def changed(resource: Resource, rng: random.Random) -> Resource:
    """The same resource with what an update of a public bench changes: a status, a name, a moment or a gender."""
    after = dict(resource)
    match after["resourceType"]:
        case "Patient" | "Practitioner":
            after["gender"] = "other" if after.get("gender") != "other" else "unknown"
        case "Location" | "Organization":
            after["name"] = f"{after['name']} {rng.randrange(10_000)}"
        case "Observation":
            after["issued"] = moment(rng)
        case "Encounter":
            after["status"] = "finished" if after["status"] != "finished" else "in-progress"
        case _:
            after["status"] = "cancelled" if after["status"] != "cancelled" else "active"
    return after


def history(rng: random.Random, ids: Mapping[str, str]) -> list[Resource]:
    """Twenty resources about one patient: 3 encounters, 11 measures, 2 conditions, 3 prescriptions, 1 immunization."""
    found = [made("Encounter", rng, ids) for _ in range(3)]
    found += [made("Observation", rng, ids) for _ in range(11)]
    found += [_condition(rng, ids) for _ in range(2)]
    found += [made("MedicationRequest", rng, ids) for _ in range(3)]
    return [*found, _immunization(rng, ids)]


def bundle(rng: random.Random, size: int = 20) -> Resource:
    """A transaction: a patient and a history of about `size` resources that refer to it by `urn:uuid:`."""
    ids = {"Patient": "urn:uuid:" + _uuid(rng), "Practitioner": "urn:uuid:" + _uuid(rng)}
    resources = [(ids[type_], made(type_, rng, ids)) for type_ in ids]
    while len(resources) < size + len(ids):
        resources += [("urn:uuid:" + _uuid(rng), each) for each in history(rng, ids)]
    entries = [
        {"fullUrl": url, "resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
        for url, each in resources[: size + len(ids)]
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def pair(rng: random.Random) -> Resource:
    """A transaction of two entries: a patient, and an observation of them."""
    who = "urn:uuid:" + _uuid(rng)
    ids = {"Patient": who}
    entries = [
        {"fullUrl": url, "resource": made(type_, rng, ids), "request": {"method": "POST", "url": type_}}
        for url, type_ in ((who, "Patient"), ("urn:uuid:" + _uuid(rng), "Observation"))
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _patient(rng: random.Random, _ids: Mapping[str, str]) -> Resource:
    return {"identifier": [{"system": "urn:bench:mrn", "value": _uuid(rng)}], "active": True, **person(rng)}


def _practitioner(rng: random.Random, _ids: Mapping[str, str]) -> Resource:
    return {"identifier": [{"system": "urn:bench:pro", "value": _uuid(rng)}], "active": True, **person(rng)}


def _location(rng: random.Random, _ids: Mapping[str, str]) -> Resource:
    return {"status": "active", "name": f"Salle {rng.randrange(10_000)}", "mode": "instance"}


def _organization(rng: random.Random, _ids: Mapping[str, str]) -> Resource:
    return {"active": True, "name": f"Cabinet {rng.choice(FAMILIES)} {rng.randrange(10_000)}"}


def _subject(ids: Mapping[str, str]) -> Resource:
    return {"subject": to(ids["Patient"])}


def _encounter(rng: random.Random, ids: Mapping[str, str]) -> Resource:
    actors = [{"individual": to(ids["Practitioner"])}] if "Practitioner" in ids else []
    return {
        "status": rng.choice(("finished", "in-progress")),
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": rng.choice(("AMB", "IMP"))},
        **_subject(ids),
        "period": {"start": moment(rng)},
        **({"participant": actors} if actors else {}),
    }


def _observation(rng: random.Random, ids: Mapping[str, str]) -> Resource:
    code, display, unit, low, high = rng.choice(MEASURES)
    return {
        "status": "final",
        "code": coded(LOINC, code, display),
        **_subject(ids),
        "effectiveDateTime": moment(rng),
        "valueQuantity": {"value": rng.randint(low, high), "unit": unit, "system": UCUM, "code": unit},
    }


def _medication_request(rng: random.Random, ids: Mapping[str, str]) -> Resource:
    code, display = rng.choice(MEDICINES)
    return {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": coded(ATC, code, display),
        **_subject(ids),
        "authoredOn": moment(rng),
    }


def _claim(rng: random.Random, ids: Mapping[str, str]) -> Resource:
    return {
        "status": "active",
        "type": coded("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": "claim",
        "patient": to(ids["Patient"]),
        "created": moment(rng),
        "provider": to(ids["Organization"]),
        "priority": coded("http://terminology.hl7.org/CodeSystem/processpriority", "normal"),
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "assurance maladie"}}],
    }


def _explanation(rng: random.Random, ids: Mapping[str, str]) -> Resource:
    return {
        **{name: value for name, value in _claim(rng, ids).items() if name not in ("priority", "insurance")},
        "insurer": {"display": "assurance maladie"},
        "outcome": "complete",
        "insurance": [{"focal": True, "coverage": {"display": "assurance maladie"}}],
        "claim": to(ids["Claim"]),
    }


def _condition(rng: random.Random, ids: Mapping[str, str]) -> Resource:
    return {
        "resourceType": "Condition",
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": coded(SNOMED, *rng.choice(CONDITIONS)),
        **_subject(ids),
        "onsetDateTime": moment(rng),
    }


def _immunization(rng: random.Random, ids: Mapping[str, str]) -> Resource:
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": coded(SNOMED, "871751006", "vaccin"),
        "patient": to(ids["Patient"]),
        "occurrenceDateTime": moment(rng),
    }


_WHAT = {
    "Patient": _patient,
    "Location": _location,
    "Organization": _organization,
    "Practitioner": _practitioner,
    "Encounter": _encounter,
    "Observation": _observation,
    "MedicationRequest": _medication_request,
    "Claim": _claim,
    "ExplanationOfBenefit": _explanation,
}
