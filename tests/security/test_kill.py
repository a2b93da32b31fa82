"""Kill -9 of the server and of MongoDB in the middle of concurrent writes: nothing acknowledged is lost, nothing is half done.

Each round has clients writing and reading all at once over HTTP until at least a hundred writes were acknowledged,
kills, starts again, and then holds the database, the API and the ledger against what the clients were told.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import threading
import time
from dataclasses import dataclass, field

import pytest
import requests

from fhir_server.audit_event.seals import verify
from fhir_server.store.connection import connect
from fhir_server.store.engine import address_of
from tests.kit.application import FHIR_JSON, deposit
from tests.kit.served import Served
from tests.kit.world import FRENCH

ROUNDS = 20
WRITES = 100
WAYS = ("server", "engine", "both")
PATCH = "application/json-patch+json"
NORMAL = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}
MASKED = {"coding": [{"system": FRENCH, "code": "MASQUE_PS"}]}
LABELS = {"N": [NORMAL], "MASQUE_PS": [NORMAL, MASKED]}


@dataclass
class Told:
    """What the clients were told, over all rounds; guarded by `lock`."""

    documents: dict[str, list[str]] = field(default_factory=dict)  # uniqueId: the three locations
    places: dict[str, str] = field(default_factory=dict)  # name: id
    labels: dict[str, list[str]] = field(default_factory=dict)  # document: the label of each acknowledged version
    doubtful: dict[str, str] = field(default_factory=dict)  # document: the label of a patch nobody answered
    entries: dict[str, str] = field(
        default_factory=dict
    )  # what the entry of an acknowledged request names: the request
    wrong: list[str] = field(default_factory=list)
    writes: int = 0
    reads: int = 0
    unanswered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client(threading.Thread):
    """Does one thing over and over until it is told to stop or is not answered any more."""

    numbers = itertools.count(1)

    def __init__(self, served: Served, token: str, told: Told, stop: threading.Event, what: str) -> None:
        super().__init__(daemon=True)
        self.fhir, self.told, self.stopped, self.what = served.fhir, told, stop, what
        self.session = requests.Session()
        self.session.headers.update({"Authorization": f"Bearer {token}", "Accept": FHIR_JSON})
        self.mine: list[str] = []

    def run(self) -> None:
        with self.session:
            while not self.stopped.is_set():
                try:
                    getattr(self, self.what)()
                except (requests.RequestException, Unanswered):
                    with self.told.lock:
                        self.told.unanswered += 1
                    return

    def ask(self, method, path, body=None, content_type=FHIR_JSON):
        """The answer, its request noted as acknowledged. Raises Unanswered for a 5xx: nobody knows what became of it."""
        name = f"kill-{next(self.numbers)}"
        answered = self.session.request(
            method, f"{self.fhir}/{path}".rstrip("/"), data=None if body is None else json.dumps(body), timeout=30,
            headers={"X-Request-Id": name, **({"Content-Type": content_type} if body is not None else {})},
        )  # fmt: skip
        if answered.status_code >= 500:
            raise Unanswered
        with self.told.lock:
            if answered.status_code >= 400:
                self.told.wrong.append(f"{method} {path}: {answered.status_code} {answered.text[:300]}")
            # the event of a submission names its List, as IHE has it; every other names the request (BALP)
            seen = place(answered.json()["entry"][0]["response"]["location"]) if method == "POST" and not path else name
            self.told.entries[seen] = f"{method} {path}"
            if method == "GET":
                self.told.reads += 1
            else:
                self.told.writes += 1
        return answered

    def deposits(self):
        bundle = deposit(content=f"letter {next(self.numbers)}".encode())
        unique = bundle["entry"][1]["resource"]["masterIdentifier"]["value"]
        answered = self.ask("POST", "", bundle)
        if answered.ok:
            with self.told.lock:
                self.told.documents[unique] = [place(each["response"]["location"]) for each in answered.json()["entry"]]

    def creates(self):
        name = f"killed {next(self.numbers)}"
        answered = self.ask("POST", "Location", {"resourceType": "Location", "name": name})
        if answered.ok:
            with self.told.lock:
                self.told.places[name] = place(answered.headers["Location"])

    def labels(self):
        if not self.mine:
            made = self.ask("POST", "", deposit(content=f"labelled {next(self.numbers)}".encode())).json()
            self.mine.append(place(made["entry"][1]["response"]["location"]))
            with self.told.lock:
                self.told.labels[self.mine[0]] = ["N"]
        document = self.mine[0]
        with self.told.lock:
            # the same once more would make no version
            label = random.choice([each for each in LABELS if each != self.told.labels[document][-1]])
            self.told.doubtful[document] = label
        self.ask("PATCH", document, [{"op": "replace", "path": "/securityLabel", "value": LABELS[label]}], PATCH)
        with self.told.lock:
            del self.told.doubtful[document]
            self.told.labels[document].append(label)

    def reads(self):
        with self.told.lock:
            known = list(self.told.places.values())[-20:]
            known += [each[1] for each in list(self.told.documents.values())[-20:]]
        for path in random.sample(known, min(3, len(known))):
            self.ask("GET", path)
        self.ask("GET", "DocumentReference?patient=paul-martin&_count=5&_sort=-_lastUpdated")


class Unanswered(Exception):
    """A 5xx."""


def place(location):
    return location.split("/fhir/")[1].split("/_history")[0]


@pytest.mark.slow
def test_kill_minus_nine_loses_nothing_acknowledged_and_shows_nothing_half_written(tmp_path):
    told = Told()
    begun = time.monotonic()
    with Served(tmp_path / "data", "--workers", "2") as served:
        for number in range(ROUNDS):
            way = WAYS[number % len(WAYS)]
            before = told.writes
            at_work = time.monotonic()
            written_until_killed(served, told, way, before + WRITES)
            down = time.monotonic()
            if way == "engine":
                served.until_ready()
            else:
                served.flags = ("--workers", str(1 + number % 2))
                served.start()
            up = time.monotonic()
            held_against(served, told)
            print(
                f"round {number + 1:2}: killed {way:6}  {told.writes - before:4} writes acknowledged in "
                f"{down - at_work:4.1f} s, up again after {up - down:4.1f} s, held in {time.monotonic() - up:4.1f} s",
                flush=True,
            )
            assert told.writes - before >= WRITES
    print(
        f"{told.writes} writes, {told.reads} reads acknowledged, {told.unanswered} clients cut off, "
        f"{time.monotonic() - begun:.0f} s"
    )
    assert told.unanswered > ROUNDS, "nobody was cut off: nothing was killed in the middle"


def written_until_killed(served: Served, told: Told, way: str, enough: int) -> None:
    """Clients at work until there are enough acknowledged writes and more under way; then the kill."""
    token = served.token("operateur", "user/*.cruds")
    stop = threading.Event()
    kinds = ("deposits", "deposits", "creates", "creates", "creates", "labels", "labels", "reads")
    clients = [Client(served, token, told, stop, kind) for kind in kinds]
    for each in clients:
        each.start()
    deadline = time.monotonic() + 60
    while told.writes < enough:
        assert time.monotonic() < deadline, told.wrong[:3]
        assert any(each.is_alive() for each in clients), served.log()[-2000:]
        time.sleep(0.005)
    time.sleep(random.random() * 0.05)
    if way in ("engine", "both"):
        served.kill_engine()
    if way == "both":
        time.sleep(random.random() * 0.05)
    if way in ("server", "both"):
        served.kill_server()
    stop.set()
    for each in clients:
        each.join(40)
    assert not any(each.is_alive() for each in clients)
    assert [] == told.wrong


def held_against(served: Served, told: Told) -> None:
    """The database, the API and the ledger, against what was told."""
    address = address_of(served.data)
    assert address is not None
    with connect(address.uri) as client:
        database = client["fhir"]
        kept = {each["_id"]: each for each in database["resources"].find({"type": {"$in": list(TYPES)}})}
        everything_acknowledged_is_there(kept, told)
        nothing_is_half_written(database, kept)
        labels_are_as_told(database, kept, told)
        ledger_has(database, told)
        assert [] == verify(database)
    the_api_shows(served, told)


OF_THE_SANDBOX = "DocumentReference/paul-consultation"
TYPES = ("Location", "DocumentReference", "List", "Binary")


def everything_acknowledged_is_there(kept, told):
    names = {json.loads(each["body"]).get("name"): id_ for id_, each in kept.items() if each["type"] == "Location"}
    assert {} == {name: id_ for name, id_ in told.places.items() if names.get(name) != id_}
    assert [] == [id_ for places in told.documents.values() for id_ in places if id_ not in kept]


def nothing_is_half_written(database, kept):
    """Every submission is whole: its List, its document and its content stand together or not at all."""
    of_type = {type_: {i: each for i, each in kept.items() if each["type"] == type_} for type_ in TYPES}
    bodies = {id_: json.loads(each["body"]) for id_, each in of_type["DocumentReference"].items()}
    content = {
        url: id_
        for id_, body in bodies.items()
        if (url := body["content"][0]["attachment"].get("url", "")).startswith("Binary/")
    }
    binaries = of_type["Binary"]
    listed = [
        item["item"]["reference"] for each in of_type["List"].values() for item in json.loads(each["body"])["entry"]
    ]
    assert sorted({*content.values()} - {OF_THE_SANDBOX}) == sorted(listed)
    assert set(content) == set(binaries)
    for url, id_ in content.items():
        # the label of a document is restamped on its content in the same transaction (decisions 16)
        assert kept[id_]["facts"].get("label", []) == binaries[url]["facts"].get("label", []), id_
        assert kept[id_]["version"] == int(bodies[id_]["meta"]["versionId"])
    # content is written first and bound by the transaction (decisions 14)
    bound = {each["_id"]: each["owner"] for each in database["blobs"].find({})}
    assert {each["blob"]: id_ for id_, each in binaries.items()} == bound
    assert set(bound) <= {each["_id"] for each in database["blobs.files"].find({}, {"_id": 1})}


def labels_are_as_told(database, kept, told):
    for document, acknowledged in told.labels.items():
        current = kept[document]
        doubtful = told.doubtful.get(document)
        body = json.loads(current["body"])
        label = "MASQUE_PS" if len(body["securityLabel"]) == 2 else "N"
        assert label == ("MASQUE_PS" if "MASQUE_PS" in current["facts"].get("label", []) else "N")
        if current["version"] == len(acknowledged):
            assert acknowledged[-1] == label, document
        else:
            # the one patch that nobody answered may have been done, and then it was done whole
            assert len(acknowledged) + 1 == current["version"], (document, acknowledged, doubtful)
            assert doubtful == label, document
            acknowledged.append(label)
        told.doubtful.pop(document, None)
        old = database["history"].find({"id": document}, {"version": 1, "body": 1}).sort("version", 1)
        versions = [(each["version"], json.loads(each["body"])["securityLabel"]) for each in old]
        assert [(at + 1, LABELS[each]) for at, each in enumerate(acknowledged[:-1])] == versions, document


def ledger_has(database, told):
    """Every acknowledged write, and every read that disclosed something, has its entry."""
    said = set()
    for each in database["ledger"].find({}, {"body": 1}):
        said |= named(each["body"])
    for each in database["carried"].find({}, {"envelopes.body": 1}):
        said |= {name for envelope in each["envelopes"] for name in named(envelope["body"])}
    assert {} == {name: what for name, what in told.entries.items() if name not in said}


def named(body):
    """The requests and the submissions that the text of an AuditEvent names."""
    return {found.partition("/_history")[0] for found in re.findall(r'"(kill-\d+|List/[^"]+)"', body)}


def the_api_shows(served, told):
    """A sample, as clients see it: content as it was sent, a search that finds, a List that leads there."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {served.token('operateur', 'user/*.cruds')}"
        for unique, (list_, document, binary) in random.sample(sorted(told.documents.items()), 3):
            found = session.get(
                f"{served.fhir}/DocumentReference",
                params={"identifier": f"urn:ietf:rfc:3986|{unique}", "_revinclude": "List:item"}, timeout=20,
            ).json()  # fmt: skip
            assert {document, list_} == {place(each["fullUrl"]) for each in found["entry"]}
            assert session.get(f"{served.fhir}/{binary}", timeout=20).content.startswith(b"letter ")
        for id_ in random.sample(sorted(told.places.values()), 3):
            assert session.get(f"{served.fhir}/{id_}", timeout=20).status_code == 200
