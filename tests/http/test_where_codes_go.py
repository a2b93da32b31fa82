"""Where a creation code goes: to an address that the insurance scheme or the holder gave, never to another's (DMP-23, DMP-24).

Whoever represents a minor, or opened a record for somebody, must not come by the identifiers of its holder (DMP-142).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from bench.alike import browser
from fhir_server.interactions.directory import StoredDirectory
from tests.kit import people
from tests.kit.application import DEMONSTRATION, FHIR_JSON, application, bearer
from tests.kit.cast import told_of_the_cast
from tests.kit.steps import CHU, DESK, PHARMACIST, automatically, guardian, identity, opened_for
from tests.kit.world import opening, patient

THIRD = {"pharmacist": PHARMACIST, "doctor": people.doctor(), "establishment": CHU, "desk": DESK}
HOME = {"line": ["8 rue des Tilleuls"], "postalCode": "38000", "city": "Grenoble"}
LETTER = "Léa Martin\n8 rue des Tilleuls\n38000 Grenoble"


def mail(value, **more):
    return {"system": "email", "value": value, **more}


def reached(world, number=people.INS):
    """Where a creation code for this carte Vitale would go: by mail, and by post."""
    found = StoredDirectory(world.house.shelf, world.house.clock).insured(number)
    return found.mail, found.post


def as_told(world, who=None):
    return world.ask(who or people.operator(), "GET", "Patient/lea").json


@pytest.fixture
def known(empty):
    """Léa as the insurance scheme tells of her, with an address and no record."""
    empty.put(patient(telecom=[mail("lea@scheme.example")], address=[HOME]))
    return empty


def test_a_code_goes_to_where_the_insurance_scheme_reaches_the_holder_dmp_24(known):
    assert ("lea@scheme.example", LETTER) == reached(known)


def test_an_address_that_the_scheme_changed_is_where_the_next_code_goes(known):
    known.put(
        {**as_told(known), "telecom": [mail("lea@new.example")], "address": [{**HOME, "line": ["1 quai Perrière"]}]}
    )
    assert ("lea@new.example", LETTER.replace("8 rue des Tilleuls", "1 quai Perrière")) == reached(known)
    known.put({**as_told(known), "name": [{"use": "official", "family": "Martin", "given": ["Léa", "Anne"]}]})
    assert "lea@new.example" == reached(known)[0]


def test_an_address_that_is_old_is_not_where_a_code_goes(known):
    known.put({**as_told(known), "telecom": [mail("lea@scheme.example", use="old"), mail("lea@new.example")]})
    assert "lea@new.example" == reached(known)[0]


def test_an_address_that_the_holder_set_gets_his_codes(known):
    told_of_the_cast(known)
    known.put(patient(telecom=[mail("lea@scheme.example")], address=[HOME]))
    assert 200 == known.ask(people.holder(), "POST", "Patient/lea/$open-record", opening()).status
    own = {**as_told(known, people.holder()), "telecom": [mail("lea@own.example")]}
    assert 200 == known.ask(people.holder(), "PUT", "Patient/lea", own).status
    assert "lea@own.example" == reached(known)[0]


@pytest.mark.parametrize("who", THIRD.values(), ids=THIRD)
def test_what_a_third_party_typed_at_an_opening_gets_no_code(empty, who):
    """docs/adr/0035: the opener's own address, given for the holder's, would be a way into the record."""
    brought = identity(telecom=[mail("typed@evil.example")], address=[{**HOME, "city": "Lyon"}])
    assert 201 == opened_for(empty, who, patient=brought, email="opener@evil.example").status
    assert (None, None) == reached(empty)


def test_a_third_party_who_opens_adds_no_address_to_those_that_get_codes(known):
    assert 201 == opened_for(known, PHARMACIST, email="opener@evil.example").status
    assert {"lea@scheme.example", "opener@evil.example"} == {each["value"] for each in as_told(known)["telecom"]}
    known.put({**as_told(known), "telecom": [mail("opener@evil.example", rank=1)]})
    assert None is reached(known)[0], "a correction of the identity does not vouch for what stands in it"
    known.put({**as_told(known), "telecom": [mail("lea@scheme.example")]})
    assert "lea@scheme.example" == reached(known)[0]


@pytest.mark.parametrize("again", ["OPENER@evil.example", " opener@Evil.Example "])
def test_another_spelling_of_what_a_third_party_typed_gets_no_code_either(known, again):
    assert 201 == opened_for(known, PHARMACIST, email="opener@evil.example").status
    known.put({**as_told(known), "telecom": [mail(again.strip())]})
    assert None is reached(known)[0]


def test_what_is_not_known_to_have_been_set_by_anybody_gets_no_code(known):
    known.house.shelf.resources.update_one({"_id": "Patient/lea"}, {"$unset": {"reach": ""}})
    assert (None, None) == reached(known)


def test_what_an_automatic_opening_brings_is_the_schemes(empty):
    assert 201 == automatically(empty, patient=identity(telecom=[mail("lea@scheme.example")], address=[HOME])).status
    assert ("lea@scheme.example", LETTER) == reached(empty)


# --- who represents the holder, or did ---


@pytest.fixture
def grown(known):
    """Léa came of age; the scheme reached her where it reaches Anne, who represented her."""
    theirs = {"telecom": [mail("Anne@example.org")], "address": [{**HOME, "line": ["8, RUE DES TILLEULS"]}]}
    known.put({**patient(birthDate="2012-03-01"), "telecom": [mail("anne@example.org")], "address": [HOME]})
    known.put(guardian("anne", **theirs))
    known.now = datetime(2031, 1, 1, tzinfo=UTC)
    return known


def test_the_address_of_a_former_representative_gets_no_code_dmp_142(grown):
    assert (None, None) == reached(grown)


@pytest.mark.parametrize("how", ["inactive", "moved", "deleted"])
def test_nor_does_the_address_that_was_hers_once(grown, how):
    if how == "deleted":
        assert 204 == grown.ask(people.operator(), "DELETE", "RelatedPerson/anne").status
    else:
        grown.put(
            guardian("anne", **({"active": False} if how == "inactive" else {"telecom": [mail("a@new.example")]}))
        )
    assert (None, None) == reached(grown)


def test_another_address_that_the_scheme_has_gets_it(grown):
    grown.put({**as_told(grown), "telecom": [mail("anne@example.org"), mail("lea@own.example")]})
    assert "lea@own.example" == reached(grown)[0]


def test_the_address_of_somebody_who_is_only_to_be_told_gets_the_holders_codes(known):
    known.put(guardian("marc", telecom=[mail("lea@scheme.example")], address=[HOME], relationship=[{"text": "ami"}]))
    assert ("lea@scheme.example", LETTER) == reached(known)


@pytest.mark.parametrize("element", ["telecom", "address"])
def test_a_representative_does_not_say_how_the_holder_is_reached(known, element):
    """DMP-142, docs/adr/0035: she would be sent his codes once he is of age."""
    told_of_the_cast(known)
    known.put({**patient(birthDate="2015-03-01", active=True), "telecom": [mail("lea@scheme.example")]})
    known.put(guardian("anne"))
    anne = people.representative("lea")
    hers = {"telecom": [mail("anne@example.org")], "address": [HOME]}[element]
    child = as_told(known, anne)
    assert 403 == known.ask(anne, "PUT", "Patient/lea", {**child, element: hers}).status
    patch = [{"op": "add", "path": f"/{element}", "value": hers}]
    assert 403 == known.ask(anne, "PATCH", "Patient/lea", patch).status
    spoken = {**child, "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}}]}
    assert 200 == known.ask(anne, "PUT", "Patient/lea", spoken).status


# --- the whole way, over HTTP ---


@pytest.fixture
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


def asked_for(app, number, way):
    client, csrf = browser(app, "/auth/creation-code")
    assert 200 == client.post("/auth/creation-code", data={"number": number, "way": way, "csrf": csrf}).status_code


def codes(app):
    return [
        each for each in app.test_client().get("/sandbox/outbox.json").json if re.search("création", each["subject"])
    ]


def token(app, login):
    told = app.test_client().post("/sandbox/token", json={"as": login, "scope": "patient/*.cruds launch/patient"})
    assert 200 == told.status_code, told.text
    return {"Authorization": f"Bearer {told.json['access_token']}", "Content-Type": FHIR_JSON}


@pytest.mark.parametrize("to", ["lea.autre@example.org", "lea.martin@example.org"])
def test_a_former_representative_does_not_open_the_young_adults_account_dmp_142(app, to):
    client, mother, operator = app.test_client(), token(app, "lea-pour-noe"), {**bearer(app), "Content-Type": FHIR_JSON}
    noe = client.get("/fhir/Patient/noe-martin", headers=mother).json
    theirs = {**noe, "telecom": [mail(to)]}
    assert 403 == client.put("/fhir/Patient/noe-martin", json=theirs, headers=mother).status_code
    client.post("/sandbox/clock", json={"now": "2033-07-01T10:00:00Z"})
    asked_for(app, "115063818500307", "mail")
    assert [] == codes(app)
    assert (
        200
        == client.put(
            "/fhir/Patient/noe-martin", json={**noe, "telecom": [mail("noe@example.org")]}, headers=operator
        ).status_code
    )
    asked_for(app, "115063818500307", "mail")
    assert ["noe@example.org"] == [each["to"] for each in codes(app)]


def test_where_a_representatives_own_codes_go_the_holders_do_not(app):
    """Her account may have another address than her RelatedPerson."""
    client, operator = app.test_client(), {**bearer(app), "Content-Type": FHIR_JSON}
    smart = app.extensions["smart"]
    for each in smart.records.accounts.all(patient="noe-martin"):
        smart.records.accounts.change(each.key, set__address="Lea.Autre@example.org")
    noe = client.get("/fhir/Patient/noe-martin", headers=operator).json
    theirs = {**noe, "telecom": [mail("lea.autre@example.org")]}
    assert 200 == client.put("/fhir/Patient/noe-martin", json=theirs, headers=operator).status_code
    client.post("/sandbox/clock", json={"now": "2033-07-01T10:00:00Z"})
    asked_for(app, "115063818500307", "mail")
    assert [] == codes(app)
    asked_for(app, "115063818500307", "post")
    assert ["post"] == [each["channel"] for each in codes(app)]


def test_who_opened_a_record_is_not_sent_its_holders_creation_code(app):
    """DMP-23, docs/adr/0027: where a code goes is never typed by who asks for it."""
    client = app.test_client()
    told = client.post("/sandbox/token", json={"as": "pharm-benali", "scope": "user/*.cruds", "client_id": "admin-app"})
    headers = {"Authorization": f"Bearer {told.json['access_token']}", "Content-Type": FHIR_JSON}
    brought = identity(identifier=[{"use": "official", "system": DEMONSTRATION, "value": "298025555500612"}])
    body = opening(email="benali.perso@example.org")
    body["parameter"].append({"name": "patient", "resource": brought})
    made = client.post("/fhir/Patient/$open-record-for", json=body, headers=headers)
    assert 201 == made.status_code, made.text
    for way in ("mail", "post"):
        asked_for(app, "298025555500612", way)
    assert [] == codes(app)
