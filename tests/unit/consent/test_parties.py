"""Parties: rules about who asks, where a case of `decisions/*.json` cannot ask."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_decision import DOCTOR, a_consent, a_directive, asking

from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.provision import ALWAYS
from fhir_server.foundation.moment import Interval, micros
from fhir_server.foundation.principal import Purpose


@pytest.mark.parametrize(("operation", "told"), [("explain-access", False), ("everything", True), ("document", True)])
def test_who_is_not_told_why_may_ask_other_operations(operation, told):
    """DMP-44."""
    asked = asking(verb="operation", operation=operation)
    found = decide(asked, Directives((a_directive(),)), Matrix.load())
    assert told == isinstance(found, Permit)


@pytest.mark.parametrize(("until", "opposed"), [(None, True), (-1, False), (0, True)])
def test_an_opposition_that_names_a_team_is_to_who_belongs_to_it_then(until, opposed):
    """DMP-115, K2."""
    urgent = asking(replace(DOCTOR, purpose=Purpose.BREAK_GLASS, reason="urgence"))
    span = ALWAYS if until is None else Interval(ALWAYS.lo, micros(urgent.now) + until)
    consent = a_consent(0, "urgence-bris-de-glace", "CareTeam/t", "deny")
    directives = Directives((parse(consent, {"CareTeam/t": {"Practitioner/d": span}}),))
    found = decide(urgent, directives, Matrix.load())
    assert opposed == (Deny(("emergency.opposed",)) == found)
