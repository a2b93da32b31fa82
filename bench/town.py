"""The town that is benched: seeded patients with open records, their consents, and twenty documents each.

May live here: synthetic resources, their storage in bulk, and the tokens of those who ask for them. Envelopes and
tokens are made by the server's own code; only the loading goes around the pipeline, because it is not what is measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fhir_server.foundation.moment import instant, micros
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.interactions.house import House
from fhir_server.resources import consent_patterns
from fhir_server.smart.server import Smart
from fhir_server.store.documents import envelope
from fhir_server.store.write import stamped, unique_of

Records = Callable[[int, random.Random], Iterable[dict[str, Any]]]

SEED = 20260401
DOCUMENTS = 20
PRACTITIONERS = 8
RECORDS = 128
BATCH = 2_000
CLIENT = "bench"
SCOPES = "launch/patient patient/*.rs patient/Observation.c"
INS = "urn:oid:1.2.250.1.213.1.4.10"
RPPS = "https://rpps.esante.gouv.fr"
CLASSES = "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
LOINC = "http://loinc.org"
KINDS = (("11490-0", "11", "Lettre de liaison"), ("34133-9", "10", "Synthèse"), ("18748-4", "31", "Imagerie"))
FAMILIES = ("Martin", "Bernard", "Petit", "Durand", "Leroy", "Moreau", "Simon", "Laurent", "Lefèvre", "Roux")
GIVEN = ("Léa", "Paul", "Inès", "Hugo", "Chloé", "Noé", "Zoé", "Louis", "Anaïs", "Adam")
FORMAT = {
    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
}


@dataclass(frozen=True, slots=True)
class Asker:
    """A token of a professional in the context of one record."""

    patient: str
    token: str


def patient_id(number: int) -> str:
    """The id of the town's n-th patient."""
    return f"p{number:07d}"


def document_id(number: int, which: int) -> str:
    """The id of the which-th document of the n-th patient."""
    return f"d{number:07d}-{which:02d}"


def master_identifier(number: int, which: int) -> str:
    """The masterIdentifier of that document."""
    return f"urn:oid:1.2.250.1.999.1{number:07d}.{which}"


def practitioner_id(number: int) -> str:
    """The id of a practitioner."""
    return f"dr{number % PRACTITIONERS}"


def ins(number: int) -> str:
    """A synthetic INS with its control key; the department 99 is nobody's birthplace in France."""
    thirteen = 1_800_199_000_000 + number
    return f"{thirteen}{97 - thirteen % 97:02d}"


def rpps(number: int) -> str:
    """A synthetic RPPS number."""
    return f"1000009{number:04d}"


def shared() -> Iterator[dict[str, Any]]:
    """The practice and its practitioners."""
    yield {
        "resourceType": "Organization",
        "id": "cabinet",
        "name": "Cabinet des Tilleuls",
        "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750000001"}],
    }
    for number in range(PRACTITIONERS):
        yield {
            "resourceType": "Practitioner",
            "id": practitioner_id(number),
            "identifier": [{"system": RPPS, "value": rpps(number)}],
            "name": [{"family": FAMILIES[number], "prefix": ["Dr"]}],
        }


def record(number: int, rng: random.Random, now: datetime) -> Iterator[dict[str, Any]]:
    """One open record: the Patient, what its holder decided, and the documents."""
    who = f"Patient/{patient_id(number)}"
    yield patient(number, rng)
    told = instant(now)
    decided = [("dmp-creation", None), ("urgence-bris-de-glace", None), ("urgence-samu", None), ("alimentation", None)]
    decided.append(("medecin-traitant", f"Practitioner/{practitioner_id(number)}"))
    decided += [("ps-autorisation", f"Practitioner/{practitioner_id(number + step)}") for step in (1, 2)]
    for place, (kind, actor) in enumerate(decided):
        yield {**consent_patterns.consent(kind, who, told, permit=True, actor=actor), "id": f"c{number:07d}-{place}"}
    for which in range(DOCUMENTS):
        yield document(number, which, rng, now)


def patient(number: int, rng: random.Random) -> dict[str, Any]:
    """A holder with a qualified identity."""
    return {
        "resourceType": "Patient",
        "id": patient_id(number),
        "identifier": [{"use": "official", "system": INS, "value": ins(number)}],
        "active": True,
        "name": [{"use": "official", "family": rng.choice(FAMILIES), "given": [rng.choice(GIVEN)]}],
        "telecom": [{"system": "email", "value": f"{patient_id(number)}@example.org", "use": "home"}],
        "gender": rng.choice(("female", "male")),
        "birthDate": f"{rng.randint(1930, 2000)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
    }


