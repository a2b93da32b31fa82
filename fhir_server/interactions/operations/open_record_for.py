"""Ouverture du DMP par un tiers: `Patient/$open-record-for` (DMP-21, DMP-22, DMP-90, DMP-93, K5, K11, K12, K14).

One transaction: the identity (the one there is, or the one brought), who represents a minor or a protected adult, the
answers as Consents whose performer is who may consent, and a Provenance of who recorded them. None of it is the
opener's deposit: nothing may be read for having opened a record. An INS that has a record, open or closed, and one that
the asker may not open for, answer alike (docs/adr/0017, 0029).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_server.consent.case import of_age
from fhir_server.consent.directive import Directives, is_guardian
from fhir_server.consent.directives import RecordState, state_of
from fhir_server.consent.obligations import MinimalView, apply
from fhir_server.consent.settings import settings
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import micros
from fhir_server.foundation.problem import Issue, Problem, bad_request, conflict, unprocessable
from fhir_server.interactions import answers, bodies, create, life, parameters
from fhir_server.interactions.operations import open_record
from fhir_server.interactions.pipeline import Visit, compile_criteria
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import submitted_before
from fhir_server.resources import closing, validation
from fhir_server.resources.facts import names_of
from fhir_server.resources.patient import identity_is_qualified, ins_of
from fhir_server.resources.references import relative_to
from fhir_server.smart.scope import narrow
from fhir_server.store.documents import Stored
from fhir_server.store.write import Write, unique_of

MAJORITY_KNOWN = len("2000-01-31")


def run(visit: Visit) -> FhirResponse:
    """201 with the Patient as the existence check shows it; 409 for an INS in use, 422 for an answer that is missing.

    403 for who opens no records for others, or where the token's scopes leave out what an opening writes.
    """
    if visit.request.resource is None:
        raise bad_request("the identity and the answers are asked for, in a Parameters resource")
    given = parameters.read(bodies.of_type(visit.request, "Parameters"), visit.route.operates.parameters)
    identity = identity_of(visit, given["patient"])
    before, state = known(visit, identity)
    for each in ("Consent", *(("RelatedPerson",) if "representative" in given else ())):
        narrow(visit.principal.scopes, each, "c", visit.principal, compile_criteria)
    patient = before.key if before is not None else visit.house.ids()
    person = before.resource() if before is not None else {**identity, "id": patient}
    represented = _represented(visit, given, person, state)
    if not (given.get("email") or given.get("mobile") or person.get("telecom")):
        raise _lacking("give an e-mail address or a mobile number")
    written = identity_written(visit, before, person, state, {} if represented else given)
    people = [written]
    speaker = None
    if represented:
        state, write = add_guardian(visit, state, patient, given)
        speaker = write.id
        people.append(write)
        if given.get("protectionMeasure"):
            cited = life.consent(
                visit, "representant-legal", patient, by=speaker, actor=speaker, cites=given["protectionMeasure"]
            )
            measure = _answer(visit, state, patient, cited)
            people.append(measure)
            state = joined(state, state_of(person, (measure.resource or {},), (), {}))
    consents = [_answer(visit, state, patient, each) for each in _answers(visit, given, patient, speaker)]
    traced = life.provenance(visit, [f"Patient/{patient}"], speaker or f"Patient/{patient}")
    proof = life.add(visit, traced, life.allowed(visit, "create", state, patient, traced))
    versions = life.landed(visit, [*people, *consents, proof], patient, "opened")
    view = MinimalView(treating=False, authorised="none", open_=True)
    location = {"Location": f"{visit.request.base}/Patient/{patient}/_history/{versions[0].version}"}
    return answers.one(apply((view,), versions[0]), 201, location)


def identity_of(visit: Visit, patient: dict[str, Any]) -> dict[str, Any]:
    """The identity that is brought, as it is to be kept. Raises Problem 422 for one that is not qualified, or dead."""
    bodies.checked(patient)
    brought = bodies.kept(relative_to({**patient, "active": False}, visit.request.base))
    brought = {name: value for name, value in brought.items() if name != "id"}
    bodies.checked(brought)
    if not ins_of(brought) or identity_is_qualified(brought) is not True:
        raise _lacking("a record is opened for a qualified identity, by its INS", "Patient.identifier")
    if closing.is_dead(brought):
        raise _lacking("no record is opened for who has died", "Patient.deceased")
    if closing.of(brought) is not None:
        raise _lacking("a closing is not brought with an identity", "Patient.extension")
    if names_of({**brought, "id": "-"}, visit.request.base):
        raise _lacking("an identity names nothing of a record", "Patient")
    return brought


def known(visit: Visit, identity: dict[str, Any]) -> tuple[Stored | None, RecordState]:
    """The Patient with this INS and the state of its record, else None and that of a record which is not there yet.

    Raises the one 409 where the INS has a record, open or closed, is another person's, or where the opening is not the
    asker's to make: uniqueness is all that is told (docs/adr/0017).
    """
    fresh = state_of({**identity, "id": "-"}, (), (), {})
    # who opens no records at all is told so before any is looked for
    life.allowed(visit, "create", fresh, "-", {**identity, "id": "-"})
    taken = submitted_before(visit.house, unique_of(identity), create.within(visit))
    found = list({each.id: each for each in taken.values()}.values())
    if not found:
        return None, fresh
    state = visit.house.records.record(found[0].key)
    person = found[0].resource()
    opened = person.get("active") is True or closing.of(person) is not None or closing.is_dead(person)
    if len(found) > 1 or state is None or state.standing != "none" or opened or not _same(person, identity):
        visit.refuse_here("opening.refused")
        raise in_use()
    return found[0], state


def in_use() -> Problem:
    """The one answer for an identifier that somebody has, whatever stands behind it."""
    return conflict("an identifier of this resource is already in use")


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two identities with the same INS are of one person: the same birth date, a family name in common."""
    names = [{_plain(each.get("family")) for each in person.get("name", ())} - {""} for person in (one, other)]
    return one.get("birthDate") == other.get("birthDate") and not names[0].isdisjoint(names[1])


