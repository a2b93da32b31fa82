"""Directives: a Consent read strictly, for what is not understood must not widen a permit nor narrow a deny."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from fhir_server.consent.directive import FOREIGN, UNREADABLE, Directives, actors_named, kinds, parse, role_keys
from fhir_server.consent.provision import ALWAYS
from fhir_server.foundation.moment import Interval, interval
from fhir_server.foundation.predicate import EVERYTHING, matches

PCF = Path(__file__).parents[2] / "examples" / "pcf"
TYPES = "https://dmp-on-fhir.example/CodeSystem/dmp-consent-type"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
EARLY, LATE = interval("2026-01-01").lo, interval("2026-12-31").hi


def a_consent(kind: str | None = "ps-autorisation", **provision):
    categories = [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}]
    if kind:
        categories.append({"coding": [{"system": TYPES, "code": kind}]})
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": categories,
        "patient": {"reference": "Patient/lea"},
        "performer": [{"reference": "Patient/lea"}],
        "provision": {"type": "permit", **provision},
    }


def actor(reference: str):
    return [{"reference": {"reference": reference}}]


def document(*labels: str, period: tuple[str, str] | None = None, **facts):
    found = {"label": list(labels), **facts}
    if period:
        found["period"] = [{"lo": interval(period[0]).lo, "hi": interval(period[1]).hi}]
    return {"_id": "DocumentReference/d", "type": "DocumentReference", "facts": found}


@pytest.mark.parametrize("path", sorted(PCF.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_of_pcf_is_read_as_foreign(path):
    found = parse(json.loads(path.read_text("utf-8")))
    assert found.kind == FOREIGN
    assert found.unread is None


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_each_of_our_types_is_its_own_kind(kind):
    assert parse(a_consent(kind)).kind == kind


def test_a_consent_that_is_not_stored_yet_has_no_id():
    consent = {name: value for name, value in a_consent().items() if name != "id"}
    assert "Consent/" == parse(consent).id


@pytest.mark.parametrize("provision", [None, "x", [], 7])
def test_a_provision_that_is_none_names_nobody(provision):
    assert frozenset() == actors_named({"provision": provision})


def test_a_consent_to_something_else_is_no_directive():
    consent = a_consent()
    consent["scope"]["coding"][0]["code"] = "adr"
    assert parse(consent) is None


UNREAD = {
    "no provision": lambda c: c.pop("provision"),
    "no type": lambda c: c["provision"].pop("type"),
    "an unknown type": lambda c: c["provision"].update(type="maybe"),
    "a class": lambda c: c["provision"].update({"class": [{"code": "x"}]}),
    "a code": lambda c: c["provision"].update(code=[{"text": "x"}]),
    "an action": lambda c: c["provision"].update(action=[{"text": "x"}]),
    "a modifier extension": lambda c: c.update(modifierExtension=[{"url": "x"}]),
    "a modifier extension within": lambda c: c["provision"].update(modifierExtension=[{"url": "x"}]),
    "an actor without a name": lambda c: c["provision"].update(actor=[{"reference": {"display": "x"}}]),
    "an actor without a reference": lambda c: c["provision"].update(actor=[{}]),
    "an empty actor": lambda c: c["provision"].update(actor=[]),
    "an actor that is no list": lambda c: c["provision"].update(actor={"reference": {"reference": "Practitioner/x"}}),
    "a purpose without a code": lambda c: c["provision"].update(purpose=[{"system": REASON}]),
    "a purpose without a system": lambda c: c["provision"].update(purpose=[{"code": "TREAT"}]),
    "a label without a code": lambda c: c["provision"].update(securityLabel=[{"system": CONFIDENTIALITY}]),
    "a bad period": lambda c: c["provision"].update(period={"start": "hier"}),
    "a period that is a text": lambda c: c["provision"].update(period="2026"),
    "a period that ends before it begins": lambda c: c["provision"].update(period={"start": "2026-02-01", "end": "2026-01-01"}),
    "a nested provision that takes all back": lambda c: c["provision"].update(provision=[{"type": "deny"}]),
    "an extended period": lambda c: c["provision"].update(period={"_start": {"extension": []}}),
    "a bad data period": lambda c: c["provision"].update(dataPeriod={"end": "2026-13-01"}),
    "data of an unknown meaning": lambda c: c["provision"].update(data=[{"meaning": "dependents", "reference": {"reference": "Observation/x"}}]),
    "data nobody finds": lambda c: c["provision"].update(data=[{"meaning": "instance", "reference": {"display": "x"}}]),
    "no data": lambda c: c["provision"].update(data=[]),
    "data contained": lambda c: c["provision"].update(data=[{"meaning": "instance", "reference": {"reference": "#x"}}]),
    "data elsewhere": lambda c: c["provision"].update(data=[{"meaning": "instance", "reference": {"reference": "https://x.example/Observation/x"}}]),
    "three levels": lambda c: c["provision"].update(provision=[{"type": "deny", "provision": [{"type": "permit"}]}]),
    "an unreadable nested provision": lambda c: c["provision"].update(provision=[{"purpose": []}]),
    "two of our types": lambda c: c["category"].append({"coding": [{"system": TYPES, "code": "ps-blocage"}]}),
    "a type of ours nobody knows": lambda c: c["category"].append({"coding": [{"system": TYPES, "code": "x"}]}),
    "no scope": lambda c: c.pop("scope"),
    "a scope that is a text": lambda c: c.update(scope="patient-privacy"),
    "a deny of an unknown team": lambda c: c["provision"].update(type="deny", actor=actor("CareTeam/x")),
    "a deny of an unknown role": lambda c: c["provision"].update(type="deny", actor=actor("PractitionerRole/x")),
    "a deny of somebody elsewhere": lambda c: c["provision"].update(type="deny", actor=actor("https://x.example/Practitioner/x")),
    "a deny of somebody contained": lambda c: c["provision"].update(type="deny", actor=actor("#x")),
}  # fmt: skip

SAID = {
    "no provision": "there is no provision",
    "no type": "a provision neither permits nor denies",
    "an unknown type": "a provision neither permits nor denies",
    "an unreadable nested provision": "a provision neither permits nor denies",
    "a class": "a provision is limited by `class`, which this server does not read",
    "a code": "a provision is limited by `code`, which this server does not read",
    "an action": "a provision is limited by `action`, which this server does not read",
    "a modifier extension": "a modifier extension is not known",
    "a modifier extension within": "a provision is limited by `modifierExtension`, which this server does not read",
    "an actor without a name": "an actor is not named",
    "an actor without a reference": "an actor is not named",
    "an empty actor": "an actor is not named",
    "an actor that is no list": "`actor` cannot be read",
    "a purpose without a code": "a purpose has no code or no system",
    "a purpose without a system": "a purpose has no code or no system",
    "a label without a code": "a security label has no code",
    "a bad period": "a period cannot be read",
    "a period that is a text": "a period cannot be read",
    "an extended period": "a period cannot be read",
    "a bad data period": "a period cannot be read",
    "a period that ends before it begins": "a period ends before it begins",
    "a nested provision that takes all back": "a nested provision says the contrary of all that its root says",
    "data of an unknown meaning": "the meaning of a provision's data is none this server reads",
    "data nobody finds": "the data a provision speaks of are not found here",
    "data contained": "the data a provision speaks of are not found here",
    "data elsewhere": "the data a provision speaks of are not found here",
    "no data": "the data a provision speaks of are not named",
    "three levels": "provisions are nested deeper than two levels",
    "two of our types": "the type of the consent is none of ours, or is several",
    "a type of ours nobody knows": "the type of the consent is none of ours, or is several",
    "no scope": "the consent is not shaped as R4 has it",
    "a scope that is a text": "the consent is not shaped as R4 has it",
    "a deny of an unknown team": "a deny names a team or a role this server does not know",
    "a deny of an unknown role": "a deny names a team or a role this server does not know",
    "a deny of somebody elsewhere": "a deny names somebody who cannot be found here",
    "a deny of somebody contained": "a deny names somebody who cannot be found here",
}
"""What who submitted it is told (422)."""


@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_is_kept_as_unreadable(name):
    consent = copy.deepcopy(a_consent(actor=actor("Practitioner/x")))
    UNREAD[name](consent)
    found = parse(consent)
    assert (UNREADABLE, SAID[name], True) == (found.kind, found.unread, found.active)
    assert not found.permit
    assert not found.in_force(EARLY)


def test_a_permit_of_somebody_unknown_names_nobody_and_not_everybody():
    found = parse(a_consent(actor=actor("CareTeam/x")))
    assert found.root.actors == frozenset()
    assert Directives((found,)).anyone == ()


def test_a_provision_without_actor_is_for_anyone():
    found = parse(a_consent(None))
    assert found.root.actors is None
    assert not found.root.names(frozenset({"Practitioner/x"}), EARLY)
    assert (found,) == Directives((found,)).anyone


def test_the_version_of_a_reference_is_left_out():
    assert parse(a_consent(actor=actor("Practitioner/x/_history/3"))).root.actors == {"Practitioner/x"}


def test_an_identifier_names_by_its_key():
    reference = {"identifier": {"system": "https://rpps.esante.gouv.fr", "value": "10001234567"}}
    found = parse(a_consent("ps-blocage", type="deny", actor=[{"reference": reference}]))
    assert found.root.actors == {"ps:810001234567"}


def test_a_date_lasts_until_the_end_of_its_day():
    found = parse(a_consent(period={"start": "2026-01-01", "end": "2026-12-31"})).root
    assert found.in_force(EARLY)
    assert found.in_force(LATE)
    assert not found.in_force(EARLY - 1)
    assert not found.in_force(LATE + 1)


def test_an_inactive_consent_is_not_in_force():
    consent = {**a_consent(), "status": "inactive"}
    assert not parse(consent).in_force(EARLY)
    assert Directives((parse(consent),)).of_kind("ps-autorisation") == ()


def test_a_purpose_keeps_its_system_unless_it_is_v3_act_reason():
    systems = [REASON, "urn:oid:2.16.840.1.113883.5.8", "http://example.org"]
    found = parse(a_consent(purpose=[{"system": each, "code": "TREAT"} for each in systems])).root
    assert found.purposes == {"TREAT", "http://example.org|TREAT"}


def test_a_purpose_matches_exactly():
    found = parse(a_consent(purpose=[{"system": REASON, "code": "TREAT"}])).root
    assert found.serves("TREAT")
    assert not found.serves("BTG")
    assert not found.serves("ETREAT")


LEVELS = [(), ("U",), ("L",), ("M",), ("N",), ("R",), ("V",), ("N", "R"), ("R", "V")]


@pytest.mark.parametrize(
    ("type_", "level", "covered"),
    [
        ("permit", "N", [(), ("U",), ("L",), ("M",), ("N",)]),
        ("permit", "R", [(), ("U",), ("L",), ("M",), ("N",), ("R",), ("N", "R")]),
        ("permit", "V", LEVELS),
        ("permit", "M", [("U",), ("L",), ("M",)]),
        ("deny", "R", [("R",), ("V",), ("N", "R"), ("R", "V")]),
        ("deny", "V", [("V",), ("R", "V")]),
        ("deny", "N", [(), ("N",), ("R",), ("V",), ("N", "R"), ("R", "V")]),
    ],
)
def test_confidentiality_is_a_high_water_mark(type_, level, covered):
    label = [{"system": CONFIDENTIALITY, "code": level}]
    reach = parse(a_consent(None, type=type_, securityLabel=label)).root.reach
    assert covered == [each for each in LEVELS if matches(reach, document(*each))]


def test_any_label_is_enough():
    labels = [{"system": CONFIDENTIALITY, "code": "N"}, {"system": "http://example.org", "code": "HIV"}]
    reach = parse(a_consent(None, securityLabel=labels)).root.reach
    assert matches(reach, document("R", "http://example.org|HIV"))
    assert matches(reach, document())
    assert not matches(reach, document("R"))


def test_a_label_that_is_no_confidentiality_covers_what_carries_it():
    reach = parse(
        a_consent(None, type="deny", securityLabel=[{"system": "http://example.org", "code": "HIV"}])
    ).root.reach
    assert matches(reach, document("http://example.org|HIV"))
    assert not matches(reach, document())
    assert not matches(reach, document("V"))


def test_data_name_what_they_are_about_too():
    data = [{"meaning": "instance", "reference": {"reference": "DocumentReference/d"}}]
    reach = parse(a_consent(None, type="deny", data=data)).root.reach
    assert matches(reach, document())
    assert matches(reach, {"_id": "Binary/b", "type": "Binary", "facts": {"about": ["DocumentReference/d"]}})
    assert not matches(reach, {"_id": "Binary/c", "type": "Binary", "facts": {}})


def test_related_data_are_those_of_the_encounter_and_what_mentions_it():
    data = [{"meaning": "related", "reference": {"reference": "Encounter/e"}}]
    reach = parse(a_consent(None, data=data)).root.reach
    assert matches(reach, document(encounter=["Encounter/e"]))
    assert matches(reach, {"_id": "Encounter/e", "type": "Encounter", "facts": {}})
    assert matches(reach, document(mentions=[{"id": "Encounter/e"}]))
    assert matches(reach, {"_id": "Patient/lea", "type": "Patient", "facts": {}})
    assert not matches(reach, document(encounter=["Encounter/f"]))


def test_authored_data_are_known_by_every_key_of_their_author():
    data = [{"meaning": "authoredby", "reference": {"reference": "Practitioner/p"}}]
    consent = a_consent(None, type="deny", data=data)
    assert actors_named(consent) == {"Practitioner/p"}
    reach = parse(consent, {"Practitioner/p": {"ps:81": ALWAYS}}).root.reach
    assert matches(reach, document(author=["ps:81"]))
    assert matches(reach, document(author=["Practitioner/p"]))
    assert not matches(reach, document(author=["Practitioner/q"]))


def test_a_permit_of_a_data_period_covers_what_began_and_ended_in_it():
    reach = parse(a_consent(None, dataPeriod={"start": "2022-01-01", "end": "2022-12-31"})).root.reach
    assert matches(reach, document(period=("2022-12-31", "2022-12-31")))
    assert not matches(reach, document(period=("2022-12-31", "2023-01-01")))
    assert not matches(reach, document(period=("2021-12-31", "2021-12-31")))
    assert not matches(reach, document())


def test_a_deny_of_a_data_period_covers_what_touches_it_and_what_has_no_date():
    reach = parse(a_consent(None, type="deny", dataPeriod={"start": "2022-01-01", "end": "2022-12-31"})).root.reach
    assert matches(reach, document(period=("2022-12-31", "2023-01-01")))
    assert matches(reach, document())
    assert not matches(reach, document(period=("2023-01-01", "2023-01-01")))
    assert not matches(reach, {"_id": "Patient/lea", "type": "Patient", "facts": {}})


def test_a_root_without_limits_is_not_limited():
    found = parse(a_consent(None, purpose=[{"system": REASON, "code": "TREAT"}])).root
    assert found.reach == EVERYTHING
    assert not found.limited


def test_a_member_counts_while_he_belongs_to_the_team():
    span = Interval(EARLY, LATE)
    found = parse(a_consent(actor=actor("CareTeam/t")), {"CareTeam/t": {"Practitioner/x": span}})
    keys = frozenset({"Practitioner/x"})
    assert found.root.names(keys, EARLY)
    assert not found.root.names(keys, LATE + 1)
    index = Directives((found,))
    assert index.naming(keys, EARLY) == (found,)
    assert index.naming(keys, LATE + 1) == ()


def test_a_permit_of_a_role_is_for_the_person_in_that_place_and_a_deny_for_the_person():
    members = {"PractitionerRole/r": dict.fromkeys(role_keys(["Practitioner/x"], ["Organization/o"]), ALWAYS)}
    permit = parse(a_consent(actor=actor("PractitionerRole/r")), members)
    deny = parse(a_consent("ps-blocage", type="deny", actor=actor("PractitionerRole/r")), members)
    assert permit.root.actors == {"PractitionerRole/r", "Practitioner/x@Organization/o"}
    assert deny.root.actors == {"PractitionerRole/r", "Practitioner/x"}
    assert Directives((permit,)).roles
    assert not Directives((deny,)).roles


def test_references_to_be_expanded_are_found_at_both_levels_and_nowhere_in_what_is_unreadable():
    nested = [{"type": "deny", "actor": actor("Group/g")}]
    assert actors_named(a_consent(actor=actor("CareTeam/t"), provision=nested)) == {"CareTeam/t", "Group/g"}
    assert actors_named({"provision": {"actor": "x"}}) == frozenset()
    assert actors_named({}) == frozenset()


def test_each_directive_is_found_once_however_often_it_names_somebody():
    both = [*actor("Practitioner/x"), *actor("Organization/o")]
    found = parse(a_consent(actor=both, provision=[{"type": "deny", "actor": both, "period": {"end": "2020"}}]))
    index = Directives((found,))
    keys = frozenset({"Practitioner/x", "Organization/o"})
    assert index.naming(keys, EARLY) == (found,)
    assert len(index.nested_naming(keys)) == 1
