"""A world: one house over a real database, asked through the pipeline as a verified bearer would."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from fhir_server.app import build_house, close_house, open_house
from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Problem
from fhir_server.interactions import pipeline
from fhir_server.interactions.answers import JSON, outcome, outcome_bytes
from fhir_server.interactions.request import FhirRequest, pairs
from fhir_server.settings import Settings
from tests.kit import people, recorder

BASE = "http://127.0.0.1:8080/fhir"
FRENCH = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"

SETTLED = 0.5
"""Seconds: a third of what a server may go on without another look."""


@dataclass
class Answer:
    status: int
    json: Any
    headers: dict[str, str]
    body: bytes
    content_type: str = ""

    @property
    def ids(self) -> list[str]:
        return [
            f"{each['resource']['resourceType']}/{each['resource']['id']}"
            for each in self.json.get("entry", [])
            if each.get("search", {}).get("mode") == "match"
        ]


class World:
    """`clock` moves only when told to; ids are counted, so that two worlds told the same are the same."""

    def __init__(self, database: Any, ids: Callable[[], str] | None = None) -> None:
        self.now = datetime(2026, 11, 23, 10, tzinfo=UTC)
        self._numbers = count(1)
        self._patients: list[str] | None = None
        self._settled = float("-inf")
        self.house = build_house(
            database,
            Settings.read({}, base_url="http://127.0.0.1:8080"),
            clock=lambda: self.now,
            ids=ids or (lambda: f"00000000-0000-7000-8000-{next(self._numbers):012d}"),
        )
        open_house(self.house)

    def close(self) -> None:
        close_house(self.house)

    def next_number(self) -> int:
        """The number that the next id would have; it is drawn."""
        return next(self._numbers)

    def goes_on_at(self, number: int) -> None:
        """Ids are counted from here on."""
        self._numbers = count(number)

    @property
    def patients(self) -> list[str]:
        """Whose records there are, looked up anew once something was written."""
        if self._patients is None:
            self._patients = self.house.shelf.resources.distinct("facts.patient", {"type": "Patient"})
        return self._patients

    def settle(self) -> None:
        """Let this world know what was written before, and renew its lease: anew once something was written."""
        now = time.monotonic()
        if now - self._settled > SETTLED:
            self.house.freshness.settle(0)
            self._settled = now

    def pass_time(self, **much: int) -> None:
        self.now += timedelta(**much)

    def ask(
        self,
        who: Principal,
        method: str,
        url: str,
        body: Any = None,
        **more: Any,
    ) -> Answer:
        path, _, query = url.partition("?")
        if method not in ("GET", "HEAD"):
            self._patients, self._settled = None, float("-inf")
        if isinstance(body, list):
            more["patch"] = body
        elif body is not None:
            more["resource"] = json.loads(json.dumps(body))
        request = FhirRequest(method, path, BASE, pairs(query), request_id="r1", address="127.0.0.1", **more)
        try:
            made = pipeline.answer(request, who, self.house)
        except Problem as refused:
            recorder.note(refused.status, JSON, outcome_bytes(refused.issues))
            return Answer(refused.status, outcome(refused.issues), dict(refused.headers), b"")
        recorder.note(made.status, made.content_type, made.body)
        parsed = None
        if made.body and "json" in made.content_type:
            parsed = json.loads(made.body)
        return Answer(made.status, parsed, dict(made.headers), made.body, made.content_type if made.body else "")

    def put(self, resource: dict[str, Any]) -> Answer:
        answered = self.ask(people.operator(), "PUT", f"{resource['resourceType']}/{resource['id']}", resource)
        assert answered.status in (200, 201), answered.json
        return answered


def patient(id_: str = "lea", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id_,
        "extension": [
            {
                "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability",
                "extension": [
                    {
                        "url": "identityStatus",
                        "valueCoding": {
                            "system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-identity-status",
                            "code": "QUAL",
                        },
                    }
                ],
            }
        ],
        "identifier": [{"use": "official", "system": people.INS_SYSTEM, "value": people.INS}],
        "active": False,
        "name": [{"use": "official", "family": "Martin", "given": ["Léa"]}],
        "gender": "female",
        "birthDate": "1979-03-12",
        **more,
    }


PROFESSIONS = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"


def practitioner(id_: str, rpps: str, family: str, profession: str = "10") -> dict[str, Any]:
    """A professional of the directory, a doctor unless told otherwise (TRE_G15)."""
    return {
        "resourceType": "Practitioner",
        "id": id_,
        "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": rpps}],
        "name": [{"family": family, "prefix": ["Dr"]}],
        "qualification": [{"code": {"coding": [{"system": PROFESSIONS, "code": profession}]}}],
    }


def opening(**answers: Any) -> dict[str, Any]:
    given = {"breakGlass": True, "emergencyDispatch": True, "feeding": True, "email": "lea@example.org", **answers}
    rows: list[dict[str, Any]] = []
    for name, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, bool):
                rows.append({"name": name, "valueBoolean": each})
            elif name in ("treatingPhysician", "authorized"):
                rows.append({"name": name, "valueReference": {"reference": each}})
            else:
                rows.append({"name": name, "valueString": each})
    return {"resourceType": "Parameters", "parameter": rows}


def submission(
    unique: str = "urn:oid:1.2.250.1.999.1",
    content: bytes = b"%PDF-1.4 lettre",
    ins: str = people.INS,
    **changes: Any,
) -> dict[str, Any]:
    """An ITI-65 transaction of one letter of discharge; `changes` alter its DocumentReference."""
    who = f"Patient?identifier={people.INS_SYSTEM}|{ins}"
    source = [
        {"resourceType": "Patient", "id": "p", "identifier": [{"system": people.INS_SYSTEM, "value": ins}]},
        {
            "resourceType": "Practitioner",
            "id": "a",
            "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "810000000009"}],
        },
    ]
    document = {
        "resourceType": "DocumentReference",
        "meta": {
            "profile": [
                "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-document-reference"
            ]
        },
        "contained": source,
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": unique},
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11490-0"}]},
        "category": [
            {
                "coding": [
                    {
                        "system": "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument",
                        "code": "11",
                    }
                ]
            }
        ],
        "subject": {"reference": who},
        "date": "2026-11-22T10:00:00+01:00",
        "author": [{"reference": "#a"}],
        "authenticator": {"reference": "#a"},
        "custodian": {"reference": "Organization/chu"},
        "securityLabel": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}
        ],
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "language": "fr-FR",
                    "url": "urn:uuid:00000000-0000-4000-8000-000000000003",
                    "size": len(content),
                    "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),
                    "title": "Lettre de liaison",
                    "creation": "2026-11-22T10:00:00+01:00",
                },
                "format": {
                    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                },
            }
        ],
        "context": {
            "period": {"start": "2026-11-20T08:00:00+01:00"},
            "sourcePatientInfo": {"reference": "#p"},
            "facilityType": {"coding": [{"system": "http://snomed.info/sct", "code": "22232009"}]},
            "practiceSetting": {"coding": [{"system": "http://snomed.info/sct", "code": "394802001"}]},
        },
        **changes,
    }
    submission_set = {
        "resourceType": "List",
        "meta": {
            "profile": [
                "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-submissionset-comprehensive"
            ]
        },
        "contained": source[1:],
        "extension": [
            {
                "url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType",
                "valueCodeableConcept": {
                    "coding": [
                        {
                            "system": "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument",
                            "code": "11",
                        }
                    ]
                },
            },
            {
                "url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId",
                "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4"},
            },
        ],
        "status": "current",
        "mode": "working",
        "code": {
            "coding": [{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}]
        },
        "subject": {"reference": who},
        "date": "2026-11-22T10:00:00+01:00",
        "source": {"reference": "#a"},
        "entry": [{"item": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"}}],
    }
    binary = {
        "resourceType": "Binary",
        "contentType": "application/pdf",
        "data": base64.b64encode(content).decode(),
    }
    return {
        "resourceType": "Bundle",
        "meta": {
            "profile": [
                (
                    "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
                    "pdsm-comprehensive-provide-document-bundle"
                )
            ]
        },
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{index}",
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for index, resource in ((1, submission_set), (2, document), (3, binary))
        ],
    }


def label(code: str) -> dict[str, Any]:
    return {"coding": [{"system": FRENCH, "code": code}]}
