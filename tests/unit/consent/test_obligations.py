"""Obligations: the existence check tells that a record is there, and not what is in it (DMP-101, DMP-102)."""

from __future__ import annotations

import pytest

from fhir_server.consent.obligations import (
    AUTHORIZATION,
    SUBSETTED,
    TREATING,
    MinimalView,
    TellHolder,
    TellStanding,
    apply,
    told,
    treated,
)
from fhir_server.foundation.predicate import EVERYTHING, Has, both
from fhir_server.resources import json_text
from fhir_server.store.documents import Stored

PATIENT = {
    "resourceType": "Patient",
    "id": "lea",
    "meta": {"versionId": "3", "tag": [{"code": "x"}]},
    "extension": [
        {
            "url": "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-rattachement-mes",
            "valueBoolean": True,
        },
        {"url": "https://example.org/autre", "valueString": "x"},
        {"url": TREATING, "valueBoolean": True},
    ],
    "identifier": [{"use": "official", "value": "279035121518989"}, {"use": "usual", "value": "IPP-1"}],
    "active": True,
    "name": [
        {"use": "official", "family": "MARTIN", "given": ["LEA"], "text": "Léa"},
        {"use": "nickname", "text": "Lili"},
    ],
    "telecom": [{"system": "phone", "value": "0600000000"}],
    "gender": "female",
    "birthDate": "1979-03-12",
    "address": [{"city": "Brest"}],
    "generalPractitioner": [{"reference": "Practitioner/x"}],
}


def stored(type_="Patient", body=PATIENT):
    return Stored(f"{type_}/lea", type_, 3, 0, {"patients": ["lea"]}, json_text.write(body))


def test_the_minimal_view_keeps_the_identity_and_the_status():
    shown = apply((MinimalView(treating=False, authorised="none"),), stored()).resource()
    assert {"telecom", "address", "generalPractitioner"} & set(shown) == set()
    assert shown["active"] is True
    assert shown["identifier"] == [{"use": "official", "value": "279035121518989"}]
    assert shown["name"] == [{"use": "official", "family": "MARTIN", "given": ["LEA"]}]
    assert shown["meta"] == {"versionId": "3", "tag": [{"code": "x"}, SUBSETTED]}


def test_the_minimal_view_tells_the_caller_his_own_standing_and_nobody_elses():
    shown = apply((MinimalView(treating=False, authorised="active"),), stored()).resource()
    assert [
        {
            "url": "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-rattachement-mes",
            "valueBoolean": True,
        },
        {"url": TREATING, "valueBoolean": False},
        {"url": AUTHORIZATION, "valueCode": "active"},
    ] == shown["extension"]


def test_who_may_see_the_whole_sees_it_with_the_standing():
    shown = apply((MinimalView(treating=True, authorised="active", unless=EVERYTHING),), stored()).resource()
    standing = [{"url": TREATING, "valueBoolean": True}, {"url": AUTHORIZATION, "valueCode": "active"}]
    assert {**PATIENT, "extension": [*PATIENT["extension"][:2], *standing]} == shown
    assert SUBSETTED not in shown["meta"]["tag"]


def test_other_resources_and_other_obligations_leave_a_version_as_it_is():
    observation = stored("Observation", {"resourceType": "Observation"})
    assert apply((MinimalView(treating=False, authorised="none"),), observation) is observation
    patient = stored()
    assert apply((TellHolder("emergency"),), patient) is patient
    assert apply((), patient) is patient


@pytest.mark.parametrize(
    ("unless", "whole"),
    [
        (both(Has("id", "Patient/lea"), Has("resource", "Patient"), Has("patients", "lea")), True),
        (Has("id", "Patient/hugo"), False),
        (Has("resource", "Observation"), False),
        (Has("patients", "hugo"), False),
    ],
)
def test_the_whole_is_shown_where_what_is_stored_of_it_lets_it_be_seen(unless, whole):
    view = MinimalView(treating=False, authorised="none", unless=unless)
    assert whole == ("telecom" in apply((view,), stored()).resource())


@pytest.mark.parametrize(("open_", "active"), [(None, True), (False, False), (True, True)])
def test_the_status_of_an_opposed_record_is_that_of_the_record(open_, active):
    """DMP-102."""
    view = MinimalView(treating=False, authorised="none", open_=open_)
    assert active is apply((view,), stored()).resource()["active"]


def test_a_patient_of_whom_little_is_known_has_no_more_in_the_minimal_view():
    """Names of any use but a nickname's stay, and numbers that are not of an establishment."""
    view, bare = MinimalView(treating=False, authorised="none"), {"resourceType": "Patient", "id": "lea"}
    standing = [{"url": TREATING, "valueBoolean": False}, {"url": AUTHORIZATION, "valueCode": "none"}]
    assert {**bare, "meta": {"tag": [SUBSETTED]}, "extension": standing} == told(bare, view, whole=False)
    assert {**bare, "extension": standing} == told(bare, view, whole=True)
    named = {
        **bare,
        "meta": {"versionId": "1"},
        "name": [{"use": "usual", "family": "A"}, {"family": "B"}, {"use": "maiden", "family": "C"}],
        "identifier": [{"value": "1"}, {"use": "temp", "value": "2"}, {"use": "secondary", "value": "3"}],
    }
    shown = told(named, view, whole=False)
    assert [{"use": "usual", "family": "A"}, {"family": "B"}] == shown["name"]
    assert [{"value": "1"}, {"use": "temp", "value": "2"}] == shown["identifier"]
    assert {"versionId": "1", "tag": [SUBSETTED]} == shown["meta"]


def test_a_standing_that_somebody_wrote_into_the_patient_is_not_believed():
    view = MinimalView(treating=False, authorised="none")
    forged = {**PATIENT, "extension": [{"url": AUTHORIZATION, "valueCode": "active"}]}
    standing = [{"url": TREATING, "valueBoolean": False}, {"url": AUTHORIZATION, "valueCode": "none"}]
    assert standing == told(forged, view, whole=True)["extension"]
    assert standing == told(forged, view, whole=False)["extension"]


def test_the_treating_physician_is_told_that_he_is_it_by_the_patient_of_that_record_alone():
    """DMP-50, DMP-101."""
    mine = {"url": TREATING, "valueBoolean": True}
    others = [each for each in PATIENT["extension"] if each["url"] != TREATING]
    shown = apply((TellStanding("lea"), TellHolder("emergency")), stored()).resource()
    assert {**PATIENT, "extension": [*others, mine]} == shown
    elsewhere = stored()
    assert apply((TellStanding("hugo"),), elsewhere) is elsewhere
    assert {"resourceType": "Patient", "extension": [mine]} == treated({"resourceType": "Patient"})
