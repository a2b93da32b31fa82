"""Subject: the records a request is about.

May live here: finding the owners (decisions 13) a decision must be made for. May not know: what the decision will be.
The lookups are `store.unguarded`'s; what they find never reaches an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.consent.case import may_represent, of_age
from fhir_server.consent.decision import Permit
from fhir_server.consent.directive import is_guardian
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.settings import settings
from fhir_server.definitions.identifiers import is_ins_system
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import EVERYTHING, Predicate, matches
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.foundation.problem import problem
from fhir_server.interactions.house import House
from fhir_server.interactions.routes import Route
from fhir_server.notices.occasion import Contact, contacts_of
from fhir_server.resources.facts import owners_of
from fhir_server.resources.reach import addresses_of, set_by, spelt
from fhir_server.search import special
from fhir_server.search.query import Query
from fhir_server.smart.scope import conditions, elsewhere
from fhir_server.store import unguarded
from fhir_server.store.changes import Unit
from fhir_server.store.documents import Stored


@dataclass(frozen=True, slots=True)
class Subject:
    """The records (patient ids) asked about; `named` when the request itself names the patient (decisions 17).

    `joint`: every record must permit, as for a resource of several owners. `absent`: nothing stands at the address.
    `existence`: a search of Patient by INS and nothing else (DMP-101, TD02). `standing`: one lookup told all this.
    `written`: those a search spans only because it finds there what the asker wrote.
    """

    patients: tuple[str, ...] = ()
    named: bool = False
    joint: bool = False
    absent: bool = False
    existence: bool = False
    standing: bool = False
    written: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def hidden_by(self, residual: Predicate) -> bool:
        """Whether what is known to stand at the address asked for is none of what a residual lets be seen."""
        if not self.facts:
            return False
        id_ = str(self.facts["id"])
        return not matches(residual, {"_id": id_, "type": id_.partition("/")[0], "facts": self.facts})


NO_RECORD = Subject()


def of_instance(route: Route, house: House, unit: Unit | None) -> Subject:
    """The owners of what stands at `Type/id`, current or deleted."""
    session = unit.session if unit else None
    facts = unguarded.facts_at(house.shelf, route.type, route.id, session)
    standing = facts is not None
    if facts is None:
        facts = unguarded.facts_before(house.shelf, route.type, route.id, session)
    if facts is None:
        return Subject(absent=True)
    named = {"id": f"{route.type}/{route.id}", **facts}
    return Subject(tuple(facts.get("patients", ())), joint=True, standing=standing, facts=named)


def as_if_absent(route: Route, house: House, unit: Unit | None) -> None:
    """Ask, for what stands and is hidden, what is asked for what does not stand: as many round trips (decisions 17)."""
    unguarded.facts_before(house.shelf, route.type, route.id, unit.session if unit else None)


def of_resource(resource: dict[str, object], hint: str | None = None) -> Subject:
    """The owners a resource names; those of an entry of a submission may be told by the bundle (`hint`)."""
    owners = tuple(owners_of(resource)) or ((hint,) if hint else ())
    return Subject(owners, named=True, joint=True)


def of_search(query: Query, principal: Principal, house: House) -> Subject:
    """The records a search spans: those it names, the one an INS finds, or those the asker has standing with.

    None for the types of no record: the directory and definitions, and what is one's own. What is asked within the
    compartment of a patient names that record, whatever the type.
    """
    inside = query.compartment.startswith("Patient/")
    if not inside and of_no_record(query.type, house):
        return NO_RECORD
    if query.patients:
        return Subject(query.patients, named=inside or query.type != "Patient")
    ins = _ins_alone(query, principal)
    if ins is not None:
        found = patients_of_identifier(house, ins)
        return Subject(tuple(id_.partition("/")[2] for id_ in found), existence=True)
    return _standing(query, principal, house)


def of_no_record(type_: str, house: House) -> bool:
    """Whether what is of a type belongs to no record: the directory and definitions, and what is one's own."""
    return type_ in house.matrix.shared_types or house.matrix.class_of(type_) == "own"


def of_type(type_: str, principal: Principal, house: House, narrowed: Predicate = EVERYTHING) -> Subject:
    """The records that a question of a type spans: those the asker has standing with, none for types of no record.

    What the asker wrote counts within `narrowed`.
    """
    if of_no_record(type_, house):
        return NO_RECORD
    return _with_standing(narrowed, type_, principal, house)


def of_types(narrowed: Predicate, principal: Principal, house: House) -> Subject:
    """The records that a question of several types spans: those the asker has standing with.

    What the asker wrote counts within `narrowed`.
    """
    return _with_standing(narrowed, "", principal, house)


def _standing(query: Query, principal: Principal, house: House) -> Subject:
    return _with_standing(query.where if query.type else EVERYTHING, query.type, principal, house)


def _with_standing(narrowed: Predicate, type_: str, principal: Principal, house: House) -> Subject:
    if principal.kind is Kind.OPERATOR:
        return NO_RECORD
    if principal.patient and elsewhere(principal.scopes, principal, "", type_):
        return Subject((principal.patient,))  # a token for one record; how many others name its bearer costs nothing
    if principal.kind in (Kind.HOLDER, Kind.REPRESENTATIVE):
        return Subject((principal.patient,)) if principal.patient else NO_RECORD
    # a Consent may name where somebody works; what was deposited from there opens nothing to him (`request.wrote`)
    keys, own = sorted(principal.identities | principal.organizations), sorted(principal.identities)
    named, written = unguarded.standing_of(house.shelf, keys, own, narrowed, house.limits.records)
    if principal.patient and principal.patient not in named:
        named.append(principal.patient)
    found = tuple(dict.fromkeys((*named, *written)))
    if len(found) > house.limits.records:
        raise problem(400, "too-costly", "this search spans too many records; name a patient")
    return Subject(found, written=frozenset(written).difference(named))


