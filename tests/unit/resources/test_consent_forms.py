"""Forms: what a Consent of each of our categories may say (mapping §3.1 to §3.8)."""

from __future__ import annotations

import pytest

from fhir_server.definitions.library import profile_json
from fhir_server.resources.consent import check_consent
from fhir_server.resources.consent_forms import FORMS, category_of, check_form
from fhir_server.resources.consent_patterns import PATTERNS, consent

NOW = "2026-11-23T10:00:00Z"
ACTORS = {
    "etablissement": "Organization/chu",
    "representant-legal": "RelatedPerson/paul",
    "dmp-creation": None,
    "alimentation": None,
}
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def of(category, **provision):
    """A good Consent of the category, with its provision changed; None takes an element away."""
    actor = ACTORS.get(category, "Practitioner/x")
    pattern = "ps-autorisation" if category not in PATTERNS else category
    made = consent(pattern, "Patient/lea", NOW, actor=None if category.startswith("urgence") else actor)
    made["category"][1]["coding"][0]["code"] = category
    made["meta"]["profile"] = [profile_json("dmp/policies.json")["policies"][category]["profile"]]
    changed = {**made["provision"], **provision}
    return {**made, "provision": {name: each for name, each in changed.items() if each is not None}}


def actors(*references):
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
    return [{"role": role, "reference": {"reference": each}} for each in references]


def told(resource):
    return [(each.expression, each.text) for each in check_form(resource)]


def test_every_category_has_a_form():
    assert {each["code"] for each in profile_json("dmp/consent-types.json")["concept"]} == set(FORMS)


@pytest.mark.parametrize("category", sorted(FORMS))
def test_a_good_consent_of_each_category_is_of_its_form_and_of_pcf(category):
    assert ([], []) == (told(of(category)), [each for each in check_consent(of(category)) if each.severity == "error"])
    assert category == category_of(of(category))


NESTED = [
    {
        "type": "deny",
        "actor": actors("Practitioner/y"),
        "data": [{"meaning": "instance", "reference": {"reference": "Basic/b"}}],
    }
]
WRONG = [
    ("dmp-creation", {"actor": actors("Practitioner/x")}, "actor", "names nobody"),
    ("dmp-creation", {"purpose": [{"system": REASON, "code": "BTG"}]}, "purpose", "TREAT alone"),
    ("dmp-creation", {"provision": NESTED}, "provision", "has no `provision`"),
    ("alimentation", {"securityLabel": [{"code": "R"}]}, "securityLabel", "has no"),
    ("alimentation", {"dataPeriod": {"end": "2020"}}, "dataPeriod", "has no"),
    ("alimentation", {"actor": actors("Patient/lea")}, "actor.reference", "names a Practitioner"),
    ("ps-autorisation", {"actor": None}, "actor", "names whom it is for"),
    ("ps-autorisation", {"type": "deny"}, "type", "is a permit"),
    ("ps-autorisation", {"actor": actors("RelatedPerson/r")}, "actor.reference", "names a Practitioner"),
    ("ps-blocage", {"actor": None}, "actor", "names whom it blocks"),
    ("ps-blocage", {"type": "permit"}, "provision", "nested provision that denies"),
    ("ps-blocage", {"type": "permit", "provision": [{"type": "deny"}]}, "provision", "from whom it names"),
    (
        "ps-blocage",
        {"type": "permit", "provision": [*NESTED, {**NESTED[0], "type": "permit"}]},
        "provision",
        "gives none",
    ),
    ("etablissement", {"actor": actors("Practitioner/x")}, "actor.reference", "names a Organization"),
    ("etablissement", {"type": "deny"}, "type", "is a permit"),
    ("urgence-bris-de-glace", {"purpose": [{"system": REASON, "code": "ETREAT"}]}, "purpose", "BTG alone"),
    ("urgence-samu", {"purpose": [{"system": REASON, "code": "BTG"}]}, "purpose", "ETREAT alone"),
    ("urgence-samu", {"data": NESTED[0]["data"]}, "data", "has no `data`"),
    ("medecin-traitant", {"actor": actors("Practitioner/x", "Practitioner/y")}, "actor", "names 1"),
    ("medecin-traitant", {"actor": actors("CareTeam/t")}, "actor.reference", "names a Practitioner"),
    ("medecin-traitant", {"type": "deny"}, "type", "is a permit"),
    ("representant-legal", {"actor": actors("Practitioner/x")}, "actor.reference", "names a RelatedPerson"),
]


@pytest.mark.parametrize(
    ("category", "change", "element", "rule"), WRONG, ids=lambda each: each if isinstance(each, str) else ""
)
def test_what_a_category_does_not_say_is_refused_by_element_and_rule(category, change, element, rule):
    found = told(of(category, **change))
    assert [f"Consent.provision.{element}"] == [place for place, _ in found]
    assert rule in found[0][1] and f"`{category}`" in found[0][1]
    assert found[0] in [
        (each.expression, each.text) for each in check_consent(of(category, **change)) if each.severity == "error"
    ]


def test_what_is_said_within_the_form_is_not():
    for category, change in (
        ("ps-autorisation", {"actor": actors("https://ailleurs.example/fhir/CareTeam/t", "Group/g/_history/2")}),
        ("ps-autorisation", {"actor": [{"reference": {"identifier": {"value": "1"}}}]}),
        ("ps-blocage", {"type": "permit", "actor": None, "provision": NESTED}),
        (
            "etablissement",
            {"actor": [{"reference": {"type": "Organization", "identifier": {"value": "1"}}}], "provision": NESTED},
        ),
        ("urgence-samu", {"type": "deny", "actor": actors("Organization/o"), "purpose": None}),
        ("alimentation", {"type": "deny"}),
        ("medecin-traitant", {"securityLabel": None, "purpose": None}),
    ):
        assert [] == told(of(category, **change)), (category, change)


def test_a_consent_of_no_category_or_of_several_has_no_form():
    several = of("ps-autorisation", actor=None)
    several["category"].append(
        {"coding": [{"system": profile_json("dmp/consent-types.json")["url"], "code": "alimentation"}]}
    )
    none = {**of("ps-autorisation", actor=None), "category": []}
    assert ([], [], []) == (told(several), told(none), told({"resourceType": "Consent"}))


@pytest.mark.parametrize("code", [["BTG"], {"code": "TREAT"}, 7, None])
def test_a_purpose_that_is_no_code_is_told_and_never_fails(code):
    """The form is asked of what came, before anybody knows that it is well formed."""
    made = {
        "resourceType": "Consent",
        "category": [{"coding": [{"system": profile_json("dmp/rules.json")["consentTypes"], "code": "alimentation"}]}],
        "provision": {"type": "permit", "purpose": [{"code": code}]},
    }
    assert ["Consent.provision.purpose"] == [each.expression for each in check_form(made)]
