"""fhirpy, a client that builds requests from dictionaries: what its users do every day."""

from __future__ import annotations

import uuid

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import (
    AuthorizationError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)


@pytest.fixture
def client(served, operator):
    return SyncFHIRClient(served.fhir, authorization=f"Bearer {operator}")


@pytest.fixture
def tag():
    """A system of this test's own."""
    return f"urn:uuid:{uuid.uuid4()}"


def headed(served, operator, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SyncFHIRClient(served.fhir, authorization=f"Bearer {operator}", extra_headers=named)


def organization(client, tag, name="Clinique", value="1"):
    return client.resource("Organization", name=name, identifier=[{"system": tag, "value": value}])


def test_it_creates_reads_updates_and_deletes(client, tag):
    made = organization(client, tag)
    made.save()
    assert ("1", "Clinique") == (made["meta"]["versionId"], made["name"])

    read = client.reference("Organization", made.id).to_resource()
    assert dict(made) == dict(read)
    read["name"] = "Clinique des Alpes"
    read.save()
    assert "2" == read["meta"]["versionId"]
    assert "Clinique des Alpes" == client.get("Organization", made.id)["name"]

    made.delete()
    with pytest.raises(ResourceNotFound):
        client.get("Organization", made.id)


def test_it_refreshes_what_it_has_by_its_version(client, tag):
    """It sends the version without quotes, as no server has to take it."""
    made = organization(client, tag).save()
    assert dict(made) == dict(made.refresh())


def test_it_pages_through_what_it_finds(client, tag):
    """R72."""
    for number in range(7):
        organization(client, tag, f"Clinique {number}", str(number)).save()
    found = client.resources("Organization").search(identifier=f"{tag}|").sort("_lastUpdated").limit(3)

    assert [f"Clinique {number}" for number in range(7)] == [each["name"] for each in found]
    assert 7 == found.fetch_raw()["total"]
    assert "Clinique 0" == found.first()["name"]
    assert "Clinique 3" == found.search(name__exact="Clinique 3").get()["name"]


def test_its_count_needs_lenience_for_the_parameter_it_makes_up(served, operator, client, tag):
    organization(client, tag).save()
    found = client.resources("Organization").search(identifier=f"{tag}|")
    with pytest.raises(OperationOutcome, match="_totalMethod"):
        found.count()

    lenient = headed(served, operator, Prefer="handling=lenient")
    assert 1 == lenient.resources("Organization").search(identifier=f"{tag}|").count()


def test_it_includes_what_is_referred_to(client, tag):
    owner = organization(client, tag).save()
    part = organization(client, tag, "Service", "2")
    part["partOf"] = owner.to_reference()
    part.save()
    found = client.resources("Organization").search(_id=part.id).include("Organization", "partof").fetch_raw()

    assert {(part.id, "match"), (owner.id, "include")} == {
        (entry["resource"]["id"], entry["search"]["mode"]) for entry in found["entry"]
    }


def test_it_writes_upon_a_condition(client, served, operator, tag):
    """R41, R44, R45, R46."""
    query = {"identifier": f"{tag}|1"}
    once = headed(served, operator, If_None_Exist=f"identifier={tag}|1")
    made = organization(once, tag).save()
    again = organization(once, tag, "Autre").save()
    assert (made.id, "Clinique") == (again.id, again["name"])

    found = client.resources("Organization").search(**query)
    updated, created = found.update(organization(client, tag, "Clinique du Lac"))
    assert (made.id, "2", False) == (updated.id, updated["meta"]["versionId"], created)

    stale = headed(served, operator, If_Match='W/"1"')
    late = organization(stale, tag, "Trop tard")
    late["id"] = made.id
    with pytest.raises(MultipleResourcesFound):  # its word for every 412
        late.save()

    organization(client, tag, "Jumelle").save()
    with pytest.raises(MultipleResourcesFound):
        found.update(organization(client, tag, "Laquelle"))
    with pytest.raises(MultipleResourcesFound):
        found.delete()


def test_it_sends_a_transaction(client, tag):
    """R54, R59."""
    owner = f"urn:uuid:{uuid.uuid4()}"
    bundle = client.resource(
        "Bundle",
        type="transaction",
        entry=[
            {
                "fullUrl": owner,
                "request": {"method": "POST", "url": "Organization"},
                "resource": organization(client, tag).serialize(),
            },
            {
                "request": {"method": "POST", "url": "Organization"},
                "resource": {
                    **organization(client, tag, "Service", "2").serialize(),
                    "partOf": {"reference": owner},
                },
            },
        ],
    )
    came = client.execute("", data=bundle.serialize())

    assert "transaction-response" == came["type"]
    assert ["201", "201"] == [entry["response"]["status"][:3] for entry in came["entry"]]
    part = client.resources("Organization").search(identifier=f"{tag}|2").get()
    assert part["partOf"]["reference"] in came["entry"][0]["response"]["location"]


def test_it_patches_by_fhirpath_and_its_own_merge_patch_is_refused(client, tag):
    made = organization(client, tag).save()
    with pytest.raises(OperationOutcome):
        made.patch(name="Clinique fusionnée")

    parts = {"type": {"valueCode": "replace"}, "path": {"valueString": "Organization.name"}}
    parts["value"] = {"valueString": "Clinique rapiécée"}
    operation = {"name": "operation", "part": [{"name": name, **value} for name, value in parts.items()]}
    body = {"resourceType": "Parameters", "parameter": [operation]}
    came = client.execute(f"Organization/{made.id}", method="patch", data=body)
    assert ("Clinique rapiécée", "2") == (came["name"], came["meta"]["versionId"])


def test_it_reads_the_history(client, tag):
    """R30."""
    made = organization(client, tag).save()
    made["name"] = "Clinique des Alpes"
    made.save()
    made.delete()
    history = client.execute(f"Organization/{made.id}/_history", method="get")

    assert ("history", 3) == (history["type"], history["total"])
    assert ["DELETE", "PUT", "POST"] == [entry["request"]["method"] for entry in history["entry"]]
    assert "Clinique" == client.execute(f"Organization/{made.id}/_history/1", method="get")["name"]


def test_a_person_signs_in_and_a_token_opens_what_it_says(served, stage):
    actor = stage.in_browser("paul", "patient-app")
    client = SyncFHIRClient(served.fhir, authorization=f"Bearer {actor.token}")
    found = client.resources("Observation").search(patient="paul-martin").fetch_all()
    assert found
    assert {"Patient/paul-martin"} == {each["subject"]["reference"] for each in found}

    with pytest.raises(AuthorizationError):
        SyncFHIRClient(served.fhir, authorization="Bearer nonsense").resources("Observation").fetch()
