"""What a search of the directory leaves out of records is said, and nothing is told by it; row R104."""

from __future__ import annotations

import pytest

from tests.http.test_compartment_searches import observed
from tests.kit import people

OPERATOR = people.operator()
PERFORMED = {"performer": [{"reference": "Practitioner/bernard"}]}


def asked(world, who, url):
    """What came along, and the codes of what is said of the rest."""
    got = world.ask(who, "GET", url)
    assert 200 == got.status, got.json
    modes = {"include": [], "outcome": []}
    for each in got.json.get("entry", ()):
        if each["search"]["mode"] != "match":
            modes[each["search"]["mode"]].append(each["resource"])
    said = [issue["code"] for each in modes["outcome"] for issue in each["issue"]]
    return [each["id"] for each in modes["include"]], said


@pytest.mark.parametrize("who", [people.doctor(), people.radiologist(), people.holder(), people.hospital()])
@pytest.mark.parametrize("there", [True, False])
def test_measurements_did_not_come_along_with_who_made_them_and_nobody_said_so(world, who, there):
    """R104, R105: whether there are any or not."""
    if there:
        world.put(observed("a", **PERFORMED))
    for include in ("Observation:performer", "Observation:*", "*"):
        url = f"Practitioner?_id=bernard&_revinclude={include}"
        assert ([], ["not-supported"]) == asked(world, who, url)
        assert ([], []) == asked(world, who, f"{url}&_count=0")
    assert ([], []) == asked(world, who, "Practitioner?_id=bernard&_revinclude=PractitionerRole:practitioner")
    assert ([], []) == asked(world, who, "Practitioner?_id=bernard&_include=*")


def test_a_search_that_spans_records_brings_them_along(world):
    world.put(observed("a", **PERFORMED))
    url = "Practitioner?_id=bernard&_revinclude=Observation:performer"
    assert (["a"], []) == asked(world, OPERATOR, url)
    assert (["a"], []) == asked(world, people.doctor(), "Patient?_id=lea&_revinclude=Observation:patient")
