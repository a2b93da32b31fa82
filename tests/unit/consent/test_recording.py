"""Recording: who may put the holder's word on record, where a case of `decisions/*.json` cannot ask (DMP-41, DMP-53)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_decision import DOCTOR, a_consent, a_directive, asking

from fhir_server.consent import decision as room
from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.provision import ALWAYS
from fhir_server.consent.settings import settings
from fhir_server.foundation.principal import Kind, Principal, Purpose

DESK = Principal(Kind.RECEPTION, "d", "c", organizations=frozenset({"Organization/o"}))
WORD = {"sourceAttachment": {"title": "Lecture carte Vitale"}}
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
UNREADABLE = {"modifierExtension": [{"url": "x"}]}


def said(actor: str | None = "Practitioner/e", kind: str = "ps-autorisation", type_: str = "permit", **more):
    found = {**a_consent(9, kind, actor or "", type_), **WORD, **more}
    if actor is None:
        del found["provision"]["actor"]
    return found


def decided(proposed, *directives, who=DOCTOR, type_="Consent", birth="1979-03-12", **more):
    asked = asking(who, verb="create", type=type_, proposed=proposed, **more)
    return decide(replace(asked, birth=birth), Directives(directives), Matrix.load())


def opening(proposed, type_):
    asked = asking(DESK, verb="create", type=type_, proposed=proposed, operation="open-record-for")
    return decide(replace(asked, standing="none"), Directives(()), Matrix.load())


@pytest.mark.parametrize(
    ("type_", "opens"), [("Provenance", True), ("Observation", False), ("DocumentReference", False), ("Consent", False)]
)
def test_with_an_opening_comes_where_it_came_from_and_nothing_clinical(type_, opens):
    """DMP-20, DMP-26."""
    assert opens == isinstance(opening({"resourceType": type_}, type_), Permit)


@pytest.mark.parametrize("type_", ["Provenance", "Observation"])
def test_without_an_opening_a_desk_writes_nothing(type_):
    asked = asking(DESK, verb="create", type=type_, proposed={"resourceType": type_})
    assert isinstance(decide(replace(asked, standing="none"), Directives(()), Matrix.load()), Deny)


def test_an_answer_at_an_opening_that_cannot_be_read_is_refused_as_one_that_may_not_be_given():
    unread = {**a_consent(9, "dmp-creation", "Practitioner/e"), **UNREADABLE}
    assert Deny(("write.none",)) == opening(unread, "Consent")


def test_who_consults_collects_the_word_for_another_and_in_an_emergency_nobody_does():
    """DMP-45, DMP-110."""
    standing = a_directive()
    assert ("write.collected-consent",) == decided(said(), standing).reasons
    assert Deny(("write.none",)) == decided({**said(), **UNREADABLE}, standing)
    urgent = replace(DOCTOR, purpose=Purpose.BREAK_GLASS, reason="urgence")
    assert Deny(("write.none",)) == decided(said(), standing, who=urgent)
    foreign = parse({**a_consent(1, "", "Practitioner/d"), "category": []})
    assert ("write.collected-consent",) == decided(said(), foreign).reasons
    assert Deny(("write.none",)) == decided(said(), foreign, who=urgent)


@pytest.mark.parametrize("birth", ["2013-01-01", "2008-12", None], ids=["a child", "perhaps a child", "nobody knows"])
def test_the_word_of_who_is_not_of_age_beyond_doubt_is_not_the_holders(birth):
    """DMP-22, DMP-93."""
    assert Deny(("write.none",)) == decided(said(), a_directive(), birth=birth)


@pytest.mark.parametrize(
    ("actor", "members"),
    [
        ("Practitioner/d", None),
        ("Organization/o", None),
        ("CareTeam/t", {"CareTeam/t": {"Practitioner/d": ALWAYS}}),
        ("PractitionerRole/r", {"PractitionerRole/r": {"Practitioner/d@Organization/o": ALWAYS}}),
    ],
    ids=["by name", "by his place", "by his team", "in his role"],
)
@pytest.mark.parametrize("kind", ["ps-autorisation", "etablissement"])
def test_who_collects_authorises_neither_himself_nor_where_he_works(actor, members, kind):
    """DMP-110: for another professional."""
    there = replace(DOCTOR, organizations=frozenset({"Organization/o"}))
    found = decided(said(actor, kind), a_directive(), who=there, members=members)
    assert Deny(("write.none",)) == found


PARTS = {
    "all": {},
    "one": {"data": [{"meaning": "instance", "reference": {"reference": "DocumentReference/x"}}]},
    "another": {"data": [{"meaning": "instance", "reference": {"reference": "DocumentReference/y"}}]},
    "a year": {"dataPeriod": {"start": "2025", "end": "2025"}},
    "ordinary": {"securityLabel": [{"system": CONFIDENTIALITY, "code": "N"}]},
    "restricted": {"securityLabel": [{"system": CONFIDENTIALITY, "code": each} for each in ("N", "R")]},
}


@pytest.mark.parametrize(
    ("has", "gives"),
    [
        ("all", {"all", "one", "another", "a year", "ordinary", "restricted"}),
        ("one", {"one"}),
        ("a year", {"a year"}),
        ("ordinary", {"ordinary"}),
        ("restricted", {"ordinary", "restricted"}),
    ],
)
def test_who_sees_a_part_gives_that_part_and_no_more(has, gives):
    """DMP-44, DMP-110."""

    def limited(part, consent):
        return {**consent, "provision": {**consent["provision"], **PARTS[part]}}

    own = parse(limited(has, a_consent(1, "ps-autorisation", "Practitioner/d")))
    assert gives == {
        each for each in PARTS if ("write.collected-consent",) == decided(limited(each, said()), own).reasons
    }
    treating = parse(limited(has, a_consent(2, "medecin-traitant", "Practitioner/d")))
    assert all(isinstance(decided(limited(each, said()), treating), Permit) for each in PARTS)


def test_an_agreement_to_be_fed_gives_nothing_to_give():
    """DMP-110: one that speaks of another thing than consultation covers none."""
    part = a_consent(1, "ps-autorisation", "Practitioner/d")
    limited = parse({**part, "provision": {**part["provision"], **PARTS["one"]}})
    assert Deny(("write.none",)) == decided(said(), limited, a_directive("alimentation"))


def test_a_word_that_lets_in_nobody_may_name_who_collects_it():
    """DMP-60, DMP-110."""
    found = decided(said("Practitioner/d", "alimentation"), a_directive())
    assert ("write.collected-consent",) == found.reasons


def test_what_is_collected_refuses_nobody_by_the_way():
    """DMP-53: only the médecin traitant blocks at the holder's request."""
    wanted = said()
    wanted["provision"]["provision"] = [{"type": "deny", "actor": [{"reference": {"reference": "Practitioner/f"}}]}]
    assert Deny(("write.none",)) == decided(wanted, a_directive())
    for kind in ("medecin-traitant", "ps-blocage"):
        nested = {**wanted, "category": said(kind=kind)["category"]}
        standing = (a_directive("medecin-traitant"), a_directive("ps-autorisation", "Practitioner/e"))
        assert Deny(("write.none",)) == decided(nested, *standing)


