"""Decision cases as records: the world of a case in a real database, and its people asking through Flask.

May live here: putting a world there (the operator writes what nobody deposits, each person his own deposits), tokens,
the clock, requests, and what the ledger kept of each. May not know: what a case expects.

A case names resources; the server gives ids. `Record.names` leads from the one to the other.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import decision_cases as cases
from authlib.oauth2.rfc6749 import OAuth2Error

from fhir_server.audit_event.shapes import RULES
from fhir_server.definitions.identifiers import spellings
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.resources.facts import about_of, names_of
from fhir_server.smart.claims import claims_of, keep
from tests.kit.application import FHIR_JSON, signed
from tests.kit.people import INS_SYSTEM
from tests.kit.world import PROFESSIONS

PATCH = "application/json-patch+json"
APP = "decisions-app"
SYSTEM = "decisions-system"
RIGHTS = {APP: "user/*.cruds patient/*.cruds launch/patient", SYSTEM: "system/*.cruds"}
SYSTEMS = (Kind.ESTABLISHMENT, Kind.INSURANCE_FEED, Kind.RECEPTION, Kind.OPERATOR, Kind.UNKNOWN)
INS = "181096912300276"
SECOND = timedelta(seconds=1)
TRIES = 5
A_WHILE = 120
"""Seconds for which a token is used again: a system's lives five minutes."""
NOBODYS = ("Basic",)
"""Types that nobody may deposit: whoever a case says did, the operator brought it."""
EMAIL = "lea.martin@exemple.fr"
_OF_MEDICINE = {"status": "completed", "medicationCodeableConcept": {"text": "médicament"}}
_ACTIVE = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_AMBULATORY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
LACKING: dict[str, dict[str, Any]] = {
    "AllergyIntolerance": {"clinicalStatus": {"coding": [{"system": _ACTIVE, "code": "active"}]}},
    "Binary": {"contentType": "text/plain", "data": "Ym9uam91cg=="},
    "Bundle": {"type": "collection"},
    "DocumentManifest": {"status": "current", "content": [{"display": "contenu"}]},
    "DocumentReference": {"content": [{"attachment": {"contentType": "text/plain", "title": "contenu"}}]},
    "Encounter": {"status": "finished", "class": _AMBULATORY},
    "EpisodeOfCare": {"status": "finished"},
    "Immunization": {"status": "completed", "vaccineCode": {"text": "vaccin"}, "occurrenceDateTime": "2026-06-01"},
    "List": {"status": "current", "mode": "working"},
    "MedicationDispense": _OF_MEDICINE,
    "MedicationStatement": _OF_MEDICINE,
    "Observation": {"status": "final", "code": {"text": "mesure"}},
    "Procedure": {"status": "completed"},
    "Provenance": {"recorded": "2026-06-01T10:00:00Z", "agent": [{"who": {"display": "auteur"}}]},
    "QuestionnaireResponse": {"status": "completed"},
    "Subscription": {"reason": "suivi", "criteria": "Observation?", "channel": {"type": "message"}},
}
"""What R4 requires of a type, a case leaves out and no rule reads."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; `issued` by the server itself, which issues none to whom it refuses everything."""

    text: str
    issued: bool
    made: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and what the ledger kept of it: why it was refused, or by which rules it was not.

    `place` is the `Type/id` of its Location; `version` that of its ETag, else 1.
    """

    status: int
    json: Any
    place: str
    version: str
    refused: list[str]
    granted: list[str]

    @property
    def ids(self) -> set[str]:
        """`Type/id` of what a search found."""
        return {f"{each['resourceType']}/{each['id']}" for each in self.found}

    @property
    def found(self) -> list[dict[str, Any]]:
        """The resources of a searchset that match."""
        entries = (self.json or {}).get("entry", [])
        return [each["resource"] for each in entries if each.get("search", {}).get("mode") == "match"]


class Server:
    """An application that holds one case at a time: its people ask, and its clock stands where the ask says."""

    def __init__(self, app: Any) -> None:
        self.app, self.client = app, app.test_client()
        self.house, self.smart = app.extensions["house"], app.extensions["smart"]
        self.tokens: dict[tuple[Principal, str | None], Token] = {}
        self.moment = self.house.clock()
        self.smart.clients.add("public", client_id=APP, redirect_uris=("http://127.0.0.1/cb",), scope=RIGHTS[APP])
        self.smart.clients.add(
            "backend", client_id=SYSTEM, scope=RIGHTS[SYSTEM], acts_as="operator", jwks_uri="https://si.example/jwks"
        )
        self.operator = cases.principal("operateur", {}, cases.cast()["people"])
        self.at(datetime.fromisoformat(cases.cast()["record"]["now"]))
        for name, person in cases.cast()["people"].items():
            if name != cases.cast()["record"]["patient"]:
                self._directory(person)
        self.kept = [each["_id"] for each in self.house.shelf.resources.find({}, {"_id": 1})]

    def _directory(self, person: dict[str, Any]) -> None:
        """The Practitioner or Organization of somebody of the cast, with the national number his keys come from."""
        type_, _, id_ = person.get("reference", "").partition("/")
        if type_ not in ("Practitioner", "Organization", "Patient"):
            return
        numbers = [spellings(key)[0] for key in person.get("identities", ()) if key.startswith(("ps:", "org:"))]
        made: dict[str, Any] = {"resourceType": type_, "id": id_}
        if numbers:
            made["identifier"] = [{"system": system, "value": value} for system, value in numbers]
        if type_ == "Organization":
            made["name"] = id_
        if type_ == "Practitioner" and person.get("profession"):
            made["qualification"] = [{"code": {"coding": [{"system": PROFESSIONS, "code": person["profession"]}]}}]
        self.write(made)

    # --- the clock

    def at(self, moment: datetime) -> None:
        """Let the domain clock stand at this second from now on; no round is gone, for a rule must not wait for one."""
        self.moment = moment
        if not self.on_time():
            self.house.clock.move(moment)

    def on_time(self) -> bool:
        """Whether the second is not over yet."""
        return self.moment <= self.house.clock() < self.moment + SECOND

    # --- who asks

    def token(self, who: Principal, patient: str | None = None) -> Token:
        """A token of this person's, the record in its context if told: the server's, or one signed as it signs."""
        known = self.tokens.get((who, patient))
        # a refusal is the answer of one case: the next asks again
        if known is None or not known.issued or known.made + A_WHILE < time.monotonic():
            known = self.tokens[who, patient] = self._token(who, patient)
        return known

    def _token(self, who: Principal, patient: str | None) -> Token:
        client = SYSTEM if who.kind in SYSTEMS else APP
        scope = RIGHTS[client] if patient or who.patient or client == SYSTEM else "user/*.cruds"
        registered = self.smart.clients.find(client)
        try:
            approval = self.smart.approver.approve(
                who, registered, scope, patient=patient, purpose=who.purpose.value, reason=who.reason
            )
            return Token(self.smart.issuer.tokens(self.smart.issuer.grant(approval))["access_token"], issued=True)
        except OAuth2Error:
            pass
        refused = replace(who, client=client, patient=patient or who.patient, scopes=tuple(scope.split()))
        return Token(self._signed(refused), issued=False)

    def _signed(self, who: Principal) -> str:
        """The token the server would not have issued: its grant kept, its claims signed, as it does."""
        now, config = datetime.now(UTC), self.smart.config
        made = self.smart.records.grants.insert(
            key=uuid.uuid4().hex, client=who.client, person=keep(who), scope=list(who.scopes), patient=who.patient,
            purpose=who.purpose.value, reason=who.reason, launch={}, authenticated=now, made=now,
            expires=now + timedelta(hours=1),
        )  # fmt: skip
        bearer = replace(who, token=f"{made.key}.x", issuer=config.issuer)
        return signed(self.app, claims_of(bearer, fhir_base=config.fhir_base, now=now, lifetime=timedelta(minutes=5)))

    # --- what is asked

    def ask(self, who: Principal, method: str, path: str, body: Any = None, patient: str | None = None) -> Told:
        """The answer to a request of this person's, and its entry in the ledger; the record in context if told."""
        for _ in range(TRIES):
            self.at(self.moment)
            told = self._ask(who, method, path, body, patient)
            # a read that was answered after its second was over is asked again
            if method != "GET" or self.on_time():
                return told
        raise AssertionError("the machine is too slow for a clock that stands at a second")

    def _ask(self, who: Principal, method: str, path: str, body: Any, patient: str | None) -> Told:
        id_ = uuid.uuid4().hex
        headers = {"Authorization": f"Bearer {self.token(who, patient).text}", "X-Request-Id": id_}
        sent = (
            {"content_type": PATCH if method == "PATCH" else FHIR_JSON, "data": json.dumps(body)}
            if body is not None
            else {}
        )
        answered = self.client.open(f"/fhir/{path}", method=method, headers=headers, **sent)
        entry = self._entry(id_)
        agents = [agent for each in entry for agent in json.loads(each["body"])["agent"]]
        policies = [policy for agent in agents for policy in agent.get("policy", ())]
        return Told(
            status=answered.status_code,
            json=answered.get_json(silent=True) if answered.data else None,
            place=place_of(answered.headers.get("Location", "")),
            version=answered.headers.get("ETag", '"1"').split('"')[1],
            refused=list(dict.fromkeys(reason for each in entry for reason in each["entry"]["refused"])),
            granted=[policy.removeprefix(RULES) for policy in policies if policy.startswith(RULES)],
        )

    def _entry(self, request: str) -> list[dict[str, Any]]:
        """The AuditEvents of the one entry that the last request left, as the ledger keeps them."""
        ledger = self.house.shelf.ledger
        # what a destruction emptied may stand after its own entry
        last = ledger.find_one({"emptied": None}, sort=[("chain.seq", -1)])
        assert request in last["body"], "the request left no entry in the ledger"
        return list(ledger.find({"entry.id": last["entry"]["id"]}, {"entry": 1, "body": 1}))

    def write(self, resource: dict[str, Any]) -> None:
        """The operator's own write, under the id the resource has."""
        told = self.ask(self.operator, "PUT", f"{resource['resourceType']}/{resource['id']}", resource)
        assert told.status in (200, 201), told

    def trace(self) -> str:
        """The AuditEvent of what was asked last."""
        return str(self.house.shelf.ledger.find_one(sort=[("chain.seq", -1)])["_id"])

    def notices(self) -> list[str]:
        """The subjects of what the holder was told, newest first."""
        return [each["subject"] for each in self.client.get("/sandbox/outbox.json", query_string={"to": EMAIL}).json]

    def emptied(self) -> None:
        """Nothing is left of a case: the cast stays, and nobody remembers anything of the record."""
        shelf, house = self.house.shelf, self.house
        shelf.resources.delete_many({"_id": {"$nin": self.kept}})
        # what is still carried would be taken in anew by the next destruction
        for name in ("carried", "history", "ledger", "outbox", "connections", "rounds"):
            shelf.database[name].delete_many({})
        house.ledger.begin_anew()
        house.outbox.forget()
        house.announced.clear()
        house.freshness.settle(house.freshness.bump("record", ""))