def document(number: int, which: int, rng: random.Random, now: datetime) -> dict[str, Any]:
    """A document entry such as PDSm describes, about 2.5 kB."""
    type_, class_, title = rng.choice(KINDS)
    date = instant(now - timedelta(days=rng.randint(1, 900), minutes=rng.randint(0, 1439)))
    identity = {"system": INS, "value": ins(number)}
    author = {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{rpps(rng.randrange(PRACTITIONERS))}"}
    return {
        "resourceType": "DocumentReference",
        "id": document_id(number, which),
        "contained": [
            {"resourceType": "Patient", "id": "p", "identifier": [identity]},
            {"resourceType": "Practitioner", "id": "a", "identifier": [author]},
        ],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": master_identifier(number, which)},
        "status": "current",
        "type": {"coding": [{"system": LOINC, "code": type_, "display": title}]},
        "category": [{"coding": [{"system": CLASSES, "code": class_}]}],
        "subject": {"reference": f"Patient/{patient_id(number)}"},
        "date": date,
        "author": [{"reference": "#a"}],
        "authenticator": {"reference": "#a"},
        "custodian": {"reference": "Organization/cabinet"},
        "description": f"{title} du {date[:10]}",
        "securityLabel": [{"coding": [{"system": CONFIDENTIALITY, "code": "N"}]}],
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "language": "fr-FR",
                    "url": f"Binary/b{number:07d}-{which:02d}",
                    "size": rng.randint(20_000, 900_000),
                    "hash": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=",
                    "title": title,
                    "creation": date,
                },
                "format": FORMAT,
            }
        ],
        "context": {
            "period": {"start": date},
            "sourcePatientInfo": {"reference": "#p"},
            "facilityType": {"coding": [{"system": "http://snomed.info/sct", "code": "22232009"}]},
            "practiceSetting": {"coding": [{"system": "http://snomed.info/sct", "code": "394802001"}]},
        },
    }


def observation(number: int, rng: random.Random, now: datetime) -> dict[str, Any]:
    """What a professional writes into a record: a body weight."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                        "display": "Vital Signs",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": LOINC, "code": "29463-7", "display": "Body weight"}], "text": "Poids"},
        "subject": {"reference": f"Patient/{patient_id(number)}"},
        "effectiveDateTime": instant(now),
        "performer": [{"reference": f"Practitioner/{practitioner_id(number)}"}],
        "valueQuantity": {
            "value": rng.randint(45, 110),
            "unit": "kg",
            "system": "http://unitsofmeasure.org",
            "code": "kg",
        },
        "referenceRange": [{"text": "selon la taille"}],
    }


def fill(house: House, first: int, last: int, more: Records | None = None) -> int:
    """Store the records of the patients `first` to `last`, that one left out; how many resources that made.

    `more` adds to each record what it gives; it may refer to the Patient and to what belongs to no record.
    """
    now = house.clock()
    made: list[dict[str, Any]] = []
    stored = 0
    for number in range(first, last):
        rng = random.Random(f"{SEED}-{number}")
        made += envelopes((*record(number, rng, now), *(more(number, rng) if more else ())), now)
        if len(made) >= BATCH or number == last - 1:
            house.shelf.resources.insert_many(made, ordered=False)
            stored += len(made)
            made = []
    return stored


def found_the_town(house: House) -> None:
    """Store what every record refers to."""
    house.shelf.resources.insert_many(envelopes(shared(), house.clock()))


def envelopes(resources: Iterable[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The resources as they are stored."""
    return [_enveloped(each, micros(now) // 1_000 * 1_000) for each in resources]


def _enveloped(resource: dict[str, Any], updated: int) -> dict[str, Any]:
    whole = stamped(resource, resource["id"], 1, updated)
    return envelope(
        whole,
        version=1,
        updated=updated,
        submitter=("org:1750000001",),
        neighbours={},
        unique=unique_of(whole),
        method="POST",
    )


def professional(number: int) -> Principal:
    """The treating physician of the n-th patient, as one who has just signed in."""
    name = practitioner_id(number)
    return Principal(
        Kind.PROFESSIONAL,
        subject=name,
        client=CLIENT,
        name=f"Dr {FAMILIES[number % PRACTITIONERS]}",
        reference=f"Practitioner/{name}",
        identities=frozenset({f"Practitioner/{name}", f"ps:8{rpps(number % PRACTITIONERS)}"}),
        organization="Organization/cabinet",
        organization_name="Cabinet des Tilleuls",
        organizations=frozenset({"Organization/cabinet", "org:1750000001"}),
        profession="10",
    )


def operator() -> Principal:
    """Who runs the bench: public benches ask as one who may do all."""
    return Principal(Kind.OPERATOR, subject="bench", client=CLIENT, name="bench")


def register(smart: Smart) -> None:
    """Make the application known under which the professionals ask."""
    smart.clients.add(
        "public", client_id=CLIENT, name="bench", redirect_uris=("http://127.0.0.1/callback",), scope=SCOPES
    )


def askers(smart: Smart, numbers: range) -> list[Asker]:
    """A token for the treating physician of each of these patients, issued and signed by the server's own code."""
    return [
        Asker(patient_id(number), token(smart, professional(number), SCOPES, patient_id(number))) for number in numbers
    ]


def token(smart: Smart, who: Principal, scope: str, patient: str | None = None) -> str:
    """An access token of somebody for the bench's application."""
    answer = smart.issue_for(who, CLIENT, scope, patient=patient)
    if answer.status != 200 or answer.body is None:
        raise SystemExit(f"no token was issued for the bench: {answer.status} {answer.body}")
    return str(answer.body["access_token"])
