"""Clinical resources of Léa's record, and what operations are asked with."""

from __future__ import annotations

from fhir_server.definitions.library import profile_json
from tests.kit.world import FRENCH

MASKED = {"security": [{"system": FRENCH, "code": "MASQUE_PS"}]}


def observation(id_, day="2026-03-01", **more):
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/lea"},
        "effectiveDateTime": day,
        "performer": [{"reference": "Practitioner/bernard"}],
        **more,
    }


def composition(*sections, **more):
    return {
        "resourceType": "Composition",
        "id": "cr",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11490-0"}]},
        "subject": {"reference": "Patient/lea"},
        "date": "2026-03-02",
        "author": [{"reference": "Practitioner/bernard"}],
        "title": "Compte rendu",
        "section": [{"title": "Résultats", "entry": [{"reference": each} for each in sections]}],
        **more,
    }


def parameters(**given):
    return {"resourceType": "Parameters", "parameter": [{"name": name, **value} for name, value in given.items()]}


def references(answered):
    return [f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in answered.json.get("entry", ())]


def directives():
    """Advance directives of Léa, as she deposits them herself."""
    types = profile_json("dmp/document-types.json")
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": types["systems"]["A05"], "code": "EXPPAT_3"}]},
        "subject": {"reference": "Patient/lea"},
        "author": [{"reference": "Patient/lea"}],
        "content": [{"attachment": {"contentType": "text/plain", "data": "T3Vp", "title": "Directives"}}],
    }
