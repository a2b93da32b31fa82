"""Operations: https://hl7.org/fhir/R4/operations.html, one file each, found by type and name."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.interactions.operations import open_record
from fhir_server.interactions.pipeline import Run, Visit
from fhir_server.interactions.request import FhirResponse

OPERATION: Mapping[tuple[str, str], Run] = {("Patient", "open-record"): open_record.run}


def run(visit: Visit) -> FhirResponse:
    """The operation the route names."""
    return OPERATION[visit.route.type, visit.route.operation](visit)
