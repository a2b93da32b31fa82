"""Authors: who wrote a resource, and for which organisation.

May live here: the table of what writing is, by type, and reading its identity keys (`definitions/identifiers.py`).
May not know: the store, the asker, the rules.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from fhir_server.definitions.identifiers import key_of
from fhir_server.resources.nodes import nodes, references_at
from fhir_server.resources.references import local

AUTHOR_ORGANIZATION = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-authorOrg"

# Who wrote it, by type: those whom "the author always sees what he wrote" speaks of. Taking part, being asked, or
# giving a consent is not writing.
AUTHORS: Mapping[str, tuple[str, ...]] = {
    "AdverseEvent": ("recorder",),
    "AllergyIntolerance": ("recorder", "asserter"),
    "AppointmentResponse": ("actor",),
    "AuditEvent": ("agent.who",),
    "Basic": ("author",),
    "CarePlan": ("author", "contributor"),
    "ChargeItem": ("enterer", "performer.actor"),
    "Claim": ("enterer", "provider"),
    "ClinicalImpression": ("assessor",),
    "Communication": ("sender",),
    "CommunicationRequest": ("requester", "sender"),
    "Composition": ("author", "attester.party"),
    "Condition": ("recorder", "asserter"),
    "Contract": ("author",),
    "CoverageEligibilityRequest": ("enterer", "provider"),
    "DetectedIssue": ("author",),
    "DeviceRequest": ("requester",),
    "DeviceUseStatement": ("source",),
    "DiagnosticReport": ("performer", "resultsInterpreter"),
    "DocumentManifest": ("author",),
    "DocumentReference": ("author", "authenticator"),
    "EpisodeOfCare": ("careManager",),
    "ExplanationOfBenefit": ("enterer", "provider"),
    "Flag": ("author",),
    "Goal": ("expressedBy",),
    "GuidanceResponse": ("performer",),
    "ImagingStudy": ("interpreter", "series.performer.actor"),
    "Immunization": ("performer.actor",),
    "Invoice": ("participant.actor",),
    "Linkage": ("author",),
    "List": ("source",),
    "Media": ("operator",),
    "MedicationAdministration": ("performer.actor",),
    "MedicationDispense": ("performer.actor",),
    "MedicationRequest": ("requester", "recorder"),
    "MedicationStatement": ("informationSource",),
    "MolecularSequence": ("performer",),
    "NutritionOrder": ("orderer",),
    "Observation": ("performer",),
    "Procedure": ("recorder", "asserter", "performer.actor"),
    "Provenance": ("agent.who",),
    "QuestionnaireResponse": ("author",),
    "RequestGroup": ("author",),
    "RiskAssessment": ("performer",),
    "ServiceRequest": ("requester",),
    "Specimen": ("collection.collector",),
    "SupplyDelivery": ("supplier",),
    "SupplyRequest": ("requester",),
    "Task": ("requester",),
    "VisionPrescription": ("prescriber",),
}
# Organisations that answer for a resource, beside those among its authors and those of a contained PractitionerRole.
ORGANIZATIONS = ("custodian", "serviceProvider", "managingOrganization", "organization", "authority")


def writers_of(resource: Mapping[str, Any]) -> list[str]:
    """The keys of those said to have written it: of a document its `author`, who authenticates it apart."""
    only = {"author"} if resource["resourceType"] == "DocumentReference" else None
    return _authors(resource, only)[0]


def part_of_writers(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resource that says who wrote it: `writers_of` finds the same in it, and reads nothing else."""
    names = _writing(resource["resourceType"])
    return {name: each for name, each in resource.items() if name in names}


@cache
def _writing(type_: str) -> frozenset[str]:
    """The elements that say so, and what they may refer to."""
    return frozenset(("resourceType", "contained", *(path.partition(".")[0] for path in AUTHORS.get(type_, ()))))


def authors_of(resource: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The keys of who wrote a resource, and of the organisations that answer for it; in document order."""
    return _authors(resource)


def _authors(resource: Mapping[str, Any], only: Collection[str] | None = None) -> tuple[list[str], list[str]]:
    contained = {f"#{each.get('id')}": each for each in nodes(resource, "contained")} if "contained" in resource else {}
    authors: dict[str, None] = {}
    organizations: dict[str, None] = {}
    for path in AUTHORS.get(resource["resourceType"], ()):
        if path.partition(".")[0] not in resource or (only is not None and path not in only):
            continue
        for reference in references_at(resource, path):
            _add_identity(reference, contained, authors, organizations, depth=2)
    for path in ORGANIZATIONS:
        if path not in resource:
            continue
        for reference in references_at(resource, path):
            _add_identity(reference, contained, {}, organizations, depth=1)
    return list(authors), list(organizations)


def _add_identity(
    reference: Mapping[str, Any],
    contained: Mapping[str, Mapping[str, Any]],
    authors: dict[str, None],
    organizations: dict[str, None],
    depth: int,
) -> None:
    """Note the keys of who is referred to; a contained PractitionerRole stands for its person and its organisation."""
    text = reference.get("reference")
    target = contained.get(text) if isinstance(text, str) else None
    name = local(text)
    keys = [name] if name else []
    keys += _keys([reference["identifier"]] if "identifier" in reference else [])
    if target is not None:
        keys += _keys(target.get("identifier"))
        if target.get("resourceType") == "PractitionerRole" and depth:
            for each in references_at(target, "practitioner"):
                _add_identity(each, contained, authors, organizations, depth - 1)
            for each in references_at(target, "organization"):
                _add_identity(each, contained, authors, organizations, depth - 1)
    authors.update(dict.fromkeys(keys))
    kind = target.get("resourceType") if target else (name or str(reference.get("type", ""))).partition("/")[0]
    if kind == "Organization" or any(key.startswith("org:") for key in keys):
        organizations.update(dict.fromkeys(keys))
    for extension in nodes(reference, "extension") if "extension" in reference else ():
        if extension.get("url") == AUTHOR_ORGANIZATION and isinstance(extension.get("valueReference"), dict) and depth:
            _add_identity(extension["valueReference"], contained, authors, organizations, depth - 1)


def _keys(identifiers: Any) -> list[str]:
    """A value without a system names nobody: it would be the same key for everybody who has it."""
    nodes = identifiers if isinstance(identifiers, list) else [identifiers]
    return [
        key_of(each.get("system"), each["value"])
        for each in nodes
        if isinstance(each, dict) and isinstance(each.get("value"), str) and isinstance(each.get("system"), str)
    ]
