"""vread: https://hl7.org/fhir/R4/http.html#vread. Both the version and what is current must be visible."""

from __future__ import annotations

from fhir_server.foundation.problem import problem
from fhir_server.interactions import answers, read, summary
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import of_instance


def run(visit: Visit) -> FhirResponse:
    """That version: 200, 304, 404, or 410 for the version that is the deletion."""
    visit.shape = summary.of((visit.route.type,), visit.request.query) if visit.request.query else None
    scope = visit.scoped("r")
    door = visit.door(of_instance(visit.route, visit.house, visit.unit)).within(scope)
    found = door.vread(visit.route.type, visit.route.id, visit.route.version)
    if found is None:
        raise visit.unseen()
    if found.method == "DELETE":
        visit.disclosed([found])
        raise problem(410, "deleted", "this version is a deletion", ETag=answers.etag(found.version))
    if read.unchanged(visit.request, found):
        visit.disclosed([found])
        return FhirResponse(304, headers=answers.versioned(found))
    return read.shown(visit, door, found)
