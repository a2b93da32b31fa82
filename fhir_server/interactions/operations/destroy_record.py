"""Destruction du DMP: `Patient/{id}/$destroy-record`, by the operator (DMP-104, DMP-105, docs/adr/0029).

Once the years after the closing have passed, or earlier at the demand of the living holder. One transaction takes the
record away from everybody and puts on record that it is destroyed; what nobody can reach any more is removed after it:
resources, their history and content, sign-ins, notices, and what the traces of access said. Asked again, a destruction
that was cut half-way goes on.
"""

from __future__ import annotations

from fhir_server.audit_event.chain import emptied
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Issue, conflict
from fhir_server.interactions import announce, answers, create, life, parameters
from fhir_server.interactions.house import House
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.store import destruction

DONE = (Issue("information", "informational", "the record is destroyed"),)


def run(visit: Visit) -> FhirResponse:
    """200 with an OperationOutcome; 409 for a record that is not closed, 403 while it is to be kept, 404."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    patient, unit = visit.route.id, create.within(visit)
    begun = destruction.pending(visit.house.shelf, patient) if visit.principal.kind is Kind.OPERATOR else None
    if begun is not None:
        visit.entry.add("operation", visit.request.path, granted=("party.operator",))
        visit.entry.afterwards.append(lambda: complete(visit.house, patient, begun))
        return _done()
    before, state = life.entered(visit)
    if state.standing != "closed":
        raise conflict("the record is not closed")
    demanded = given.get("demanded", False)
    life.allowed(visit, "delete", state, patient, None, before=before, demanded=demanded)
    told = announce.of_life(visit.house, visit.principal, patient, "destroyed", [before.resource()])
    visit.entry.notices.extend(told)
    visit.entry.add("operation", visit.request.path, patient=patient, granted=visit.granted)
    entry = visit.entry.id
    destruction.begin(unit, patient, entry)
    visit.entry.afterwards.append(lambda: complete(visit.house, patient, entry))
    return _done()


def complete(house: House, patient: str, entry: str) -> None:
    """Remove what is left of a record whose destruction has begun; to be called again if it is cut.

    The people's sign-ins go first and the row that tells of the destruction last. What a transaction carried for the
    ledger is taken in before, so that it is emptied as well.
    """
    for forget in house.partings:
        forget(patient)
    house.outbox.forget_record(patient)
    house.ledger.adopt()
    destruction.finish(house.shelf, patient, entry, emptied)


def _done() -> FhirResponse:
    return FhirResponse(200, answers.outcome_bytes(DONE), answers.JSON)
