"""The steps in the life of a record, asked of a world, and what is left of each: Consents, notices, traces."""

from __future__ import annotations

import json
from typing import Any

from fhir_server.foundation.principal import Kind, Principal
from fhir_server.resources.closing import CLOSING
from tests.kit import people
from tests.kit.world import Answer, World, opening, patient

CHU = people.hospital()
DESK = Principal(
    Kind.RECEPTION,
    "accueil",
    "enim",
    name="Accueil de Lorient",
    token="token-enim",
    reference="Organization/accueil",
    identities=frozenset({"Organization/accueil"}),
    organization="Organization/accueil",
    organizations=frozenset({"Organization/accueil"}),
    scopes=("system/Patient.cus", "system/Consent.c", "system/RelatedPerson.c"),
)
PHARMACIST = people.professional("zoe", "10000000033", "21")
ROLE = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
KEYS = {"reason": "valueCode", "deceased": "valueDateTime", "demanded": "valueBoolean", "consentedBy": "valueReference"}


def said(**given: Any) -> dict[str, Any]:
    """Parameters."""
    rows = [{"name": name, KEYS.get(name, "valueString"): value} for name, value in given.items()]
    return {"resourceType": "Parameters", **({"parameter": rows} if rows else {})}


def closed(world: World, who: Principal | None = None, **given: Any) -> Answer:
    body = said(**{"reason": "patient-demande", **given})
    return world.ask(who or people.holder(), "POST", "Patient/lea/$close-record", body)


def reopened(world: World, who: Principal | None = None, patient: str = "lea", **given: Any) -> Answer:
    return world.ask(who or people.holder(), "POST", f"Patient/{patient}/$reopen-record", said(**given))


def destroyed(world: World, who: Principal | None = None, **given: Any) -> Answer:
    return world.ask(who or people.operator(), "POST", "Patient/lea/$destroy-record", said(**given))


def opened_for(world: World, who: Principal, **given: Any) -> Answer:
    """An opening by a third party: `patient` and `representative` are resources, the rest as `opening` has it."""
    return world.ask(who, "POST", "Patient/$open-record-for", opening_for(**given))


def opening_for(**given: Any) -> dict[str, Any]:
    resources = {"patient": given.pop("patient", identity()), **_popped(given, "representative")}
    body = opening(**given)
    body["parameter"] += [{"name": name, "resource": each} for name, each in resources.items()]
    return body


def automatically(world: World, who: Principal | None = None, **resources: Any) -> Answer:
    given = {"patient": identity(), **resources}
    rows = [{"name": name, "resource": each} for name, each in given.items()]
    body = {"resourceType": "Parameters", "parameter": rows}
    return world.ask(who or people.operator(), "POST", "Patient/$open-automatically", body)


def identity(**more: Any) -> dict[str, Any]:
    """Léa Martin as a third party knows her."""
    return {name: value for name, value in patient(**more).items() if name not in ("id", "active")}


def guardian(id_: str = "anne", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "RelatedPerson",
        "id": id_,
        "active": True,
        "patient": {"reference": "Patient/lea"},
        "identifier": [{"system": "urn:x", "value": id_}],
        "relationship": [{"coding": [{"system": ROLE, "code": "GUARD"}]}],
        "telecom": [{"system": "email", "value": f"{id_}@example.org"}],
        **more,
    }


def existence(world: World, who: Principal | None = None) -> dict[str, Any]:
    """What the existence check answers (TD02)."""
    asker = who or people.professional("inconnu", "10000000005")
    told = world.ask(asker, "GET", f"Patient?identifier={people.INS_SYSTEM}|{people.INS}").json
    found: dict[str, Any] = told["entry"][0]["resource"] if told.get("entry") else {}
    return found


def closing_of(resource: dict[str, Any]) -> dict[str, str]:
    """The parts of the closing that a Patient tells of."""
    parts = [each["extension"] for each in resource.get("extension", ()) if each["url"] == CLOSING]
    told = {}
    for each in parts[0] if parts else ():
        concept = each.get("valueCodeableConcept")
        told[each["url"]] = concept["coding"][0]["code"] if concept else each.get("valueDate") or each["valueString"]
    return told


def consents(world: World, who: str = "lea") -> list[str]:
    """The types of the active Consents of a record."""
    found = world.house.shelf.resources.find(
        {"type": "Consent", "facts.patient": who, "facts.state": "active"}, {"body": 1}
    )
    return [json.loads(each["body"])["category"][1]["coding"][0]["code"] for each in found]


def outbox(world: World) -> list[dict[str, Any]]:
    return list(world.house.shelf.outbox.find({}).sort("made", 1))


def traces(world: World) -> list[str]:
    """What each record of the ledger says."""
    return [
        each["body"]
        for each in world.house.shelf.ledger.find({}).sort([("updated", 1), ("chain.seal", 1), ("chain.seq", 1)])
    ]


def _popped(given: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: given.pop(name)} if name in given else {}
