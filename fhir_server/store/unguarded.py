"""The named exceptions: what is read of the record before it is known who may see it.

May live here: the few lookups a decision itself needs, and nothing that reaches an answer.
Importable only by `interactions.subject`, `interactions.directory`, `consent.directives`, `commands` and, within the
store, by what writes (setup.cfg).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo.client_session import ClientSession

from fhir_server.definitions.identifiers import spellings
from fhir_server.foundation.predicate import Predicate, both, either, one_of
from fhir_server.resources import json_text
from fhir_server.store.documents import Stored, stored
from fhir_server.store.mongo import to_mongo
from fhir_server.store.shelf import Shelf

_RECORD_TYPES = ["Patient", "RelatedPerson", "Consent"]
_READ = dict.fromkeys(("type", "version", "updated", "facts", "reach", "body"), 1)
_GROUPS = ("CareTeam", "Group", "PractitionerRole", "Organization")


def facts_at(shelf: Shelf, type_: str, id_: str, session: ClientSession | None = None) -> Mapping[str, Any] | None:
    """The access facts of what stands at an address; None when nothing does."""
    found = shelf.of(type_).find_one({"_id": f"{type_}/{id_}"}, {"facts": 1}, session=session)
    return None if found is None else found.get("facts", {})


def facts_before(shelf: Shelf, type_: str, id_: str, session: ClientSession | None = None) -> Mapping[str, Any] | None:
    """The access facts of the last version at an address that has another now, or none; None when there is none."""
    found = shelf.history.find_one({"id": f"{type_}/{id_}"}, {"facts": 1}, sort=[("version", -1)], session=session)
    return None if found is None else found.get("facts", {})


def facts_of(
    shelf: Shelf, ids: Iterable[str], session: ClientSession | None = None, *, always: bool = False
) -> dict[str, Mapping[str, Any]]:
    """The access facts of resources, by `Type/id`; what is not there is left out. `always`: asked of none too."""
    wanted = list(ids)
    if not wanted and not always:
        return {}
    found = shelf.resources.find({"_id": {"$in": wanted}}, {"facts": 1}, session=session)
    return {each["_id"]: each["facts"] for each in found}


def current(shelf: Shelf, id_: str, session: ClientSession | None = None) -> Stored | None:
    """The current version of `Type/id`, for a write that replaces it."""
    found = shelf.resources.find_one({"_id": id_}, session=session)
    return stored(found) if found else None


def directives_of(shelf: Shelf, patient: str) -> dict[str, list[dict[str, Any]]]:
    """What decides over a record: its Patient, active Consents and RelatedPersons, parsed; one round trip."""
    found = list(
        shelf.resources.find(
            {"facts.patient": patient, "type": {"$in": _RECORD_TYPES}}, {"body": 1, "type": 1, "facts.state": 1}
        )
    )
    answer: dict[str, list[dict[str, Any]]] = {"patient": [], "consents": [], "related": [], "groups": []}
    for each in found:
        if each["type"] == "Patient":
            answer["patient"].append(json_text.read(each["body"]))
        elif each["type"] == "RelatedPerson":
            answer["related"].append(json_text.read(each["body"]))
        elif "active" in each.get("facts", {}).get("state", []):
            answer["consents"].append(json_text.read(each["body"]))
    return answer


def people_of(shelf: Shelf, patient: str) -> tuple[Stored | None, list[dict[str, Any]]]:
    """The Patient of a record and its RelatedPersons, parsed: who is reached, and where; one round trip."""
    found = list(shelf.resources.find({"facts.patient": patient, "type": {"$in": ["Patient", "RelatedPerson"]}}, _READ))
    holder = next((stored(each) for each in found if each["type"] == "Patient"), None)
    return holder, [json_text.read(each["body"]) for each in found if each["type"] == "RelatedPerson"]


def people_before(shelf: Shelf, patient: str) -> list[dict[str, Any]]:
    """What the RelatedPersons of a record said before they were changed or deleted, parsed; one round trip."""
    found = shelf.history.find({"facts.patient": patient, "type": "RelatedPerson"}, {"body": 1})
    return [json_text.read(each["body"]) for each in found if each.get("body")]


def active_consents(shelf: Shelf, patient: str, session: ClientSession | None) -> list[Stored]:
    """The active Consents of a record, as a transaction sees them: what a step or a new one ends or contradicts."""
    where = {"facts.patient": patient, "type": "Consent", "facts.state": "active"}
    return [stored(each) for each in shelf.resources.find(where, session=session)]


def groups_of(shelf: Shelf, ids: Iterable[str]) -> list[dict[str, Any]]:
    """The care teams, groups, roles and organisations that Consents name, to be expanded into their members."""
    wanted = [id_ for id_ in ids if id_.partition("/")[0] in _GROUPS]
    if not wanted:
        return []
    return [json_text.read(each["body"]) for each in shelf.resources.find({"_id": {"$in": wanted}}, {"body": 1})]


def by_token(
    shelf: Shelf, token: str, limit: int = 2, session: ClientSession | None = None
) -> list[tuple[str, Mapping[str, Any]]]:
    """(`Type/id`, facts) of what carries an index token: a directory or an INS lookup."""
    found = shelf.resources.find({"index": token}, {"facts": 1}, session=session, limit=limit)
    return [(each["_id"], each["facts"]) for each in found]


def by_tokens(shelf: Shelf, tokens: Sequence[str]) -> list[dict[str, Any]]:
    """Parsed resources of the shared directory that carry one of these index tokens."""
    return [
        json_text.read(each["body"]) for each in shelf.resources.find({"index": {"$in": list(tokens)}}, {"body": 1})
    ]


def bodies(shelf: Shelf, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Parsed resources of the shared directory by `Type/id`."""
    return {
        each["_id"]: json_text.read(each["body"])
        for each in shelf.resources.find({"_id": {"$in": list(ids)}}, {"body": 1})
    }


