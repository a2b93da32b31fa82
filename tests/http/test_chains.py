"""Chained searches and `_has` through the whole pipeline: guard, scopes, limits, pages, conditions; rows R94, R105."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_server.interactions.house import Limits
from tests.kit import people
from tests.kit.family import appends, letter_of
from tests.kit.world import BASE, patient

OPERATOR = people.operator()
LOINC = "http://loinc.org"


def observation(id_, who="lea", code="8867-4", **more):
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{who}"},
        **more,
    }


@pytest.fixture
def told(world):
    """Two letters that follow one another, an observation made from the first, and a record nobody opened."""
    world.put(letter_of("lea", "l1", None))
    world.put({**letter_of("lea", "l2", None), **appends("DocumentReference/l1")})
    world.put(observation("o1", derivedFrom=[{"reference": "DocumentReference/l1"}]))
    world.put({**patient("bob"), "identifier": [{"system": "urn:x", "value": "bob"}]})
    world.put(observation("o2", "bob"))
    return world


def ids(world, url, who=None):
    answered = world.ask(who or people.doctor(), "GET", url)
    assert 200 == answered.status, answered.json
    return answered.ids


def test_a_chain_leads_through_what_its_asker_sees(told):
    """Rows 94 and 105."""
    assert ["Observation/o1"] == ids(told, "Observation?subject:Patient.name=martin")
    assert ["Observation/o1"] == ids(told, "Observation?derived-from:DocumentReference.description=lettre l1")
    assert ["DocumentReference/l2"] == ids(told, "DocumentReference?relatesto.description=lettre l1")
    assert ["Patient/lea"] == ids(told, "Patient?_has:Observation:patient:code=8867-4")
    assert ["DocumentReference/l1"] == ids(told, "DocumentReference?_has:Observation:derived-from:code=8867-4")
    assert ["DocumentReference/l1"] == ids(told, "DocumentReference?_has:DocumentReference:relatesto:status=current")


def test_what_an_operator_sees_of_every_record_is_found_by_it(told):
    assert {"Observation/o1", "Observation/o2"} == set(ids(told, "Observation?subject:Patient.name=martin", OPERATOR))
    assert {"Patient/lea", "Patient/bob"} == set(ids(told, "Patient?_has:Observation:patient:code=8867-4", OPERATOR))


@pytest.mark.parametrize(
    "url",
    [
        "Observation?derived-from:DocumentReference.description=lettre l1",
        "DocumentReference?relatesto.description=lettre l1",
        "DocumentReference?_has:DocumentReference:relatesto:description=lettre l2&_id=l1",
        "DocumentReference?_has:Observation:derived-from:code=8867-4",
        "Patient?_has:DocumentReference:patient:description=lettre l1",
        "Patient?_has:Observation:patient:derived-from:DocumentReference.description=lettre l1",
        "Patient?_has:DocumentReference:patient:security-label=MASQUE_PS",
        "Patient?_has:DocumentReference:patient:_has:Observation:derived-from:status=final",
    ],
)
@pytest.mark.parametrize("total", ["", "&_total=none", "&_summary=count", "&_sort=_id"])
def test_what_is_masked_makes_nothing_be_found(told, url, total):
    """R105: neither as what is looked for, nor as what a link leads through, nor as what a mention speaks of."""
    told.put({**letter_of("lea", "l1", "MASQUE_PS")})
    masked = letter_of("lea", "l2", None) | appends("DocumentReference/l1")
    told.put(masked)

    answered = told.ask(people.radiologist(), "GET", url + total)

    assert (200, []) == (answered.status, answered.ids)
    assert not answered.json.get("total")


@pytest.mark.parametrize(
    ("url", "scopes"),
    [
        ("Patient?_has:Observation:patient:code=8867-4", ("user/Patient.rs",)),
        ("Patient?_has:Observation:patient:code=8867-4", ("user/Patient.rs", "user/Observation.r")),
        ("Observation?patient.name=martin", ("user/Observation.rs",)),
        ("Observation?subject:Patient.name=martin", ("user/Observation.rs", "user/Patient.cru")),
        (
            "Observation?subject:Patient._has:DocumentReference:patient:status=current",
            ("user/Observation.rs", "user/Patient.rs"),
        ),
        ("DocumentReference?author.given=anne", ("user/DocumentReference.rs",)),
    ],
)
def test_a_token_leads_through_no_type_that_it_may_not_search(told, url, scopes):
    """R105: 403 for each link whose type no scope speaks of with the right to search."""
    assert 403 == told.ask(people.doctor(scopes=scopes), "GET", url).status


def test_a_link_that_may_mean_several_types_means_those_the_token_may_search(told):
    told.put({**letter_of("lea", "l3", None), "author": [{"reference": "Practitioner/bernard"}]})
    scopes = ("user/DocumentReference.rs", "user/Practitioner.rs")
    assert ["DocumentReference/l3"] == ids(
        told, "DocumentReference?author.family=bernard", people.doctor(scopes=scopes)
    )


def test_a_granular_scope_narrows_what_a_link_leads_through(told):
    told.put(observation("o3", code="8310-5"))
    who = people.doctor(scopes=("user/Patient.rs", f"user/Observation.rs?code={LOINC}|8310-5"))
    assert [] == ids(told, "Patient?_has:Observation:patient:code=8867-4", who)
    assert ["Patient/lea"] == ids(told, "Patient?_has:Observation:patient:code=8310-5", who)


def test_a_scope_itself_cannot_be_a_chain(told):
    who = people.doctor(scopes=("user/Observation.rs?subject:Patient.name=martin",))
    assert 403 == told.ask(who, "GET", "Observation").status


def test_a_link_into_a_record_that_is_shut_finds_nothing_whoever_is_named(told):
    told.put(observation("o9", "bob", encounter={"reference": "Encounter/e9"}))
    for who in ("bob", "nobody"):
        answered = told.ask(people.doctor(), "GET", f"Patient?_has:Observation:patient:patient={who}")
        assert (200, [], 0) == (answered.status, answered.ids, answered.json["total"])


def test_a_search_that_names_a_record_that_is_shut_is_refused_whatever_its_chains(told):
    for who in ("bob", "nobody"):
        answered = told.ask(people.doctor(), "GET", f"Observation?patient={who}&patient.name=martin")
        assert 403 == answered.status


def test_an_existence_check_asks_of_an_identity_alone(told):
    """DMP-101: with a chain beside it, a search by INS is a search like any other."""
    url = f"Patient?identifier={people.INS_SYSTEM}|{people.INS}"
    outsider = people.professional("inconnu", "10000000005")
    assert ["Patient/lea"] == ids(told, url, outsider)
    assert [] == ids(told, f"{url}&_has:Observation:patient:code=8867-4", outsider)


def test_the_pages_of_a_chained_search_follow_one_another(told):
    for number in range(5):
        told.put(observation(f"more{number}"))
    url, seen, totals = "Observation?patient.name=martin&_count=2&_sort=_id", [], set()
    while url:
        answered = told.ask(people.doctor(), "GET", url)
        seen += answered.ids
        totals.add(answered.json["total"])
        links = {each["relation"]: each["url"].removeprefix(f"{BASE}/") for each in answered.json["link"]}
        assert "patient.name=martin" in links["self"]
        url = links.get("next")
    assert ([f"Observation/more{number}" for number in range(5)] + ["Observation/o1"], {6}) == (seen, totals)


def test_a_page_of_a_chained_search_shows_nothing_that_was_hidden_meanwhile(told):
    told.put(observation("o3", derivedFrom=[{"reference": "DocumentReference/l1"}]))
    first = told.ask(
        people.radiologist(), "GET", "Observation?derived-from:DocumentReference.description=lettre l1&_count=1"
    )
    following = next(each["url"] for each in first.json["link"] if each["relation"] == "next")
    told.put(letter_of("lea", "l1", "MASQUE_PS"))
    assert [] == ids(told, following.removeprefix(f"{BASE}/"), people.radiologist())


def test_more_links_than_the_limit_are_too_costly(told):
    told.house = replace(told.house, limits=Limits(chain_depth=1))
    refused = told.ask(people.doctor(), "GET", "Observation?patient.organization.name=x")
    assert (400, "too-costly") == (refused.status, refused.json["issue"][0]["code"])


@pytest.mark.parametrize("url", ["Observation?patient.name=martin", "Patient?_has:Observation:patient:status=final"])
def test_a_link_that_leads_through_more_than_the_limit_is_refused_and_never_cut_short(told, url):
    told.house = replace(told.house, limits=Limits(linked=1))
    refused = told.ask(OPERATOR, "GET", url)
    assert (400, "too-costly") == (refused.status, refused.json["issue"][0]["code"])
    told.house = replace(told.house, limits=Limits(linked=2))
    assert 2 == len(ids(told, url, OPERATOR))


def test_what_a_link_may_not_see_does_not_count_against_its_limit(told):
    told.house = replace(told.house, limits=Limits(linked=1))
    assert ["Observation/o1"] == ids(told, "Observation?patient.name=martin")


def test_a_conditional_write_may_lead_through_others(told):
    body = observation("x")
    del body["id"]
    made = told.ask(
        OPERATOR, "POST", "Observation", body, if_none_exist="patient.name=martin&patient.identifier=urn:x|bob"
    )
    assert (200, "o2") == (made.status, made.json["id"])
    written = told.ask(
        OPERATOR, "PUT", "Observation?derived-from:DocumentReference.description=lettre l1", observation("o1")
    )
    assert (200, "o1") == (written.status, written.json["id"])
    several = told.ask(OPERATOR, "DELETE", "Observation?subject:Patient.name=martin")
    assert 412 == several.status


def test_a_condition_leads_through_nothing_that_is_hidden_from_its_asker(told):
    told.put(letter_of("lea", "l1", "MASQUE_PS"))
    url = "DocumentReference?_has:DocumentReference:relatesto:description=lettre l2"
    assert 404 == told.ask(people.radiologist(), "PATCH", url, [{"op": "test", "path": "/status", "value": "x"}]).status


def test_a_batch_and_a_form_lead_through_as_well(told):
    entry = {"request": {"method": "GET", "url": "Observation?patient.name=martin"}}
    made = told.ask(people.doctor(), "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    assert 1 == made.json["entry"][0]["resource"]["total"]
    posted = told.ask(people.doctor(), "POST", "Patient/_search?_has:Observation:patient:code=8867-4")
    assert ["Patient/lea"] == posted.ids
