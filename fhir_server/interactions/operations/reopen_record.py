"""Réouverture du DMP: `Patient/{id}/$reopen-record`, within its retention (DMP-104, DMP-105).

One transaction: the Patient tells of no closing any more (its history does), and a new Consent of who may consent opens
the record. What permitted before the closing has ended with it: a third party who says that somebody consents opens the
record to nobody (docs/adr/0029). Oppositions, blocks and masks stand as they did.
"""

from __future__ import annotations

from fhir_server.consent.obligations import MinimalView, apply
from fhir_server.foundation.principal import Kind
from fhir_server.foundation.problem import Issue, conflict, unprocessable
from fhir_server.interactions import answers, bodies, life, parameters
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.resources import closing

PATIENT_SIDE = (Kind.HOLDER, Kind.REPRESENTATIVE)


def run(visit: Visit) -> FhirResponse:
    """200 with the Patient, to a third party as the existence check shows it; 409 for a record that is not closed.

    403 after a death or when the time of retention is over, 404 for who may not reopen it.
    """
    given = parameters.of(visit.request, visit.route.operates.parameters)
    before, state = life.entered(visit)
    patient, standing = visit.route.id, bodies.kept(before.resource())
    # what is remembered may be of before another reopening: the Patient was read in this transaction
    if state.standing != "closed" or (state.life.closed is not None and closing.of(standing) is None):
        raise conflict("the record is not closed")
    opened = closing.opened(standing)
    speaker = _speaker(visit, given, patient)
    after = life.allowed(visit, "update", state, patient, opened, before=before)
    writes = [life.put(visit, before, opened, after), *life.ended(visit, patient)]
    agreed = life.consent(visit, "dmp-creation", patient, by=speaker)
    writes.append(life.add(visit, agreed, life.allowed(visit, "create", state, patient, agreed)))
    own = visit.principal.kind in PATIENT_SIDE
    if not own:
        traced = life.provenance(visit, [f"Patient/{patient}"], speaker)
        writes.append(life.add(visit, traced, life.allowed(visit, "create", state, patient, traced)))
    version = life.landed(visit, writes, patient, "reopened")[0]
    view = MinimalView(treating=False, authorised="none", open_=True)
    return answers.one(version if own else apply((view,), version))


def _speaker(visit: Visit, given: dict[str, object], patient: str) -> str:
    """Who consents: who asks, where that is the holder's side; else the one named, or the holder."""
    if visit.principal.kind in PATIENT_SIDE:
        return str(visit.principal.reference)
    named = given.get("consentedBy")
    if named is None:
        return f"Patient/{patient}"
    if not isinstance(named, dict) or not isinstance(named.get("reference"), str):
        raise unprocessable((Issue("error", "value", "`consentedBy` is a reference", "Parameters.parameter"),))
    return str(named["reference"])
