"""Several Consents together: what one ends, what contradicts what, and when one takes back all it says (ADR 31)."""

from __future__ import annotations

import pytest

from fhir_server.consent.contradiction import contradicted
from fhir_server.consent.directive import UNREADABLE, parse
from fhir_server.consent.provision import ALWAYS
from fhir_server.consent.settings import settings
from fhir_server.consent.succession import succeeded

TYPES = "https://dmp-on-fhir.example/CodeSystem/dmp-consent-type"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def said(id_, kind=None, *, deny=False, by="Patient/lea", status="active", members=None, **provision):
    categories = [{"coding": [{"system": TYPES, "code": kind}]}] if kind else []
    consent = {
        "resourceType": "Consent",
        "id": id_,
        "status": status,
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": categories,
        "performer": [{"reference": by}],
        "provision": {"type": "deny" if deny else "permit", **provision},
    }
    return parse(consent, members)


def actors(*references):
    return [{"reference": {"reference": each}} for each in references]


def purposes(*codes):
    return [{"system": REASON, "code": each} for each in codes]


def labels(code):
    return [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": code}]


X, Y = actors("Practitioner/x"), actors("Practitioner/y")
DATA = [{"meaning": "instance", "reference": {"reference": "DocumentReference/d"}}]


def ended(new, *others, **how):
    return [each.id.partition("/")[2] for each in succeeded(new, [*others, new], **how)]


def test_a_new_treating_physician_ends_every_other_one_of_the_record():
    """DMP-50, DMP-54."""
    others = [
        said("a", "medecin-traitant", actor=X),
        said("b", "medecin-traitant", actor=Y),
        said("c", "ps-autorisation", actor=X),
    ]
    assert ["a", "b"] == ended(said("new", "medecin-traitant", actor=X), *others)


@pytest.mark.parametrize("kind", ["alimentation", "urgence-bris-de-glace", "urgence-samu"])
def test_a_setting_ends_that_of_the_same_actors_whatever_it_said(kind):
    """DMP-73, K11."""
    others = [said("all", kind, deny=True), said("x", kind, deny=True, actor=X), said("both", kind, actor=[*X, *Y])]
    assert ["all"] == ended(said("new", kind), *others)
    assert ["x"] == ended(said("new", kind, actor=X), *others)
    assert ["both"] == ended(said("new", kind, deny=True, actor=[*Y, *X]), *others)


def test_teams_are_the_same_when_their_members_are():
    one, two = {"CareTeam/t": {"Practitioner/x": ALWAYS}}, {"CareTeam/t": {"Practitioner/y": ALWAYS}}
    team = actors("CareTeam/t")
    old = said("old", "alimentation", actor=team, members=one)
    assert ["old"] == ended(said("new", "alimentation", actor=team, members=one), old)
    assert [] == ended(said("new", "alimentation", actor=team, members=two), old)


@pytest.mark.parametrize("kind", ["ps-autorisation", "ps-blocage", "etablissement", "representant-legal", None])
def test_of_other_kinds_several_stand_beside_each_other(kind):
    assert [] == ended(said("new", kind, actor=X), said("old", kind, actor=X))


def test_what_is_not_active_ends_nothing_and_is_not_ended():
    old, new = (said(each, "medecin-traitant", actor=X, status="inactive") for each in ("old", "new"))
    assert [] == ended(new, said("old", "medecin-traitant", actor=X))
    assert [] == ended(said("new", "medecin-traitant", actor=X), old)


def test_what_somebody_collected_ends_no_refusal_but_may_refuse_and_hand_on():
    """DMP-54, DMP-110."""
    refusal, agreement = said("no", "urgence-samu", deny=True), said("yes", "urgence-samu")
    assert [] == ended(said("new", "urgence-samu"), refusal, own=False)
    assert ["yes"] == ended(said("new", "urgence-samu", deny=True), agreement, own=False)
    assert ["mt"] == ended(said("new", "medecin-traitant", actor=Y), said("mt", "medecin-traitant", actor=X), own=False)


def test_the_kinds_of_which_one_is_active_are_data():
    assert {"record", "actors"} == set(settings().one_active.values())


# --- contradictions


def contradicts(one, other):
    found = contradicted(one, [other, one])
    assert (found == (other,)) == (contradicted(other, [one]) == (one,)), "it takes two"
    return found == (other,)


def test_yes_and_no_of_one_person_about_the_same_contradict():
    assert contradicts(said("a"), said("b", deny=True))
    assert contradicts(said("a", actor=X), said("b", deny=True, actor=[*X, *Y]))
    assert contradicts(said("a", "urgence-samu"), said("b", "urgence-samu", deny=True))
    assert contradicts(said("a", securityLabel=labels("R")), said("b", deny=True, securityLabel=labels("R")))
    assert contradicts(said("a", data=DATA), said("b", deny=True, data=DATA))
    assert contradicts(said("a", purpose=purposes("TREAT", "BTG")), said("b", deny=True, purpose=purposes("BTG")))
    assert contradicts(said("a", purpose=purposes("TREAT")), said("b", deny=True))
    assert contradicts(said("a", period={"end": "2026-06-30"}), said("b", deny=True, period={"start": "2026-06-30"}))
    instant = "2026-06-30T10:00:00.000001Z"
    assert contradicts(said("a", period={"end": instant}), said("b", deny=True, period={"start": instant}))
    team = {"CareTeam/t": {"Practitioner/x": ALWAYS}}
    assert contradicts(said("a", actor=X), said("b", deny=True, actor=actors("CareTeam/t"), members=team))


def test_what_differs_in_one_point_does_not():
    yes = said("a", actor=X, purpose=purposes("TREAT"), period={"end": "2026-06-30"})
    no = {"deny": True, "actor": X, "purpose": purposes("TREAT"), "period": {"end": "2026-06-30"}}
    assert contradicts(yes, said("b", **no))
    for change in (
        {"deny": False},
        {"by": "RelatedPerson/paul"},
        {"status": "inactive"},
        {"kind": "ps-blocage"},
        {"actor": Y},
        {"purpose": purposes("BTG")},
        {"period": {"start": "2026-07-01"}},
        {"securityLabel": labels("R")},
        {"data": DATA},
        {"dataPeriod": {"end": "2020"}},
    ):
        assert not contradicts(yes, said("b", **{**no, **change})), change
    everybody = {name: each for name, each in no.items() if name != "actor"}
    assert not contradicts(yes, said("b", **everybody))
    assert not contradicts(yes, said("b", modifierExtension=[{}], deny=True))
    later = {"deny": True, "period": {"start": "2026-06-30T10:00:00.000002Z"}}
    assert not contradicts(said("a", period={"end": "2026-06-30T10:00:00.000001Z"}), said("b", **later))


# --- one that takes back all it says


def taken_back(nested, **root):
    found = said("c", provision=[nested], **root)
    assert (found.kind == UNREADABLE) == (found.unread is not None)
    return found.unread == "a nested provision says the contrary of all that its root says"


def test_a_nested_provision_that_leaves_nothing_of_its_root_makes_it_unreadable():
    assert taken_back({"type": "deny"})
    assert taken_back({"type": "permit"}, deny=True)
    assert taken_back({"type": "deny"}, actor=X, purpose=purposes("TREAT"), securityLabel=labels("R"))
    assert taken_back({"type": "deny", "actor": [*X, *Y]}, actor=X)
    assert taken_back({"type": "deny", "purpose": purposes("TREAT", "BTG")}, purpose=purposes("TREAT"))
    assert taken_back({"type": "permit", "securityLabel": labels("R")}, deny=True, securityLabel=labels("R"))
    assert taken_back({"type": "deny", "period": {"start": "2026"}}, period={"start": "2026", "end": "2027"})


def test_an_exception_in_part_is_read():
    for nested, root in (
        ({"type": "permit"}, {}),
        ({"type": "deny", "actor": X}, {}),
        ({"type": "deny", "actor": X}, {"actor": [*X, *Y]}),
        ({"type": "deny", "purpose": purposes("TREAT")}, {}),
        ({"type": "deny", "purpose": purposes("TREAT")}, {"purpose": purposes("TREAT", "BTG")}),
        ({"type": "deny", "period": {"start": "2027"}}, {"period": {"start": "2026"}}),
        ({"type": "deny", "period": {"end": "2026"}}, {"period": {"start": "2026", "end": "2027"}}),
        ({"type": "deny", "securityLabel": labels("R")}, {}),
        ({"type": "deny", "data": DATA}, {"securityLabel": labels("R")}),
        ({"type": "deny", "dataPeriod": {"end": "2020"}}, {}),
    ):
        assert not taken_back(nested, **root), (nested, root)


def test_a_period_that_ends_before_it_begins_is_not_read():
    """A refusal that is never in force would refuse nobody."""
    backwards = {"start": "2026-06-30", "end": "2026-06-01"}
    for found in (
        said("c", period=backwards),
        said("c", dataPeriod=backwards),
        said("c", provision=[{"type": "deny", "period": backwards}]),
    ):
        assert "a period ends before it begins" == found.unread
    assert said("c", period={"start": "2026-06-30", "end": "2026-06-30"}).unread is None
