"""Principals: what is said for an access in an emergency is read by the patient, and so says something (DMP-117)."""

from __future__ import annotations

import pytest

from fhir_server.foundation.principal import is_said

BLANK = [
    None, "", "  \n ", "\u200b", "\u200b\u2060", "\ufeff", "\u00ad", "\u00a0\u3000\u2028", "\u202e\u202c", "\x00\x07", "\ue000",
    "\u0378", "\ud800", "-", "…", ". . .", "\u2800", "\u0301", "\u3164", "\u115f\u1160\uffa0", "\u180e", "\U000e0041",
]  # fmt: skip


@pytest.mark.parametrize("reason", BLANK, ids=ascii)
def test_a_reason_that_the_patient_reads_as_a_blank_is_none(reason):
    assert not is_said(reason)


@pytest.mark.parametrize("reason", ["coma", "\u200bcoma", "15", "é", "昏睡", "غيبوبة", "٣", "x", "- choc -", "각"])
def test_a_letter_or_a_digit_of_any_script_says_something(reason):
    assert is_said(reason)