def _plain(name: Any) -> str:
    return " ".join(str(name or "").casefold().replace("-", " ").split())


def identity_written(
    visit: Visit, before: Stored | None, person: dict[str, Any], state: RecordState, given: dict[str, Any]
) -> Write:
    """Stage the identity of an open record, with where notices go."""
    made = open_record.opened(closing.opened(person), given)
    key = str(made["id"])
    if before is not None:
        try:
            after = life.allowed(visit, "update", state, key, made, before=before, right="c")
        except Problem:
            raise in_use() from None
        return life.put(visit, before, made, after)
    after = life.allowed(visit, "create", state, key, made)
    return life.add(visit, {name: value for name, value in made.items() if name != "id"}, after, key)


def _represented(visit: Visit, given: dict[str, Any], person: dict[str, Any], state: RecordState) -> bool:
    """Whether a representative consents. Raises Problem 422 for a minor without one, or an adult whom none protects."""
    born, majority = str(person.get("birthDate", "")), settings().majority
    grown = len(born) == MAJORITY_KNOWN and of_age(born, micros(visit.house.clock()), majority)
    if not grown and "representative" not in given:
        raise _lacking("the legal representative of a minor consents: give `representative`")
    if grown and "representative" in given and not given.get("protectionMeasure"):
        raise _lacking("an adult is represented as a measure of protection says: give `protectionMeasure`")
    most = profile_json("dmp/rules.json")["representatives"]["maximum"]
    if "representative" in given and len(state.representatives) >= most:
        raise _lacking("this record has as many legal representatives as it may have")
    return "representative" in given


def add_guardian(visit: Visit, state: RecordState, patient: str, given: dict[str, Any]) -> tuple[RecordState, Write]:
    """Stage the legal representative; the state of the record with that person in it."""
    table, rules = profile_json("dmp/related-person-roles.json"), profile_json("dmp/rules.json")
    key = visit.house.ids()
    brought = {name: each for name, each in given["representative"].items() if name not in ("id", "meta")}
    person: dict[str, Any] = {**brought, "patient": {"reference": f"Patient/{patient}"}, "active": True}
    wrong = tuple(each for each in validation.check(person) if each.severity in ("fatal", "error"))
    if wrong:
        raise unprocessable(wrong)
    if names_of({**brought, "patient": {}}, visit.request.base):
        raise _lacking("a legal representative names nothing of a record", "RelatedPerson")
    if not is_guardian(person):
        role = {"system": table["system"], "code": rules["guardian"], "display": table["roles"][rules["guardian"]]}
        person["relationship"] = [{"coding": [role]}, *person.get("relationship", ())]
    person.setdefault("identifier", [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{key}"}])
    person = open_record.opened(person, given)
    after = life.allowed(visit, "create", state, patient, person)
    write = life.add(visit, person, after, key)
    return joined(state, state_of({}, (), (write.resource or {},), {})), write


def joined(one: RecordState, other: RecordState) -> RecordState:
    """The state of a record with the representatives and Consents of another that is about to be written into it."""
    return replace(
        one,
        representatives=one.representatives | other.representatives,
        directives=Directives(
            (*one.directives.all, *other.directives.all), {**one.directives.terms, **other.directives.terms}
        ),
    )


def _answers(visit: Visit, given: dict[str, Any], patient: str, speaker: str | None) -> list[dict[str, Any]]:
    """The Consents that the answers are; `speaker` is who consents for the holder."""

    def made(category: str, **more: Any) -> dict[str, Any]:
        return life.consent(visit, category, patient, by=speaker, **more)

    said = [made("dmp-creation")]
    said += [made(category, permit=bool(given[name])) for name, category in open_record.QUESTIONS.items()]
    said += [made(category, actor=actor) for category, actor in open_record.authorised(given)]
    return said


def _answer(visit: Visit, state: RecordState, patient: str, consent: dict[str, Any]) -> Write:
    return life.add(visit, consent, life.allowed(visit, "create", state, patient, consent))


def _lacking(text: str, where: str = "Parameters") -> Problem:
    return unprocessable((Issue("error", "required", text, where),))
