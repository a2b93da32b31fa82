"""Approval: purposes, emergencies, contexts and refusals, without a database."""

from types import SimpleNamespace

import pytest
from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    UnauthorizedClientError,
)

from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.smart.approval import Approver
from fhir_server.smart.clients import OAuthClient
from tests.kit.outside import Directory, compile_

ALL = "openid fhirUser launch launch/patient launch/encounter offline_access patient/*.cruds user/*.cruds"
DOCTOR = Principal(kind=Kind.PROFESSIONAL, subject="d", client="", profession="10")
REGULATOR = Principal(kind=Kind.PROFESSIONAL, subject="d", client="", profession="10", regulation=True)
HOLDER = Principal(kind=Kind.HOLDER, subject="h", client="", reference="Patient/p1", patient="p1")
SYSTEM = Principal(kind=Kind.ESTABLISHMENT, subject="chu", client="chu")


def client(scope=ALL, kind="public", key="app"):
    return OAuthClient(SimpleNamespace(key=key, kind=kind, scope=scope))


class Room:
    def __init__(self, refuses=lambda _: None):
        self.told = []
        self.hidden = set()
        self.approver = Approver(
            Directory(),
            refuses,
            lambda _, reference: reference not in self.hidden,
            lambda *told: self.told.append(told),
            compile_,
            "https://dmp",
        )

    def approve(self, person, scope="user/*.rs", app=None, **more):
        return self.approver.approve(person, app or client(), scope, **more)


@pytest.mark.parametrize(
    ("person", "asked", "expected"),
    [
        (DOCTOR, None, Purpose.TREATMENT),
        (DOCTOR, "TREAT", Purpose.TREATMENT),
        (HOLDER, None, Purpose.PATIENT_REQUEST),
        (HOLDER, "PATRQT", Purpose.PATIENT_REQUEST),
        (HOLDER, "TREAT", Purpose.PATIENT_REQUEST),
        (Principal(kind=Kind.OPERATOR, subject="o", client=""), None, Purpose.ADMINISTRATION),
        (Principal(kind=Kind.OPERATOR, subject="o", client=""), "HOPERAT", Purpose.OPERATIONS),
    ],
)
def test_everybody_has_a_purpose_of_their_own(person, asked, expected):
    assert expected is Room().approve(person, purpose=asked).principal.purpose


@pytest.mark.parametrize(
    ("person", "more", "error"),
    [
        (HOLDER, {"purpose": "BTG", "reason": "x", "patient": "p1"}, AccessDeniedError),
        (HOLDER, {"purpose": "HSYSADMIN"}, AccessDeniedError),
        (DOCTOR, {"purpose": "HPAYMT"}, InvalidRequestError),
        (DOCTOR, {"purpose": "PATRQT"}, AccessDeniedError),
        (DOCTOR, {"purpose": "BTG", "patient": "p1"}, InvalidRequestError),
        (DOCTOR, {"purpose": "BTG", "patient": "p1", "reason": " \n "}, InvalidRequestError),
        (DOCTOR, {"purpose": "BTG", "patient": "p1", "reason": "\u200b"}, InvalidRequestError),
        (DOCTOR, {"purpose": "BTG", "patient": "p1", "reason": "\u200b" * 500 + "coma"}, InvalidRequestError),
        (DOCTOR, {"purpose": "BTG", "reason": "x"}, InvalidRequestError),
        (DOCTOR, {"purpose": "ETREAT", "patient": "p1"}, AccessDeniedError),
        (REGULATOR, {"purpose": "ETREAT"}, InvalidRequestError),
        (
            Principal(kind=Kind.PROFESSIONAL, subject="n", client="", profession="60", regulation=True),
            {"purpose": "ETREAT", "patient": "p1"},
            AccessDeniedError,
        ),
        (HOLDER, {"patient": "p2"}, AccessDeniedError),
        (DOCTOR, {"scope": "patient/*.rs"}, InvalidRequestError),
        (DOCTOR, {"scope": "system/*.rs"}, InvalidScopeError),
        (DOCTOR, {"scope": "launch offline_access"}, InvalidScopeError),
        (DOCTOR, {"scope": ""}, InvalidScopeError),
        (DOCTOR, {"scope": "patient/*.rs", "patient": "unheard-of"}, AccessDeniedError),
    ],
)
def test_what_may_not_be_is_refused(person, more, error):
    with pytest.raises(OAuth2Error) as refused:
        Room().approve(person, **more)
    assert error is type(refused.value)


