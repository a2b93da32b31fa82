"""Orders and positions: where an envelope stands, as the store sorts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.predicate import EVERYTHING, NOTHING, Has
from fhir_server.search.query import NEWEST_FIRST, Order, PatientIdentifier, Query, in_order, position


def envelope(id_, *starts, updated=0):
    return {"_id": id_, "updated": updated, "dates": {"date": [{"lo": each, "hi": each + 9} for each in starts]}}


def ids(order, *envelopes):
    return [each["_id"] for each in in_order(order, envelopes)]


A, B, C, NONE = envelope("a", 5, 20), envelope("b", 10), envelope("c", 10), envelope("n")


def test_going_up_a_date_counts_by_its_first_value_and_the_missing_stand_last():
    """R84."""
    assert ["a", "b", "c", "n"] == ids([Order("date:date")], C, B, NONE, A)


def test_going_down_a_date_counts_by_its_last_value_and_the_missing_stand_last():
    assert ["a", "c", "b", "n"] == ids([Order("date:date", descending=True)], B, NONE, A, C)


def test_newest_first_goes_by_update_and_then_by_id_downwards():
    assert ["z", "b", "a"] == ids(NEWEST_FIRST, envelope("a"), envelope("b"), envelope("z", updated=1))


def test_no_order_at_all_goes_by_id():
    assert ["a", "b"] == ids([], B, A)


def test_a_position_ends_with_the_id():
    assert [False, 5, "a"] == position([Order("date:date")], A)
    assert [20, "a"] == position([Order("date:date", descending=True)], A)
    assert [True, None, "n"] == position([Order("date:date")], NONE)
    assert [None, "n"] == position([Order("date:date", descending=True)], NONE)
    assert [0, "a"] == position(NEWEST_FIRST, A)
    assert ["a"] == position([Order("id")], A)


@given(st.lists(st.tuples(st.lists(st.integers(0, 5), max_size=3), st.integers(0, 3)), max_size=8), st.data())
def test_an_order_is_total_and_its_reverse_is_its_mirror(rows, data):
    envelopes = [envelope(f"e{n}", *starts, updated=updated) for n, (starts, updated) in enumerate(rows)]
    field = data.draw(st.sampled_from(["updated", "id"]))
    up = ids([Order(field)], *envelopes)
    assert up[::-1] == ids([Order(field, descending=True)], *envelopes)
    assert sorted(up) == sorted(each["_id"] for each in envelopes)


def query(**more):
    return Query("DocumentReference", EVERYTHING, NEWEST_FIRST, 20, "accurate", **more)


def test_a_resolved_identifier_confines_the_query():
    asked = query(patient_identifier=PatientIdentifier("patient", "s", "v"), patients=("a",))
    found = asked.for_patient(["lea"])
    assert Has("token", "DocumentReference.patient=Patient/lea") == found.where
    assert ("a", "lea") == found.patients
    assert found.patient_identifier is None


def test_an_identifier_that_nobody_has_matches_nothing():
    assert NOTHING == query(patient_identifier=PatientIdentifier("patient", "s", "v")).for_patient([]).where


@pytest.mark.parametrize("found", [[], ["lea"]])
def test_without_an_identifier_nothing_changes(found):
    assert query() == query().for_patient(found)
