"""Titulaire: what the DMP asks of a Patient beyond R4.

May live here: the rules of the INS (DMP-150, https://hl7.fr/ig/fhir/core), the form of our own extensions, and which
elements the server computes.
May not know: other patients, who writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.definitions.identifiers import ins_is_valid, is_ins_system
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.problem import Issue, Severity
from fhir_server.resources.shape import claims, codings, extensions, nodes, text

Resource = Mapping[str, Any]

INS_PROFILE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins"
RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
TREATING_PHYSICIAN = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-medecin-traitant"
# VALI in the tables of v2-0445 (French core 2.1), QUAL in the four statuses of the national reference (RNIV).
QUALIFIED = frozenset(("VALI", "QUAL"))
_BILLING = "NH"


def identity_status(resource: Resource) -> str | None:
    """Statut de l'identité: the code of the reliability extension (`VALI`, `QUAL`, `PROV`…), None if it is silent."""
    for extension in extensions(resource, RELIABILITY):
        for part in extensions(extension, "identityStatus"):
            code = text(part, "valueCoding.code") or text(part, "valueCodeableConcept.coding.code")
            if code is not None:
                return code
    return None


def identity_is_qualified(resource: Resource) -> bool | None:
    """Identité qualifiée: True or False as the identity status says; None where nothing is said."""
    status = identity_status(resource)
    return None if status is None else status in QUALIFIED


def ins_of(resource: Resource) -> list[Mapping[str, Any]]:
    """The identifiers that are an INS; the number for billing has the same system and the type NH."""
    return [each for each in nodes(resource, "identifier") if _is_ins(each)]


def _is_ins(identifier: Mapping[str, Any]) -> bool:
    kinds = {each.get("code") for each in codings(identifier, "type")}
    return is_ins_system(text(identifier, "system")) and _BILLING not in kinds


def check_patient(resource: Resource) -> list[Issue]:
    """What the rules of the INS find wrong with a Patient, and with a wish that is said otherwise than it is read."""
    return [*_control_keys(resource), *_qualification(resource), *_wishes(resource)]


def without_computed(resource: dict[str, Any]) -> dict[str, Any]:
    """The Patient without what the Consent of the médecin traitant DMP says alone (DMP-54): ignored on input."""
    present = resource.get("extension", [])
    rest = [each for each in present if not (isinstance(each, dict) and each.get("url") == TREATING_PHYSICIAN)]
    if rest == present and "generalPractitioner" not in resource:
        return resource
    kept = {name: value for name, value in resource.items() if name not in ("generalPractitioner", "extension")}
    return {name: rest if name == "extension" else value for name, value in resource.items() if name in kept} | (
        {"extension": rest} if rest else {}
    )


def believed(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource as it is searched by: a médecin traitant that a contained Patient claims is not believed either."""
    several = resource.get("contained")
    if not isinstance(several, list) or not any(_is_patient(each) for each in several):
        return resource
    return {**resource, "contained": [without_computed(each) if _is_patient(each) else each for each in several]}


def _is_patient(node: Any) -> bool:
    return isinstance(node, dict) and node.get("resourceType") == "Patient"


def _control_keys(resource: Resource) -> Iterator[Issue]:
    severity: Severity = (
        "error" if profile_json("dmp/rules.json")["switches"]["ins_control_key"] == "error" else "warning"
    )
    for at, each in enumerate(nodes(resource, "identifier")):
        if _is_ins(each) and not ins_is_valid(str(each.get("value", ""))):
            text_ = "the INS and its control key do not agree"
            yield Issue(severity, "business-rule", text_, f"Patient.identifier[{at}].value")


def _wishes(resource: Resource) -> Iterator[Issue]:
    """Whether each connection is to be told (K1) is said once, by true or false, or nobody would know what is meant."""
    found = extensions(resource, profile_json("dmp/notices.json")["every_connection"])
    if len(found) > 1 or not all(isinstance(each.get("valueBoolean"), bool) for each in found):
        text_ = "whether each connection is told is said once, by `true` or `false`"
        yield Issue("error", "business-rule", text_, "Patient.extension")


def _qualification(resource: Resource) -> Iterator[Issue]:
    qualified = identity_is_qualified(resource)
    if claims(resource, INS_PROFILE) and qualified is None:
        yield Issue("error", "required", "`fr-core-patient-ins` requires the identity status", "Patient.extension")
    if qualified is False and ins_of(resource):
        text_ = "only a qualified identity (VALI, QUAL) carries an INS"
        yield Issue("error", "business-rule", text_, "Patient.identifier")
