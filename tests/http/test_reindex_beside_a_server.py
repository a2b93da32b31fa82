"""`fhir-server reindex` beside a server of two workers: killed, run again, while it writes; found by both at once."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest
import requests

from tests.kit.served import PROGRAM, Served

PARAMETER = {
    "resourceType": "SearchParameter",
    "id": "colour",
    "url": "http://example.org/fhir/SearchParameter/colour",
    "name": "Colour",
    "status": "active",
    "description": "the colour of a thing",
    "code": "colour",
    "base": ["Basic"],
    "type": "string",
    "expression": "Basic.extension('urn:colour').value.ofType(string)",
}


def thing(id_, colour):
    extension = [{"url": "urn:colour", "valueString": colour}]
    return {"resourceType": "Basic", "id": id_, "code": {"text": "thing"}, "extension": extension}


def put(server, resource):
    url = f"{server.fhir}/{resource['resourceType']}/{resource['id']}"
    answered = requests.put(url, json=resource, headers={"Content-Type": "application/fhir+json"}, timeout=30)
    assert answered.status_code in (200, 201), answered.text


def many(server, number):
    entries = [
        {"resource": thing(f"t{each}", "bleu"), "request": {"method": "PUT", "url": f"Basic/t{each}"}}
        for each in range(number)
    ]
    for at in range(0, number, 500):
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries[at : at + 500]}
        headers = {"Content-Type": "application/fhir+json"}
        assert requests.post(server.fhir, json=bundle, headers=headers, timeout=120).status_code == 200


def totals(server):
    """What connections of their own are answered: by either worker."""
    found = set()
    for _ in range(30):
        answered = requests.get(f"{server.fhir}/Basic?colour=bleu&_summary=count", timeout=20)
        found.add(answered.json()["total"] if answered.status_code == 200 else answered.status_code)
    return found


def reindex(server):
    return subprocess.Popen(
        [*PROGRAM, "reindex", "--data", str(server.data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_a_killed_reindex_is_run_again_while_the_server_writes_and_every_worker_searches_by_it(tmp_path):
    with Served(tmp_path / "data", "--open", "--workers", "2") as server:
        many(server, 1000)
        put(server, PARAMETER)
        assert {400} == totals(server)

        stopped, written = threading.Event(), []

        def write():
            while not stopped.is_set():
                put(server, thing(f"w{len(written)}", "bleu"))
                written.append(1)

        writing = threading.Thread(target=write)
        writing.start()
        try:
            killed = reindex(server)
            time.sleep(1.5)
            killed.kill()
            killed.communicate()
            assert {400} == totals(server)
            again = reindex(server)
            said, _ = again.communicate(timeout=120)
            assert (0, True) == (again.returncode, "searchable now: SearchParameter/colour" in said), said
        finally:
            stopped.set()
            writing.join()

        assert {1000 + len(written)} == totals(server)
        said, _ = reindex(server).communicate(timeout=60)
        assert "nothing awaits a reindex" in said
        answered = requests.delete(f"{server.fhir}/SearchParameter/colour", timeout=20)
        assert answered.status_code == 204
        assert {400} == totals(server)
