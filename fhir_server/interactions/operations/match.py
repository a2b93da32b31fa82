"""`Patient/$match`: https://hl7.org/fhir/R4/patient-operation-match.html, among the Patients that the asker may see.

Nobody is found that a search would not find: the candidates come through the same door. A matricule INS stands for a
qualified identity (DMP-150): one that is the same, with traits that do not speak against it, is certain; one that is
another rules a patient out. Grades are https://hl7.org/fhir/R4/valueset-match-grade.html.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fhir_server.consent.obligations import apply
from fhir_server.definitions.identifiers import is_ins_system
from fhir_server.foundation.predicate import Predicate, both, either
from fhir_server.foundation.problem import Problem, bad_request, unprocessable
from fhir_server.interactions import answers, parameters, search
from fhir_server.interactions.pipeline import Visit, compile_criteria
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import of_search
from fhir_server.resources import validation
from fhir_server.search.escapes import escape
from fhir_server.search.query import NEWEST_FIRST, Query
from fhir_server.search.string import normal
from fhir_server.store.documents import Stored

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
CANDIDATES = 200
ENOUGH = 20
Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grade:
    """How sure it is: the code of the published value set, and a score between 0 and 1."""

    code: str
    score: float


CERTAIN, PROBABLE, POSSIBLE = Grade("certain", 1.0), Grade("probable", 0.8), Grade("possible", 0.5)


def run(visit: Visit) -> FhirResponse:
    """A searchset, the likeliest first: 200; 400 for a Patient that says too little to be looked for, 422 for none."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    known, most = given["resource"], given.get("count", ENOUGH)
    if most < 1:
        raise bad_request("`count` is at least 1", "count", "value")
    wrong = tuple(each for each in validation.check(known, "Patient") if each.severity in ("fatal", "error"))
    if wrong:
        raise unprocessable(wrong)
    where = _candidates(known)
    scope = visit.scoped("s")
    query = Query("Patient", where, NEWEST_FIRST, CANDIDATES, "none")
    subject = of_search(query, visit.principal, visit.house)
    door = visit.door(subject)
    found = door.page("Patient", both(scope, where), NEWEST_FIRST, CANDIDATES).entries
    graded = [(each, grade) for each in found if (grade := graded_as(known, each.resource())) is not None]
    graded.sort(key=lambda each: (-each[1].score, each[0].id))
    if given.get("onlyCertainMatches"):
        sure = [each for each in graded if each[1] is CERTAIN]
        graded = sure if len(sure) == 1 else []
    shown = graded[:most]
    visit.request = replace(visit.request, query=())
    search.note(visit, subject, [each for each, _ in shown])
    house = visit.house
    entries = [_entry(visit, version, grade) for version, grade in shown]
    made = answers.bundle("searchset", entries, id_=house.ids(), now=house.clock(), total=len(entries))
    return FhirResponse(200, made, answers.JSON)


def graded_as(known: Resource, candidate: Resource) -> Grade | None:
    """How likely a Patient is the one that is known; None for one who is not."""
    ins, theirs = _matricules(known), _matricules(candidate)
    if ins and theirs and ins.isdisjoint(theirs):
        return None
    traits = [_agrees(known, candidate, name) for name in ("family", "given", "birthDate", "gender")]
    if not ins.isdisjoint(theirs):
        family, _, birth, gender = traits
        if False not in (family, birth, gender) and birth is True and family is True:
            return CERTAIN
        return PROBABLE if traits.count(False) == 0 else POSSIBLE
    if not _identifiers(known).isdisjoint(_identifiers(candidate)):
        return PROBABLE if False not in traits else POSSIBLE
    if all(traits):
        return PROBABLE
    return POSSIBLE if traits[0] is True and traits[2] is True and False not in traits[3:] else None


def _candidates(known: Resource) -> Predicate:
    """Who has one of the identifiers, or the family name and the date of birth. Raises Problem 400 for too little."""
    asked = [
        [("identifier", f"{escape(system)}|{escape(value)}")] for system, value in sorted(_identifiers(known)) if system
    ]
    birth = known.get("birthDate")
    if isinstance(birth, str):
        asked += [[("family", escape(each)), ("birthdate", birth)] for each in sorted(_names(known, "family"))]
    if not asked:
        text = "say an identifier with its system, or a family name and a date of birth"
        raise bad_request(text, "Patient", "incomplete")
    try:
        return either(*(compile_criteria("Patient", pairs) for pairs in asked))
    except Problem as unread:
        raise bad_request(str(unread), "Patient", "value") from unread


def _agrees(known: Resource, candidate: Resource, trait: str) -> bool | None:
    """Whether both say the same of a trait; None where one of them says nothing."""
    if trait in ("family", "given"):
        one, other = _names(known, trait), _names(candidate, trait)
        return bool({normal(each) for each in one} & {normal(each) for each in other}) if one and other else None
    said, stored = known.get(trait), candidate.get(trait)
    return said == stored if said and stored else None


def _names(patient: Resource, part: str) -> set[str]:
    names = [each for each in _objects(patient, "name") if each.get(part)]
    if part == "family":
        return {each["family"] for each in names if isinstance(each["family"], str)}
    return {one for each in names for one in each["given"] if isinstance(one, str)}


def _identifiers(patient: Resource) -> set[tuple[str, str]]:
    found = {(str(each.get("system", "")), str(each.get("value", ""))) for each in _objects(patient, "identifier")}
    return {each for each in found if each[1]}


def _matricules(patient: Resource) -> set[tuple[str, str]]:
    return {each for each in _identifiers(patient) if is_ins_system(each[0])}


def _objects(patient: Resource, name: str) -> list[dict[str, Any]]:
    found = patient.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _entry(visit: Visit, version: Stored, grade: Grade) -> dict[str, Any]:
    return {
        "fullUrl": f"{visit.request.base}/{version.id}",
        "resource": answers.fragment(apply(visit.obligations, version)),
        "search": {
            "extension": [{"url": GRADE, "valueCode": grade.code}],
            "mode": "match",
            "score": grade.score,
        },
    }
