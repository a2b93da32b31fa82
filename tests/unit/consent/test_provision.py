"""Provisions: how far each reaches, to the letter (PCF Intermediate and Advanced)."""

from __future__ import annotations

import pytest
from test_directive import CONFIDENTIALITY, a_consent, document

from fhir_server.consent.directive import parse
from fhir_server.foundation.predicate import matches

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
