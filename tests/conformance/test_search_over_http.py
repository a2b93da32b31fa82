"""The search cases of `search/*.json` through the pipeline and a real database: the same answers as in memory.

Rows 70 to 108 of a REST server's duties (https://hl7.org/fhir/R4/search.html), as far as the cases go.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.kit import people
from tests.kit.world import BASE, World

CASES = Path(__file__).parent / "search"
FILES = {
    path.stem: json.loads(path.read_text("utf-8").replace("{base}", BASE)) for path in sorted(CASES.glob("*.json"))
}


@pytest.fixture(scope="module", params=list(FILES))
def told(request, mongo_client):
    """A world that was told the resources of one file, in order."""
    name = f"c{uuid.uuid4().hex[:12]}"
    world = World(mongo_client[name])
    for resource in FILES[request.param]["resources"]:
        world.put(resource)
        world.pass_time(seconds=1)
    yield world, FILES[request.param]
    world.close()
    mongo_client.drop_database(name)


def found_by(world, case):
    type_, _, text = case["search"].partition("?")
    url = f"{type_}?{quote(text, safe='=&%+:|,$/.-_~*!')}"
    got: list[str] = []
    while True:
        answered = world.ask(people.operator(), "GET", url, lenient=case.get("lenient", False))
        if answered.status != 200:
            return answered, got
        got += answered.ids
        following = [each["url"] for each in answered.json["link"] if each["relation"] == "next"]
        if not following:
            return answered, got
        url = following[0].removeprefix(f"{BASE}/")


def wrong_with(world, case):
    answered, got = found_by(world, case)
    if "refused" in case:
        text = json.dumps(answered.json, ensure_ascii=False)
        return None if answered.status == 400 and case["refused"] in text else f"{answered.status} {text}"
    ids = [each.partition("/")[2] for each in got]
    same = case["expected"] == ids if case.get("ordered") else sorted(case["expected"]) == sorted(ids)
    return None if same else f"{case['expected']} != {ids}"


def test_every_case_has_the_answer_it_states(told):
    world, content = told
    wrong = {case["title"]: said for case in content["cases"] if (said := wrong_with(world, case))}
    assert {} == wrong
