"""fhirclient, the SMART project's own: classes of R4 4.0.1 that refuse what is not in them, and the SMART launch."""

from __future__ import annotations

import uuid

import pytest
from fhirclient import client as smart
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.observation import Observation
from fhirclient.models.organization import Organization
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRPermissionDeniedException

BACK = "http://127.0.0.1:8765/callback"


@pytest.fixture
def server(served, signed_in):
    """As the operator's console, by the authorization code."""
    return launched(served, signed_in, "operateur", "admin-app", "openid fhirUser user/*.cruds", patient=False).server


@pytest.fixture
def tag():
    return f"urn:uuid:{uuid.uuid4()}"


def launched(served, signed_in, login, app, scope, *, patient=True):
    """A client of this app that this person signed in to: it finds the addresses in `/metadata`, and sends PKCE."""
    settings = {"app_id": app, "api_base": served.fhir, "redirect_uri": BACK, "scope": scope}
    client = smart.FHIRClient(settings=settings)
    client.wants_patient = patient
    assert client.prepare() is False
    client.handle_callback(signed_in(login, client.authorize_url, BACK))
    assert client.ready
    return client


def organization(tag, name="Clinique", value="1"):
    return Organization({"name": name, "identifier": [{"system": tag, "value": value}]})


def test_the_capability_statement_is_one_that_its_classes_read(served):
    client = smart.FHIRClient(settings={"app_id": "patient-app", "api_base": served.fhir, "redirect_uri": BACK})
    statement = client.server.capabilityStatement
    assert isinstance(statement, CapabilityStatement)
    assert 145 == len(statement.rest[0].resource)
    assert served.origin in client.server.auth.state["token_uri"]


def test_a_person_signs_in_and_reads_the_own_record(served, signed_in):
    client = launched(served, signed_in, "paul", "patient-app", "openid fhirUser offline_access patient/*.rs")
    assert ("paul-martin", "MARTIN") == (client.patient.id, client.patient.name[0].family)
    found = list(Observation.where({"patient": client.patient_id}).perform_resources_iter(client.server))
    assert found
    assert {"Patient/paul-martin"} == {each.subject.reference for each in found}

    first = client.server.auth.access_token
    assert client.reauthorize()
    assert first != client.server.auth.access_token
    assert Patient.read("paul-martin", client.server).id
    with pytest.raises((FHIRNotFoundException, FHIRPermissionDeniedException)):
        Patient.read("lea-martin", client.server)


def test_a_doctor_is_launched_on_a_patient_and_opens_a_document(served, stage, signed_in):
    settings = {"app_id": "doctor-app", "api_base": served.fhir, "redirect_uri": BACK}
    settings |= {"scope": "openid fhirUser user/Patient.rs user/DocumentReference.rs user/Binary.rs"}
    settings["launch_token"] = stage.launch("dr-moreau", "doctor-app", "paul-martin")
    client = smart.FHIRClient(settings=settings)
    client.prepare()
    client.handle_callback(signed_in("dr-moreau", client.authorize_url, BACK))
    assert "paul-martin" == client.launch_context["patient"]

    found = list(
        DocumentReference.where({"patient": "paul-martin", "status": "current"}).perform_resources_iter(client.server)
    )
    attachment = found[0].content[0].attachment
    content = client.server.request_data(attachment.url, headers={"Accept": attachment.contentType})
    assert attachment.size == len(content)


def test_it_creates_reads_updates_and_deletes(server, tag):
    made = Organization(organization(tag).create(server))
    assert ("1", "Clinique") == (made.meta.versionId, made.name)
    made.name = "Clinique des Alpes"
    made.update(server)
    read = Organization.read(made.id, server)
    assert ("2", "Clinique des Alpes") == (read.meta.versionId, read.name)
    read.delete()
    with pytest.raises(Exception, match="410"):
        Organization.read(made.id, server)
    with pytest.raises(FHIRNotFoundException):
        Organization.read(str(uuid.uuid4()), server)


def test_it_pages_through_what_it_finds(server, tag):
    """R72."""
    for number in range(7):
        organization(tag, f"Clinique {number}", str(number)).create(server)
    found = Organization.where({"identifier": f"{tag}|", "_sort": "_lastUpdated", "_count": "3"})
    names = [f"Clinique {number}" for number in range(7)]
    assert names == [each.name for each in found.perform_resources_iter(server)]
    assert [3, 3, 1] == [len(page.entry) for page in found.perform_iter(server)]


def test_it_writes_upon_a_condition(server, tag):
    """R41, R44, R45, R46."""
    body = organization(tag).as_json()
    server.session.headers["If-None-Exist"] = f"identifier={tag}|1"
    first, second = (server.post_json("Organization", body) for _ in range(2))
    del server.session.headers["If-None-Exist"]
    assert (201, 200) == (first.status_code, second.status_code)
    assert first.json() == second.json()

    updated = server.put_json(f"Organization?identifier={tag}|1", {**body, "name": "Clinique du Lac"})
    assert (200, first.json()["id"]) == (updated.status_code, updated.json()["id"])
    server.session.headers["If-Match"] = 'W/"1"'
    with pytest.raises(Exception, match="412"):
        server.put_json(f"Organization/{first.json()['id']}", {**body, "id": first.json()["id"]})
    del server.session.headers["If-Match"]
    assert 204 == server.delete_json(f"Organization?identifier={tag}|1").status_code


def test_it_sends_a_transaction_and_reads_the_history(server, tag):
    request = {"method": "PUT", "url": f"Organization?identifier={tag}|1"}
    for name in ("Clinique", "Clinique du Lac"):
        entry = {"request": request, "resource": organization(tag, name).as_json()}
        sent = Bundle({"type": "transaction", "entry": [entry]})
        came = Bundle(server.post_json("", sent.as_json()).json())
        assert "transaction-response" == came.type
    where = came.entry[0].response.location.partition("/_history")[0]
    history = Bundle.read_from(f"{where}/_history", server)

    assert ("history", 2) == (history.type, history.total)
    assert ["Clinique du Lac", "Clinique"] == [entry.resource.name for entry in history.entry]


def test_every_example_of_the_sandbox_is_one_that_its_classes_read(server):
    """What a class of 4.0.1 does not know, or wants and does not find, it refuses."""
    read = 0
    for type_ in ("Patient", "Practitioner", "PractitionerRole", "Organization", "Consent", "AuditEvent", "List"):
        bundle = Bundle.read_from(f"{type_}?_count=100", server)
        read += len(bundle.entry or ())
    assert read > 40
