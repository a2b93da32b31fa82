"""Consents put on record (ITI-108): what a new one ends, and what the holder is told of one that is wrong (issue 6, point 2)."""

from __future__ import annotations

import pytest

from fhir_server.resources import consent_patterns
from tests.kit import people
from tests.kit.world import opening, practitioner

NOW = "2026-11-23T09:00:00Z"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def consent(category, actor=None, **more):
    return consent_patterns.consent(category, "Patient/lea", NOW, actor=actor, **more)


def foreign(deny=False, **provision):
    """A privacy Consent of no category of ours, that claims no profile: another system's."""
    made = consent("ps-blocage", "Practitioner/diallo", permit=not deny)
    made.pop("meta")
    made["category"] = made["category"][:1]
    made["provision"] = {"type": "deny" if deny else "permit", **provision}
    return made


def recorded(world, resource, who=None, status=201):
    got = world.ask(who or people.holder(), "POST", "Consent", resource)
    assert status == got.status, got.json
    return got.json


def active(world, category):
    return {
        each["id"]: each["provision"]["type"]
        for each in every(world, "Consent")
        if each["status"] == "active" and category in {one["coding"][0]["code"] for one in each["category"]}
    }


def every(world, type_):
    got = world.ask(people.operator(), "GET", f"{type_}?patient=lea&_count=100")
    return [each["resource"] for each in got.json.get("entry", [])]


def told(world):
    """The payloads of the Communications of the record, and the subjects that wait in the outbox."""
    said = [each["payload"][0]["contentString"] for each in every(world, "Communication")]
    waiting = world.house.shelf.database["outbox"].find(
        {"occasion": {"$in": ["consent-unreadable", "consent-contradictory"]}}
    )
    return said, [each["subject"] for each in waiting]


# --- one active of a kind


def test_a_new_treating_physician_ends_the_old_one_in_the_same_transaction(world):
    """DMP-50, DMP-54."""
    (old,) = active(world, "medecin-traitant")
    new = recorded(world, consent("medecin-traitant", "Practitioner/diallo"))

    assert [new["id"]] == list(active(world, "medecin-traitant"))
    ended = world.ask(people.holder(), "GET", f"Consent/{old}")
    assert ("inactive", "2") == (ended.json["status"], ended.json["meta"]["versionId"])
    assert "active" == world.ask(people.holder(), "GET", f"Consent/{old}/_history/1").json["status"]
    traces = world.ask(people.holder(), "GET", f"AuditEvent?patient=lea&entity=Consent/{old}&action=U").json
    assert 1 == traces["total"]
    assert 403 == world.ask(people.doctor(), "GET", "AuditEvent?patient=lea").status
    assert 200 == world.ask(people.radiologist(), "GET", "AuditEvent?patient=lea").status


def test_the_treating_physician_hands_his_standing_on_and_has_it_no_more(world):
    """DMP-54."""
    recorded(world, consent("medecin-traitant", "Practitioner/diallo"), people.doctor())

    assert 1 == len(active(world, "medecin-traitant"))
    assert 404 == world.ask(people.doctor(), "GET", "Patient/lea").status


@pytest.mark.parametrize("category", ["urgence-bris-de-glace", "urgence-samu", "alimentation"])
def test_a_setting_has_one_answer_at_a_time(world, category):
    """DMP-73, K11, K14."""
    assert ["permit"] == list(active(world, category).values())
    recorded(world, consent(category, permit=False))
    assert ["deny"] == list(active(world, category).values())
    recorded(world, consent(category, permit=False, actor="Practitioner/diallo"))
    assert ["deny", "deny"] == list(active(world, category).values())
    recorded(world, consent(category))
    assert {"permit", "deny"} == set(active(world, category).values())
    assert ([], []) == told(world)


def test_authorisations_and_blocks_stand_beside_each_other(world):
    before = len(active(world, "ps-autorisation"))
    recorded(world, consent("ps-autorisation", "Practitioner/diallo", period={"start": "2027-01-01"}))
    recorded(world, consent("ps-blocage", "Practitioner/diallo"))
    assert before + 1 == len(active(world, "ps-autorisation"))
    assert ([], []) == told(world)