@pytest.mark.parametrize(
    ("person", "more", "reason"),
    [
        (DOCTOR, {"purpose": "BTG", "reason": "  coma\n profond "}, "coma profond"),
        (DOCTOR, {"purpose": "urn:oid:2.16.840.1.113883.5.8|BTG", "reason": "coma"}, "coma"),
        (REGULATOR, {"purpose": "ETREAT"}, None),
        (REGULATOR, {"purpose": "ETREAT", "reason": "\u200b"}, None),
        (DOCTOR, {"purpose": "TREAT", "reason": "kept nowhere"}, None),
    ],
)
def test_the_reason_is_kept_of_an_emergency_alone(person, more, reason):
    # DMP-117
    assert reason == Room().approve(person, scope="patient/*.rs", patient="p1", **more).principal.reason


def test_an_emergency_is_to_one_patient_and_is_not_refreshed():
    approval = Room().approve(DOCTOR, "user/*.rs openid offline_access", purpose="BTG", reason="coma", patient="p1")
    assert ("user/*.rs", "openid") == approval.scope and not approval.refreshes
    assert "p1" == approval.principal.patient


@pytest.mark.parametrize(
    ("person", "scope", "more", "granted", "patient"),
    [
        (HOLDER, "patient/*.rs", {}, "patient/*.rs", "p1"),
        (HOLDER, "launch/patient openid", {}, "launch/patient openid", "p1"),
        (HOLDER, "user/*.rs", {}, "user/*.rs", None),
        (HOLDER, "launch user/*.rs", {}, "user/*.rs", None),
        (DOCTOR, "user/*.rs", {"patient": "p1"}, "user/*.rs", None),
        (DOCTOR, "patient/*.rs", {"patient": "p1"}, "patient/*.rs", "p1"),
        (DOCTOR, "launch user/*.rs", {"patient": "p1", "launch": {}}, "launch user/*.rs", "p1"),
        (DOCTOR, "launch/encounter launch user/*.rs", {"patient": "p1", "launch": {}}, "launch user/*.rs", "p1"),
        (
            DOCTOR,
            "launch/encounter launch user/*.rs",
            {"patient": "p1", "launch": {"encounter": "e"}},
            "launch/encounter launch user/*.rs",
            "p1",
        ),
    ],
)
def test_a_context_is_given_where_a_scope_speaks_of_it(person, scope, more, granted, patient):
    """SMART-T19."""
    approval = Room().approve(person, scope, **more)
    assert (tuple(granted.split()), patient) == (approval.scope, approval.principal.patient)


def test_who_is_refused_is_asked_with_client_patient_and_purpose_and_told_to_the_ledger():
    asked = []
    room = Room(lambda principal: asked.append(principal) or "party.forbidden")
    with pytest.raises(AccessDeniedError):
        room.approve(DOCTOR, "patient/*.rs", patient="p1")
    assert [("app", "p1", Purpose.TREATMENT, ("patient/*.rs",), "https://dmp")] == [
        (each.client, each.patient, each.purpose, each.scopes, each.issuer) for each in asked
    ]
    assert [(asked[0], "8", "party.forbidden")] == room.told


def test_a_refused_system_hears_that_its_client_may_not():
    room = Room(lambda _: "party.insurer")
    with pytest.raises(UnauthorizedClientError):
        room.approve(SYSTEM, "system/*.rs", client("system/*.rs", "backend", "chu"))


def test_a_granular_scope_that_the_search_cannot_read_is_not_granted():
    approval = Room().approve(DOCTOR, "user/Observation.rs?category=a user/Observation.rs?unheard=of")
    assert ("user/Observation.rs?category=a",) == approval.scope


def test_an_encounter_that_may_not_be_read_is_no_context():
    """SMART-T7: an encounter that is told is one that is read; a hidden one is as if the launch had named none."""
    room, asked = Room(), "launch/encounter launch user/*.rs"
    room.hidden = {"Encounter/e"}
    approval = room.approve(DOCTOR, asked, patient="p1", launch={"encounter": "e", "intent": "x"})
    assert ({"intent": "x"}, ("launch", "user/*.rs")) == (dict(approval.launch), approval.scope)
    room.hidden = set()
    approval = room.approve(DOCTOR, asked, patient="p1", launch={"encounter": "e"})
    assert ({"encounter": "e"}, tuple(asked.split())) == (dict(approval.launch), approval.scope)
