"""Provisions: how far each reaches, to the letter (PCF Intermediate and Advanced)."""

from __future__ import annotations

import pytest
from test_directive import CONFIDENTIALITY, a_consent, document

from fhir_server.consent.directive import UNREADABLE, parse
from fhir_server.foundation.moment import interval
from fhir_server.foundation.predicate import END, matches

PATIENT = {"_id": "Patient/lea", "type": "Patient", "facts": {"patient": "lea"}}
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"


def reach(**provision):
    return parse(a_consent(None, **provision)).root.reach


def labelled(code: str):
    return [{"system": CONFIDENTIALITY if len(code) == 1 else VISIBILITY, "code": code}]


@pytest.mark.parametrize(
    ("labels", "reached"),
    [(("L",), True), (("U",), True), ((), False), (("N",), False), (("M",), False), (("L", "V"), False)],
)
def test_a_permit_below_normal_reaches_what_is_labelled_so_low_and_nothing_higher(labels, reached):
    assert reached == matches(reach(securityLabel=labelled("L")), document(*labels))


def test_a_permit_of_one_label_shows_no_patient_and_one_of_some_data_shows_whose_it_is():
    assert not matches(reach(securityLabel=labelled("MASQUE_PS")), PATIENT)
    instance = [{"meaning": "instance", "reference": {"reference": "Observation/x"}}]
    assert matches(reach(data=instance), PATIENT)
    assert matches(reach(dataPeriod={"start": "2026"}), PATIENT)
    assert not matches(reach(type="deny", data=instance), PATIENT)


def lasting(first: str, last: str | None):
    made = document(period=(first, last or first))
    if last is None:
        made["facts"]["period"][0]["hi"] = END
    return made


@pytest.mark.parametrize(
    ("first", "last", "reached"),
    [
        ("2026-01-01", "2026-12-31", True),
        ("2026-06-01", None, True),
        ("2025-12-31", None, False),
        ("2027-01-01", None, False),
        ("2025-12-31", "2026-01-01", False),
        ("2026-12-31", "2027-01-01", False),
    ],
)
def test_a_permit_of_the_data_of_a_time_reaches_what_lies_within_and_what_began_there_and_goes_on(first, last, reached):
    assert reached == matches(reach(dataPeriod={"start": "2026", "end": "2026"}), lasting(first, last))


@pytest.mark.parametrize("name", ["actor", "data", "purpose", "securityLabel"])
@pytest.mark.parametrize("value", [["x"], {"x": 1}, "x", [{}, None]])
def test_a_list_that_is_none_or_holds_what_is_no_object_cannot_be_read(name, value):
    assert UNREADABLE == parse(a_consent(None, **{name: value})).kind


def test_a_period_may_be_an_instant_and_have_an_id():
    instant = "2026-06-30T10:00:00.000001Z"
    found = parse(a_consent(None, period={"id": "p", "start": instant, "end": instant})).root.period
    assert interval(instant) == found


def test_what_is_related_to_something_is_what_came_of_it_is_about_it_or_mentions_it():
    related = reach(data=[{"meaning": "related", "reference": {"reference": "Encounter/e"}}])
    assert matches(related, document(encounter=["Encounter/e"]))
    assert matches(related, document(about=["Encounter/e"]))
    assert matches(related, document(mentions=[{"id": "Encounter/e"}]))
    assert matches(related, {"_id": "Encounter/e", "type": "Encounter", "facts": {}})
    assert not matches(related, document(encounter=["Encounter/f"]))


def test_what_is_related_to_something_is_what_is_about_what_mentions_it():
    related = reach(type="deny", data=[{"meaning": "related", "reference": {"reference": "Encounter/e"}}])
    assert matches(related, document(names=["Encounter/e"]))
    assert not matches(related, document(names=["Encounter/f"]))


def test_a_trace_is_by_who_wrote_what_it_is_of_and_not_by_who_looked_at_that():
    written = reach(type="deny", data=[{"meaning": "authoredby", "reference": {"reference": "Practitioner/bernard"}}])
    assert matches(written, document(author=["Practitioner/bernard"]))
    trace = {"_id": "AuditEvent/a", "type": "AuditEvent"}
    assert not matches(written, {**trace, "facts": {"author": ["Practitioner/bernard"]}})
    assert not matches(written, {**trace, "facts": {"data_author": ["Practitioner/diallo"]}})
    of_his = {**trace, "facts": {"author": ["Practitioner/diallo"], "data_author": ["Practitioner/bernard"]}}
    assert matches(written, of_his)
