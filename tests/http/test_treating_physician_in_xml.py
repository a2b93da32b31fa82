"""Médecin traitant DMP through the application: XML, `_format`, a posted search, a forged body in XML, and `HEAD`."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.kit.application import application, bearer

XML = "application/fhir+xml"
MORE = "Practitioner/dr-moreau"
NAMESPACE = {"f": "http://hl7.org/fhir"}


@pytest.fixture(scope="module")
def client(mongo_uri, mongo_client):
    """The sandbox's people, among them Paul Martin, whose médecin traitant DMP is Dr Moreau; an operator's token."""
    with application(mongo_uri, mongo_client) as app:
        made = app.test_client()
        made.token = bearer(app)
        yield made


def said(text):
    return etree.fromstring(text).xpath("//f:Patient/f:generalPractitioner/f:reference/@value", namespaces=NAMESPACE)


def ask(client, method, path, **more):
    headers = {**client.token, "Accept": XML, **more.pop("headers", {})}
    answered = client.open(f"/fhir/{path}", method=method, headers=headers, **more)
    assert 200 == answered.status_code, answered.text
    return answered


@pytest.mark.parametrize(
    "path",
    [
        "Patient/paul-martin",
        "Patient/paul-martin/_history",
        "Patient?_id=paul-martin",
        f"Patient?general-practitioner={MORE}&_id=paul-martin",
        "Patient/paul-martin/$everything?_type=Patient",
        "Consent?patient=paul-martin&category=medecin-traitant&_include=Consent:patient",
    ],
)
def test_xml_says_it_too(client, path):
    """DMP-50."""
    assert [MORE] == said(ask(client, "GET", path).data)


def test_so_does_a_posted_search(client):
    form = {"general-practitioner": MORE, "_id": "paul-martin"}

    assert [MORE] == said(ask(client, "POST", "Patient/_search", data=form).data)


def test_a_head_is_as_long_as_the_answer(client):
    whole, head = (ask(client, method, "Patient/paul-martin") for method in ("GET", "HEAD"))

    assert whole.headers["ETag"] == head.headers["ETag"]
    assert b"" == head.data


def test_what_xml_claims_is_not_believed(client):
    """DMP-54."""
    known = ask(client, "GET", "Patient/paul-martin")
    forged = known.data.replace(MORE.encode(), b"Practitioner/dr-diallo")
    assert forged != known.data

    answered = ask(client, "PUT", "Patient/paul-martin", data=forged, content_type=XML)

    assert [MORE] == said(answered.data)
    assert known.data == ask(client, "GET", "Patient/paul-martin").data
    assert [] == said(ask(client, "GET", "Patient?general-practitioner=Practitioner/dr-diallo&_id=paul-martin").data)
