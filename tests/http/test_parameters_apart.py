"""Parameters that R4 has and gives no plain meaning: by sound, by distance, by age, by an extension (R87)."""

from __future__ import annotations

import pytest

from tests.kit import people
from tests.kit.world import patient

OPERATOR = people.operator()
MAIDEN = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"


def found(world, url, who=OPERATOR):
    got = world.ask(who, "GET", url)
    assert 200 == got.status, got.json
    return sorted(each.partition("/")[2] for each in got.ids)


@pytest.fixture
def town(world):
    for id_, family, born, more in (
        ("moreau", "Moreau", "1990-11-24", {"multipleBirthInteger": 2}),
        ("morot", "Morot", "1990-11-25", {"extension": [{"url": MAIDEN, "valueString": "Lefèvre"}]}),
        ("dupont", "Dupont", "1950", {"deceasedBoolean": True, "multipleBirthBoolean": False}),
    ):
        identifier = [{"system": "urn:x", "value": id_}]
        world.put(patient(id_, identifier=identifier, name=[{"family": family}], birthDate=born, **more))
    for id_, latitude, longitude in (
        ("grenoble", 45.1885, 5.7245),
        ("echirolles", 45.1436, 5.7182),
        ("lyon", 45.764, 4.8357),
    ):
        position = {"latitude": latitude, "longitude": longitude}
        world.put({"resourceType": "Location", "id": id_, "name": id_, "position": position})
    return world


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Patient?phonetic=moro", ["moreau", "morot"]),
        ("Patient?phonetic=dupond", ["dupont"]),
        ("Patient?phonetic=dupond,moreaux", ["dupont", "moreau", "morot"]),
        ("Patient?_filter=phonetic eq moro and birthdate eq 1990-11-24", ["moreau"]),
        ("Practitioner?phonetic=bernart", ["bernard"]),
        ("Patient?birthOrderBoolean=true", ["moreau"]),
        ("Patient?birthOrderBoolean=false", ["dupont"]),
        ("Patient?mothersMaidenName=lefevre", ["morot"]),
        ("Patient?mothersMaidenName:exact=Lefevre", []),
        ("Location?near=45.19|5.72|2|km", ["grenoble"]),
        ("Location?near=45.19|5.72", ["echirolles", "grenoble"]),
        ("Location?near=45.19|5.72|60|[mi_i]", ["echirolles", "grenoble", "lyon"]),
        ("Location?near=45.19|5.72|2&name=lyon", []),
        ("Location?near:missing=true", []),
        ("Location?_filter=near eq 45.19|5.72|2 or name eq lyon", ["grenoble", "lyon"]),
    ],
)
def test_each_finds_what_it_says(town, query, expected):
    assert expected == found(town, query)


def test_an_age_is_that_of_the_servers_day(town):
    """The kit's clock stands at 23 November 2026: nobody of them is 36 yet."""
    assert ["moreau", "morot"] == found(town, "Patient?age=35")
    assert [] == found(town, "Patient?age=36")
    town.pass_time(seconds=86_400)
    assert ["moreau"] == found(town, "Patient?age=36")
    assert [] == found(town, "Patient?age=ge40&phonetic=dupont")
    assert ["dupont"] == found(town, "Patient?age:missing=true&phonetic=dupont")


def test_a_record_is_asked_by_the_age_of_its_holder(record):
    assert [] == found(record, "Observation?subject:Patient.age=lt3")
    assert ["o1", "o2", "o3"] == found(record, "Observation?subject:Patient.phonetic=martain&patient=lea")
    assert ["o1", "o2"] == found(
        record, "Observation?patient=lea&subject:Patient.phonetic=martain", people.radiologist()
    )


@pytest.mark.parametrize(
    "query",
    ["Location?near=45", "Location?near=45|5|1|kg", "Patient?age=old", "Patient?phonetic=-", "Location?_sort=near", "Patient?_sort=age", "Patient?phonetic:contains=x", "Patient?_query=x"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(town, query):
    assert 400 == town.ask(OPERATOR, "GET", query).status


def test_a_scope_by_age_is_no_scope(world):
    """What a token lets be read may not change with the day: such a scope lets nothing be read."""
    who = people.radiologist(scopes=("user/Patient.rs?age=gt3",))
    assert world.ask(who, "GET", "Patient?_id=lea").status in (400, 403)
