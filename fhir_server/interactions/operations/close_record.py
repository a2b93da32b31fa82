"""Fermeture du DMP: `Patient/{id}/$close-record` (DMP-103 to DMP-106).

One transaction: the Patient says that the record is closed, when and why; the Consents that permitted something end; an
opposition to an automatic opening is recorded as a Consent. From then on every request of everybody else is refused, in
every worker, whatever token it comes with. What is told by `deceased` is closed by the same steps (`update.py`).
"""

from __future__ import annotations

from typing import Any

from fhir_server.consent.settings import settings
from fhir_server.foundation.problem import Issue, bad_request, conflict, unprocessable
from fhir_server.interactions import answers, bodies, life, parameters
from fhir_server.interactions.pipeline import Visit
from fhir_server.interactions.request import FhirResponse
from fhir_server.resources import closing

DEATH = "deces"


def run(visit: Visit) -> FhirResponse:
    """200 with the Patient; 409 for a record that is not open, 403 for a motive that is not the asker's to give.

    404 for who may not see the record; 422 for a motive that is none.
    """
    if visit.request.resource is None:
        raise bad_request("the motive is asked for, in a Parameters resource")
    given = parameters.read(bodies.of_type(visit.request, "Parameters"), visit.route.operates.parameters)
    motive = given["reason"]
    known = settings().motives
    if motive not in known:
        text = f"`reason` is one of {', '.join(sorted(known))}"
        raise unprocessable((Issue("error", "code-invalid", text, "Parameters.parameter"),))
    if "deceased" in given and motive != DEATH:
        text = "`deceased` goes with the motive of a death"
        raise unprocessable((Issue("error", "business-rule", text, "Parameters.parameter"),))
    before, state = life.entered(visit)
    patient = visit.route.id
    standing = bodies.kept(before.resource())
    if state.standing != "open" or standing.get("active") is not True:
        raise conflict("the record is not open")
    closed = _closed(standing, life.today(visit), given)
    written = life.put(visit, before, closed, life.allowed(visit, "update", state, patient, closed, before=before))
    writes = [written, *life.ended(visit, patient)]
    if known[motive].opposes:
        opposed = life.consent(visit, "dmp-creation", patient, by=visit.principal.reference, permit=False)
        writes.append(life.add(visit, opposed, life.allowed(visit, "create", state, patient, opposed)))
    return answers.one(life.landed(visit, writes, patient, "closed")[0])


def _closed(patient: dict[str, Any], day: str, given: dict[str, Any]) -> dict[str, Any]:
    made = closing.closed(patient, day, given["reason"], given.get("text"))
    if given["reason"] != DEATH or closing.is_dead(patient):
        return made
    made = {name: value for name, value in made.items() if not name.startswith("deceased")}
    return {**made, **({"deceasedDateTime": given["deceased"]} if "deceased" in given else {"deceasedBoolean": True})}
