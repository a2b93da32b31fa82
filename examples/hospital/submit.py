"""A hospital's system in one script: it gets a token, checks that it knows the right person, and deposits a PDF.

It uses nothing of this server, only HTTP, JSON and two public libraries (requests, joserfc), so that it can be read as
a recipe. Three exchanges:

1. SMART backend services: a signed assertion against an access token
   (https://hl7.org/fhir/smart-app-launch/backend-services.html);
2. existence check by INS [TD02]: GET Patient?identifier=…;
3. Provide Document Bundle [ITI-65], PDSm comprehensive: submission set, document entry, content
   (https://profiles.ihe.net/ITI/MHD/ITI-65.html, https://interop.esante.gouv.fr/ig/fhir/pdsm).

    python examples/hospital/submit.py http://127.0.0.1:8080          # against a sandbox, which lends its keys
    python examples/hospital/submit.py https://dmp.example.org --client my-hospital --keys keys.jwks.json \\
        --ins 284033818500122 --pdf letter.pdf
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import requests
from joserfc import jwt
from joserfc.jwk import KeySet

INS_DEMO = "urn:oid:1.2.250.1.213.1.4.11"
LETTER = Path(__file__).parents[1] / "dossier-martin" / "lettre-de-liaison.pdf"
SCOPE = "system/DocumentReference.cus system/List.c system/Binary.c system/Patient.s"

LOINC = "http://loinc.org"
RFC3986 = "urn:ietf:rfc:3986"
NOS = "https://mos.esante.gouv.fr/NOS"
CLASSES = f"{NOS}/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
SECTORS = f"{NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
SETTINGS = f"{NOS}/TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
MHD = "https://profiles.ihe.net/ITI/MHD"

AUTHOR = {"ps": "899700900055", "family": "NGUYEN", "given": "Marc"}
HOSPITAL = {"finess": "380990029", "name": "Hôpital de la Vallée, site de Grenoble", "oid": "urn:oid:2.25.380990029"}


class Refused(Exception):
    """The server said no; the text is what it said."""


def access_token(issuer: str, client_id: str, keys: dict, *, scope: str = SCOPE, algorithm: str = "ES384") -> str:
    """An access token for the system `client_id`, whose private keys are the JWK set `keys`."""
    discovered = requests.get(f"{issuer}/fhir/.well-known/smart-configuration", timeout=10)
    address = answered(discovered)["token_endpoint"]
    private = next(key for key in KeySet.import_key_set(keys) if key.get("alg", algorithm) == algorithm)
    now = int(time.time())
    assertion = jwt.encode(
        {"alg": algorithm, "typ": "JWT", "kid": private.kid},
        {"iss": client_id, "sub": client_id, "aud": address, "iat": now, "exp": now + 240, "jti": str(uuid.uuid4())},
        private,
        algorithms=[algorithm],
    )
    granted = requests.post(
        address,
        data={
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        },
        timeout=10,
    )
    return answered(granted)["access_token"]


def known(fhir: str, token: str, ins: str, system: str = INS_DEMO) -> dict | None:
    """The minimal Patient of this INS, or None [TD02]; `active` says whether the record is open."""
    found = answered(
        requests.get(f"{fhir}/Patient", params={"identifier": f"{system}|{ins}"}, headers=headers(token), timeout=10)
    )
    return found["entry"][0]["resource"] if found.get("entry") else None


def submission(patient: dict, content: bytes, *, title: str, service_start: str, author: dict | None = None) -> dict:
    """The Bundle of one PDF letter of discharge (LOINC 11490-0) about `patient`, a Patient that has an INS."""
    author = author or AUTHOR
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    entry_uuid, content_uuid, set_uuid = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
    ins = patient["identifier"][0]
    subject = {"reference": f"Patient?identifier={ins['system']}|{ins['value']}"}
    source_patient = {
        "resourceType": "Patient",
        "id": "source",
        "identifier": [{key: ins[key] for key in ("use", "type", "system", "value") if key in ins}],
        **{key: patient[key] for key in ("name", "birthDate", "gender") if key in patient},
    }
    practitioner = {
        "resourceType": "Practitioner",
        "id": "author",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": author["ps"]}],
        "name": [{"family": author["family"], "given": [author["given"]]}],
    }
    document = {
        "resourceType": "DocumentReference",
        "meta": {"profile": [f"{PDSM}/pdsm-comprehensive-document-reference"]},
        "contained": [source_patient, practitioner],
        "masterIdentifier": {"type": kind("uniqueId"), "system": RFC3986, "value": f"urn:oid:2.25.{uuid.uuid4().int}"},
        "identifier": [{"type": kind("entryUUID"), "system": RFC3986, "value": entry_uuid}],
        "status": "current",
        "type": concept(LOINC, "11490-0", "Lettre de liaison à la sortie d'un établissement de soins"),
        "category": [concept(CLASSES, "10", "Compte rendu")],
        "subject": subject,
        "date": now,
        "author": [{"reference": "#author"}],
        "authenticator": {"reference": "#author"},
        "custodian": {
            "type": "Organization",
            "identifier": {"system": "https://finess.esante.gouv.fr", "value": HOSPITAL["finess"]},
            "display": HOSPITAL["name"],
        },
        "securityLabel": [concept(CONFIDENTIALITY, "N", "Normal")],
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "language": "fr-FR",
                    "url": content_uuid,
                    "size": len(content),
                    "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),  # FHIR R4 asks for SHA-1
                    "title": title,
                    "creation": now,
                },
                "format": {
                    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                    "display": "mimeType Sufficient",
                },
            }
        ],
        "context": {
            "period": {"start": service_start},
            "facilityType": concept(SECTORS, "SA01", "Etablissement public de santé"),
            "practiceSetting": concept(SETTINGS, "ETABLISSEMENT", "Etablissement de santé"),
            "sourcePatientInfo": {"reference": "#source"},
        },
    }
    submission_set = {
        "resourceType": "List",
        "meta": {"profile": [f"{PDSM}/pdsm-submissionset-comprehensive"]},
        "contained": [practitioner],
        "extension": [
            {
                "url": f"{MHD}/StructureDefinition/ihe-designationType",
                "valueCodeableConcept": concept(SETTINGS, "ETABLISSEMENT", "Etablissement de santé"),
            },
            {
                "url": f"{MHD}/StructureDefinition/ihe-sourceId",
                "valueIdentifier": {"system": RFC3986, "value": HOSPITAL["oid"]},
            },
        ],
        "identifier": [
            {"type": kind("uniqueId"), "system": RFC3986, "value": f"urn:oid:2.25.{uuid.uuid4().int}"},
            {"type": kind("entryUUID"), "system": RFC3986, "value": set_uuid},
        ],
        "status": "current",
        "mode": "working",
        "code": concept(f"{MHD}/CodeSystem/MHDlistTypes", "submissionset", "SubmissionSet as a FHIR List"),
        "subject": subject,
        "date": now,
        "source": {"reference": "#author"},
        "entry": [{"item": {"reference": entry_uuid}}],
    }
    binary = {
        "resourceType": "Binary",
        "contentType": "application/pdf",
        "data": base64.b64encode(content).decode(),
    }
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{PDSM}/pdsm-comprehensive-provide-document-bundle"]},
        "type": "transaction",
        "entry": [
            {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
            for url, resource in ((set_uuid, submission_set), (entry_uuid, document), (content_uuid, binary))
        ],
    }


def provide(fhir: str, token: str, bundle: dict) -> list[str]:
    """Submit the Bundle [ITI-65]; where each of its entries now is. Refused says what the server did not take."""
    answer = answered(requests.post(fhir, json=bundle, headers=headers(token), timeout=30))
    return [entry["response"].get("location", entry["response"]["status"]) for entry in answer["entry"]]


def concept(system: str, code: str, display: str) -> dict:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


def kind(code: str) -> dict:
    """The type of a document's identifier, as MHD has it."""
    return concept(f"{MHD}/CodeSystem/IHE.MHD.MHDIdentifierType", code, code)


