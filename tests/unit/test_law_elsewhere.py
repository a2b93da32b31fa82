"""Words and switches of `rules.json` that no decision reads: each turned over alone changes what reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from fhir_server.consent import directive, provision, succession
from fhir_server.foundation.moment import micros, months_later
from fhir_server.foundation.predicate import matches
from fhir_server.notices import occasion
from fhir_server.resources import consent, consent_patterns, document_reference, patient
from fhir_server.rounds import announcement, directives
from fhir_server.smart.issue import lifetimes
from fhir_server.store import announcement as announced
from tests.kit.changed_law import SHIPPED, changed, everywhere, under

SYSTEM = "https://dmp-on-fhir.example/CodeSystem/dmp-consent-type"


@pytest.mark.parametrize(
    ("name", "which"),
    [("professionalMinutes", "person"), ("systemMinutes", "system"), ("emergencyMinutes", "emergency")],
)
def test_a_token_lives_as_long_as_the_law_says(name, which):
    shipped = getattr(lifetimes(), which)
    with everywhere(changed(("access", name), 7)):
        assert timedelta(minutes=7) == getattr(lifetimes(), which)
    assert shipped == getattr(lifetimes(), which) != timedelta(minutes=7)


def test_a_consent_is_ours_by_the_system_of_its_category():
    ours = {"category": [{"coding": [{"system": SYSTEM, "code": "alimentation"}]}]}
    assert consent.is_ours(ours)
    with everywhere(changed(("consentTypes",), "https://autre.example")):
        assert not consent.is_ours(ours)


@pytest.mark.parametrize("name", ["system", "code"])
def test_a_privacy_consent_is_found_by_the_code_of_its_document(name):
    with everywhere(changed(("consentDocument", name), "autre")):
        assert "autre" in consent_patterns._document()


def test_a_wrong_category_is_told_or_refused():
    wrong = {
        "resourceType": "DocumentReference",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "category": [{"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.1", "code": "60"}]}],
    }
    assert ["warning"] == severities(document_reference._class(wrong))
    with everywhere(changed(("switches", "wrong_category"), "error")):
        assert ["error"] == severities(document_reference._class(wrong))


def test_a_wrong_control_key_is_told_or_refused():
    wrong = {"identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "174127501234599"}]}
    assert ["warning"] == severities(patient._control_keys(wrong))
    with everywhere(changed(("switches", "ins_control_key"), "error")):
        assert ["error"] == severities(patient._control_keys(wrong))


@pytest.mark.parametrize(("kind", "within"), SHIPPED["oneActive"].items())
def test_what_a_new_consent_ends_is_what_the_law_says(kind, within):
    """DMP-54, DMP-73: one in the record, or one for the same actors; turned over, the other of the two."""
    new, same, other = (
        directive.Directive(f"Consent/{name}", kind, provision.read(permit(actor), {}))
        for name, actor in (("new", "Practitioner/a"), ("same", "Practitioner/a"), ("other", "Practitioner/b"))
    )
    ended = {"record": [same, other], "actors": [same]}
    assert ended[within] == [*succession.succeeded(new, (same, other))]
    for turned in ("record", "actors"):
        with under(changed(("oneActive", kind), turned)):
            assert ended[turned] == [*succession.succeeded(new, (same, other))]


def test_an_automatic_opening_is_opposed_for_as_many_days_as_the_law_says():
    """DMP-103."""
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    shipped = occasion.opposition_ends(at)
    for days in (SHIPPED["life"]["oppositionDays"] - 1, SHIPPED["life"]["oppositionDays"] + 1):
        with everywhere(changed(("life", "oppositionDays"), days)):
            assert date(2026, 11, 1) + timedelta(days=days) == occasion.opposition_ends(at) != shipped


AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize("months", [0, 2])
def test_what_waits_for_an_announcement_is_shown_after_as_many_months_as_the_law_says(months):
    """DMP-134."""
    shipped = announced.shown_from(micros(AT))
    with everywhere(changed(("announcement", "showAfterMonths"), months)):
        turned = announced.shown_from(micros(AT))
    assert months_later(micros(AT), months) == turned != shipped == announced.shown_from(micros(AT))


@pytest.mark.parametrize("days", [13, 15])
def test_who_waits_for_an_announcement_is_told_after_as_many_days_as_the_law_says(days):
    """DMP-134: what has been hidden for longer is looked for, what has not is not."""
    means = SimpleNamespace(house=SimpleNamespace(clock=lambda: AT))
    with everywhere(changed(("announcement", "remindAfterDays"), days)):
        turned = announcement._waiting(means)
    for hidden_for, shipped, found in ((12, False, False), (14, True, days <= 14), (16, True, True)):
        hidden = {"lo": micros(AT - timedelta(days=hidden_for)), "hi": micros(AT + timedelta(days=30))}
        document = {"type": "DocumentReference", "facts": {"label": ["INVISIBLE_PATIENT"], "hidden": [hidden]}}
        assert (shipped, found) == tuple(matches(each, document) for each in (announcement._waiting(means), turned))


def test_the_author_of_advance_directives_is_reminded_as_the_law_says():
    """DMP-109: of these types, after so many months."""
    shipped = directives._of_a_year_ago(AT)
    with everywhere(changed(("directives", "types", 0), "AUTRE")):
        assert directives._of_a_year_ago(AT) != shipped
    for months in (11, 13):
        with everywhere(changed(("directives", "remindAfterMonths"), months)):
            assert directives._of_a_year_ago(AT) != shipped


def permit(actor: str):
    return {"type": "permit", "actor": [{"reference": {"reference": actor}}]}


def severities(issues) -> list[str]:
    return [each.severity for each in issues]
