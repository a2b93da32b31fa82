"""Life: what the steps in the life of a record have in common (DMP-20 to DMP-22, DMP-103 to DMP-106).

May live here: deciding upon one write of a step as the state before it says, staging it, ending the Consents that a
closing ends, who did it (Provenance), noting and telling. May not know: which writes a step is made of; that is the
operation's (`operations/`). Every step is one transaction: what it writes, its ledger entry and its notices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.consent.decision import Deny
from fhir_server.consent.directive import CREATION, parse
from fhir_server.consent.directives import RecordState
from fhir_server.consent.request import Verb, changed
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import from_micros, instant, micros
from fhir_server.foundation.predicate import EVERYTHING, Has, Predicate, both
from fhir_server.foundation.principal import Principal
from fhir_server.foundation.problem import forbidden
from fhir_server.interactions import announce, bodies, consents, create
from fhir_server.interactions.pipeline import Visit, compile_criteria
from fhir_server.interactions.subject import active_consents, of_instance, patient_at
from fhir_server.notices.occasion import Occasion
from fhir_server.resources import consent_patterns
from fhir_server.smart.scope import elsewhere, narrow
from fhir_server.store.documents import Stored
from fhir_server.store.write import Write

_LETTERS = {"create": "c", "update": "u", "delete": "d"}
_SERVERS = ("Provenance", "Communication")
"""What the server adds to a step by itself: no scope speaks of it."""
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def entered(visit: Visit) -> tuple[Stored, RecordState]:
    """The Patient at the address and the state of its record, for a step that changes them.

    What the asker may not read is shown to the step alone: who may not take it either is answered as if nothing stood
    there. Raises Problem 404.
    """
    subject = of_instance(visit.route, visit.house, visit.unit)
    visit.subject = subject
    before = visit.door(subject, "read").read("Patient", visit.route.id)
    state = None if subject.absent else visit.house.records.record(visit.route.id)
    if state is None:
        raise visit.unseen()
    if before is None:
        decided = _decision(visit, "Patient", "update", state, visit.route.id)
        del visit.entry.deeds[visit.begun :]  # that it is not read is no refusal: the step is what was asked
        if isinstance(decided, Deny):
            visit.note_refusal([decided])
            raise visit.unseen()
        before = patient_at(visit.house, visit.route.id, visit.unit)
    if before is None:
        raise visit.unseen()
    return before, state


def allowed(
    visit: Visit,
    verb: Verb,
    state: RecordState,
    patient: str,
    proposed: dict[str, Any] | None,
    *,
    right: str | None = None,
    **more: Any,
) -> Predicate:
    """What one write of the step may lead to, less what the token's scopes leave out. Raises Problem 403.

    `proposed` is a Patient, or whatever else the step writes; None for a deletion of the Patient. `right` is the letter
    that a scope must have, by default that of the verb; what the server adds by itself needs none.
    """
    type_ = proposed["resourceType"] if proposed else "Patient"
    letter = right or _LETTERS[verb]
    scope = (
        EVERYTHING
        if type_ in _SERVERS
        else narrow(visit.principal.scopes, type_, letter, visit.principal, compile_criteria)
    )
    decided = _decision(visit, type_, verb, state, patient, proposed=proposed, **more)
    if isinstance(decided, Deny):
        visit.note_refusal([decided])
        raise forbidden()
    visit.granted = tuple(dict.fromkeys((*visit.granted, *decided.reasons)))
    return both(scope, decided.after)


def _decision(
    visit: Visit,
    type_: str,
    verb: Verb,
    state: RecordState,
    patient: str,
    *,
    proposed: Mapping[str, Any] | None = None,
    before: Stored | None = None,
    demanded: bool = False,
) -> Any:
    token = visit.principal
    if elsewhere(token.scopes, token, patient, "Patient" if type_ in _SERVERS else type_):
        return Deny(("record.not-in-context",))
    named = proposed if type_ == "Consent" and proposed else None
    asked = state.asked(
        token,
        verb,
        type_,
        visit.house.clock(),
        patient=patient,
        operation=visit.route.operation,
        current=before.envelope() if before else None,
        proposed=proposed,
        changes=changed(before.resource(), proposed) if before and proposed else None,
        members=visit.house.records.members_of(named) if named else None,
        demanded=demanded,
    )
    return visit.house.memory.decide(asked, state.directives)


def put(visit: Visit, before: Stored, resource: dict[str, Any], after: Predicate) -> Write:
    """Stage the next version of a Patient; who deposited it stays who did."""
    by, voice = bodies.submitter_of(visit.principal), bodies.voice_of(visit.principal)
    return create.within(visit).replace(before, resource, method="PUT", by=by, after=after, voice=voice)


def add(visit: Visit, resource: dict[str, Any], after: Predicate, id_: str | None = None) -> Write:
    """Stage a new resource of the record. It is nobody's deposit: who recorded it has no more right to it for that."""
    bodies.checked(resource)
    consents.readable(visit, resource)
    voice = bodies.voice_of(visit.principal)
    return create.within(visit).create(resource, submitter=(), after=after, fresh=id_, voice=voice)


