"""Decision cases: the declarative worlds of `decisions/*.json`, built into resources, tokens and requests.

May live here: reading the files and building what they describe (see `decisions/README.md`). What is built are FHIR
resources, so that the same cases can be run over HTTP.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fhir_server.consent.decision import Decision, decide
from fhir_server.consent.directive import actors_named
from fhir_server.consent.directives import RecordState, expand, state_of
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest, changed
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import micros
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.resources import closing
from fhir_server.resources.facts import about_of
from fhir_server.store.documents import envelope as compose

HERE = Path(__file__).parent / "decisions"
EXAMPLES = Path(__file__).parents[1] / "examples" / "pcf"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
IS_ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
WRITES = ("create", "update", "patch", "delete")


def cast() -> dict[str, Any]:
    return json.loads((HERE / "cast.json").read_text("utf-8"))


def load() -> list[dict[str, Any]]:
    """Every case of every file, with the file's name."""
    return [
        {**case, "file": path.stem}
        for path in sorted(HERE.glob("*.json"))
        if path.name != "cast.json"
        for case in json.loads(path.read_text("utf-8"))
    ]


@dataclass
class World:
    """A case built: the record, its people and its resources by name, with their envelopes."""

    case: dict[str, Any]
    record: dict[str, Any]
    people: dict[str, dict[str, Any]]
    resources: dict[str, dict[str, Any]]
    envelopes: dict[str, dict[str, Any]]
    state: RecordState
    known: dict[str, dict[str, Any]]


def world(case: dict[str, Any]) -> World:
    shared = cast()
    record = {**shared["record"], **case.get("record", {})}
    people = {**shared["people"], **case.get("people", {})}
    wanted = case.get("documents", {})
    if isinstance(wanted, list):
        wanted = {name: shared["documents"][name] for name in wanted}
    else:
        wanted = {name: {**shared["documents"].get(name, {}), **each} for name, each in wanted.items()}
    resources = {name: resource(name, each, record, people) for name, each in wanted.items()}
    consents = [consent(each, index, record) for index, each in enumerate(case.get("consents", ()))]
    known = {f"{each['resourceType']}/{each['id']}": each for each in case.get("teams", ())}
    named = {reference for each in consents for reference in actors_named(each)}
    members = {reference: expand(reference, known) for reference in named if reference in known}
    holder = patient(record)
    state = state_of(
        holder, [each for each in consents if each["status"] == "active"], case.get("related", ()), members
    )
    resources[record["patient"]] = holder
    resources.update({each["id"]: each for each in (*consents, *case.get("related", ()))})
    by = {name: each.get("by") for name, each in wanted.items()}
    envelopes: dict[str, dict[str, Any]] = {}
    for name, each in sorted(resources.items(), key=lambda pair: len(about_of(pair[1]))):
        envelopes[name] = envelope(each, keys(people.get(by.get(name) or "", {})), envelopes, record["now"])
    return World(case, record, people, resources, envelopes, state, known)


def resource(name: str, given: dict[str, Any], record: dict[str, Any], people: dict[str, Any]) -> dict[str, Any]:
    """The resource a case describes."""
    if "resource" in given:
        return {"id": name, **given["resource"]}
    types = profile_json("dmp/document-types.json")
    row = types["types"].get(given["type"], {"system": "LOINC", "display": "inconnu"})
    writer = people[given.get("author", given["by"])]
    built: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": name,
        "status": given.get("status", "current"),
        "type": {"coding": [{"system": types["systems"][row["system"]], "code": given["type"]}]},
        "subject": {"reference": f"Patient/{record['patient']}"},
        "author": [{"reference": writer["reference"]}],
        "securityLabel": [{"coding": [label(each)]} for each in given.get("labels", ["N"])],
        "content": [{"attachment": {"contentType": "text/plain", "url": f"Binary/{name}-contenu"}}],
        "context": {
            "period": {
                "start": given.get("start", "2026-06-01"),
                "end": given.get("end", given.get("start", "2026-06-01")),
            }
        },
    }
    if not built["securityLabel"]:
        del built["securityLabel"]
    if given.get("archived"):
        built["extension"] = [{"url": IS_ARCHIVED, "valueBoolean": True}]
    if given.get("encounter"):
        built["context"]["encounter"] = [{"reference": given["encounter"]}]
    return built


def label(code: str) -> dict[str, str]:
    if "|" in code:
        system, _, bare = code.partition("|")
        return {"system": system, "code": bare}
    return {"system": CONFIDENTIALITY if len(code) == 1 else VISIBILITY, "code": code}