def standing_of(
    shelf: Shelf, keys: Iterable[str], own: Sequence[str], where: Predicate, limit: int
) -> tuple[list[str], list[str]]:
    """Patients whose record names one of these keys in an active Consent, then those whose holds what `own` wrote.

    What they wrote counts within `where`. Of each kind come one more than `limit` at most. A Consent names somebody by
    reference or by identifier, in any spelling of it.
    """
    keys = list(keys)
    actors = [
        *(f"Consent.actor={key}" for key in keys),
        *(f"Consent.actor:identifier={system}|{value}" for key in keys for system, value in spellings(key)),
    ]
    active = {"index": {"$in": actors}, "facts.state": "active"}
    named = shelf.resources.distinct("facts.patient", active)
    wrote = either(one_of("author", own), one_of("submitter", own))
    written = shelf.resources.distinct("facts.patient", to_mongo(both(wrote, where)))
    return named[: limit + 1], [each for each in written if each not in named][: limit + 1]


def holders_of_unique(shelf: Shelf, keys: Sequence[str], session: ClientSession | None = None) -> dict[str, Stored]:
    """Who already has a globally unique key (INS, masterIdentifier), by key."""
    found = shelf.resources.find({"unique": {"$in": list(keys)}}, session=session)
    return {key: stored(each) for each in found for key in each.get("unique", []) if key in keys}


def listed_in(
    shelf: Shelf, ids: Sequence[str], submitter: list[str], session: ClientSession | None = None
) -> str | None:
    """The first List of this submitter that mentions one of these resources."""
    found = shelf.resources.find_one(
        {"facts.mentions.id": {"$in": list(ids)}, "type": "List", "facts.submitter": submitter},
        {"_id": 1},
        sort=[("_id", 1)],
        session=session,
    )
    return found["_id"] if found else None
