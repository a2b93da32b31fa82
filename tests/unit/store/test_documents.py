"""What the store makes of a document: a version, with what it lacks filled in."""

from __future__ import annotations

from dataclasses import fields

from fhir_server.store.documents import Stored, stored

WHOLE = {
    "_id": "Task/t",
    "type": "Task",
    "version": 2,
    "updated": 7,
    "facts": {"patients": ["p"]},
    "body": "{}",
    "method": "POST",
    "blob": "b",
    "set_by": {"N": ["a"]},
    "reach": {"mail": "p"},
    "deposited": 3,
}


def test_a_document_becomes_a_version_with_each_of_its_fields():
    assert Stored("Task/t", "Task", 2, 7, *(WHOLE[each.name] for each in fields(Stored)[4:])) == stored(WHOLE)


def test_what_a_document_lacks_is_what_a_version_says_by_default():
    least = {name: WHOLE[name] for name in ("_id", "type", "version", "updated")}

    assert Stored("Task/t", "Task", 2, 7, {}, "") == stored(least)
    assert repr(Stored("Task/t", "Task", 2, 7, {}, "")) == repr(stored(least))


def test_a_version_of_then_is_named_by_what_it_is_of():
    assert "Task/t" == stored({**WHOLE, "_id": "Task/t/2", "id": "Task/t"}).id
