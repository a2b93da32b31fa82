"""Documents that replace others, as a submission (ITI-65) and alone (ITI-105), with the patch and without (DMP-136)."""

from __future__ import annotations

import base64
import json
from itertools import count

from tests.kit import people
from tests.kit.world import BASE, submission

SIMPLIFIED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-simplified-publish"
NUMBERS = count(1)


def replaces(*targets, code="replaces"):
    return [{"code": code, "target": {"reference": each}} for each in targets]


def sent(relates=None, by="810000000009", **changes):
    """A submission under a unique id of its own, written by who has this number."""
    more = {"relatesTo": relates} if relates else {}
    number = next(NUMBERS)
    made = submission(f"urn:oid:1.2.250.1.998.{number}", f"%PDF {number}".encode(), **more, **changes)
    return json.loads(json.dumps(made).replace("810000000009", by))


def alone(relates=None, by="810000000009", **changes):
    """The same document as it comes alone, its content inside (ITI-105)."""
    document = sent(relates, by, **changes)["entry"][1]["resource"]
    (content,) = document["content"]
    kept = {name: each for name, each in content["attachment"].items() if name not in ("url", "size", "hash")}
    inside = {**kept, "data": base64.b64encode(b"%PDF").decode()}
    meta = changes.get("meta", {"profile": [SIMPLIFIED]})
    return {**document, "meta": meta, "content": [{**content, "attachment": inside}]}


def patching(target, **parts):
    said = {"type": "replace", "path": "DocumentReference.status", "value": "superseded", **parts}
    kinds = {"type": "valueCode", "path": "valueString", "value": "valueCode"}
    parameter = {"name": "operation", "part": [{"name": name, kinds[name]: each} for name, each in said.items()]}
    resource = {"resourceType": "Parameters", "parameter": [parameter]}
    return {"resource": resource, "request": {"method": "PATCH", "url": target}}


def with_patch(bundle, *entries):
    return {**bundle, "entry": [*bundle["entry"], *entries]}


def place(entry):
    return entry["response"]["location"].removeprefix(f"{BASE}/").partition("/_history")[0]


def deposited(world, bundle=None, who=None):
    """The address of the document of a submission."""
    made = world.ask(who or people.hospital(), "POST", "", bundle or sent())
    assert 200 == made.status, made.json
    return place(made.json["entry"][1])


def standing(world, target):
    """Version and status of a document."""
    told = world.ask(people.operator(), "GET", target).json
    return told["meta"]["versionId"], told["status"]


def events(world, since):
    """What Léa reads of writes since a time: type, subtype and action of each event, how it ended, of which documents."""
    when = since.isoformat().replace("+00:00", "Z")
    told = world.ask(people.holder(), "GET", f"AuditEvent?patient=lea&date=ge{when}&_count=100")
    found = [each["resource"] for each in told.json.get("entry", ())]
    return sorted(
        (
            each["type"]["code"],
            each["subtype"][0]["code"],
            each["action"],
            each["outcome"],
            sorted(
                name.partition("/_history")[0]
                for entity in each["entity"]
                if (name := entity.get("what", {}).get("reference", "")).startswith("DocumentReference/")
            ),
        )
        for each in found
        if each["action"] != "R" and not each["subtype"][0]["code"].startswith("search")
    )


WAYS = {
    "ITI-65": lambda world, who, relates, **changes: world.ask(who, "POST", "", sent(relates, **changes)),
    "ITI-105": lambda world, who, relates, **changes: world.ask(
        who, "POST", "DocumentReference", alone(relates, **changes)
    ),
}
