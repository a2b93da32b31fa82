"""`$explain-access`: who can see this document, or this record, and why; if a Consent were put on record, too.

May live here: asking `consent/why.py` for each actor, and telling it as Parameters. May not know: any rule. To whom it
is told is a rule (`explained_to_few`); everybody else gets the 404 of what is not there (decisions 17).

INVARIANT (as shown): the answer is worked out from what the asker may see, and from nothing else. A Consent that he may
not see is no part of it, nor is what a resource only mentions and he may not see (decisions 16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from fhir_server.consent.case import case_of
from fhir_server.consent.directive import UNREADABLE, Directive, parse
from fhir_server.consent.directives import RecordState
from fhir_server.consent.explain import LANGUAGES, sentence
from fhir_server.consent.settings import settings
from fhir_server.consent.why import Because, Why, why
from fhir_server.foundation.moment import instant
from fhir_server.foundation.predicate import Has, Predicate, both, one_of
from fhir_server.foundation.principal import Principal, Purpose
from fhir_server.foundation.problem import Issue, bad_request, problem, unprocessable
from fhir_server.interactions import actors, answers, bodies, parameters, read
from fhir_server.interactions.actors import Actor
from fhir_server.interactions.directory import StoredDirectory
from fhir_server.interactions.operations import telling
from fhir_server.interactions.pipeline import Visit, compile_criteria
from fhir_server.interactions.request import FhirResponse
from fhir_server.interactions.subject import Subject, of_instance
from fhir_server.resources.references import relative_to
from fhir_server.search.query import Order
from fhir_server.smart.scope import narrow
from fhir_server.store.documents import Stored
from fhir_server.store.visible import VisibleStore

PURPOSES = (Purpose.TREATMENT, Purpose.BREAK_GLASS, Purpose.EMERGENCY_DISPATCH)
_ORDER = (Order("updated", descending=True), Order("id", descending=True))


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: one resource as its asker sees it, or the record where it is the Patient himself."""

    visit: Visit
    patient: str
    found: Stored
    envelope: dict[str, Any]

    def why(self, record: RecordState, who: Principal) -> Why:
        """Why somebody would, or would not, see it: the documents of the record, or this resource by its address."""
        house = self.visit.house
        whole = self.found.type == "Patient"
        verb, type_ = ("search", "DocumentReference") if whole else ("read", self.found.type)
        asked = record.asked(who, verb, type_, house.clock(), patient=self.patient)  # type: ignore[arg-type]
        return why(asked, record.directives, house.matrix, None if whole else self._shown)

    def _shown(self, predicate: Predicate) -> bool:
        return VisibleStore(self.visit.house.shelf, predicate).shows(self.envelope)


def run(visit: Visit) -> FhirResponse:
    """200 with Parameters; 404 for what may not be seen, and to whom nothing is explained; 400 and 422 as asked."""
    given = parameters.of(visit.request, visit.route.operates.parameters)
    scope = visit.scoped("r")
    for type_ in ("Consent", "RelatedPerson"):
        narrow(visit.principal.scopes, type_, "s", visit.principal, compile_criteria)
    subject = of_instance(visit.route, visit.house, visit.unit)
    door = visit.door(subject).within(scope)
    found = door.read(visit.route.type, visit.route.id)
    if found is None:
        raise read.missing(visit, door)
    if len(subject.patients) != 1:
        raise problem(422, "not-supported", "what belongs to no record, or to several, is not explained")
    question = Question(visit, subject.patients[0], found, door.as_if_unnamed(found))
    consents = _seen(visit, question.patient, "Consent", Has("state", "active"))
    record = _record(visit, question.patient, consents)
    assumed = _assumed(visit, question.patient, given["assume"]) if "assume" in given else None
    everybody = _everybody(question, record, consents, given)
    rows = [_row(question, record, each, assumed) for each in everybody]
    telling.disclosed(visit, found, [found, *consents])
    head = [
        {"name": "resource", "valueReference": {"reference": found.id}},
        {"name": "moment", "valueInstant": instant(visit.house.clock())},
    ]
    told = {"resourceType": "Parameters", "parameter": [*head, *rows]}
    return FhirResponse(200, orjson.dumps(told), answers.JSON)


def _seen(visit: Visit, patient: str, type_: str, where: Predicate) -> list[Stored]:
    """What the asker may see of one type of the record. Raises Problem 400 for more than a page holds."""
    door, _ = visit.beyond(type_, Subject((patient,), named=True))
    page = door.page(type_, both(Has("patient", patient), where), _ORDER, visit.house.limits.page)
    if page.next is not None:
        raise bad_request("the record has more Consents than can be explained at once", code="too-costly")
    return page.entries


def _record(visit: Visit, patient: str, consents: list[Stored]) -> RecordState:
    """The record as its asker knows it. Raises Problem 404 when it went meanwhile."""
    record = visit.house.records.record(patient)
    if record is None:
        raise visit.unseen()
    shown = {each.id for each in consents}
    return record.holding(each for each in record.directives.all if each.id in shown)


def _assumed(visit: Visit, patient: str, consent: dict[str, Any]) -> Directive:
    """The Consent to be assumed, read as if it stood there. Raises Problem 422 for one that could not be recorded."""
    consent = relative_to(consent, visit.request.base)
    bodies.checked(consent)
    if (consent.get("patient") or {}).get("reference") != f"Patient/{patient}":
        raise _wrong("the Consent is of another record", "patient")
    directive = parse({**consent, "id": "assumed"}, visit.house.records.members_of(consent))
    if directive is None:
        raise _wrong("a Consent about something else than privacy changes nothing here", "scope")
    if directive.kind == UNREADABLE:
        raise _wrong(f"the Consent cannot be read: {directive.unread}", "provision")
    return directive


