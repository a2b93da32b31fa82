"""`_summary` and `_elements`: the part that is asked for, and what may not be left out of it (R17, R26, R75, R76)."""

from __future__ import annotations

import json

import pytest
from lxml import etree

from fhir_server.definitions.elements import children, properties
from fhir_server.definitions.library import load
from fhir_server.interactions.summary import Shape, is_subset, subset
from fhir_server.resources import json_text
from tests.kit.application import FHIR_JSON, application
from tests.unit.resources.full import full

ADDRESS = "Observation/it"
OBSERVATION = {
    "resourceType": "Observation",
    "id": "it",
    "meta": {"tag": [{"system": "urn:x", "code": "kept"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">weight</div>'},
    "extension": [{"url": "urn:x", "valueString": "not in the summary"}],
    "modifierExtension": [{"url": "urn:y", "valueString": "changes the meaning"}],
    "identifier": [{"system": "urn:x", "value": "1"}],
    "status": "final",
    "category": [{"text": "vital signs"}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "performer": [{"reference": "Organization/of"}],
    "valueQuantity": {"value": "VALUE", "unit": "kg"},
    "note": [{"text": "not in the summary"}],
    "interpretation": [{"text": "not in the summary"}],
}
TEXT = json.dumps(OBSERVATION).replace('"VALUE"', "72.50")
PATIENT = "Patient/paul-martin"


@pytest.fixture(scope="module")
def client(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True) as app:
        made = app.test_client()
        made.put(
            "/fhir/Organization/of",
            data='{"resourceType":"Organization","id":"of","name":"x","alias":["y"]}',
            content_type=FHIR_JSON,
        )
        body = TEXT.replace('"status": "final"', f'"subject": {{"reference": "{PATIENT}"}}, "status": "final"')
        assert 201 == made.put(f"/fhir/{ADDRESS}", data=body, content_type=FHIR_JSON).status_code
        yield made


EXPECTED = {
    "_summary=true": {"identifier", "status", "code", "subject", "performer", "valueQuantity", "modifierExtension"},
    "_summary=text": {"text", "status", "code", "modifierExtension"},
    "_summary=data": set(OBSERVATION) - {"resourceType", "id", "meta", "text"} | {"subject"},
    "_elements=note,subject": {"note", "subject", "status", "code", "modifierExtension"},
    "_elements=Observation.value[x]": {"valueQuantity", "status", "code", "modifierExtension"},
    "_elements=valueQuantity&_summary=false": {"valueQuantity", "status", "code", "modifierExtension"},
}
PLACES = {
    "read": (ADDRESS, lambda told: told),
    "vread": (f"{ADDRESS}/_history/1", lambda told: told),
    "search": ("Observation?_id=it", lambda told: told["entry"][0]["resource"]),
    "history": (f"{ADDRESS}/_history", lambda told: told["entry"][0]["resource"]),
    "history of the type": ("Observation/_history", lambda told: told["entry"][0]["resource"]),
}


def get(client, url, query="", **headers):
    return client.get(f"/fhir/{url}{'&' if '?' in url else '?'}{query}", headers=headers)


@pytest.mark.parametrize("query", EXPECTED)
@pytest.mark.parametrize("place", PLACES)
def test_each_form_gives_its_elements_and_says_that_it_is_a_part(client, place, query):
    url, resource_of = PLACES[place]
    answered = get(client, url, query)
    assert 200 == answered.status_code, answered.text
    told = resource_of(answered.json)
    assert EXPECTED[query] | {"resourceType", "id", "meta"} == set(told)
    assert {"kept", "SUBSETTED"} == {each["code"] for each in told["meta"]["tag"]}
    assert "1" == told["meta"]["versionId"]
    if "valueQuantity" in told:
        assert "72.50" in answered.text


def test_false_is_the_whole_resource(client):
    for url, resource_of in PLACES.values():
        told = resource_of(get(client, url, "_summary=false").json)
        assert set(OBSERVATION) | {"subject"} == set(told)
        assert not is_subset(told)


def test_in_xml_as_in_json(client):
    for query, kept in EXPECTED.items():
        answered = get(client, ADDRESS, query, Accept="application/fhir+xml")
        names = {etree.QName(each).localname for each in etree.fromstring(answered.data)}
        assert kept | {"id", "meta"} == names, query
        assert b"SUBSETTED" in answered.data


def test_the_links_of_a_page_ask_for_the_same_part(client):
    told = get(client, "Patient", "_count=1&_elements=name").json
    assert all("_elements=name" in each["url"] for each in told["link"])
    following = next(each["url"] for each in told["link"] if each["relation"] == "next")
    after = client.get(following.partition("8080")[2]).json
    assert {"resourceType", "id", "meta", "name"} >= {*after["entry"][0]["resource"]} - {"active", "link"}
    history = get(client, f"{ADDRESS}/_history", "_summary=true").json
    assert "_summary=true" in history["link"][0]["url"]


def test_included_resources_are_summarised_and_keep_their_elements(client):
    """ "The list of elements does not apply to included resources"; a summary is of every resource."""
    url = "Observation?_id=it&_include=Observation:performer"
    found = {each["search"]["mode"]: each["resource"] for each in get(client, url, "_elements=code").json["entry"]}
    assert (True, False) == (is_subset(found["match"]), is_subset(found["include"]))
    assert "y" in found["include"]["alias"]
    found = {each["search"]["mode"]: each["resource"] for each in get(client, url, "_summary=true").json["entry"]}
    assert is_subset(found["include"])
    assert "alias" not in found["include"]


@pytest.mark.parametrize("query", ["_summary=text&_include=Observation:performer", "_summary=text&_revinclude=Provenance:target"])  # fmt: skip
def test_text_is_not_asked_for_with_includes(client, query):
    assert 400 == get(client, "Observation", query).status_code


BAD = {
    "_summary=bogus": "`true`, `text`, `data`, `count` or `false`",
    "_summary=tru": "did you mean `true`",
    "_summary=True": "did you mean `true`",
    "_summary=": "_summary",
    "_elements=": "element",
    "_elements=nam": "did you mean `name`",
    "_elements=name.family": "elements of Patient",
    "_elements=Practitioner.name": "elements of Patient",
    "_elements=name,": "element",
    "_elements=name&_summary=true": "together",
    "_elements=name&_elements=id": "twice",
    "_summary=true&_summary=data": "twice",
}


@pytest.mark.parametrize("query", BAD)
@pytest.mark.parametrize(
    "url", [PATIENT, f"{PATIENT}/_history/1", "Patient", f"{PATIENT}/_history", "Patient/_history"]
)
def test_what_is_no_form_and_no_element_is_refused_with_the_nearest_name(client, url, query):
    answered = get(client, url, query)
    assert 400 == answered.status_code, answered.text
    said = answered.json["issue"][0]["diagnostics"]
    assert BAD[query] in said or "no value" in said


@pytest.mark.parametrize("url", [PATIENT, f"{PATIENT}/_history/1", f"{PATIENT}/_history", "Patient/_history"])
def test_a_count_is_asked_of_a_search(client, url):
    assert (400, "_summary=count") == (
        (answered := get(client, url, "_summary=count")).status_code, answered.json["issue"][0]["diagnostics"][1:15],
    )  # fmt: skip


@pytest.mark.parametrize(("method", "url"), [("POST", "Observation"), ("PUT", ADDRESS), ("PATCH", ADDRESS), ("DELETE", ADDRESS)])  # fmt: skip
def test_a_write_takes_neither(client, method, url):
    for query in ("_summary=true", "_elements=id"):
        answered = client.open(f"/fhir/{url}?{query}", method=method, data=TEXT, content_type=FHIR_JSON)
        assert 400 == answered.status_code
    assert 'W/"1"' == get(client, ADDRESS).headers["ETag"]


def test_a_part_is_never_written_in_the_place_of_the_whole(client):
    for query in EXPECTED:
        part = get(client, ADDRESS, query).data
        refused = client.put(f"/fhir/{ADDRESS}", data=part, content_type=FHIR_JSON)
        assert (422, "business-rule") == (refused.status_code, refused.json["issue"][0]["code"])
        assert ["meta.tag"] == refused.json["issue"][0]["expression"]
        refused = client.put("/fhir/Observation?identifier=urn:x|1", data=part, content_type=FHIR_JSON)
        assert 422 == refused.status_code
        xml = get(client, ADDRESS, query, Accept="application/fhir+xml").data
        assert 422 == client.put(f"/fhir/{ADDRESS}", data=xml, content_type="application/fhir+xml").status_code
    assert 'W/"1"' == get(client, ADDRESS).headers["ETag"]


def test_of_a_binary_the_description_without_the_data(client):
    made = client.post("/fhir/Binary", data=json.dumps({"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="}), content_type=FHIR_JSON)  # fmt: skip
    assert 201 == made.status_code, made.text
    for accept in ("application/fhir+json", "*/*"):
        told = get(client, f"Binary/{made.json['id']}", "_summary=true", Accept=accept).json
        assert {"resourceType", "id", "meta", "contentType"} == set(told)
    assert b"x" == get(client, f"Binary/{made.json['id']}").data


def test_in_a_batch_as_alone(client):
    urls = [f"{ADDRESS}?_summary=true", "Observation?_id=it&_elements=note", f"{ADDRESS}?_summary=bogus"]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
    read, found, bad = client.post("/fhir", data=body, content_type=FHIR_JSON).json["entry"]
    assert is_subset(read["resource"])
    assert "note" in found["resource"]["entry"][0]["resource"]
    assert bad["response"]["status"].startswith("400")


# -- for every type


@pytest.mark.parametrize("type_", load().endpoints)
def test_the_summary_of_every_type_is_what_its_definition_marks(type_):
    resource = full(type_, 0)
    told = subset(Shape("true"), resource)
    known = properties(type_)
    for name in set(resource) - {"resourceType"}:
        element = known[name.removeprefix("_")].element
        assert (name in told) == (element.summary or element.min > 0 or element.modifier) or name == "meta", name
    assert is_subset(told)


@pytest.mark.parametrize("type_", load().endpoints)
def test_every_form_of_every_type_lacks_nothing_that_is_mandatory(type_):
    resource = json_text.read(json_text.write(full(type_, 0)))
    some = frozenset(list(properties(type_))[-1:])
    for shape in (Shape("true"), Shape("text"), Shape("data"), Shape("", ((type_, some),))):
        told = subset(shape, resource)
        for each in children(type_).values():
            if each.min and any(name in resource for name in each.properties):
                assert any(name in told for name in each.properties), (shape, each.path)


def test_the_capabilities_are_told_in_part_as_anything_else(client):
    """R17, R75, R76: `_summary` and `_elements` of `/metadata` were passed over, and a word that is none was answered."""
    whole = client.get("/fhir/metadata").json
    summary = client.get("/fhir/metadata?_summary=true").json
    assert is_subset(summary)
    assert all("searchInclude" not in each for each in summary["rest"][0]["resource"])
    assert [each["type"] for each in whole["rest"][0]["resource"]] == [
        each["type"] for each in summary["rest"][0]["resource"]
    ]

    part = client.get("/fhir/metadata?_elements=software").json
    assert is_subset(part)
    assert ("software" in part, "rest" in part, whole["fhirVersion"]) == (True, False, part["fhirVersion"])

    for query in ("_summary=bogus", "_summary=count", "_elements=nothing"):
        assert 400 == client.get(f"/fhir/metadata?{query}").status_code
    assert whole == client.get("/fhir/metadata?_summary=false").json
