"""What contained resources leave in what holds them, and what is asked of them."""

from fhir_server.foundation.predicate import matches
from fhir_server.search import contained
from fhir_server.search.parse import parse

ACTIVE = {"resourceType": "Medication", "id": "a", "status": "active", "code": {"coding": [{"code": "ibu"}]}}
OTHER = {"resourceType": "Medication", "id": "b", "status": "inactive", "code": {"coding": [{"code": "amox"}]}}
PLACE = {"resourceType": "Location", "id": "l", "position": {"latitude": 45, "longitude": 5}}
HOLDER = {"resourceType": "MedicationRequest", "id": "r", "contained": [ACTIVE, OTHER, PLACE]}


def envelope(resource):
    documents = contained.index(resource)
    return {"_id": "x", "index": contained.tokens(documents), "contained": documents}


def asked(type_, text):
    pairs = [tuple(each.split("=", 1)) for each in text.split("&")]
    return parse(type_, pairs, lenient=False, base="").where


def test_all_that_is_asked_is_asked_of_one_of_them():
    held = envelope(HOLDER)
    for type_, text, expected in (
        ("Medication", "code=ibu&status=active", ["a"]),
        ("Medication", "code=amox&status=active", []),
        ("Medication", "code:not=ibu", ["b"]),
        ("Medication", "_id=b", ["b"]),
        ("Medication", "_profile:missing=true", ["a", "b"]),
        ("Location", "near=45|5|1|km", ["l"]),
        ("Location", "near=46|5|1|km", []),
        ("Observation", "_id=a", []),
    ):
        where = asked(type_, text)
        assert bool(expected) == matches(contained.clause(type_, where), held), text
        assert expected == contained.found(HOLDER, type_, where), text


def test_what_holds_nothing_keeps_nothing():
    assert [] == contained.index({"resourceType": "MedicationRequest"})
    assert [] == contained.index({**HOLDER, "resourceType": "AuditEvent"})
    assert ["#Medication", "#Location"] == contained.tokens(contained.index(HOLDER))


def test_what_is_no_resource_is_passed_over():
    """What validation would refuse may have been loaded before it did."""
    for broken in ("x", ["x"], [{"resourceType": "Nothing", "id": "a"}], [{"resourceType": "Medication"}]):
        assert [] == contained.index({"resourceType": "Basic", "contained": broken})
