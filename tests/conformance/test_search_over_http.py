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
FILES = {path.stem: json.loads(path.read_text("utf-8").replace("{base}", BASE)) for path in sorted(CASES.glob("*.json"))}


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


def test_every_case_has_the_answer_it_states(told, subtests_of):
    world, content = told
    for case in content["cases"]:
        answered, got = found_by(world, case)
        ids = [each.partition("/")[2] for each in got]
        with subtests_of(case["title"]) as check:
            if "refused" in case:
                check(400, answered.status)
                check(True, case["refused"] in json.dumps(answered.json, ensure_ascii=False))
            elif case.get("ordered"):
                check(case["expected"], ids)
            else:
                check(sorted(case["expected"]), sorted(ids))


@pytest.fixture
def subtests_of():
    """Gather what differs in any case, and fail once with all of it."""
    from contextlib import contextmanager

    wrong: list[str] = []

    @contextmanager
    def titled(title):
        yield lambda expected, actual: wrong.append(f"{title}: {expected} != {actual}") if expected != actual else None

    yield titled
    assert [] == wrong, "\n".join(wrong)
