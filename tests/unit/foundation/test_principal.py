"""Principals: what is said for an access in an emergency is read by the patient, and so says something (DMP-117).

One is looked up by, and its hash is its own.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from fhir_server.foundation.principal import Kind, Principal, is_said

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


def test_who_is_the_same_is_found_again_and_who_is_not_is_another():
    who = Principal(Kind.PROFESSIONAL, "s", "c", patient="lea", scopes=("patient/*.rs",))
    known = {who: 1}

    assert 1 == known[replace(who)]
    assert hash(who) == hash(replace(who))
    for each in (replace(who, patient="paul"), replace(who, profession="10"), replace(who, regulation=True)):
        assert each not in known
    assert "_hash" not in {each.name for each in fields(who)}
