"""Nobody signs in to a record that was destroyed, and no token of its people opens anything (DMP-104)."""

from __future__ import annotations

import json

import pytest

from fhir_server.interactions import retention
from tests.kit.application import FHIR_JSON, application, bearer
from tests.kit.steps import said
from tests.kit.world import opening

LEA = "lea-martin"


@pytest.fixture(scope="module")
def app(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as made:
        yield made


def holder(client):
    scope = "patient/*.cruds launch/patient"
    login = next(
        each["login"]
        for each in client.get("/sandbox.json").json["people"]
        if each["fhirUser"].endswith(f"Patient/{LEA}")
    )
    told = client.post("/sandbox/token", json={"as": login, "scope": scope})
    assert 200 == told.status_code, told.text
    return login, {"Authorization": f"Bearer {told.json['access_token']}"}


def kept(app):
    """The records of sign-ins that name her, by collection."""
    house = app.extensions["house"]
    names = [each for each in house.shelf.database.list_collection_names() if each.startswith("smart_")]
    found = {}
    for name in names:
        told = [json.dumps(each, default=str) for each in house.shelf.database[name].find({})]
        if any(LEA in each for each in told):
            found[name] = told
    return found


def test_the_people_of_a_destroyed_record_have_no_sign_in_and_no_token(app):
    client, smart, house = app.test_client(), app.extensions["smart"], app.extensions["house"]
    login, hers = holder(client)
    operator = bearer(app)

    def ask(step, body, headers):
        return client.post(f"/fhir/Patient/{LEA}/${step}", json=body, headers={**headers, "Content-Type": FHIR_JSON})

    assert ask("open-record", opening(), hers).status_code in (200, 409)
    smart.records.creation_codes.insert(key="code", patient=LEA, expires=house.clock())
    assert 200 == ask("close-record", said(reason="patient-demande"), hers).status_code
    assert 200 == client.get(f"/fhir/Patient/{LEA}/$copy-record", headers=hers).status_code
    assert {"smart_accounts", "smart_grants"} <= kept(app).keys()
    assert smart.accounts.find(login) is not None

    assert 200 == ask("destroy-record", said(demanded=True), operator).status_code

    assert {} == kept(app)
    assert smart.accounts.find(login) is None
    assert 401 == client.get(f"/fhir/Patient/{LEA}", headers=hers).status_code
    assert 404 == client.get(f"/fhir/Patient/{LEA}", headers=operator).status_code
    assert [] == retention.due(house)
