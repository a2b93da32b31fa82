"""Revocations raced against reads of a server of four workers (decisions 19).

The law: no request received after a revocation was answered, by any worker, discloses what it forbids. Holders give and
take back, block and lift the block, mask and unmask, in lanes that run at once; readers ask for the same document all
the while, each on a connection of its own, so that every worker is asked.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import pytest
import requests

from fhir_server.store.connection import connect
from fhir_server.store.engine import address_of
from tests.kit.application import FHIR_JSON
from tests.kit.served import Served
from tests.kit.world import label

REVOCATIONS = int(os.environ.get("REVOCATIONS", "100"))
"""`make race` asks for a thousand, which takes some seven minutes of the whole machine."""
PATCH = "application/json-patch+json"
TYPES = "https://dmp-on-fhir.example/CodeSystem/dmp-consent-type"
HOLDERS = {
    "paul": ("Patient/paul-martin", "Patient/paul-martin"),
    "lea-pour-noe": ("Patient/noe-martin", "RelatedPerson/lea-pour-noe"),
}
READERS = 1
PAUSE = 0.02


def consent(patient: str, performer: str, kind: str, actor: str, *, active: bool, deny: bool = False):
    """A Consent of ours that names one actor; not `active` once it is taken back."""
    role = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
    return {
        "resourceType": "Consent",
        "status": "active" if active else "inactive",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [
            {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]},
            {"coding": [{"system": TYPES, "code": kind}]},
        ],
        "patient": {"reference": patient},
        "dateTime": "2026-01-01T00:00:00Z",
        "performer": [{"reference": performer}],
        "organization": [{"reference": "Organization/dmp"}],
        "sourceAttachment": {"title": "Choix du titulaire"},
        "policy": [{"uri": "https://dmp-on-fhir.example/policies/essai-v1"}],
        "provision": {
            "type": "deny" if deny else "permit",
            "actor": [{"role": {"coding": [role]}, "reference": {"reference": actor}}],
        },
    }  # fmt: skip


class Person:
    """Somebody with a token; each request on a connection of its own."""

    def __init__(self, served: Served, login: str, scope: str) -> None:
        self.fhir, self.token = served.fhir, served.token(login, scope)

    def ask(self, method: str, path: str, body=None, kind: str = FHIR_JSON) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": FHIR_JSON, "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = kind
        data = None if body is None else json.dumps(body)
        return requests.request(method, f"{self.fhir}/{path}", data=data, headers=headers, timeout=60)


@dataclass
class Lane:
    """One document, one reader, and what opens and shuts it. `shut` counts up: odd while it is shut."""

    name: str
    document: str
    reader: Person
    give: object
    take: object
    shut: int = 0
    revoked: int = 0
    shown: int = 0
    withheld: int = 0
    told: list[str] = field(default_factory=list)

    def run(self, times: int) -> None:
        """Give and take back, and ask at once after each taking back."""
        for _ in range(times):
            self.give()
            self.read("open")
            self.take()
            self.shut += 1
            self.revoked += 1
            self.read("at once")
            self.shut += 1

    def read(self, when: str) -> None:
        """One read; it must disclose nothing if it was sent, and came back, between a taking back and the next giving."""
        before, by_id = self.shut, self.shown % 2
        patient = "" if by_id else f"DocumentReference?_id={self.document.partition('/')[2]}"
        answer = self.reader.ask("GET", self.document if by_id else patient)
        shown = answer.status_code == 200 and (bool(by_id) or answer.json()["total"] > 0)
        assert answer.status_code in (200, 403, 404), answer.text
        if shown:
            self.shown += 1
        if before % 2 and before == self.shut:
            self.withheld += not shown
            if shown:
                self.told.append(f"{self.name}, {when}, after revocation {self.revoked}: {answer.text[:200]}")

    def hammer(self, done: threading.Event) -> None:
        """Read until the race is over, and leave something of the machine to who revokes."""
        while not done.wait(PAUSE):
            self.read("meanwhile")


def lanes(served: Served) -> list[Lane]:
    """For each holder: an authorisation, an establishment's, a block and a mask."""
    operator = Person(served, "operateur", "user/*.cruds")
    readers = {
        login: Person(served, login, "user/DocumentReference.rs")
        for login in ("dr-diallo", "pharm-benali", "dr-nguyen", "inf-petit")
    }
    made: list[Lane] = []
    for login, (patient, performer) in HOLDERS.items():
        holder = Person(served, login, "patient/*.cruds")

        def document(patient: str = patient) -> str:
            return a_document(operator, patient)

        def standing(kind: str, actor: str, *, deny: bool = False, patient=patient, performer=performer, holder=holder):
            return switch(holder, patient, performer, kind, actor, deny=deny)

        give, take = standing("ps-autorisation", "Practitioner/dr-diallo")
        made.append(Lane(f"{login}: authorisation", document(), readers["dr-diallo"], give, take))
        give, take = standing("etablissement", "Organization/pharmacie-halles")
        made.append(Lane(f"{login}: establishment", document(), readers["pharm-benali"], give, take))
        standing("ps-autorisation", "Practitioner/dr-nguyen")[0]()
        take, give = standing("ps-blocage", "Practitioner/dr-nguyen", deny=True)
        made.append(Lane(f"{login}: block", document(), readers["dr-nguyen"], give, take))
        standing("ps-autorisation", "Practitioner/inf-petit")[0]()
        masked = document()
        give, take = mask(holder, masked, [label("N")]), mask(holder, masked, [label("N"), label("MASQUE_PS")])
        made.append(Lane(f"{login}: mask", masked, readers["inf-petit"], give, take))
    return made


