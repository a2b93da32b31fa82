"""Ouverture automatique du DMP: `Patient/$open-automatically`, by the operator (DMP-103, DMP-107, K5).

One transaction: the identity that the insurance feeds, who represents a minor, a Communication that says until when the
opening may be opposed, and a Provenance. No Consent, for nobody gave one: whoever opposes has the record closed for
that motive (`$close-record`).
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.problem import bad_request
from fhir_server.interactions import answers, bodies, life, parameters
from fhir_server.interactions.operations import open_record_for as opening
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.notices.communication import communication
from fhir_server.notices.occasion import Happening, Occasion, contacts_of, notices, opposition_ends

OCCASION: Occasion = "opened-automatically"


def run(visit: Visit) -> FhirResponse:
    """201 with the Patient; 409 for an INS that has a record, open or closed; 422 for an unqualified identity.

    403 for anybody but the operator. Who has no address yet is told by letter, which is the operator's to send.
    """
    if visit.request.resource is None:
        raise bad_request("the identity is asked for, in a Parameters resource")
    given = parameters.read(bodies.of_type(visit.request, "Parameters"), visit.route.operates.parameters)
    identity = opening.identity_of(visit, given["patient"])
    before, state = opening.known(visit, identity)
    patient = before.key if before is not None else visit.house.ids()
    person = before.resource() if before is not None else {**identity, "id": patient}
    writes = [opening.identity_written(visit, before, person, state, {})]
    told = [f"Patient/{patient}"]
    if "representative" in given:
        state, guardian = opening.add_guardian(visit, state, patient, {"representative": given["representative"]})
        writes.append(guardian)
        told.append(guardian.id)
    made = (_notice(visit, patient, person, told), life.provenance(visit, [f"Patient/{patient}"]))
    writes += [life.add(visit, each, life.allowed(visit, "create", state, patient, each)) for each in made]
    versions = life.landed(visit, writes, patient, OCCASION)
    location = {"Location": f"{visit.request.base}/Patient/{patient}/_history/{versions[0].version}"}
    return answers.one(versions[0], 201, location)


def _notice(visit: Visit, patient: str, person: dict[str, Any], told: list[str]) -> dict[str, Any]:
    """What the person, and who represents them, were told: that the record is open, and until when they may oppose."""
    now = visit.house.clock()
    happened = Happening(OCCASION, patient, visit.house.ids(), now, by=visit.principal)
    made = communication(happened, notices(happened, contacts_of(person)))
    until = {"contentString": f"Opposition : {opposition_ends(now).isoformat()}"}
    return {
        **made,
        "recipient": [{"reference": each} for each in told],
        "sender": {"display": "Assurance Maladie"},
        "payload": [*made["payload"], until],
    }
