"""`_contained` and `_containedType` (R108): what stands within other resources, searched for itself."""

from __future__ import annotations

import base64

import pytest

from tests.http.test_compartment_searches import observed
from tests.http.test_several_types import walked
from tests.kit import people
from tests.kit.clinical import MASKED
from tests.kit.world import BASE

OPERATOR = people.operator()
CODES = "http://x.example/codes"


def medication(id_, code, **more):
    return {"resourceType": "Medication", "id": id_, "code": {"coding": [{"system": CODES, "code": code}]}, **more}


def request(id_, *inner, **more):
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": f"#{inner[0]['id']}"},
        "subject": {"reference": "Patient/lea"},
        "contained": list(inner),
        **({"supportingInformation": [{"reference": f"#{each['id']}"} for each in inner[1:]]} if inner[1:] else {}),
        **more,
    }


@pytest.fixture
def pharmacy(world):
    world.put(medication("alone", "amox"))
    world.put(request("r1", medication("m", "amox", status="active")))
    world.put(request("r2", medication("m", "ibu", status="active"), medication("n", "amox", status="inactive")))
    world.put(request("r3", medication("m", "amox", status="active"), meta=MASKED))
    inner = observed(
        "in", valueQuantity={"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    )
    world.put(observed("out", contained=[inner], hasMember=[{"reference": "#in"}]))
    return world


def found(world, url, who=OPERATOR):
    got = world.ask(who, "GET", url)
    assert 200 == got.status, got.json
    return sorted(got.ids)


R1, R2, R3 = (f"MedicationRequest/r{each}" for each in (1, 2, 3))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code=amox", ["Medication/alone"]),
        ("code=amox&_contained=false", ["Medication/alone"]),
        ("code=amox&_contained=true", [R1, R2, R3]),
        ("code=amox&_contained=both", ["Medication/alone", R1, R2, R3]),
        ("code=amox&status=active&_contained=true", [R1, R3]),
        ("code=ibu&status=inactive&_contained=true", []),
        ("code:not=amox&_contained=true", [R2]),
        ("status:missing=true&_contained=true", []),
        ("_id=n&_contained=true", [R2]),
        ("_contained=true&_containedType=container&code=ibu", [R2]),
        ("_filter=code eq ibu and status eq active&_contained=true", [R2]),
    ],
)
def test_all_criteria_are_asked_of_one_contained_resource(pharmacy, query, expected):
    """R108."""
    assert expected == found(pharmacy, f"Medication?{query}")


def test_a_quantity_is_asked_of_what_is_contained_as_of_anything(pharmacy):
    url = "Observation?value-quantity=0.005|http://unitsofmeasure.org|g"
    assert [] == found(pharmacy, url)
    assert ["Observation/out"] == found(pharmacy, f"{url}&_contained=true")
    assert ["Observation/out"] == found(pharmacy, "Observation?code-value-quantity=8867-4$5||mg&_contained=true")


def test_what_is_contained_may_be_wanted_itself(pharmacy):
    """R108: the address is that of what holds it, with its own id as the fragment."""
    got = pharmacy.ask(OPERATOR, "GET", "Medication?code=amox&_contained=both&_containedType=contained&_sort=_id")
    told = {each["fullUrl"]: each["resource"] for each in got.json["entry"]}

    assert [
        f"{BASE}/Medication/alone",
        f"{BASE}/MedicationRequest/r1#m",
        f"{BASE}/MedicationRequest/r2#n",
        f"{BASE}/MedicationRequest/r3#m",
    ] == list(told)
    assert medication("n", "amox", status="inactive") == told[f"{BASE}/MedicationRequest/r2#n"]
    assert "total" not in got.json
    assert {"match"} == {each["search"]["mode"] for each in got.json["entry"]}
    dated = pharmacy.ask(OPERATOR, "GET", "Medication?_lastUpdated=ge2020&_contained=both&_containedType=contained")
    assert got.json["entry"][:1] == dated.json["entry"]


def test_pages_and_totals_are_those_of_a_search(pharmacy):
    url = "Medication?code=amox&_contained=both&_sort=_id&_count=1"
    assert [["Medication/alone"], [R1], [R2], [R3]] == walked(pharmacy, url)
    assert 4 == pharmacy.ask(OPERATOR, "GET", url).json["total"]
    assert 3 == pharmacy.ask(OPERATOR, "GET", "Medication?code=amox&_contained=true&_summary=count").json["total"]
    assert 3 == pharmacy.ask(OPERATOR, "POST", "Medication/_search?code=amox&_contained=true").json["total"]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_page_held_more_than_was_asked_for_where_one_held_several(pharmacy, count):
    """R74: "servers SHALL NOT return more resources than requested"; each comes once."""
    inner = [medication(f"i{number}", "amox") for number in range(5)]
    pharmacy.put(request("r2", *inner))
    expected = ["Medication/alone", *(f"MedicationRequest/{each}#m" for each in ("r1", "r3"))]
    expected[2:2] = [f"MedicationRequest/r2#i{number}" for number in range(5)]
    url, pages = f"Medication?code=amox&_contained=both&_containedType=contained&_sort=_id&_count={count}", []
    while url:
        got = pharmacy.ask(OPERATOR, "GET", url)
        pages.append([each["fullUrl"].removeprefix(f"{BASE}/") for each in got.json["entry"]])
        links = {each["relation"]: each["url"].removeprefix(f"{BASE}/") for each in got.json["link"]}
        url = links.get("next")

    assert expected == [each for page in pages for each in page]
    assert [count] * (len(pages) - 1) == [len(page) for page in pages[:-1]]