def headers(token: str) -> dict[str, str]:
    """What goes with every FHIR request."""
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/fhir+json",
        "Content-Type": "application/fhir+json",
    }


def answered(response: requests.Response) -> dict:
    """The JSON of a good answer; Refused with the server's own words otherwise."""
    body = response.json() if "json" in response.headers.get("Content-Type", "") else {}
    if response.ok:
        return body
    said = "; ".join(
        " ".join(filter(None, (issue.get("diagnostics"), *issue.get("expression", ()))))
        for issue in body.get("issue", ())
    )
    raise Refused(
        f"{response.status_code} {said or body.get('error_description') or body.get('error') or response.reason}"
    )


def main() -> int:
    """Deposit one letter and say where it is."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("issuer", help="origin of the server, such as http://127.0.0.1:8080")
    asked.add_argument("--client", default="hospital", help="client_id (default: hospital)")
    asked.add_argument("--keys", type=Path, help="private JWK set; a sandbox lends one")
    asked.add_argument("--algorithm", default="ES384", choices=("ES384", "RS384"))
    asked.add_argument("--ins", help="INS of the patient (default: Léa Martin's)", default="284033818500122")
    asked.add_argument("--ins-system", default=INS_DEMO, help="system of that INS (default: the demonstration one)")
    asked.add_argument("--pdf", type=Path, default=LETTER)
    chosen = asked.parse_args()
    issuer = chosen.issuer.rstrip("/")
    fhir = f"{issuer}/fhir"
    try:
        if chosen.keys:
            keys = json.loads(chosen.keys.read_text("utf-8"))
        else:
            lent = answered(requests.get(f"{issuer}/sandbox.json", timeout=10))["clients"]
            keys = next((each["private_jwks"] for each in lent if each["client_id"] == chosen.client), None)
            if keys is None:
                print(f"failed     the sandbox has no keys for `{chosen.client}`: give --keys", file=sys.stderr)
                return 1
        token = access_token(issuer, chosen.client, keys, algorithm=chosen.algorithm)
        print("token      granted")
        patient = known(fhir, token, chosen.ins, chosen.ins_system)
        if patient is None:
            print("patient    nobody has this INS", file=sys.stderr)
            return 1
        print(f"patient    {patient['id']}, record {'open' if patient.get('active') else 'not open'}")
        bundle = submission(
            patient,
            chosen.pdf.read_bytes(),
            title="Lettre de liaison à la sortie d'hospitalisation",
            service_start="2026-11-16T09:00:00+01:00",
        )
        for location in provide(fhir, token, bundle):
            print(f"stored     {location}")
    except Refused as refusal:
        print(f"refused    {refusal}", file=sys.stderr)
        return 1
    except requests.RequestException:
        print(f"failed     nothing that can be understood answers at {issuer}: does the server run?", file=sys.stderr)
        return 1
    except (OSError, ValueError) as fault:
        print(f"failed     {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
