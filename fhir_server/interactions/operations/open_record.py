"""Ouverture du DMP: `Patient/{id}/$open-record`, by its holder (DMP-20, DMP-22, DMP-25, DMP-26, K2, K11, K14).

One transaction: Patient.active becomes true, and what the holder answered is recorded as Consents whose performer is
the holder: `dmp-creation`, the two emergency questions, feeding, and those authorised from the start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_server.foundation.predicate import NOTHING, Predicate, both
from fhir_server.foundation.problem import Issue, bad_request, conflict, forbidden, unprocessable
from fhir_server.interactions import announce, answers, bodies, consents, create, life, parameters
from fhir_server.interactions.pipeline import Change, Visit, compile_criteria
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import Subject, of_instance
from fhir_server.resources import closing, json_text
from fhir_server.resources.designation import designated, with_designated
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
    consenting = narrow(visit.principal.scopes, "Consent", "c", visit.principal, compile_criteria)
    patient = bodies.kept(before.resource())
    record = visit.house.records.record(visit.route.id)
    # what is remembered may be of before another opening: the Patient was read in this transaction
    if record is None or record.standing == "open" or patient.get("active") is True:
        raise conflict("the record is open already")
    if record.standing == "closed" or closing.of(patient) is not None:
        raise conflict("the record is closed: it is opened again by `$reopen-record`")
    if not (answers_given.get("email") or answers_given.get("mobile") or patient.get("telecom")):
        raise unprocessable((Issue("error", "required", "give an e-mail address or a mobile number", "Parameters"),))
    unit = create.within(visit)
    agreed = [_consent(visit, subject, each, consenting) for each in _consents(visit, answers_given)]
    made = opened(patient, answers_given)
    written = life.put(visit, before, made, life.allowed(visit, "update", record, before.key, made, before=before))
    writes = [written, *agreed]
    create.flushed(visit, unit)
    versions = [unit.preview(write) for write in writes]
    visit.note(
        patient=visit.route.id,
        whats=tuple(f"{each.id}/_history/{each.version}" for each in versions),
        disclosed=tuple(each.id for each in versions),
        granted=visit.granted,
    )
    visit.entry.notices.extend(announce.of_opening(visit.house, visit.principal, versions[0].resource()))
    said = [each for write in agreed for each in designated(write.resource or {})]
    return answers.one(replace(versions[0], body=json_text.write(with_designated(versions[0].resource(), said))))


def opened(person: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """An active Patient or RelatedPerson, with where notices go (DMP-25)."""
    telecom = list(person.get("telecom", []))
    for name, point in (
        ("email", {"system": "email", "value": given.get("email"), "use": "home"}),
        ("mobile", {"system": "phone", "value": given.get("mobile"), "use": "mobile"}),
    ):
        if given.get(name) and point not in telecom:
            telecom.append(point)
    return {**person, "active": True, **({"telecom": telecom} if telecom else {})}


def authorised(given: dict[str, Any]) -> list[tuple[str, str]]:
    """Who is named from the start (DMP-26): the category of the Consent that says so, and the reference."""
    physician = given.get("treatingPhysician")
    named = [("medecin-traitant", str(physician["reference"]))] if physician else []
    for actor in given.get("authorized", []):
        reference = str(actor["reference"])
        named.append(("etablissement" if reference.startswith("Organization/") else "ps-autorisation", reference))
    return named


def _consents(visit: Visit, given: dict[str, Any]) -> list[dict[str, Any]]:
    def made(category: str, **more: Any) -> dict[str, Any]:
        return life.consent(visit, category, visit.route.id, **more)

    said = [made("dmp-creation")]
    said += [made(category, permit=bool(given[name])) for name, category in QUESTIONS.items()]
    return [*said, *(made(category, actor=actor) for category, actor in authorised(given))]


def _consent(visit: Visit, subject: Subject, resource: dict[str, Any], scope: Predicate) -> Write:
    """Stage one, decided upon as if the asker had written it alone: an opening goes around no rule."""
    bodies.checked(resource)
    consents.readable(visit, resource)
    allowed, after = visit.rights_for("Consent", subject, Change(proposed=resource), "create")
    if allowed == NOTHING:
        visit.refuse_here("opening.refused")
        raise forbidden()
    return create.within(visit).create(
        resource, submitter=bodies.submitter_of(visit.principal), after=both(scope, after)
    )
