"""delete: https://hl7.org/fhir/R4/http.html#delete. Logical: the versions stay, the record no longer shows it."""

from __future__ import annotations

from fhir_server.foundation.predicate import NOTHING, matches
from fhir_server.foundation.problem import forbidden, problem
from fhir_server.interactions import answers, create, meant, update
from fhir_server.interactions.pipeline import Change, Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import of_instance


def run(visit: Visit) -> FhirResponse:
    """204, and again 204 for what is gone and could be seen; 404 for what cannot be seen, 403 for what may not go.

    By a condition: 204 as well when it finds nothing, 412 for several.
    """
    scope = visit.scoped("d")
    if visit.route.row.conditional:
        found = meant.of(visit)
        if found is None:
            if visit.request.if_match is not None:
                raise problem(412, "conflict", "there is no version to match")
            return FhirResponse(204)
        visit.route = visit.route.at(found.key)
    before = update.current(visit)
    if before is None:
        gone = visit.door(visit.subject, "read").gone(visit.route.type, visit.route.id)
        if gone is None:
            raise visit.unseen()
        visit.disclosed([gone])
        return FhirResponse(204, headers={"ETag": answers.etag(gone.version)})
    visit.subject = of_instance(visit.route, visit.house, visit.unit)
    standing = before.envelope()
    allowed, _ = visit.rights(visit.subject, Change(current=standing))
    if allowed == NOTHING or not matches(allowed, standing) or not visit.covers("d", scope, before):
        visit.refuse_here("write.refused")
        raise forbidden()
    write = create.within(visit).remove(before)
    visit.note(
        patient=next(iter(before.facts.get("patients", ())), None),
        whats=(before.id,),
        disclosed=(before.id,),
        granted=visit.granted,
        about=({"id": before.id, **before.facts},),
    )
    return FhirResponse(204, headers={"ETag": answers.etag(write.version)})
