"""Wishes: what a Consent grants and takes away, where a case of `decisions/*.json` cannot tell apart (DMP-40 to DMP-54)."""

from __future__ import annotations

from dataclasses import replace

from test_decision import DOCTOR, a_consent, asking, document

from fhir_server.consent.decision import Permit, decide
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.obligations import TellStanding
from fhir_server.consent.provision import ALWAYS
from fhir_server.foundation.predicate import matches
from fhir_server.foundation.principal import Kind, Principal, Purpose

URGENT = replace(DOCTOR, purpose=Purpose.BREAK_GLASS, reason="urgence")
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RESTRICTED = [{"system": CONFIDENTIALITY, "code": "R"}]
SYSTEM = Principal(Kind.ESTABLISHMENT, "s", "c", organizations=frozenset({"Organization/o"}), profession="10")


def actor(reference: str):
    return [{"reference": {"reference": reference}}]


def directive(kind: str = "ps-autorisation", name: str = "Practitioner/d", type_: str = "permit", members=None, **more):
    """`kind` "" is a foreign Consent, `name` "" one that names nobody."""
    consent = a_consent(0, kind, name, type_)
    if not kind:
        consent["category"] = []
    if not name:
        del consent["provision"]["actor"]
    consent["provision"].update(more)
    return parse(consent, members)


def granted(*directives, who=DOCTOR, **more) -> tuple[str, ...]:
    found = decide(asking(who, **more), Directives(directives), Matrix.load())
    return found.reasons if isinstance(found, Permit) else ()


def shows(found, *labels: str, **facts) -> bool:
    return isinstance(found, Permit) and matches(found.residual, document(label=list(labels), **facts))


def test_the_treating_physician_is_one_in_normal_access_and_for_the_purposes_of_his_designation():
    """DMP-52, K2."""
    assert "consent.treating-physician" in granted(directive("medecin-traitant"))
    assert "consent.treating-physician" not in granted(directive("medecin-traitant"), who=URGENT)
    elsewhere = directive("medecin-traitant", purpose=[{"system": REASON, "code": "ETREAT"}])
    assert "consent.treating-physician" not in granted(elsewhere)


def test_the_treating_physician_is_told_his_standing_by_the_patient_of_that_record():
    """DMP-101."""
    found = decide(asking(type="Patient", verb="read"), Directives((directive("medecin-traitant"),)), Matrix.load())
    assert (TellStanding("lea"),) == found.obligations


def test_a_team_consults_by_a_consent_to_consult_alone():
    """DMP-42, K13."""
    team = {"CareTeam/t": {"Practitioner/d": ALWAYS}}
    assert "consent.care-team" in granted(directive("ps-autorisation", "CareTeam/t", members=team))
    assert "consent.care-team" not in granted(directive("alimentation", "CareTeam/t", members=team))
    assert "consent.care-team" not in granted(directive("ps-autorisation", "CareTeam/t", members=team), who=URGENT)
    assert "consent.care-team" in granted(directive("", "CareTeam/t", members=team), who=URGENT)


def test_who_is_spared_a_refusal_in_part_sees_what_it_did_not_take_out_too():
    """DMP-44."""
    refusal = directive(
        "", "", "deny", securityLabel=RESTRICTED, provision=[{"type": "permit", "actor": actor("Practitioner/d")}]
    )
    alike = directive("", "", "deny", securityLabel=RESTRICTED)
    for taken_out, restricted in ((refusal, True), (alike, False)):
        found = decide(asking(), Directives((directive(), taken_out)), Matrix.load())
        assert shows(found, "N")
        assert restricted == shows(found, "R")


def test_what_a_refusal_in_part_never_spoke_of_is_not_taken_out_by_what_it_spares():
    of_one = [{"meaning": "instance", "reference": {"reference": "DocumentReference/other"}}]
    spared = [{"type": "permit", "actor": actor("Practitioner/d"), "data": of_one}]
    refusal = directive("", "", "deny", securityLabel=RESTRICTED, provision=spared)
    found = decide(asking(), Directives((directive(), refusal)), Matrix.load())
    assert shows(found, "N")
    assert not shows(found, "R")


def test_what_is_spared_without_a_name_is_spared_to_whom_the_refusal_speaks():
    refusal = directive("", "", "deny", provision=[{"type": "permit", "securityLabel": RESTRICTED}])
    found = decide(asking(), Directives((directive(), refusal)), Matrix.load())
    assert shows(found, "R")


def test_a_permit_within_a_consent_is_a_foreign_consents_and_for_a_professional():
    """DMP-44, PCF."""
    nested = [{"type": "permit", "actor": actor("Practitioner/d")}]
    assert "provision.permitted" in granted(directive("", "Practitioner/e", "deny", provision=nested))
    assert "provision.permitted" not in granted(directive("ps-blocage", "Practitioner/e", "deny", provision=nested))
    denied = [{"type": "deny", "actor": actor("Practitioner/d")}]
    assert "provision.permitted" not in granted(directive("", "Practitioner/e", provision=denied))
    place = [{"type": "permit", "actor": actor("Organization/o")}]
    assert "provision.permitted" not in granted(directive("", "Practitioner/e", "deny", provision=place), who=SYSTEM)


def test_what_is_nested_without_a_name_speaks_to_whom_its_root_speaks():
    """PCF: within a Consent about somebody, or about nobody in particular."""
    to_him = [{"type": "permit", "securityLabel": RESTRICTED}]
    team = {"CareTeam/t": {"Practitioner/d": ALWAYS}}
    assert "provision.permitted" in granted(directive("", "Practitioner/d", provision=to_him))
    assert "provision.permitted" in granted(directive("", "CareTeam/t", members=team, provision=to_him))
    assert "provision.permitted" in granted(directive("", "", "deny", provision=to_him))
    assert "provision.permitted" not in granted(directive("", "Practitioner/e", provision=to_him))
