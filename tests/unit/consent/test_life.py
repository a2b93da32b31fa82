"""The steps in the life of a record are data: another party, motive or duration, and another decision."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhir_server.consent import decision as room
from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import Directives
from fhir_server.consent.life import is_over
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest, Life
from fhir_server.consent.settings import read
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import micros
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.resources import closing

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
LEA = {"resourceType": "Patient", "id": "lea", "active": True}
SHUT = closing.closed(LEA, "2020-01-01", "patient-demande")
OPERATOR = Principal(Kind.OPERATOR, "o", "c")
DESK = Principal(Kind.RECEPTION, "d", "c")
HOLDER = Principal(Kind.HOLDER, "h", "c", reference="Patient/lea", identities=frozenset({"Patient/lea"}))


def asked(who, operation, verb="update", proposed=None, standing="open", **more):
    facts = {"patient": "lea", "patients": ["lea"], "class": ["identity"]}
    return AccessRequest(
        who, verb, "Patient", "lea", NOW, operation=operation, standing=standing, birth="1984-05-12",
        current={"_id": "Patient/lea", "type": "Patient", "facts": facts}, proposed=proposed, **more,
    )  # fmt: skip


def decided(request, monkeypatch, change=lambda rules, motives: None):
    rules = copy.deepcopy(profile_json("dmp/rules.json"))
    motives = copy.deepcopy(profile_json("dmp/closing-reasons.json"))
    change(rules, motives)
    monkeypatch.setattr(room, "settings", lambda: read(rules, motives))
    return decide(request, Directives(()), Matrix.load())


@pytest.mark.parametrize(
    "step", ["open-record", "open-record-for", "open-automatically", "close-record", "reopen-record", "destroy-record"]
)
def test_a_party_that_is_taken_out_of_a_step_takes_it_no_more(step, monkeypatch):
    what = {
        "open-record-for": asked(DESK, step, "create", LEA, "none"),
        "open-record": asked(HOLDER, step, proposed=LEA, standing="none"),
        "open-automatically": asked(OPERATOR, step, "create", LEA, "none"),
        "close-record": asked(HOLDER, step, proposed=SHUT),
        "reopen-record": asked(
            HOLDER, step, proposed=LEA, standing="closed", life=Life("2020-01-01", "patient-demande")
        ),
        "destroy-record": asked(
            OPERATOR, step, "delete", standing="closed", life=Life("2010-01-01", "patient-demande")
        ),
    }[step]

    assert isinstance(decided(what, monkeypatch), Permit)
    assert Deny(("life.not-theirs",)) == decided(
        what, monkeypatch, lambda rules, _: rules["life"]["steps"].update({step: []})
    )


@pytest.mark.parametrize("motive", profile_json("dmp/closing-reasons.json")["codes"])
def test_a_motive_is_given_by_the_parties_of_its_row_and_by_no_other(motive, monkeypatch):
    row = profile_json("dmp/closing-reasons.json")["codes"][motive]
    shut = closing.closed(LEA, "2026-11-23", motive)
    for who in (HOLDER, OPERATOR):
        theirs = who.kind.value in row["parties"]
        what = asked(who, "close-record", proposed=shut)
        assert theirs == isinstance(decided(what, monkeypatch), Permit)
        turned = [] if theirs else [who.kind.value]
        flipped = decided(what, monkeypatch, lambda _, m, turned=turned: m["codes"][motive].update(parties=turned))
        assert theirs != isinstance(flipped, Permit)


@pytest.mark.parametrize("motive", profile_json("dmp/closing-reasons.json")["codes"])
def test_a_motive_that_reopens_is_a_switch(motive, monkeypatch):
    reopens = profile_json("dmp/closing-reasons.json")["codes"][motive]["reopens"]
    what = asked(HOLDER, "reopen-record", proposed=LEA, standing="closed", life=Life("2026-01-01", motive))

    assert reopens == isinstance(decided(what, monkeypatch), Permit)
    flipped = decided(what, monkeypatch, lambda _, m: m["codes"][motive].update(reopens=not reopens))
    assert reopens != isinstance(flipped, Permit)


def test_the_years_of_retention_are_a_setting(monkeypatch):
    what = asked(OPERATOR, "destroy-record", "delete", standing="closed", life=Life("2020-11-23", "patient-demande"))

    assert Deny(("life.kept",)) == decided(what, monkeypatch)
    six = decided(what, monkeypatch, lambda rules, _: rules["retention"].update(yearsAfterClosure=6))
    assert isinstance(six, Permit)
    assert Deny(("life.kept",)) == decided(replace(what, life=Life()), monkeypatch), "a day that is not known"


@pytest.mark.parametrize(
    ("closed", "at", "over"),
    [
        ("2016-11-23", "2026-11-22T23:59:59", False),
        ("2016-11-23", "2026-11-23T00:00:00", True),
        ("2016-02-29", "2026-02-28T23:59:59", False),
        ("2016-02-29", "2026-03-01T00:00:00", True),
        ("2016-11", "2026-11-29T12:00:00", False),
        ("2016-11", "2026-11-30T00:00:00", True),
        ("2016", "2026-12-30T12:00:00", False),
        ("no date", "2099-01-01T00:00:00", False),
        (None, "2099-01-01T00:00:00", False),
    ],
)
def test_ten_years_after_a_day(closed, at, over):
    """DMP-104."""
    assert over == is_over(closed, micros(datetime.fromisoformat(at).replace(tzinfo=UTC)), 10)
