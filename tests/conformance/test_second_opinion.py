"""A second opinion: fhir.resources reads what our own validation accepts, and what our own rooms write.

It has no R4 4.0.1: eighteen of R4's types are missing from its R4B, four differ (ADR 5), so those are left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_server.definitions.library import load
from fhir_server.resources import consent_patterns, json_text, validation

EXAMPLES = Path(__file__).parents[1] / "examples"
CHANGED_IN_R4B = {"Evidence", "EvidenceVariable", "ActivityDefinition", "PlanDefinition"}
DEFECTIVE = {"Consent-FRCoreConsentExample.json"}


def modelled(type_):
    if type_ in CHANGED_IN_R4B:
        return None
    try:
        return get_fhir_model_class(type_)
    except ValueError:
        return None


def examples():
    for path in sorted(EXAMPLES.glob("*/*.json")):
        resource = json_text.read(path.read_bytes())
        if modelled(resource.get("resourceType", "")) is not None and path.name not in DEFECTIVE:
            yield pytest.param(resource, id=path.name)


@pytest.mark.parametrize("resource", list(examples()))
def test_what_we_accept_a_second_library_reads(resource):
    assert validation.is_good(validation.check(resource)) or resource["resourceType"] == "DeviceMetric"

    read = modelled(resource["resourceType"]).model_validate_json(json_text.write(resource))

    assert resource["resourceType"] == read.get_resource_type()


@pytest.mark.parametrize("category", sorted(consent_patterns.PATTERNS))
def test_the_consents_we_write_are_read_by_a_second_library(category):
    made = consent_patterns.consent(category, "Patient/p1", "2026-11-23T10:00:00.000Z", actor="Practitioner/x")

    read = modelled("Consent").model_validate(made)

    assert made["provision"]["type"] == read.provision.type


def test_as_many_types_are_compared_as_the_two_releases_share():
    shared = [type_ for type_ in load().types if modelled(type_) is not None]

    assert 124 == len(shared)
