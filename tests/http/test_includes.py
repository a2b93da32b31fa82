"""Includes through the whole pipeline: rounds, wildcards, targets, bounds, the guard and scopes; rows R104, R105."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_server.interactions.house import Limits
from tests.kit import people
from tests.kit.family import appends, letter_of, provenance

OPERATOR = people.operator()


def observation(id_, **more):
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    subject = {"reference": "Patient/lea"}
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": code, "subject": subject, **more}


def member(*ids):
    return {"hasMember": [{"reference": f"Observation/{each}"} for each in ids]}


@pytest.fixture
def told(world):
    """A row of observations, each a member of the next; two letters, one after the other; a trace of the first."""
    world.put(
        {"resourceType": "Organization", "id": "pole", "name": "Pôle", "partOf": {"reference": "Organization/chu"}}
    )
    known = world.ask(OPERATOR, "GET", "Patient/lea").json
    world.put({**known, "managingOrganization": {"reference": "Organization/pole"}})
    world.put(letter_of("lea", "l1", None))
    world.put({**letter_of("lea", "l2", None), **appends("DocumentReference/l1")})
    world.put(provenance("w1", "DocumentReference/l1"))
    performer = {"performer": [{"reference": "Practitioner/bernard"}, {"reference": "Organization/pole"}]}
    world.put(observation("o1", **performer, derivedFrom=[{"reference": "DocumentReference/l1"}]))
    world.put(observation("o2", **member("o1"), **performer))
    world.put(observation("o3", **member("o2", "o1")))
    return world


def brought(world, url, who=None):
    """What matches, what came with it, and what the answer says of what did not."""
    answered = world.ask(who or people.doctor(), "GET", url)
    assert 200 == answered.status, answered.json
    modes = {"match": [], "include": [], "outcome": []}
    for each in answered.json.get("entry", []):
        resource = each["resource"]
        told = resource["issue"][0]["code"] if each["search"]["mode"] == "outcome" else None
        modes[each["search"]["mode"]].append(told or f"{resource['resourceType']}/{resource['id']}")
    assert len({*modes["match"], *modes["include"]}) == len(modes["match"]) + len(modes["include"]), (
        "something came twice"
    )
    assert answered.json["total"] == len(modes["match"]) or "_count" in url
    return modes["match"], sorted(modes["include"]), modes["outcome"]


@pytest.mark.parametrize(
    ("asked", "included"),
    [
        ("_include=Observation:has-member", ["Observation/o2", "Observation/o1"]),
        ("_include:iterate=Observation:has-member", ["Observation/o2", "Observation/o1"]),
        ("_include=Observation:subject&_include:iterate=Patient:organization", ["Patient/lea", "Organization/pole"]),
        (
            "_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
            ["Patient/lea", "Organization/pole", "Organization/chu"],
        ),
        ("_include=Observation:subject&_include:iterate=Organization:partof", ["Patient/lea"]),
        ("_include=*", ["Observation/o2", "Observation/o1", "Patient/lea"]),
        ("_include=Observation:*", ["Observation/o2", "Observation/o1", "Patient/lea"]),
        ("_include=Observation:*:Patient", ["Patient/lea"]),
        ("_include=Observation:subject:Group", []),
        (
            "_include:iterate=*",
            [
                *("Observation/o2", "Observation/o1", "Patient/lea", "Practitioner/bernard", "Organization/pole"),
                *("Organization/chu", "DocumentReference/l1"),
            ],
        ),
        (
            (
                "_include=Observation:has-member&_include:iterate=Observation:derived-from"
                "&_revinclude:iterate=Provenance:target&_revinclude:iterate=DocumentReference:relatesto"
            ),
            ["Observation/o2", "Observation/o1", "DocumentReference/l1", "DocumentReference/l2", "Provenance/w1"],
        ),
        ("_revinclude=Observation:*", []),
    ],
)
def test_what_comes_with_an_observation(told, asked, included):
    """R104: once each, whatever leads to it; the total is that of the matches."""
    assert (["Observation/o3"], sorted(included), []) == brought(told, f"Observation?_id=o3&{asked}")


@pytest.mark.parametrize(
    ("asked", "included"),
    [
        ("_revinclude=Observation:has-member", ["Observation/o2", "Observation/o3"]),
        ("_revinclude=Observation:*", ["Observation/o2", "Observation/o3"]),
        ("_revinclude=Observation:has-member:Observation", ["Observation/o2", "Observation/o3"]),
        ("_revinclude:iterate=Observation:has-member", ["Observation/o2", "Observation/o3"]),
    ],
)
def test_what_refers_to_an_observation_comes_with_it(told, asked, included):
    assert (["Observation/o1"], included, []) == brought(told, f"Observation?_id=o1&{asked}")


def test_whatever_refers_to_a_match_comes_with_it(told):
    """R105: `_revinclude=*`, the traces that may be seen too."""
    for also in ("", "&_revinclude=Observation:has-member"):
        matches, included, _ = brought(told, f"Observation?_id=o1&_revinclude=*{also}")
        assert ["Observation/o1"] == matches
        assert ["Observation/o2", "Observation/o3"] == [each for each in included if not each.startswith("AuditEvent/")]
        assert [] == brought(told, f"Observation?_id=absent&_revinclude=*{also}")[1]
    small = people.radiologist(scopes=("user/Observation.rs",))
    assert ["Observation/o2", "Observation/o3"] == brought(told, "Observation?_id=o1&_revinclude=*", small)[1]


def test_what_is_asked_of_too_many_at_once_is_refused(told):
    """The bound is upon what is seen on a page: matches, times the parameters that may name each."""
    assert 200 == told.ask(OPERATOR, "GET", "Observation?_revinclude=*").status
    for number in range(60):
        told.put(observation(f"more{number}"))
    got = told.ask(OPERATOR, "GET", "Observation?_revinclude=*&_count=60")
    assert (400, "too-costly") == (got.status, got.json["issue"][0]["code"])
    assert 200 == told.ask(OPERATOR, "GET", "Observation?_revinclude=*&_count=40").status


def test_a_match_does_not_come_along_as_well(told):
    matches, included, _ = brought(told, "Observation?patient=lea&_include:iterate=Observation:has-member")
    assert (3, []) == (len(matches), included)


def test_rings_come_to_an_end(told):
    told.put(observation("o1", **member("o3")))
    expected = ["Observation/o2", "Observation/o3"]
    assert expected == brought(told, "Observation?_id=o1&_include:iterate=Observation:has-member")[1]


def test_past_the_bound_the_answer_says_that_something_was_left_out(told):
    """R104: never less than was asked without a word."""
    for most, left_out in ((1, ["too-costly"]), (2, []), (3, [])):
        told.house = replace(told.house, limits=Limits(included=most))
        for asked in ("_include=Observation:has-member", "_include:iterate=Observation:has-member"):
            _, included, said = brought(told, f"Observation?_id=o3&{asked}")
            assert (min(most, 2), left_out) == (len(included), said)
        _, included, said = brought(told, "Observation?_id=o1&_revinclude=Observation:has-member")
        assert (min(most, 2), left_out) == (len(included), said)


def test_rounds_past_the_last_are_told_as_well(told):
    for number in range(4, 16):
        told.put(observation(f"o{number}", **member(f"o{number - 1}")))
    _, included, said = brought(told, "Observation?_id=o15&_include:iterate=Observation:has-member")
    assert (10, ["too-costly"]) == (len(included), said)


def test_what_is_hidden_counts_for_no_bound_and_leads_nowhere(told):
    """R105: the letter is masked; neither it nor what it alone leads to comes along, and nothing is said of it."""
    told.put(letter_of("lea", "l1", "MASQUE_PS"))
    told.house = replace(told.house, limits=Limits(included=4))
    asked = (
        "Observation?_id=o1&_include=Observation:*&_include:iterate=Patient:organization"
        "&_revinclude:iterate=Provenance:target&_revinclude:iterate=DocumentReference:relatesto"
    )
    expected = ["Organization/pole", "Patient/lea", "Practitioner/bernard"]
    assert (["Observation/o1"], expected, []) == brought(told, asked, people.radiologist())


def test_a_type_that_the_token_may_not_read_does_not_come_along(told):
    who = people.doctor(scopes=("user/Observation.rs", "user/Organization.r"))
    _, included, _ = brought(told, "Observation?_id=o1&_include:iterate=*&_revinclude:iterate=Provenance:target", who)
    assert ["Organization/chu", "Organization/pole"] == included
