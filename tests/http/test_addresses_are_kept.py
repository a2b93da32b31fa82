"""What begins with the address of this server and is no reference stays as it was sent, and is found by it."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.clinical import composition, observation
from tests.kit.world import BASE

OPERATOR = people.operator()
KEPT = [
    {
        "resourceType": "ValueSet",
        "url": f"{BASE}/ValueSet/v",
        "status": "active",
        "compose": {"include": [{"system": f"{BASE}/CodeSystem/c"}]},
    },
    {
        "resourceType": "CodeSystem",
        "url": f"{BASE}/CodeSystem/c",
        "status": "active",
        "content": "complete",
        "valueSet": f"{BASE}/ValueSet/v",
        "concept": [{"code": "a"}],
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": f"{BASE}/CodeSystem/c", "code": "a"}]},
        "identifier": [{"system": f"{BASE}/sid/x", "value": "1"}],
        "extension": [
            {"url": f"{BASE}/StructureDefinition/e", "valueUri": f"{BASE}/x"},
            {"url": "urn:x", "valueUrl": f"{BASE}/metadata"},
        ],
        "subject": {"reference": "Patient/lea"},
    },
    {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "instantiatesUri": [f"{BASE}/PlanDefinition/p"],
        "instantiatesCanonical": [f"{BASE}/PlanDefinition/q|1"],
        "subject": {"reference": "Patient/lea"},
    },
    {
        "resourceType": "Bundle",
        "type": "collection",
        "link": [{"relation": "self", "url": f"{BASE}/Patient?_id=lea"}],
        "entry": [{"fullUrl": f"{BASE}/Patient/lea", "resource": {"resourceType": "Patient", "id": "lea"}}],
    },
]


@pytest.mark.parametrize("resource", KEPT, ids=[each["resourceType"] for each in KEPT])
def test_an_identifying_uri_is_kept_to_the_letter(world, resource):
    """R4 datatypes.html#uri: URIs are case sensitive and compared whole; the base was cut off."""
    made = world.ask(OPERATOR, "POST", resource["resourceType"], resource)
    assert 201 == made.status, made.json
    assert resource == {name: each for name, each in made.json.items() if name in resource}


@pytest.mark.parametrize(
    ("at", "search"),
    [
        (0, f"ValueSet?url={BASE}/ValueSet/v"),
        (1, f"CodeSystem?url={BASE}/CodeSystem/c"),
        (2, f"Observation?code={BASE}/CodeSystem/c|a"),
        (2, f"Observation?identifier={BASE}/sid/x|1"),
        (3, f"CarePlan?instantiates-uri={BASE}/PlanDefinition/p"),
        (3, f"CarePlan?instantiates-canonical={BASE}/PlanDefinition/q"),
        (3, f"CarePlan?instantiates-canonical={BASE}/PlanDefinition/q|1"),
    ],
)
def test_it_is_found_by_what_it_says(world, at, search):
    """Rows 92 and 101."""
    made = world.ask(OPERATOR, "POST", KEPT[at]["resourceType"], KEPT[at])
    assert [f"{KEPT[at]['resourceType']}/{made.json['id']}"] == world.ask(OPERATOR, "GET", search).ids


@pytest.mark.parametrize(
    ("resource", "search"),
    [
        (
            {"resourceType": "QuestionnaireResponse", "questionnaire": "{}/Questionnaire/q", "status": "completed"},
            "questionnaire={}/Questionnaire/q",
        ),
        (
            {
                "resourceType": "MeasureReport",
                "status": "complete",
                "type": "summary",
                "measure": "{}/Measure/m",
                "period": {"start": "2026", "end": "2026"},
            },
            "measure={}/Measure/m",
        ),
    ],
    ids=["questionnaire", "measure"],
)
def test_a_canonical_that_is_an_address_here_is_found_by_its_own_value(world, resource, search):
    """Row 92: it is indexed as it stands, and was asked for without the base."""
    made = {name: each.format(BASE) if isinstance(each, str) else each for name, each in resource.items()}
    type_ = resource["resourceType"]
    name = f"{type_}/{world.ask(OPERATOR, 'POST', type_, made).json['id']}"
    assert [name] == world.ask(OPERATOR, "GET", f"{type_}?{search.format(BASE)}").ids

    # one that was stored relative is found by both, as it was
    short = {name: each.format("").lstrip("/") if isinstance(each, str) else each for name, each in resource.items()}
    other = f"{type_}/{world.ask(OPERATOR, 'POST', type_, short).json['id']}"
    assert {name, other} == set(world.ask(OPERATOR, "GET", f"{type_}?{search.format(BASE)}").ids)
    assert [other] == world.ask(OPERATOR, "GET", f"{type_}?{search.format('').replace('=/', '=')}").ids


def test_a_conditional_create_by_such_a_system_makes_one(world):
    """Row 31: the second found nothing, and there were two."""
    made = {"resourceType": "Basic", "code": {"text": "x"}, "identifier": [{"system": f"{BASE}/sid/b", "value": "7"}]}
    asked = {"if_none_exist": f"identifier={BASE}/sid/b|7"}
    answers = [world.ask(OPERATOR, "POST", "Basic", made, **asked).status for _ in range(2)]
    assert [201, 200] == answers


def test_the_document_that_the_server_made_is_stored_as_it_was_made(world):
    """R4 bundle.html: `fullUrl` is absolute."""
    world.put(observation("o"))
    world.put(composition("Observation/o"))
    made = world.ask(OPERATOR, "GET", "Composition/cr/$document").json
    made.pop("id")
    stored = world.ask(OPERATOR, "POST", "Bundle", made)
    assert 201 == stored.status, stored.json
    assert [each["fullUrl"] for each in made["entry"]] == [each["fullUrl"] for each in stored.json["entry"]]


def test_references_to_this_server_are_made_relative_as_ever(world):
    """Row 91: one spelling, so that each is found."""
    link = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{BASE}/Patient/lea">x</a></div>'
    sent = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"{BASE}/Patient/lea"},
        "focus": [{"reference": f"{BASE}/Basic/b/_history/2"}, {"reference": f"{BASE}/nothing"}],
        "text": {"status": "generated", "div": link},
    }
    made = world.ask(OPERATOR, "POST", "Observation", sent).json
    assert ("Patient/lea", ["Basic/b/_history/2", f"{BASE}/nothing"]) == (
        made["subject"]["reference"],
        [each["reference"] for each in made["focus"]],
    )
    assert 'href="Patient/lea"' in made["text"]["div"]
