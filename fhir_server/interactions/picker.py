"""Picker: the patients that a professional may choose among, by a search like any other (decisions 22).

May live here: that search, and what is told of each. May not know: pages. It goes through the pipeline, so it finds
what the API would find, and is on record as what the API discloses.
"""

from __future__ import annotations

from typing import Any

import orjson

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import Problem
from fhir_server.interactions import pipeline
from fhir_server.interactions.house import House
from fhir_server.interactions.request import FhirRequest
from fhir_server.smart.picker import AT_MOST, SHORTEST, Finds, Found


def finder(house: House, base: str) -> Finds:
    """What looks patients up by name, on behalf of who is signed in. Raises Problem 503."""

    def find(principal: Principal, name: str) -> tuple[Found, ...]:
        words = name.replace(",", " ").split()
        if sum(len(each) for each in words) < SHORTEST:
            return ()
        query = (*(("name", each) for each in words), ("_count", str(AT_MOST)), ("_sort", "family"))
        asked = FhirRequest("GET", "Patient", base, query=query, request_id=house.ids())
        try:
            answered = pipeline.answer(asked, principal, house)
        except Problem as refused:
            if refused.status >= 500:
                raise
            return ()
        entries = orjson.loads(answered.body).get("entry", ())
        found = (_found(each["resource"]) for each in entries if each.get("search", {}).get("mode") == "match")
        return tuple(each for each in found if each is not None)

    return find


def _found(patient: dict[str, Any]) -> Found | None:
    """None for who has no INS: they have no record to open."""
    systems = profile_json("dmp/identifier-systems.json")["ins"]
    numbers = (each.get("value", "") for each in patient.get("identifier", ()) if each.get("system") in systems)
    ins = next(filter(None, numbers), None)
    name: dict[str, Any] = next(iter(patient.get("name", [])), {})
    told = name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]).strip()
    return Found(told, patient.get("birthDate", ""), ins) if ins else None
