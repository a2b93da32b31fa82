"""The matrix over HTTP: each cell of habilitations is asked of the whole server (DMP-119).

One record holds a document of each type; of each profession one authorised person searches it, and reads by id one
document of each class and each type that is an exception. What is expected is read from the published table, never from
the rules.
"""

from __future__ import annotations

import decision_cases as cases
import pytest
from decision_records import Record, Server

from fhir_server.definitions.library import profile_json
from tests.kit import changed_law
from tests.kit.application import application

MATRIX = profile_json("dmp/access-matrix.json")
TYPES = profile_json("dmp/document-types.json")["types"]
PROFESSIONS = MATRIX["professions"]
OF_CLASS = {row["class"]: type_ for type_, row in reversed(TYPES.items())}
"""Of each class its first type."""
ANOTHER = "hugo"
"""Whose record takes the deposits: the one that is searched stays as it is."""
STRICT = changed_law.changed(("switches", "enforce_write_classes"), True)


def person(profession):
    return {"kind": "professional", "reference": f"Practitioner/ps-{profession}", "profession": profession}


def named(type_):
    """The id of the document of a type."""
    return f"type-{type_.replace('_', '-')}"


RECORD = {
    "title": "Chaque profession autorisée lit ce que la matrice lui ouvre, et rien d'autre",
    "people": {f"ps-{each}": person(each) for each in PROFESSIONS},
    "documents": {named(type_): {"type": type_, "by": "operateur", "author": "bernard"} for type_ in TYPES},
    "consents": [{"type": "ps-autorisation", "actor": [f"Practitioner/ps-{each}" for each in PROFESSIONS]}],
}


def may_read(profession, type_):
    """What the published table says of a cell: the exception of the type, else its class."""
    row = PROFESSIONS[profession]
    return (row["types"].get(type_) or row["classes"].get(TYPES[type_]["class"], {"access": "no"}))["access"] == "yes"


@pytest.fixture(scope="module")
def record(mongo_uri, mongo_client):
    with application(mongo_uri, mongo_client) as app:
        made = Record(Server(app), RECORD)
        made.fresh()
        made.server.write({"resourceType": "Patient", "id": ANOTHER, "active": True})
        yield made


@pytest.mark.parametrize("profession", PROFESSIONS)
def test_a_search_of_the_record_shows_each_cell_as_the_table_says(record, profession):
    """DMP-119."""
    told = record.server.ask(record.who(f"ps-{profession}"), "GET", "DocumentReference?patient=lea&_count=200")

    readable = {f"DocumentReference/{named(type_)}" for type_ in TYPES if may_read(profession, type_)}
    assert (200, len(readable)) == (told.status, told.json["total"])
    assert readable == told.ids


@pytest.mark.parametrize("profession", PROFESSIONS)
def test_a_read_shows_each_class_and_each_exception_as_the_table_says(record, profession):
    """DMP-119."""
    sample = sorted({*OF_CLASS.values(), *PROFESSIONS[profession]["types"]})
    who = record.who(f"ps-{profession}")

    told = {type_: record.server.ask(who, "GET", f"DocumentReference/{named(type_)}").status for type_ in sample}

    assert {type_: 200 if may_read(profession, type_) else 404 for type_ in sample} == told


@pytest.mark.parametrize("profession", PROFESSIONS)
def test_a_deposit_of_each_class_is_taken_as_the_table_says(record, profession):
    """DMP-119: under `enforce_write_classes`, a profession deposits the classes that its row gives it."""
    who, people = record.who(f"ps-{profession}"), record.built.people
    documents = [
        cases.resource("new", {"type": type_, "by": f"ps-{profession}"}, {"patient": ANOTHER}, people)
        for type_ in OF_CLASS.values()
    ]
    entries = [
        {"resource": record.said(each), "request": {"method": "POST", "url": "DocumentReference"}} for each in documents
    ]
    with changed_law.under(STRICT):
        told = record.server.ask(who, "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})

    assert 200 == told.status, told
    found = {class_: each["response"]["status"][:3] for class_, each in zip(OF_CLASS, told.json["entry"], strict=True)}
    assert {class_: "201" if class_ in PROFESSIONS[profession]["write"] else "403" for class_ in OF_CLASS} == found


def test_every_cell_of_the_table_has_its_document():
    assert [] == [class_ for class_ in MATRIX["classes"] if class_ not in OF_CLASS]
    assert [] == [type_ for row in PROFESSIONS.values() for type_ in row["types"] if type_ not in TYPES]
