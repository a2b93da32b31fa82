"""The door: what is withheld leaves no trace, what is about it goes with it, what mentions it loses the mention."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from itertools import count

import pytest

from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Has, Not
from fhir_server.foundation.problem import Problem
from fhir_server.search.parse import parse
from fhir_server.search.query import Order
from fhir_server.store import unguarded, visible
from fhir_server.store.changes import Changes
from fhir_server.store.documents import Stored, stored
from fhir_server.store.freshness import Freshness
from fhir_server.store.visible import VisibleStore

NEWEST = (Order("updated", descending=True), Order("id", descending=True))
MASK = {
    "coding": [
        {
            "system": "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument",
            "code": "MASQUE_PS",
        }
    ]
}
UNMASKED = Not(Has("label", "MASQUE_PS"))
HOSPITAL = ("org:1750712184",)


@pytest.fixture
def changes(shelf):
    freshness = Freshness(shelf.database, "test")
    freshness.prepare()
    numbers = count(1)
    return Changes(shelf, freshness, lambda: datetime(2026, 11, 23, 10, tzinfo=UTC), lambda: f"id{next(numbers)}")


def document(binary="Binary/b1", **more):
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/p1"},
        "date": "2026-11-01T10:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "url": binary}}],
        **more,
    }


def listed(*references):
    return {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "subject": {"reference": "Patient/p1"},
        "entry": [{"item": {"reference": each}} for each in references],
    }


@pytest.fixture
def record(changes):
    """A record with two documents, d1 with its content, and a list of both and a list of d1 alone."""

    def deposit(unit):
        def create(resource, id_):
            return unit.create(resource, submitter=HOSPITAL, after=EVERYTHING, fresh=id_)

        create({"resourceType": "Patient", "active": True}, "p1")
        create(listed("DocumentReference/d1", "DocumentReference/d2"), "both")
        create(listed("DocumentReference/d1"), "alone")
        create(document(), "d1")
        create(document("Binary/b2", docStatus="final"), "d2")
        create({"resourceType": "Binary", "contentType": "text/plain", "data": "Ym9uam91cg=="}, "b1")
        create(
            {
                "resourceType": "Provenance",
                "target": [{"reference": "DocumentReference/d1"}],
                "recorded": "2026-11-01T10:00:00Z",
                "agent": [{"who": {"display": "x"}}],
            },
            "w1",
        )

    changes.atomically(deposit)


def mask(changes, shelf, labels):
    from fhir_server.store import unguarded

    def relabel(unit):
        before = unguarded.current(shelf, "DocumentReference/d1", unit.session)
        after = {**before.resource(), "securityLabel": labels}
        if not labels:
            after.pop("securityLabel")
        unit.replace(before, after, method="PATCH", by=(), after=EVERYTHING)

    changes.atomically(relabel)


def ids(page):
    return [each.id for each in page.entries]


def test_the_content_of_a_document_is_bound_to_it_and_inherits_its_owner(shelf, record):
    binary = VisibleStore(shelf, Has("patient", "p1")).read("Binary", "b1")

    assert ["DocumentReference/d1"] == binary.facts["about"]
    assert b"bonjour" == VisibleStore(shelf, Has("patient", "p1")).content(binary)
    assert "data" not in json.loads(binary.body)


def test_a_second_reference_to_a_binary_gives_nobody_anything(shelf, changes, record):
    changes.atomically(
        lambda unit: unit.create(document("Binary/b1"), submitter=("org:other",), after=EVERYTHING) and None
    )
    binary = VisibleStore(shelf, EVERYTHING).read("Binary", "b1")

    assert ["DocumentReference/d1"] == binary.facts["about"]


def test_masking_takes_everything_about_the_document_with_it(shelf, changes, record):
    mask(changes, shelf, [MASK])
    door = VisibleStore(shelf, UNMASKED)

    assert door.read("DocumentReference", "d1") is None
    assert door.read("Binary", "b1") is None
    assert door.read("Provenance", "w1") is None
    assert ["DocumentReference/d2"] == ids(door.page("DocumentReference", EVERYTHING, NEWEST, 10))
    assert 1 == door.count("DocumentReference", EVERYTHING)
    assert [] == door.follow(["DocumentReference/d1", "Binary/b1"])


def test_the_body_of_a_large_document_is_not_fetched_before_its_guard_is_asked(shelf, changes, record, monkeypatch):
    """How long a hidden megabyte is on its way would tell of it (decisions 17)."""
    large = document("Binary/b3", description="x" * 200_000)
    changes.atomically(lambda unit: unit.create(large, submitter=HOSPITAL, after=EVERYTHING, fresh="d3") and None)
    fetched = []
    seek = shelf.current.one
    monkeypatch.setattr(shelf.current, "one", lambda id_: fetched.append(seek(id_)) or fetched[-1])

    hidden = VisibleStore(shelf, Has("patient", "p2")).read("DocumentReference", "d3")
    shown = VisibleStore(shelf, Has("patient", "p1")).read("DocumentReference", "d3")
    small = VisibleStore(shelf, Has("patient", "p1")).read("DocumentReference", "d2")

    assert hidden is None
    assert [None, None] == [each["body"] for each in fetched[:2]]
    assert shown.resource()["description"] == large["description"]
    assert fetched[2]["body"] == small.body


def test_a_list_is_shown_without_the_mention_and_not_found_through_it(shelf, changes, record):
    mask(changes, shelf, [MASK])
    door = VisibleStore(shelf, UNMASKED)
    shown = json.loads(door.read("List", "both").body)

    assert [{"item": {"reference": "DocumentReference/d2"}}] == shown["entry"]
    assert [] == ids(door.page("List", Has("token", "List.item=DocumentReference/d1"), NEWEST, 10))
    assert ["List/both"] == ids(door.page("List", Has("token", "List.item=DocumentReference/d2"), NEWEST, 10))


def test_a_submission_list_left_empty_is_hidden(shelf, changes, record):
    mask(changes, shelf, [MASK])
    door = VisibleStore(shelf, UNMASKED)

    assert door.read("List", "alone") is None
    assert 1 == door.count("List", EVERYTHING)
    assert door.read("List", "both") is not None


def test_unmasking_gives_everything_back(shelf, changes, record):
    mask(changes, shelf, [MASK])
    mask(changes, shelf, [])
    door = VisibleStore(shelf, UNMASKED)

    assert door.read("DocumentReference", "d1") is not None
    assert door.read("Binary", "b1") is not None
    assert door.read("List", "alone") is not None
    assert ["List/alone", "List/both"] == sorted(
        ids(door.page("List", Has("token", "List.item=DocumentReference/d1"), NEWEST, 10))
    )


def test_old_versions_of_a_masked_document_are_hidden_too(shelf, changes, record):
    mask(changes, shelf, [MASK])
    door = VisibleStore(shelf, UNMASKED)

    assert door.vread("DocumentReference", "d1", 1) is None
    assert ([], 0) == door.history("DocumentReference", "d1", 10)


def test_the_version_that_was_masked_stays_hidden_after_unmasking(shelf, changes, record):
    mask(changes, shelf, [MASK])
    mask(changes, shelf, [])
    door = VisibleStore(shelf, UNMASKED)
    versions, total = door.history("DocumentReference", "d1", 10)

    assert [3, 1] == [each.version for each in versions]
    assert 2 == total
    assert door.vread("DocumentReference", "d1", 2) is None


def test_a_deleted_resource_is_gone_to_who_could_see_it_and_absent_to_others(shelf, changes, record):
    from fhir_server.store import unguarded

    mask(changes, shelf, [MASK])
    changes.atomically(
        lambda unit: unit.remove(unguarded.current(shelf, "DocumentReference/d1", unit.session)) and None
    )

    assert VisibleStore(shelf, EVERYTHING).gone("DocumentReference", "d1") is not None
    assert VisibleStore(shelf, UNMASKED).gone("DocumentReference", "d1") is None
    assert VisibleStore(shelf, NOTHING).gone("DocumentReference", "d1") is None


def test_a_write_whose_result_breaks_its_predicate_stores_nothing(shelf, changes, record):
    with pytest.raises(Problem) as refused:
        changes.atomically(lambda unit: unit.create(document(), submitter=HOSPITAL, after=NOTHING) and None)

    assert 403 == refused.value.status
    assert 2 == VisibleStore(shelf, EVERYTHING).count("DocumentReference", EVERYTHING)


def test_one_ins_is_one_patient(shelf, changes):
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.10", "value": "279035121518989"}],
    }
    changes.atomically(lambda unit: unit.create(dict(patient), submitter=(), after=EVERYTHING) and None)
    with pytest.raises(Problem) as refused:
        changes.atomically(lambda unit: unit.create(dict(patient), submitter=(), after=EVERYTHING) and None)

    assert 409 == refused.value.status


@pytest.mark.parametrize(
    "order", [NEWEST, (Order("date:date", descending=True),), (Order("date:date"),), (Order("id"),)]
)
def test_pages_by_key_walk_every_match_once(shelf, changes, order):
    dates = ["2026-01-01", "2026-01-01", None, "2025-05-05", None, "2024-01-01", "2026-03-03"]

    def fill(unit):
        for index, date in enumerate(dates):
            made = document(f"Binary/x{index}")
            made.pop("date")
            unit.create({**made, **({"date": f"{date}T00:00:00Z"} if date else {})}, submitter=(), after=EVERYTHING)

    changes.atomically(fill)
    door, found, after = VisibleStore(shelf, EVERYTHING), [], None
    while True:
        page = door.page("DocumentReference", EVERYTHING, order, 2, after)
        found += ids(page)
        after = page.next
        if after is None:
            break

    assert 7 == len(found) == len(set(found))
    assert found == ids(door.page("DocumentReference", EVERYTHING, order, 10))


def test_a_scope_by_a_number_holds_in_history_too(shelf, changes, record):
    def observed(value):
        return {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "subject": {"reference": "Patient/p1"},
            "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "kg"},
        }

    def write(unit):
        unit.create(observed(70), submitter=HOSPITAL, after=EVERYTHING, fresh="o1")

    def rewrite(unit):
        before = unguarded.current(shelf, "Observation/o1", unit.session)
        unit.replace(before, {**observed(71), "id": "o1"}, method="PUT", by=(), after=EVERYTHING)

    changes.atomically(write)
    changes.atomically(rewrite)
    for code, expected in (("value-quantity", ([2, 1], 2)), ("code-value-quantity", ([2, 1], 2))):
        value = f"{'29463-7$' if '-value-' in code else ''}gt60000|http://unitsofmeasure.org|g"
        scope = parse("Observation", [(code, value)], lenient=False, base="").where
        found, total = VisibleStore(shelf, EVERYTHING, scope).history("Observation", "o1", 10)
        assert expected == ([each.version for each in found], total)


def test_a_door_that_is_asked_for_other_things_in_turn_answers_what_it_is_asked(shelf, changes, record):
    door = VisibleStore(shelf, EVERYTHING)

    def found(*asked):
        return {each.type for each in door.page(*asked, NEWEST, 10).entries}

    for _ in range(2):
        assert {"DocumentReference"} == found("DocumentReference", EVERYTHING)
        assert {"List"} == found("List", EVERYTHING)
        assert set() == found("List", NOTHING)


def test_a_door_that_is_asked_in_other_orders_in_turn_answers_in_each(shelf, changes, record):
    door, ids = VisibleStore(shelf, EVERYTHING), (Order("id"), Order("id", descending=True))

    for _ in range(2):
        rising, falling = ([each.id for each in door.page("", EVERYTHING, (order,), 10).entries] for order in ids)
        assert sorted(rising) == rising == falling[::-1]


def test_a_page_fetches_nothing_that_is_only_searched_by(shelf, changes, monkeypatch):
    """It is named what is fetched: words of whole resources were, when it was named what is not."""
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "Martin"}], "birthDate": "1980-01-01"}
    changes.atomically(lambda unit: unit.create(patient, submitter=HOSPITAL, after=EVERYTHING, id_="p"))
    assert {"words", "index", "last"} <= shelf.resources.find_one({"_id": "Patient/p"}).keys()
    fetched = []
    monkeypatch.setattr(visible, "stored", lambda found: fetched.append(found) or stored(found))
    door = VisibleStore(shelf, EVERYTHING)

    door.read("Patient", "p")
    door.page("Patient", EVERYTHING, (), 10)

    assert 2 == len(fetched)
    for each in fetched:
        assert set() == each.keys() - {"_id", *(name.name for name in fields(Stored))}
