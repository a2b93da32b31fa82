"""The MHD actors that the statement names: what each must answer is asked of the server (https://profiles.ihe.net/ITI/MHD/)."""

from __future__ import annotations

import json

import pytest

from tests.kit.application import FHIR_JSON, application, deposit

HOLDER = "paul-martin"
INS = "urn:oid:1.2.250.1.213.1.4.11|181096912300276"
# ITI-67, 2:3.67.4.1.2, and ITI-66, 2:3.66.4.1.2
FOUND_BY = {
    "DocumentReference": (
        "author.given=x", "author.family=x", "category=x", "creation=ge2020", "date=ge2020", "event=x", "facility=x",
        "format=x", "identifier=urn:x|x", "period=ge2020", "related=Observation/x", "security-label=x", "setting=x",
        "status=current", "type=x",
    ),
    "List": (
        "code=x", "date=ge2020", "designationType=x", "identifier=urn:x|x", "source.given=x", "source.family=x",
        "sourceId=urn:x|x", "status=current",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def client(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True) as app:
        yield app.test_client()


def test_the_statement_names_the_actors(client):
    """R1."""
    named = [each.rpartition("/")[2] for each in client.get("/fhir/metadata").json["instantiates"]]
    assert ["IHE.MHD.DocumentRecipient.Comprehensive", "IHE.MHD.DocumentResponder"] == named


@pytest.mark.parametrize(("type_", "query"), [(type_, each) for type_, found in FOUND_BY.items() for each in found])
def test_a_responder_finds_by_every_parameter_of_its_transactions(client, type_, query):
    """ITI-66 and ITI-67, with the patient by id and by identifier, by GET and by POST."""
    for patient in (f"patient={HOLDER}", f"patient.identifier={INS}"):
        answered = client.get(f"/fhir/{type_}?{patient}&{query}")
        assert (200, "searchset") == (answered.status_code, answered.json.get("type")), answered.text
        posted = client.post(f"/fhir/{type_}/_search?{patient}", data=dict([query.split("=", 1)]))
        assert (200, answered.json["total"]) == (posted.status_code, posted.json["total"])


def test_a_recipient_takes_a_submission_and_the_responder_gives_it_back(client):
    """ITI-65, then ITI-66, ITI-67 and ITI-68."""
    sent = deposit()
    made = client.post("/fhir", data=json.dumps(sent), content_type=FHIR_JSON)
    assert (200, "transaction-response") == (made.status_code, made.json.get("type")), made.text
    set_, document, _ = (each["response"]["location"].split("/fhir/")[1] for each in made.json["entry"])
    assert ["201 Created"] * 3 == [each["response"]["status"] for each in made.json["entry"]]
    lists = client.get(f"/fhir/List?patient={HOLDER}&code=submissionset&_count=100").json["entry"]
    assert set_.split("/")[1] in {each["resource"]["id"] for each in lists}
    found = client.get(f"/fhir/DocumentReference?patient={HOLDER}&status=current&_count=100").json["entry"]
    mine = next(each["resource"] for each in found if each["resource"]["id"] == document.split("/")[1])
    url = mine["content"][0]["attachment"]["url"].split("/fhir/")[-1]
    content = client.get(f"/fhir/{url}", headers={"Accept": "application/pdf"})
    assert (200, "application/pdf", b"%PDF") == (content.status_code, content.content_type, content.data[:4])
