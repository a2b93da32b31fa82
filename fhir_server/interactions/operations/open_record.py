"""Ouverture du DMP: `Patient/{id}/$open-record`, by its holder (DMP-20, DMP-22, DMP-25, DMP-26, K2, K11, K14).

One transaction: Patient.active becomes true, and what the holder answered is recorded as Consents whose performer is
the holder: `dmp-creation`, the two emergency questions, feeding, and those authorised from the start.
"""

from __future__ import annotations

from typing import Any

from fhir_server.foundation.moment import instant
from fhir_server.foundation.predicate import NOTHING, Has, Predicate, both
from fhir_server.foundation.problem import Issue, bad_request, conflict, forbidden, unprocessable
from fhir_server.interactions import announce, answers, bodies, consents, create, parameters
from fhir_server.interactions.pipeline import Change, Visit, compile_criteria
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import Subject, of_instance
from fhir_server.resources import consent_patterns
from fhir_server.smart.scope import narrow
from fhir_server.store.write import Write

QUESTIONS = {
    "breakGlass": "urgence-bris-de-glace",
    "emergencyDispatch": "urgence-samu",
    "feeding": "alimentation",
}


def run(visit: Visit) -> FhirResponse:
    """200 with the Patient; 422 for an unanswered question, 403 for anybody but the holder, 409 for an open record."""
    if visit.request.resource is None:  # an operation may be asked without a body; this one not
        raise bad_request("the answers of the holder are asked for, in a Parameters resource")
    answers_given = parameters.read(bodies.of_type(visit.request, "Parameters"), visit.route.operates.parameters)
    subject = of_instance(visit.route, visit.house, visit.unit)
    visit.subject = subject
    before = visit.door(subject, "read").read("Patient", visit.route.id)
    if before is None:
        raise visit.unseen()
    scope = visit.scoped("u")
    consenting = narrow(visit.principal.scopes, "Consent", "c", visit.principal, compile_criteria)
    patient = before.resource()
    record = visit.house.records.record(visit.route.id)
    if record is None or record.standing == "open":
        raise conflict("the record is open already")
    if not (answers_given.get("email") or answers_given.get("mobile") or patient.get("telecom")):
        raise unprocessable((Issue("error", "required", "give an e-mail address or a mobile number", "Parameters"),))
    unit = create.within(visit)
    agreed = [_consent(visit, subject, each, consenting) for each in _consents(visit, answers_given)]
    whose = Has("patients", visit.route.id)
    by = bodies.submitter_of(visit.principal)
    opened = unit.replace(before, _opened(patient, answers_given), method="PUT", by=by, after=both(scope, whose))
    writes = [opened, *agreed]
    consents.settle(visit, unit)
    unit.flush()
    versions = [unit.preview(write) for write in writes]
    visit.note(
        patient=visit.route.id,
        whats=tuple(f"{each.id}/_history/{each.version}" for each in versions),
        disclosed=tuple(each.id for each in versions),
        granted=visit.granted,
    )
    visit.entry.notices.extend(announce.of_opening(visit.house, visit.principal, versions[0].resource()))
    return answers.one(versions[0])


def _opened(patient: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    telecom = list(patient.get("telecom", []))
    for name, point in (
        ("email", {"system": "email", "value": given.get("email"), "use": "home"}),
        ("mobile", {"system": "phone", "value": given.get("mobile"), "use": "mobile"}),
    ):
        if given.get(name) and point not in telecom:
            telecom.append(point)
    return {**patient, "active": True, **({"telecom": telecom} if telecom else {})}


def _consents(visit: Visit, given: dict[str, Any]) -> list[dict[str, Any]]:
    patient, now = f"Patient/{visit.route.id}", instant(visit.house.clock())
    made = [consent_patterns.consent("dmp-creation", patient, now)]
    made += [
        consent_patterns.consent(category, patient, now, permit=bool(given[name]))
        for name, category in QUESTIONS.items()
    ]
    physician = given.get("treatingPhysician")
    if physician:
        made.append(consent_patterns.consent("medecin-traitant", patient, now, actor=physician["reference"]))
    for actor in given.get("authorized", []):
        reference = actor["reference"]
        category = "etablissement" if reference.startswith("Organization/") else "ps-autorisation"
        made.append(consent_patterns.consent(category, patient, now, actor=reference))
    return made


def _consent(visit: Visit, subject: Subject, resource: dict[str, Any], scope: Predicate) -> Write:
    """Stage one, decided upon as if the asker had written it alone: an opening goes around no rule."""
    bodies.checked(resource)
    allowed, after = visit.rights_for("Consent", subject, Change(proposed=resource), "create")
    if allowed == NOTHING:
        visit.refuse_here("opening.refused")
        raise forbidden()
    return create.within(visit).create(
        resource, submitter=bodies.submitter_of(visit.principal), after=both(scope, after)
    )