def test_what_a_professional_collects_ends_no_refusal_of_the_holders(world):
    """DMP-110, docs/adr/0012: the refusal stands and wins, and the holder is told."""
    recorded(world, consent("urgence-bris-de-glace", permit=False))
    recorded(world, consent("urgence-bris-de-glace"), people.radiologist())

    assert {"permit", "deny"} == set(active(world, "urgence-bris-de-glace").values())
    said, waiting = told(world)
    assert (1, ["Deux de vos consentements se contredisent"]) == (len(said), waiting)


def test_a_transaction_may_end_the_old_one_itself_and_may_not_name_two(world):
    """PCF Option 2, as a client does it."""
    (old,) = active(world, "medecin-traitant")
    ended = {**world.ask(people.holder(), "GET", f"Consent/{old}").json, "status": "inactive"}
    new = {
        "resource": consent("medecin-traitant", "Practitioner/diallo"),
        "request": {"method": "POST", "url": "Consent"},
    }
    entries = [new, {"resource": ended, "request": {"method": "PUT", "url": f"Consent/{old}"}}]

    both = world.ask(
        people.holder(), "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [new, new]}
    )
    assert (422, "business-rule") == (both.status, both.json["issue"][0]["code"])
    assert [old] == list(active(world, "medecin-traitant"))
    made = world.ask(people.holder(), "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert 200 == made.status, made.json
    assert 1 == len(active(world, "medecin-traitant"))
    assert old not in active(world, "medecin-traitant")


def test_an_update_that_makes_a_consent_active_ends_the_other_one_too(world):
    (old,) = active(world, "medecin-traitant")
    asleep = recorded(world, {**consent("medecin-traitant", "Practitioner/diallo"), "status": "proposed"})
    assert [old] == list(active(world, "medecin-traitant"))

    got = world.ask(people.holder(), "PUT", f"Consent/{asleep['id']}", {**asleep, "status": "active"})

    assert 200 == got.status, got.json
    assert [asleep["id"]] == list(active(world, "medecin-traitant"))


def test_a_record_that_its_holder_refused_is_open_when_he_opens_it_again(world):
    """DMP-103, DMP-105."""
    recorded(world, consent("dmp-creation", permit=False))
    assert 403 == world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea").status
    recorded(world, consent("dmp-creation"))
    assert ["permit"] == list(active(world, "dmp-creation").values())
    assert 200 == world.ask(people.radiologist(), "GET", "DocumentReference?patient=lea").status


# --- what cannot be read


UNREADABLE = [
    pytest.param({"action": [{"text": "lire"}]}, "limited by `action`", id="action"),
    pytest.param({"class": [{"code": "x"}]}, "limited by `class`", id="class"),
    pytest.param({"provision": [{"type": "deny"}]}, "the contrary of all", id="contrary"),
    pytest.param({"purpose": [{"code": "TREAT"}]}, "no system", id="purpose"),
]


@pytest.mark.parametrize(("provision", "why"), UNREADABLE)
def test_nobody_but_the_operator_records_what_cannot_be_read_and_it_is_said_why(world, provision, why):
    refused = world.ask(people.holder(), "POST", "Consent", foreign(**provision))

    assert (422, True) == (refused.status, any(why in each["diagnostics"] for each in refused.json["issue"]))
    assert all(each["expression"][0].startswith("Consent.provision") for each in refused.json["issue"])
    assert ([], []) == told(world)


@pytest.mark.parametrize(("provision", "_why"), UNREADABLE)
def test_what_is_brought_and_cannot_be_read_shuts_the_record_and_the_holder_is_told_once(world, provision, _why):
    """DMP-40: by a Communication and a notice, in the transaction that brings it; not on each request."""
    brought = {**foreign(**provision), "id": "etranger"}
    world.put(brought)

    said, waiting = told(world)
    assert (1, ["Un de vos consentements ne peut pas être lu"]) == (len(said), waiting)
    assert "ne peut pas être lu" in said[0]
    for _ in range(2):
        assert 404 == world.ask(people.doctor(), "GET", "Patient/lea").status
    world.put({**brought, "dateTime": "2026-11-24"})
    assert (said, waiting) == told(world)
    (about,) = every(world, "Communication")
    assert ("Consent/etranger", "Patient/lea") == (about["about"][0]["reference"], about["recipient"][0]["reference"])
    assert 200 == world.ask(people.holder(), "GET", f"Communication/{about['id']}").status


def test_what_is_mended_and_goes_wrong_again_is_told_again(world):
    brought = {**foreign(action=[{"text": "lire"}]), "id": "etranger"}
    world.put(brought)
    world.put({**brought, "status": "inactive"})
    assert 200 == world.ask(people.doctor(), "GET", "Patient/lea").status
    world.put(brought)
    assert 2 == len(told(world)[0])


def test_nothing_is_told_of_a_transaction_that_fails(world):
    wrong = {"resourceType": "Observation", "id": "x", "status": "final"}
    entries = [
        {
            "resource": {**foreign(action=[{"text": "lire"}]), "id": "etranger"},
            "request": {"method": "PUT", "url": "Consent/etranger"},
        },
        {"resource": wrong, "request": {"method": "PUT", "url": "Observation/x"}},
    ]
    got = world.ask(people.operator(), "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert 422 == got.status
    assert ([], []) == told(world)


def test_a_team_that_comes_in_the_same_transaction_is_known(world):
    team = {
        "resourceType": "CareTeam",
        "id": "equipe",
        "status": "active",
        "participant": [{"member": {"reference": "Practitioner/diallo"}}],
    }
    block = {**consent("ps-blocage", "CareTeam/equipe"), "id": "blocage"}
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in (block, team)
    ]
    got = world.ask(people.operator(), "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert 200 == got.status, got.json
    assert ([], []) == told(world)
    assert 404 == world.ask(people.radiologist(), "GET", "Patient/lea").status


# --- what contradicts another


def test_two_consents_that_say_yes_and_no_refuse_and_the_holder_is_told(world):
    named = {"actor": consent("ps-blocage", "Practitioner/noel")["provision"]["actor"]}
    noel = people.professional("noel", "10000000009")
    world.put(practitioner("noel", "10000000009", "Noël"))
    recorded(world, foreign(**named))
    assert 200 == world.ask(noel, "GET", "Patient/lea").status
    second = recorded(world, foreign(deny=True, **named))

    assert 404 == world.ask(noel, "GET", "Patient/lea").status
    said, waiting = told(world)
    assert (1, ["Deux de vos consentements se contredisent"]) == (len(said), waiting)
    assert "le refus l'emporte" in said[0]
    world.ask(people.holder(), "PUT", f"Consent/{second['id']}", {**second, "dateTime": "2026-11-24"})
    assert 1 == len(told(world)[0])


@pytest.mark.parametrize(
    "second",
    [
        {"actor": consent("ps-blocage", "Practitioner/noel")["provision"]["actor"]},
        {"purpose": [{"system": REASON, "code": "BTG"}]},
        {"period": {"start": "2030-01-01"}},
        {"data": [{"meaning": "instance", "reference": {"reference": "Patient/lea"}}]},
    ],
    ids=["another actor", "another purpose", "another time", "other data"],
)
def test_an_exception_is_no_contradiction(world, second):
    first = {"purpose": [{"system": REASON, "code": "TREAT"}], "period": {"end": "2029-12-31"}}
    world.put(practitioner("noel", "10000000009", "Noël"))
    recorded(world, foreign(**first))
    recorded(world, foreign(deny=True, **{**first, **second}))
    assert ([], []) == told(world)


def test_an_opening_is_settled_as_any_consent_is(empty):
    from tests.kit.cast import told_of_the_cast

    told_of_the_cast(empty)
    empty.put({**consent("urgence-samu", permit=False), "id": "ancien"})
    assert 200 == empty.ask(people.holder(), "POST", "Patient/lea/$open-record", opening()).status
    assert ["permit"] == list(active(empty, "urgence-samu").values())
