"""A refusal says what is wrong, where, and which known name is nearest (R8, R9, R79, R80)."""

from __future__ import annotations

import json

import pytest

from tests.kit.application import FHIR_JSON, application

XML = "application/fhir+xml"


@pytest.fixture(scope="module")
def client(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True) as app:
        yield app.test_client()


def issue(answered):
    assert 400 <= answered.status_code < 500, answered.text
    return answered.json["issue"][0]


NEAREST = {
    "a parameter": ("Patient?brithdate=2000", "`birthdate`"),
    "a parameter of every type": ("Patient?_lastupdated=2000", "`_lastUpdated`"),
    "a parameter that shapes": ("Patient?_cuont=2", "`_count`"),
    "a modifier": ("Patient?family:exakt=x", "`:exact`"),
    "a modifier of a token": ("Patient?identifier:txt=x", "`:text`"),
    "a type": ("Patiant/1", "`Patient`"),
    "a type in another case": ("patient/1", "`Patient`"),
    "an operation": ("Patient/1/$open-recrod", "`$open-record`"),
    "a key of a sort": ("Patient?_sort=brithdate", "`birthdate`"),
    "a key of a sort that goes down": ("Patient?_sort=-_lastupdated", "`-_lastUpdated`"),
    "the parameter of an include": ("DocumentReference?_include=DocumentReference:auther", "`author`"),
    "the type of an include": ("DocumentReference?_include=DocumentRefrence:author", "`DocumentReference`"),
    "the target of an include": ("DocumentReference?_include=DocumentReference:author:Practitoner", "`Practitioner`"),
    "the type of a reverse include": ("Patient?_revinclude=Observaton:subject", "`Observation`"),
    "the parameter of a reverse include": ("Patient?_revinclude=Observation:subjct", "`subject`"),
    "a form of a summary": ("Patient?_summary=ture", "`true`"),
    "an element": ("Patient?_elements=nmae", "`name`"),
    "the end of a chain": ("Observation?subject:Patient.famly=x", "`family`"),
    "the parameter of _has": ("Patient?_has:Observation:subjct:code=x", "`subject`"),
    "the type of several": ("?_type=Patiant", "`Patient`"),
    "what _has asks": ("Patient?_has:Observation:subject:cod=x", "`code`"),
}


@pytest.mark.parametrize("what", NEAREST)
def test_the_nearest_known_name_is_suggested(client, what):
    """R79, R80."""
    url, meant = NEAREST[what]
    method = "POST" if "/$" in url else "GET"
    body = {"data": '{"resourceType":"Parameters"}', "content_type": FHIR_JSON} if method == "POST" else {}
    told = issue(client.open(f"/fhir/{url}", method=method, **body))
    assert f"did you mean {meant}" in told["diagnostics"], told


def test_what_is_near_nothing_is_not_guessed_at(client):
    for url in ("Patient?qqqqqq=1", "Xyzzy/1", "Patient?_sort=qqqqqq", "Patient?_elements=qqqqqq"):
        assert "did you mean" not in issue(client.get(f"/fhir/{url}"))["diagnostics"], url


PLACES = {
    "Patient.brithDate": ({"brithDate": "2000-01-01"}, "`birthDate`"),
    "Patient.name[1].familly": ({"name": [{"family": "a"}, {"familly": "b"}]}, "`family`"),
    "Patient.birthDate": ({"birthDate": "2000-13-01"}, ""),
    "Patient.gender": ({"gender": "femal"}, ""),
    "Patient.contact[0].name.given[1]": ({"contact": [{"name": {"given": ["a", 7]}}]}, ""),
    "Patient.extension[0].url": ({"extension": [{"valueString": "x"}]}, ""),
    "Patient.communication[0].language": ({"communication": [{"preferred": True}]}, ""),
}


@pytest.mark.parametrize("path", PLACES)
def test_the_element_is_named_by_its_path(client, path):
    """R9: `expression` leads to it."""
    more, meant = PLACES[path]
    body = json.dumps({"resourceType": "Patient", "name": [{"family": "x"}], **more})
    answered = client.post("/fhir/Patient", data=body, content_type=FHIR_JSON)
    found = {where: each for each in answered.json["issue"] for where in each.get("expression", ())}
    assert (422, True) == (answered.status_code, path in found), answered.text
    assert meant in found[path]["diagnostics"]


JSON_AT = {
    '{\n  "resourceType": "Patient",\n  "active": tru\n}': (3, 13),
    '{"resourceType": "Patient",}': (1, 28),
    '{"resourceType": "Patient"': (1, 27),
    '{"resourceType": "Patient",\n "active": true,\n "active": false}': (3, 2),
    '{"resourceType": "Patient",\n "x": NaN}': (2, 7),
    "[]": (1, 1),
    '{"resourceType": "Patient",\n "x": "a\u0001"}': (2, 9),
}


@pytest.mark.parametrize("text", JSON_AT)
def test_json_that_is_none_is_told_by_line_and_column(client, text):
    """R8."""
    told = issue(client.post("/fhir/Patient", data=text.encode(), content_type=FHIR_JSON))
    assert "(line {}, column {})".format(*JSON_AT[text]) in told["diagnostics"], told


XML_AT = {
    '<Patient xmlns="http://hl7.org/fhir">\n  <active value="true">\n</Patient>': ("line 3", "column"),
    '<Patient xmlns="http://hl7.org/fhir">\n  <actve value="true"/>\n</Patient>': ("line 2", "`active`"),
    '<Patient xmlns="http://hl7.org/fhir"><active value=true/></Patient>': ("line 1", "column"),
    '<Patient xmlns="http://hl7.org/fhir">\n<active valeu="true"/></Patient>': ("line 2", "valeu"),
    "<Patient/>": ("line 1", ""),
}


@pytest.mark.parametrize("text", XML_AT)
def test_xml_that_is_none_is_told_by_line(client, text):
    """R8: and by column where it is not well formed."""
    told = issue(client.post("/fhir/Patient", data=text.encode(), content_type=XML))
    assert all(each in told["diagnostics"] for each in XML_AT[text]), told


def test_what_is_quoted_from_the_asker_is_a_string_of_fhir(client):
    """R4 datatypes.html: a string has no control characters but tab, carriage return and line feed."""
    said = issue(client.get("/fhir/Patient%00%0C%09x"))["diagnostics"]

    assert "`Patient\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\tx`" in said