class Record:
    """The world of one case, in the database of a server; `fresh` puts it there (again)."""

    def __init__(self, server: Server, case: dict[str, Any]) -> None:
        self.server, self.case, self.built = server, case, cases.world(case)
        self.names: dict[str, str] = {}
        self.now = datetime.fromisoformat(self.built.record["now"])
        wanted = case.get("documents", {})
        described = cases.cast()["documents"]
        given = {name: described.get(name, {}) for name in wanted} if isinstance(wanted, list) else wanted
        self.by = {name: {**described.get(name, {}), **each}.get("by") for name, each in given.items()}
        self.documents = sorted(self.by, key=lambda name: len(about_of(self.built.resources[name])))

    def who(self, name: str, ask: dict[str, Any] | None = None) -> Principal:
        """Somebody of the case; an account is of one record, the holder's own or the one he represents."""
        made = cases.principal(name, ask or {}, self.built.people)
        own = {Kind.HOLDER: (made.reference or "").removeprefix("Patient/"), Kind.REPRESENTATIVE: self.patient}
        return replace(made, patient=own.get(made.kind))

    def fresh(self) -> None:
        """The world as the case has it, and nothing else of this record."""
        server, built = self.server, self.built
        server.emptied()
        server.at(self.now)
        holder = dressed(built.resources[built.record["patient"]])
        self.names = {built.record["patient"]: f"Patient/{holder['id']}"}
        server.write({**{name: value for name, value in holder.items() if name != "extension"}, "active": True})
        for each in built.known.values():
            server.write(each)
        for name in self.documents:
            if name not in self.names and built.resources[name]["resourceType"] not in ("AuditEvent", "Binary"):
                self._deposited(name)
        for each in self.case.get("related", ()):
            self._written(each["id"])
        for name, each in built.resources.items():
            if each["resourceType"] == "Consent":
                self._written(name)
        if holder["active"] is not True:
            server.write(holder)
        for name in self.documents:
            if built.resources[name]["resourceType"] == "AuditEvent":
                self._traced(name)

    def _written(self, name: str) -> None:
        made = self.said(self.built.resources[name])
        self.server.write(made)
        self.names[name] = f"{made['resourceType']}/{made['id']}"

    def _deposited(self, name: str) -> None:
        """A deposit by who the case says deposits it, with its content; what is deleted was deposited first."""
        resource = self.built.resources[name]
        if self.built.people[self.by[name]]["kind"] == "operator" or resource["resourceType"] in NOBODYS:
            self._written(name)
            return
        made = self.said(resource)
        made.pop("id")
        deleted = made.get("status") == "entered-in-error"
        if deleted:
            made["status"] = "current" if made["resourceType"] == "DocumentReference" else "final"
        contents = [
            each
            for each in self.documents
            if self.built.resources[each].get("securityContext") == {"reference": f"DocumentReference/{name}"}
        ]
        who = self.who(self.by[name])
        if contents:
            self._with_contents(who, name, made, contents)
        else:
            told = self.server.ask(who, "POST", made["resourceType"], made)
            if told.status == 422 and names_of(made):  # it names what its depositor does not see (docs/adr/0011)
                self._written(name)
                return
            assert told.status == 201, (name, told)
            self.names[name] = told.place
        if deleted:
            self._deleted(who, self.names[name], made)

    def _deleted(self, who: Principal, place: str, made: dict[str, Any]) -> None:
        """Marked as entered in error by who deposited it: a document by a patch, anything else whole."""
        if made["resourceType"] == "DocumentReference":
            change = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
            told = self.server.ask(who, "PATCH", place, change)
        else:
            whole = {**made, "id": place.partition("/")[2], "status": "entered-in-error"}
            told = self.server.ask(who, "PUT", place, whole)
        assert told.status == 200, (place, told)

    def _with_contents(self, who: Principal, name: str, made: dict[str, Any], contents: list[str]) -> None:
        """A document and its contents in one transaction, which binds them to it."""
        made["content"] = [
            {"attachment": {"contentType": "text/plain", "url": f"urn:uuid:{uuid.uuid4()}"}} for _ in contents
        ]
        binaries = [dressed(self.built.resources[each]) for each in contents]
        own = [{name: each[name] for name in ("resourceType", "contentType", "data")} for each in binaries]
        urls = [f"urn:uuid:{uuid.uuid4()}", *(each["attachment"]["url"] for each in made["content"])]
        entries = [
            {"fullUrl": url, "resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
            for url, each in zip(urls, [made, *own], strict=True)
        ]
        told = self.server.ask(who, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert told.status == 200, (name, told)
        for each, landed in zip((name, *contents), told.json["entry"], strict=True):
            self.names[each] = place_of(landed["response"]["location"])

    def _traced(self, name: str) -> None:
        """A trace is written by nobody: who is its agent does what it tells of."""
        event = self.built.resources[name]
        reference = event["agent"][0]["who"]["reference"]
        person = next(each for each, told in self.built.people.items() if told.get("reference") == reference)
        # the one label a trace can have of its own is that of a minor's secret session
        who = replace(self.who(person), secret_session="security" in event.get("meta", {}))
        what = self.said(event)["entity"][0]["what"]["reference"]
        path = f"DocumentReference?patient={self.patient}" if what == f"Patient/{self.patient}" else what
        self.server.ask(who, "GET", path)
        self.names[name] = self.server.trace()

    @property
    def patient(self) -> str:
        """The id of the holder."""
        return str(self.built.record["patient"])

    def said(self, resource: dict[str, Any]) -> dict[str, Any]:
        """A resource of the case with what R4 requires, and the server's ids for the case's names."""
        text = json.dumps(dressed(resource))
        for name, address in self.names.items():
            type_ = address.partition("/")[0]
            text = text.replace(f'"{type_}/{name}"', f'"{address}"')
        made: dict[str, Any] = json.loads(text)
        return made


def place_of(location: str) -> str:
    """`Type/id` of the address of a version."""
    return "/".join(location.rpartition("/fhir/")[2].split("/")[:2])


def dressed(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with what R4 requires of its type, and the holder with the INS by which the record is found."""
    made = {**LACKING.get(resource["resourceType"], {}), **resource}
    if made["resourceType"] == "Patient" and made.get("id") == cases.cast()["record"]["patient"]:
        identifier = {"use": "official", "system": INS_SYSTEM, "value": INS}
        told = {"name": [{"family": "Martin"}], "telecom": [{"system": "email", "value": EMAIL}]}
        made = {**told, "identifier": [identifier], **made}
    return made