def a_document(operator: Person, patient: str) -> str:
    """A consultation report by Dr Moreau in that record."""
    made = operator.ask(
        "POST",
        "DocumentReference",
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
            "subject": {"reference": patient},
            "author": [{"reference": "Practitioner/dr-moreau"}],
            "date": "2026-06-01T10:00:00Z",
            "securityLabel": [label("N")],
            "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"},
            "content": [{"attachment": {"contentType": "text/plain", "title": "contenu"}}],
        },
    )
    assert made.status_code == 201, made.text
    return f"DocumentReference/{made.json()['id']}"


def switch(holder: Person, patient: str, performer: str, kind: str, actor: str, *, deny: bool):
    """How the holder puts a Consent in force, and takes it back."""
    where: list[str] = []

    def put(*, active: bool) -> None:
        body = consent(patient, performer, kind, actor, active=active, deny=deny)
        if not where:
            answer = holder.ask("POST", "Consent", body)
            assert answer.status_code == 201, answer.text
            where.append(f"Consent/{answer.json()['id']}")
            return
        answer = holder.ask("PUT", where[0], {**body, "id": where[0].partition("/")[2]})
        assert answer.status_code == 200, answer.text

    return lambda: put(active=True), lambda: put(active=False)


def mask(holder: Person, document: str, labels):
    def relabel() -> None:
        answer = holder.ask("PATCH", document, [{"op": "replace", "path": "/securityLabel", "value": labels}], PATCH)
        assert answer.status_code == 200, answer.text

    return relabel


def race(served: Served, revocations: int) -> list[Lane]:
    """Run it; the lanes, with what they were told."""
    made, done, faults = lanes(served), threading.Event(), []

    def guarded(work, *given) -> None:
        try:
            work(*given)
        except Exception as fault:  # a thread fails for the test
            faults.append(repr(fault))
            done.set()

    drivers = [threading.Thread(target=guarded, args=(lane.run, ceil(revocations / len(made)))) for lane in made]
    hammers = [threading.Thread(target=guarded, args=(lane.hammer, done)) for lane in made for _ in range(READERS)]
    for each in (*hammers, *drivers):
        each.start()
    for each in drivers:
        each.join()
    done.set()
    for each in hammers:
        each.join()
    assert [] == faults
    return made


def workers_that_answered(served: Served) -> int:
    with connect(address_of(served.data).uri) as client:
        return len(client["fhir"]["ledger"].distinct("chain.writer", {"index": "AuditEvent.subtype=read"}))


@pytest.mark.slow
def test_no_read_sent_after_a_revocation_was_answered_discloses_what_it_forbids(tmp_path):
    """DMP-44, DMP-62, DMP-112; decisions 19: four workers."""
    with Served(tmp_path / "race", "--workers", "4") as served:
        made = race(served, REVOCATIONS)
        answered = workers_that_answered(served)

    assert [] == [each for lane in made for each in lane.told]
    assert REVOCATIONS <= sum(lane.revoked for lane in made)
    assert all(lane.shown >= lane.revoked / 2 and lane.withheld >= lane.revoked for lane in made), made
    assert 4 == answered


FAULT = """
from fhir_server.store import freshness

freshness.POLL = 0.4
freshness.Freshness.settle = lambda self, number: None
"""


@pytest.mark.slow
def test_the_race_is_lost_by_a_server_that_answers_before_every_worker_has_heard(tmp_path, monkeypatch):
    """A planted fault: the revoker waits for nobody. If this did not fail, the race above would prove nothing."""
    (tmp_path / "fault").mkdir()
    Path(tmp_path / "fault" / "sitecustomize.py").write_text(FAULT, "utf-8")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path / "fault"), os.environ.get("PYTHONPATH"))))
    )
    with Served(tmp_path / "lost", "--workers", "4") as served:
        made = race(served, 40)

    assert any(lane.told for lane in made)
