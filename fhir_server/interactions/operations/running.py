"""Running: which function runs which operation of the table. One line each; nothing else lives here."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.interactions.operations import (
    close_record,
    copy_record,
    destroy_record,
    docref,
    document,
    everything,
    explain,
    explain_access,
    match,
    meta,
    open_automatically,
    open_record,
    open_record_for,
    reopen_record,
    validate,
)
from fhir_server.interactions.pipeline import Run, Visit
from fhir_server.interactions.request import FhirResponse

RUNS: Mapping[str, Run] = {
    "open-record": open_record.run,
    "Patient-open-record-for": open_record_for.run,
    "Patient-open-automatically": open_automatically.run,
    "Patient-close-record": close_record.run,
    "Patient-reopen-record": reopen_record.run,
    "Patient-destroy-record": destroy_record.run,
    "Patient-copy-record": copy_record.run,
    "Patient-everything": everything.run,
    "Encounter-everything": everything.run,
    "Composition-document": document.run,
    "DocumentReference-docref": docref.run,
    "Patient-match": match.run,
    "Resource-validate": validate.run,
    "Resource-meta": meta.read,
    "Resource-meta-add": meta.add,
    "Resource-meta-delete": meta.take,
    "Resource-explain": explain.run,
    "Resource-explain-access": explain_access.run,
}
"""By the id of the OperationDefinition."""


def run(visit: Visit) -> FhirResponse:
    """The operation the route names."""
    return RUNS[visit.route.operates.id](visit)