def _ins_alone(query: Query, principal: Principal) -> str | None:
    """`system|value` when the search is `Patient?identifier=<INS>` and nothing besides but the shape of its answer.

    INVARIANT (INS alone): whatever else narrows it, the query or the token's scopes, would tell by one hit or none
    what the minimal view does not show, of closed records too (DMP-101, DMP-105); so would what comes along with it.
    """
    if query.type != "Patient" or query.chained or query.compartment:
        return None
    ins = _ins_of([(name, value) for name, value in query.asked if name not in special.SHAPING])
    narrowed = conditions(principal.scopes, "Patient", "s")
    return ins if all(_ins_of(criteria) is not None for criteria in narrowed) else None


def _ins_of(asked: Sequence[tuple[str, str]]) -> str | None:
    """`system|value` of criteria that are one INS and nothing else."""
    if len(asked) != 1 or asked[0][0] != "identifier" or "," in asked[0][1]:
        return None
    system, bar, value = asked[0][1].partition("|")
    return f"{system}|{value}" if bar and value and is_ins_system(system) else None


def existence_is_told(principal: Principal, matrix: Matrix) -> bool:
    """Whether the existence check is open to this party: who feeds or opens records, and is not refused (DMP-101)."""
    return principal.kind not in (Kind.HOLDER, Kind.REPRESENTATIVE) and matrix.forbidden(principal) is None


def patients_told(house: House, identifier: str, asker: Principal, unit: Unit | None = None) -> list[str]:
    """`Patient/id` of those with this `system|value` whose existence the asker may check (DMP-101, DMP-112).

    That check is by INS; an operator may ask by any number.
    """
    found = patients_of_identifier(house, identifier, unit)
    if asker.kind is Kind.OPERATOR:
        return found
    if not is_ins_system(identifier.partition("|")[0]):
        return []
    return [each for each in found if _exists_for(asker, each.partition("/")[2], house)]


def _exists_for(asker: Principal, patient: str, house: House) -> bool:
    record = house.records.record(patient)
    if record is None:
        return False
    asked = record.asked(asker, "search", "Patient", house.clock(), patient=patient, existence_check=True)
    return isinstance(house.memory.decide(asked, record.directives), Permit)


def patients_of_identifier(house: House, identifier: str, unit: Unit | None = None) -> list[str]:
    """`Patient/id` of those with this `system|value`: to know which record is to be decided upon, and nothing else."""
    session = unit.session if unit else None
    return [id_ for id_, _ in unguarded.by_token(house.shelf, f"Patient.identifier={identifier}", session=session)]


def submitted_before(house: House, keys: list[str], unit: Unit | None) -> dict[str, Stored]:
    """Which of these globally unique keys are taken, and by what."""
    return unguarded.holders_of_unique(house.shelf, keys, unit.session if unit else None)


def list_of(house: House, documents: list[str], submitter: list[str], unit: Unit | None) -> str | None:
    """The submission set these documents came with, from this submitter."""
    return unguarded.listed_in(house.shelf, documents, submitter, unit.session if unit else None)


def as_stored(house: House, shown: Stored, unit: Unit | None) -> Stored:
    """The version that was shown, with the mentions that were taken from it; for a write that must not lose them."""
    return unguarded.current(house.shelf, shown.id, unit.session if unit else None) or shown


def patient_at(house: House, patient: str, unit: Unit | None) -> Stored | None:
    """The Patient of a record, for a step in its life by somebody who does not read it."""
    return unguarded.current(house.shelf, f"Patient/{patient}", unit.session if unit else None)


def active_consents(house: House, patient: str, unit: Unit | None) -> list[Stored]:
    """The active Consents of a record, as a transaction sees them: what a step in its life or a new one ends."""
    return unguarded.active_consents(house.shelf, patient, unit.session if unit else None)


@dataclass(frozen=True, slots=True)
class Persons:
    """Who is to be told of something: the Patient, and those who represent the holder now.

    `own` are the addresses that somebody who is represented set himself, in one spelling; None for who is not.
    """

    holder: dict[str, Any] | None = None
    representatives: tuple[dict[str, Any], ...] = ()
    own: frozenset[str] | None = None

    def contacts(self, *, alone: bool = False) -> tuple[Contact, ...]:
        """Where they are told; the holder `alone`."""
        return contacts_of(self.holder, () if alone else self.representatives, self.own) if self.holder else ()


def persons_of(house: House, patient: str) -> Persons:
    """The people of a record, and where each is told (DMP-92, DMP-142).

    Who is of age is not told at the address of somebody who represented him. Who is not, or is protected, has no
    address of his own but one that he set himself and no representative has (docs/adr/0035).
    """
    stored, people = unguarded.people_of(house.shelf, patient)
    record = house.records.record(patient)
    if record is None or stored is None:
        return Persons()
    at = micros(house.clock())
    standing_in = {
        each for each in record.representatives if may_represent(each, record.directives, record.birth, at, settings())
    }
    related = tuple(each for each in people if f"RelatedPerson/{each.get('id')}" in standing_in)
    guardians, holder = [each for each in people if is_guardian(each) or each in related], stored.resource()
    grown = record.birth is not None and of_age(record.birth, at, settings().majority)
    if grown:
        theirs = frozenset().union(*(addresses_of(each) for each in guardians if each not in related))
        holder["telecom"] = [point for point in holder.get("telecom", ()) if spelt(point) not in theirs]
    own = set_by(stored.reach, "holder", but=guardians) if related or not grown else None
    return Persons(holder, related, own)
