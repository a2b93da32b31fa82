"""A format that is asked for in the address holds for every page of the answer; rows R5 and R72."""

from __future__ import annotations

import pytest

from fhir_server.resources import json_text, xml_text
from tests.kit.application import application

XML = "application/fhir+xml"


@pytest.fixture(scope="module")
def client(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client, open=True) as app:
        yield app.test_client()


def links(answer):
    read = xml_text.read if answer.content_type.startswith(XML) else json_text.read
    return {each["relation"]: each["url"] for each in read(answer.data)["link"]}


@pytest.mark.parametrize(
    "asked",
    [
        "Organization?_count=1",
        "Organization?_count=1&_sort=name",
        "?_type=Organization,Location&_count=1",
        "Organization/_history?_count=1",
        "_history?_count=1",
        "Patient/paul-martin/$everything?_count=1",
    ],
)
def test_the_next_page_comes_in_the_format_that_the_first_was_asked_in(client, asked):
    """R5: `_format=xml` was forgotten by the links, and the second page came in JSON."""
    url, pages = f"/fhir/{asked}&_format=xml&_pretty=true", 0
    while url and pages < 3:
        answer = client.get(url)
        assert (200, True) == (answer.status_code, answer.content_type.startswith(XML)), url
        found = links(answer)
        assert [True] * len(found) == [each.count("_format=xml") == 1 for each in found.values()]
        url, pages = found.get("next"), pages + 1
    assert 3 == pages


def test_a_form_has_its_next_page_in_its_format(client):
    """R78."""
    form = {"_format": "xml", "_count": "1", "name": "a"}
    found = links(client.post("/fhir/Organization/_search?_format=xml", data={**form, "name:contains": "a"}))
    assert 1 == found["next"].count("_format=xml")
    assert client.get(found["next"]).content_type.startswith(XML)