def test_what_is_contained_is_withheld_with_what_holds_it(pharmacy):
    """DMP-52: the masked order is as if it had never been written, and what it holds with it."""
    for query, expected in (("code=amox&_contained=true", [R1, R2]), ("code=amox&_contained=true&_id=m", [R1])):
        got = pharmacy.ask(people.radiologist(), "GET", f"Medication?{query}")
        assert (expected, len(expected)) == (sorted(got.ids), got.json["total"])
    got = pharmacy.ask(people.radiologist(), "GET", "Medication?code=amox&_contained=true&_containedType=contained")
    assert ["m", "n"] == sorted(each["resource"]["id"] for each in got.json["entry"])
    assert [R1, R2, R3] == found(pharmacy, "Medication?code=amox&_contained=true", people.holder())
    stranger = people.professional("inconnu", "10000000005")
    assert [] == found(pharmacy, "Medication?code=amox&_contained=true", stranger)


def test_who_may_not_search_what_holds_it_does_not_find_what_is_contained(pharmacy):
    small = people.radiologist(scopes=("user/Medication.rs", "user/Observation.rs"))
    assert [] == found(pharmacy, "Medication?code=amox&_contained=true", small)
    assert (
        403
        == pharmacy.ask(people.radiologist(scopes=("user/Observation.rs",)), "GET", "Medication?_contained=true").status
    )


def test_nothing_contained_is_found_by_what_its_holder_mentions(pharmacy):
    """A reference within what is contained is a mention of the one that holds it: gone with what is hidden."""
    pharmacy.put(observed("hidden", meta=MASKED))
    pharmacy.put(observed("shown"))
    for id_ in ("hidden", "shown"):
        inner = observed("in", derivedFrom=[{"reference": f"Observation/{id_}"}])
        pharmacy.put(observed(f"of-{id_}", contained=[inner], hasMember=[{"reference": "#in"}]))
    for who in (OPERATOR, people.radiologist()):
        for id_ in ("hidden", "shown", "absent"):
            assert [] == found(pharmacy, f"Observation?derived-from=Observation/{id_}&_contained=true", who)
        assert [] == found(pharmacy, "Observation?derived-from:missing=false&_contained=true", who)


def test_its_trace_says_what_was_asked_in_the_record_that_was_told_of(pharmacy):
    """DMP-80."""
    asked = "code=ibu&_contained=true&_containedType=contained"
    pharmacy.ask(people.radiologist(), "GET", f"Medication?{asked}")
    traces = pharmacy.ask(people.holder(), "GET", "AuditEvent?patient=lea&_sort=-date&_count=1").json["entry"]
    told = [base64.b64decode(each["query"]).decode() for each in traces[0]["resource"]["entity"] if "query" in each]

    assert any(each.endswith(asked) for each in told), told


@pytest.mark.parametrize(
    "query",
    [
        "Medication?_contained=x",
        "Medication?_contained=true&_containedType=x",
        "Medication?_contained:not=true",
        "Medication?_contained=true&_contained=both",
        "Medication?_contained=true&_include=Medication:manufacturer",
        "Medication?_contained=true&_text=x",
        "Medication?_contained=true&_list=x",
        "Medication?_contained=true&_elements=code",
        "Medication?_contained=true&_sort=code",
        "Medication?_contained=true&_containedType=contained&_summary=count",
        "Medication?_contained=true&manufacturer.name=x",
        "Observation?_contained=true&_has:Observation:derived-from:code=x",
        "Observation?subject._contained=true",
        "Patient/lea/Observation?_contained=true",
        "?_type=Observation,Medication&_contained=true",
        "DocumentReference/$explain?_contained=true",
    ],
)
def test_what_is_not_asked_of_contained_resources_is_refused(pharmacy, query):
    assert 400 == pharmacy.ask(OPERATOR, "GET", query).status


def test_a_condition_of_a_write_never_looks_inside(pharmacy):
    got = pharmacy.ask(OPERATOR, "DELETE", "Medication?code=ibu&_contained=true")
    assert 400 == got.status
