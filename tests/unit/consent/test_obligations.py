"""Obligations: the existence check tells that a record is there, and not what is in it (DMP-101, DMP-102)."""

from __future__ import annotations

from fhir_server.consent.obligations import AUTHORIZATION, SUBSETTED, TREATING, MinimalView, TellHolder, apply
from fhir_server.foundation.predicate import EVERYTHING
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
    assert shown["telecom"] == PATIENT["telecom"]
    assert {"url": TREATING, "valueBoolean": True} in shown["extension"]
    assert SUBSETTED not in shown["meta"]["tag"]


def test_other_resources_and_other_obligations_leave_a_version_as_it_is():
    observation = stored("Observation", {"resourceType": "Observation"})
    assert apply((MinimalView(treating=False, authorised="none"),), observation) is observation
    patient = stored()
    assert apply((TellHolder("emergency"),), patient) is patient
    assert apply((), patient) is patient