def _wrong(text: str, element: str) -> Exception:
    return unprocessable((Issue("error", "business-rule", text, f"Consent.{element}"),))


def _everybody(question: Question, record: RecordState, consents: list[Stored], given: dict[str, Any]) -> list[Actor]:
    """The actors that matter, each once, the one asked for first."""
    visit = question.visit
    bodies_ = [each.resource() for each in consents]
    if "assume" in given:
        bodies_.append(given["assume"])
    members = visit.house.records.members_of(*bodies_)
    directory = StoredDirectory(visit.house.shelf)
    wanted = actors.named_in(bodies_, members)
    wrote = actors.written_by(question.found.facts)
    named = actors.known(directory, (*wanted.items(), *wrote.items()))
    related = _seen(visit, question.patient, "RelatedPerson", one_of("id", sorted(record.representatives)))
    standing_in = [actors.representative(each.id, question.patient) for each in related]
    own = [actors.holder(question.patient), *standing_in]
    asked = _asked(given, directory, own)
    named = [_treating(question, record, each) for each in named]
    return [*asked, *own, *named, *actors.in_general()]


def _treating(question: Question, record: RecordState, actor: Actor) -> Actor:
    now, matrix = question.visit.house.clock(), question.visit.house.matrix
    for each in actor.seated:
        asked = record.asked(each, "read", "Patient", now, patient=question.patient)
        if case_of(asked, record.directives, matrix, settings()).treating:
            return actor.called("actor.treating-physician")
    return actor


def _asked(given: dict[str, Any], directory: StoredDirectory, own: list[Actor]) -> list[Actor]:
    """Who is asked for by name, profession or mode. Raises Problem 400 for whom nobody knows here."""
    if not {"actor", "profession", "purpose"} & given.keys():
        return []
    purpose = next((each for each in PURPOSES if each.value == given.get("purpose", "TREAT")), None)
    if purpose is None:
        raise bad_request("`purpose` is TREAT, BTG or ETREAT", "purpose", "value")
    profession = given.get("profession")
    if "actor" not in given:
        return [actors.anyone("actor.asked", purpose, profession)]
    reference = str(given["actor"]["reference"]).partition("/_history/")[0]
    found = next((each for each in own if each.reference == reference), None)
    if found is None and reference.startswith(("Practitioner/", "Organization/")):
        found = next(iter(actors.known(directory, [(reference, "actor.asked")])), None)
        known = directory.professionals([reference]) if reference.startswith("Practitioner/") else True
        found = found if known else None
    if found is None:
        raise bad_request("`actor` is nobody who is known here", "actor", "not-found")
    return [replace(found.called("actor.asked").asking(profession, purpose), assumed=found.assumed and not profession)]


def _row(question: Question, record: RecordState, actor: Actor, assumed: Directive | None) -> dict[str, Any]:
    who, now = _best(question, record, actor)
    parts = [*_who(actor, who), *_decision(now)]
    if assumed is not None:
        _, then = _best(question, record.assuming(assumed), actor)
        changed = {"name": "changed", "valueBoolean": then != now}
        parts += [{"name": "assumed", "part": [*_decision(then), changed]}]
    return {"name": "actor", "part": parts}


def _best(question: Question, record: RecordState, actor: Actor) -> tuple[Principal, Why]:
    """Signed in where he sees most: the first place from which it is seen, else the first."""
    told = [(each, question.why(record, each)) for each in actor.seated]
    return next((each for each in told if each[1].seen), told[0])


def _who(actor: Actor, who: Principal) -> Iterator[dict[str, Any]]:
    for role in actor.roles:
        texts = [{"name": each, "valueString": sentence(role, each)} for each in LANGUAGES]
        code = {"name": "code", "valueCode": role.partition(".")[2]}
        yield {"name": "role", "part": [code, *texts]}
    if actor.reference is not None:
        named = {"reference": actor.reference, **({"display": who.name} if who.name else {})}
        yield {"name": "who", "valueReference": named}
    if who.organization is not None:
        yield {"name": "place", "valueReference": {"reference": who.organization}}
    if who.profession is not None:
        yield {"name": "profession", "valueCode": who.profession}
        yield {"name": "professionAssumed", "valueBoolean": actor.assumed}
    yield {"name": "purpose", "valueCode": who.purpose.value}


def _decision(told: Why) -> list[dict[str, Any]]:
    return [{"name": "decision", "valueCode": "permit" if told.seen else "deny"}, *map(_reason, told.because)]


def _reason(because: Because) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "code", "valueCode": because.reason},
        {"name": "effect", "valueCode": because.effect},
    ]
    if because.rule:
        parts.append({"name": "rule", "valueCode": because.rule})
    parts += [{"name": each, "valueString": sentence(because.reason, each)} for each in LANGUAGES]
    parts += _consents(because.consents)
    return {"name": "reason", "part": parts}


def _consents(ids: Iterable[str]) -> list[dict[str, Any]]:
    """The Consents that caused it; the one that is assumed has no address."""
    return [
        {
            "name": "consent",
            "valueReference": {"display": "assume"} if each == "Consent/assumed" else {"reference": each},
        }
        for each in ids
    ]