def ended(visit: Visit, patient: str) -> list[Write]:
    """Stage the end of the Consents that a closing ends: what permits. Blocks, oppositions and answers stay.

    A refusal keeps all it refuses, and loses whom it spares: no earlier agreement comes back with a reopening.
    """
    kinds, unit = frozenset(profile_json("dmp/rules.json")["life"]["endedByClosing"]), create.within(visit)
    staged = []
    for each in active_consents(visit.house, patient, unit):
        said = parse(each.resource())
        if said is None or said.kind not in kinds:
            continue
        if said.permit or said.kind == CREATION:
            over = {**each.resource(), "status": "inactive"}
        elif any(inner.permit for inner in said.nested):
            over = _sparing_nobody(each.resource())
        else:
            continue
        whose = Has("patients", patient)
        staged.append(unit.replace(each, over, method="PUT", by=(), after=whose))
    return staged


def _sparing_nobody(consent: dict[str, Any]) -> dict[str, Any]:
    """A refusal without the agreements nested in it."""
    root = {name: value for name, value in consent["provision"].items() if name != "provision"}
    denies = [each for each in consent["provision"]["provision"] if each.get("type") != "permit"]
    return {**consent, "provision": {**root, **({"provision": denies} if denies else {})}}


def consent(visit: Visit, category: str, patient: str, *, by: str | None = None, **more: Any) -> dict[str, Any]:
    """A Consent of ours that is collected now, by the mode that belongs to who asks; `by` consents, or the holder."""
    mode = profile_json("dmp/rules.json")["life"]["collectedBy"].get(visit.principal.kind.value)
    now = instant(visit.house.clock())
    return consent_patterns.consent(category, f"Patient/{patient}", now, performer=by, mode=mode, **more)


def provenance(visit: Visit, targets: Iterable[str], behalf: str | None = None) -> dict[str, Any]:
    """Who recorded the targets (`Type/id`), on whose behalf."""
    agent: dict[str, Any] = {
        "type": {"coding": [{"system": PARTICIPANT, "code": "enterer"}]},
        "who": who(visit.principal),
    }
    if behalf is not None:
        agent["onBehalfOf"] = {"reference": behalf}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": each} for each in targets],
        "recorded": instant(visit.house.clock()),
        "agent": [agent],
    }


def who(principal: Principal) -> dict[str, Any]:
    """A reference to who asks, by what the directory knows of them, else by their name."""
    told = {"display": principal.name or principal.subject}
    return {**({"reference": principal.reference} if principal.reference else {}), **told}


def landed(visit: Visit, writes: list[Write], patient: str, occasion: Occasion) -> list[Stored]:
    """Write what is staged, put it on record as one deed, and tell who is to be told of it (DMP-107)."""
    unit = create.within(visit)
    create.flushed(visit, unit)
    versions = [unit.preview(write) for write in writes]
    visit.entry.add(
        "operation",
        visit.request.path,
        patient=patient,
        whats=tuple(f"{each.id}/_history/{each.version}" for each in versions),
        disclosed=tuple(each.id for each in versions),
        granted=visit.granted,
    )
    people = [each.resource() for each in versions if each.type in ("Patient", "RelatedPerson")]
    visit.entry.notices.extend(announce.of_life(visit.house, visit.principal, patient, occasion, people))
    return versions


def today(visit: Visit) -> str:
    """The day of the domain clock, as a FHIR date; ages and durations are counted by the same days."""
    return from_micros(micros(visit.house.clock())).date().isoformat()
