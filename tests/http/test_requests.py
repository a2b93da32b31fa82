"""The requests that the papers give to send, sent as they stand: `examples/requests`, and those of docs/tour.md."""

import json
import re
from pathlib import Path

import pytest

from tests.kit.application import application

REQUESTS = sorted(Path("examples/requests").glob("*.http"))


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_every_request_of_a_file_is_answered_as_its_title_says(app, path):
    client = app.test_client()
    client.post("/sandbox/reset")
    kept = {}
    for title, name, method, address, headers, body in requests_of(path.read_text("utf-8")):
        filled = {key: whole(value, kept) for key, value in headers.items()}
        answer = client.open(address, method=method, headers=filled, data=body)
        wanted = re.search(r": (4\d\d)", title)
        assert answer.status_code in ({int(wanted[1])} if wanted else {200, 201}), (title, answer.text[:400])
        if name:
            kept[name] = answer.json


def test_the_bodies_of_the_tour_are_json_and_the_consent_is_that_of_the_requests():
    blocks = re.findall(r"```\n(?:POST|PATCH) [^\n]*\n(.+?)\n```", Path("docs/tour.md").read_text("utf-8"), re.DOTALL)
    bodies = [json.loads(each) for each in blocks]
    assert len(bodies) == 3
    sent = [json.loads(each[-1]) for each in requests_of(Path("examples/requests/holder.http").read_text()) if each[-1]]
    assert all(body in sent for body in bodies if isinstance(body, dict))


def requests_of(text):
    """(title, name, method, address without its origin, headers, body) of each request of an .http file."""
    for block in text.split("\n###")[1:]:
        title, _, rest = block.partition("\n")
        name = re.search(r"^# @name (\w+)$", rest, re.MULTILINE)
        head, _, body = re.sub(r"^#.*\n", "", rest, flags=re.MULTILINE).strip().partition("\n\n")
        first, *lines = head.splitlines()
        method, _, address = first.partition(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        yield title.strip(), name and name[1], method, address.removeprefix("{{origin}}"), headers, body


def whole(text, kept):
    """`text` with its `{{name.response.body.member}}` filled in."""
    return re.sub(r"\{\{(\w+)\.response\.body\.(\w+)\}\}", lambda found: kept[found[1]][found[2]], text)
