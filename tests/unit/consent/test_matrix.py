"""The matrix as predicates: what is closed to a profession, whatever else a resource belongs to (DMP-118, DMP-119)."""

from __future__ import annotations

import pytest

from fhir_server.consent.matrix import Matrix
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.predicate import EVERYTHING, matches
from fhir_server.foundation.principal import Kind, Principal
from tests.kit import changed_law

TABLE = profile_json("dmp/access-matrix.json")
DOCTOR = "10"
OPEN = next(each for each, cell in TABLE["professions"][DOCTOR]["classes"].items() if cell["access"] == "yes")
DIETICIAN = "95"
PSYCHOLOGIST, OF_CLASS_10 = "98", "11502-2"
"""Reads that type, and not its class."""


def of(classes=(), types=(), patient="lea"):
    """The envelope of something, as far as its class, its type and its record go."""
    facts = {"class": list(classes), "type": list(types)}
    return {"_id": "X/x", "type": "X", "facts": facts | ({"patient": patient} if patient else {})}


def shut(profession: str) -> str:
    row = TABLE["professions"][profession]["classes"]
    return next(each for each in TABLE["classes"] if row.get(each, {}).get("access") != "yes")


@pytest.mark.parametrize("profession", TABLE["professions"])
def test_what_is_of_an_open_and_of_a_shut_class_is_closed(profession):
    """What is about two documents is shown to who may read both."""
    row = TABLE["professions"][profession]["classes"]
    open_ = [each for each, cell in row.items() if cell["access"] == "yes"]
    closed = Matrix.load().closed_to(profession)
    for each in TABLE["classes"]:
        if row.get(each, {}).get("access") != "yes":
            assert matches(closed, of([each, *open_[:1]]))
            assert matches(closed, of([each, "shared"]))


@pytest.mark.parametrize("word", [*TABLE["openWords"], "shared"])
def test_what_is_no_document_is_closed_to_nobody_by_the_matrix(word):
    assert not matches(Matrix.load().closed_to(DOCTOR), of([word]))


@pytest.mark.parametrize("classes", [(), ("operator",), ("binary",), ("a-word-nobody-knows",)])
def test_what_has_no_class_that_is_open_is_closed(classes):
    assert matches(Matrix.load().closed_to(DOCTOR), of(classes))


def test_a_word_that_is_not_open_closes_what_is_of_an_open_class_too():
    assert not matches(Matrix.load().closed_to(DOCTOR), of([OPEN]))
    assert matches(Matrix.load().closed_to(DOCTOR), of([OPEN, "operator"]))


def test_an_open_type_is_open_though_its_class_is_shut():
    closed = Matrix.load().closed_to(PSYCHOLOGIST)
    assert not matches(closed, of(["10"], [OF_CLASS_10]))
    assert matches(closed, of(["10"], ["11488-4"]))
    assert matches(closed, of(["10"]))
    assert not matches(closed, of([], [OF_CLASS_10]))


def test_a_shut_type_is_closed_though_its_class_is_open():
    table = {**TABLE, "professions": {"a": {"classes": {OPEN: {"access": "yes"}}, "types": {"t": {"access": "no"}}}}}
    closed = Matrix(table, {"types": {}}).closed_to("a")
    assert matches(closed, of([OPEN], ["t"]))
    assert not matches(closed, of([OPEN], ["u"]))


def test_a_type_of_a_shut_class_is_closed_whatever_class_is_said_of_it():
    types = {"types": {"t": {"class": shut(DIETICIAN)}, "u": {"class": OPEN}}}
    closed = Matrix(TABLE, types).closed_to(DIETICIAN)
    assert matches(closed, of([OPEN], ["t"]))
    assert not matches(closed, of([OPEN], ["u"]))


@pytest.mark.parametrize("profession", [None, "", "999"])
def test_without_a_row_everything_is_closed_and_nothing_is_deposited(profession):
    assert EVERYTHING == Matrix.load().closed_to(profession)
    assert () == Matrix.load().write_classes(profession)


def test_what_is_shared_belongs_to_no_record():
    shared = Matrix.load().shared
    assert matches(shared, of(["shared"], patient=None))
    assert not matches(shared, of(["shared"]))
    assert not matches(shared, of([OPEN], patient=None))


def test_the_shipped_matrix_takes_its_switch_from_the_law():
    doctor = Principal(Kind.PROFESSIONAL, "t", "c", profession=DOCTOR, specialties=frozenset({"SM25"}))
    assert "party.occupational-medicine" == Matrix.load().forbidden(doctor)
    law = changed_law.changed(("switches", "allow_medecine_travail_with_express_consent"), True)
    with changed_law.everywhere(law):
        assert Matrix.load.__wrapped__().forbidden(doctor) is None