def patient(record: dict[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {"resourceType": "Patient", "id": record["patient"], "active": record["standing"] == "open"}
    if record.get("birth"):
        built["birthDate"] = record["birth"]
    if record["standing"] == "closed":
        built = closing.closed(built, record.get("closed", "2026-01-01"), record.get("motive", "patient-demande"))
    if record.get("deceased"):
        built["deceasedBoolean"] = True
    if record.get("offline"):
        barred = {"url": profile_json("dmp/rules.json")["creation"]["notOnline"], "valueBoolean": True}
        built["extension"] = [*built.get("extension", ()), barred]
    return built


def consent(given: dict[str, Any], index: int, record: dict[str, Any]) -> dict[str, Any]:
    """The Consent a case describes."""
    holder = f"Patient/{record['patient']}"
    if "example" in given:
        text = (EXAMPLES / given["example"]).read_text("utf-8")
        for old, new in {"Patient/ex-patient": holder, **given.get("replace", {})}.items():
            text = text.replace(old, new)
        return json.loads(text)
    if "resourceType" in given:
        return given
    categories = [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}]
    if given.get("type"):
        system = profile_json("dmp/consent-types.json")["url"]
        categories.append({"coding": [{"system": system, "code": given["type"]}]})
    built: dict[str, Any] = {
        "resourceType": "Consent",
        "id": given.get("id", f"consent-{index}"),
        "status": given.get("status", "active"),
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": categories,
        "patient": {"reference": holder},
        "dateTime": "2026-01-01",
        "performer": [{"reference": given.get("performer", holder)}],
        "organization": [{"reference": "Organization/dmp"}],
        "policy": [{"uri": "https://dmp-on-fhir.example/policies/essai-v1"}],
        "provision": provision(given),
    }
    if given.get("sourced", True):
        built["sourceAttachment"] = {"title": given.get("source", "Consentement")}
    return built


def provision(given: dict[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {"type": "deny" if given.get("deny") else "permit"}
    if "actor" in given:
        actors = given["actor"] if isinstance(given["actor"], list) else [given["actor"]]
        built["actor"] = [
            {
                "role": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]
                },
                "reference": {"reference": each} if isinstance(each, str) else each,
            }
            for each in actors
        ]
    if "purpose" in given:
        built["purpose"] = [
            {"system": REASON, "code": each} if isinstance(each, str) else each for each in given["purpose"]
        ]
    if "labels" in given:
        built["securityLabel"] = [label(each) for each in given["labels"]]
    if "data" in given:
        built["data"] = [{"meaning": meaning, "reference": {"reference": ref}} for meaning, ref in given["data"]]
    for name in ("period", "dataPeriod"):
        if name in given:
            built[name] = given[name]
    if "nested" in given:
        built["provision"] = [provision(each) for each in given["nested"]]
    return built


def keys(person: dict[str, Any]) -> frozenset[str]:
    own = [person["reference"]] if person.get("reference") else []
    return frozenset([*own, *person.get("identities", ())])


def envelope(
    resource: dict[str, Any], submitter: frozenset[str], others: dict[str, dict[str, Any]], deposited: str
) -> dict[str, Any]:
    """What the store keeps of it; what it is about, or mentions, is joined by the store's own rule (decisions 16)."""
    came = micros(datetime.fromisoformat(deposited))
    neighbours = {each["_id"]: each["facts"] for each in others.values() if each["type"] != "Patient"}
    return compose(resource, version=1, updated=0, submitter=sorted(submitter), neighbours=neighbours, deposited=came)


def principal(name: str, ask: dict[str, Any], people: dict[str, Any]) -> Principal:
    person = people[name]
    kind = Kind(person["kind"])
    usual = {Kind.HOLDER: "PATRQT", Kind.REPRESENTATIVE: "PATRQT", Kind.OPERATOR: "HSYSADMIN"}.get(kind, "TREAT")
    return Principal(
        kind=kind,
        subject=name,
        client="essai",
        reference=person.get("reference"),
        identities=keys(person),
        organizations=frozenset(person.get("organizations", ())),
        profession=person.get("profession"),
        specialties=frozenset(person.get("specialties", ())),
        sector=person.get("sector"),
        regulation=person.get("regulation", False),
        purpose=Purpose(ask.get("purpose", usual)),
        reason=ask.get("reason"),
        secret_session=ask.get("session") == "secret",
    )


def request(built: World, ask: dict[str, Any]) -> AccessRequest:
    verb = ask.get("verb", "search")
    now = datetime.fromisoformat(ask.get("now", built.record["now"]))
    current = built.resources[ask["on"]] if "on" in ask else None
    proposed = proposed_by(built, ask)
    return AccessRequest(
        principal=principal(ask["as"], ask, built.people),
        verb=verb,
        type=ask.get("type", current["resourceType"] if current else "DocumentReference"),
        operation=ask.get("operation"),
        patient=ask.get("patient", built.record["patient"]),
        standing=built.state.standing,
        birth=built.state.birth,
        representatives=built.state.representatives,
        now=now,
        existence_check=ask.get("existence", False),
        current=built.envelopes[ask["on"]] if "on" in ask else None,
        proposed=proposed,
        changes=changed(current, proposed) if current and proposed else None,
        members={name: expand(name, built.known) for name in built.known},
        life=built.state.life,
        demanded=ask.get("demanded", False),
    )


def proposed_by(built: World, ask: dict[str, Any]) -> dict[str, Any] | None:
    name = ask.get("on", "propose")
    if "closes" in ask:
        return closing.closed(built.resources[name], "2026-11-23", ask["closes"])
    if ask.get("opens"):
        return closing.opened(built.resources[name])
    if "consent" in ask:
        return {**consent(ask["consent"], 0, built.record), "id": name}
    if "to" not in ask:
        return None
    wanted = built.case.get("documents", {})
    described = cast()["documents"].get(name, {}) | (wanted.get(name, {}) if isinstance(wanted, dict) else {})
    if "resource" in ask["to"]:
        standing = built.resources.get(name, {})
        return {**standing, "id": name, **ask["to"]["resource"]}
    return resource(name, {"by": ask["as"], **described, **ask["to"]}, built.record, built.people)


def decided(built: World, ask: dict[str, Any], matrix: Matrix | None = None) -> Decision:
    return decide(request(built, ask), built.state.directives, matrix or Matrix.load())


def after(built: World, ask: dict[str, Any]) -> dict[str, Any] | None:
    """The envelope of what a write would leave."""
    asked = request(built, ask)
    if asked.proposed is None:
        return None
    submitter = built.envelopes[ask["on"]]["facts"].get("submitter", ()) if "on" in ask else asked.principal.identities
    return envelope(dict(asked.proposed), frozenset(submitter), built.envelopes, built.record["now"])