ALL_HIS_KEYS = {
    "reference": "Practitioner/d",
    "identifier": {"system": "https://rpps.esante.gouv.fr", "value": "10001234567"},
}


@pytest.mark.parametrize(
    ("consent", "taken"),
    [
        (said("Practitioner/d"), True),
        (said("Practitioner/d", provision={"type": "permit", "actor": [{"reference": ALL_HIS_KEYS}]}), True),
        (said("Practitioner/e"), False),
        (said(None), False),
        (said("CareTeam/t"), False),
        (said("Practitioner/d", **UNREADABLE), False),
        (
            said(
                "Practitioner/d",
                provision={
                    "type": "permit",
                    "actor": [{"reference": {"reference": "Practitioner/d"}}],
                    "provision": [{"type": "permit", "actor": [{"reference": {"reference": "Practitioner/e"}}]}],
                },
            ),
            False,
        ),
    ],
)
def test_a_reading_of_the_card_authorises_who_read_it_alone(consent, taken, monkeypatch):
    """DMP-41, where the law takes the word of who read it."""
    believing = replace(settings(), card_reading={"declared": True, "title": "Lecture carte Vitale"})
    monkeypatch.setattr(room, "settings", lambda: believing)
    found = decided(consent)
    assert (("write.vitale-reading",) if taken else ("write.none",)) == found.reasons


def test_the_treating_physician_blocks_who_is_named_and_no_nameless_team():
    """DMP-53."""
    treating = a_directive("medecin-traitant")
    assert ("write.block-at-request",) == decided(said(kind="ps-blocage", type_="deny"), treating).reasons[:1]
    team = said("CareTeam/t", kind="ps-blocage", type_="deny")
    found = decided(team, treating, members={"CareTeam/t": {}})
    assert "write.block-at-request" not in found.reasons
    for other in (
        said(None, kind="ps-blocage", type_="deny"),
        said(kind="ps-blocage"),
        said(kind="ps-autorisation", type_="deny"),
    ):
        assert "write.block-at-request" not in decided(other, treating).reasons


@pytest.mark.parametrize("who", ["RelatedPerson/paul", "Patient/lea"])
def test_the_treating_physician_blocks_nobody_of_the_patients_side(who):
    found = decided(said(who, kind="ps-blocage", type_="deny"), a_directive("medecin-traitant"))
    assert "write.block-at-request" not in found.reasons


@pytest.mark.parametrize(
    ("standing", "handed"),
    [
        ([("ps-autorisation", "permit")], True),
        ([], False),
        ([("etablissement", "permit")], False),
        ([("ps-autorisation", "permit"), ("ps-blocage", "deny")], False),
        ([("ps-autorisation", "permit"), ("urgence-samu", "deny")], True),
    ],
)
def test_the_treating_physician_hands_on_to_who_is_authorised_and_not_blocked(standing, handed):
    """DMP-54."""
    others = [a_directive(kind, "Practitioner/e", type_) for kind, type_ in standing]
    found = decided(said(kind="medecin-traitant"), a_directive("medecin-traitant"), *others)
    assert handed == ("write.hand-on" in found.reasons)


def test_a_party_is_known_by_its_reference_its_identities_and_its_places_and_by_nothing_when_it_has_none():
    told = asking(replace(DESK, reference="Practitioner/x", identities=frozenset({"ps:1"})))
    assert {"Practitioner/x", "ps:1", "Organization/o"} == told.keys
    assert frozenset() == asking(replace(DESK, organizations=frozenset())).keys
