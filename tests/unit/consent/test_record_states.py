"""The state of a record: what it says to a request, and what it would be if a Consent were on record (decisions 19)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from test_directive import a_consent, actor
from test_records import GUARD, Freshness, Shelf, _a_store, a_record, a_team  # noqa: F401 - a fixture for all of these

from fhir_server.consent import directives as room
from fhir_server.consent.directive import one_too_many, parse
from fhir_server.consent.directives import Records, life_of, state_of
from fhir_server.consent.request import AccessRequest, Life
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.moment import interval
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.resources.closing import closed

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
NOT_ONLINE = profile_json("dmp/rules.json")["creation"]["notOnline"]
OF_HIS_SIDE = {
    "resourceType": "RelatedPerson",
    "id": "paul",
    "relationship": [GUARD],
}


def named(id_: str, kind: str, who: str, **more):
    return {**a_consent(kind, actor=actor(who)), "id": id_, **more}


def a_state(*consents, **patient):
    holder = {"resourceType": "Patient", "id": "lea", "active": True, "birthDate": "2012-01-01", **patient}
    return state_of(holder, consents, (OF_HIS_SIDE,), {})


def ids(state) -> set[str]:
    return {each.id for each in state.directives.all}


def refusal(id_: str = "non", **more):
    return {**a_consent("dmp-creation"), "id": id_, "provision": {"type": "deny"}, **more}


def test_a_record_tells_a_request_all_that_it_says_of_itself():
    state = a_state(deceasedBoolean=True)
    asker = Principal(kind=Kind.HOLDER, subject="lea", client="c", reference="Patient/lea")
    asked = state.asked(asker, "create", "Consent", NOW, patient="lea", operation="close-record")
    assert asked == AccessRequest(
        principal=asker,
        verb="create",
        type="Consent",
        patient="lea",
        now=NOW,
        operation="close-record",
        standing="open",
        birth="2012-01-01",
        representatives=frozenset({"RelatedPerson/paul"}),
        life=Life(deceased=True),
    )


def test_an_assumed_consent_stands_beside_the_others_and_the_terms_of_representatives_stay():
    state = a_state(named("a", "ps-autorisation", "Practitioner/x"))
    then = state.assuming(parse(named("b", "ps-autorisation", "Practitioner/y")))
    assert ({"Consent/a"}, {"Consent/a", "Consent/b"}) == (ids(state), ids(then))
    assert state.directives.terms == then.directives.terms != {}
    assert (state.standing, state.representatives, state.birth) == (then.standing, then.representatives, then.birth)


def test_an_assumed_consent_ends_what_it_would_end_on_record():
    """DMP-50: of médecins traitants there is one."""
    state = a_state(
        named("old", "medecin-traitant", "Practitioner/x"), named("else", "ps-autorisation", "Practitioner/x")
    )
    then = state.assuming(parse(named("new", "medecin-traitant", "Practitioner/y")))
    assert {"Consent/else", "Consent/new"} == ids(then)


def test_an_assumed_consent_that_is_not_active_changes_nothing():
    state = a_state(named("old", "medecin-traitant", "Practitioner/x"))
    then = state.assuming(parse(named("new", "medecin-traitant", "Practitioner/y", status="inactive")))
    assert {"Consent/old"} == ids(then)


@pytest.mark.parametrize(
    ("assumed", "patient", "standing"),
    [
        (refusal(), {}, "closed"),
        (refusal(status="inactive"), {}, "open"),
        (named("b", "ps-blocage", "Practitioner/y", provision={"type": "deny", "actor": actor("Practitioner/y")}), {}, "open"),
        ({**a_consent("dmp-creation"), "id": "oui"}, {}, "open"),
        (named("b", "ps-autorisation", "Practitioner/y"), {"active": False}, "none"),
    ],
    ids=["a refusal", "a refusal taken back", "another denial", "an agreement", "no record"],
)  # fmt: skip
def test_an_assumed_refusal_of_the_record_shuts_it_and_nothing_else_does(assumed, patient, standing):
    """DMP-102."""
    assert standing == a_state(**patient).assuming(parse(assumed)).standing


def test_a_refusal_that_stands_shuts_what_is_assumed_beside_it():
    state = a_state(refusal())
    assert "closed" == state.standing == state.assuming(parse(named("b", "ps-autorisation", "Practitioner/y"))).standing


@pytest.mark.parametrize(
    ("patient", "life"),
    [
        ({}, Life()),
        ({"deceasedBoolean": True}, Life(deceased=True)),
        ({"extension": [{"url": NOT_ONLINE, "valueBoolean": True}]}, Life(offline=True)),
        ({"extension": [{"url": NOT_ONLINE, "valueBoolean": False}]}, Life()),
        ({"extension": [{"url": "https://example.org", "valueBoolean": True}]}, Life()),
    ],
)
def test_a_patient_says_of_the_life_of_its_record(patient, life):
    """DMP-21, DMP-105."""
    assert life == life_of({"id": "lea", **patient})


def test_a_closed_record_tells_the_day_and_the_motive():
    """DMP-102."""
    motive = next(iter(profile_json("dmp/closing-reasons.json")["codes"]))
    found = life_of(closed({"id": "lea"}, "2026-03-01", motive))
    assert ("2026-03-01", motive, False, False) == (found.closed, found.motive, found.deceased, found.offline)


@pytest.mark.parametrize(("meta", "version"), [({"versionId": "7"}, 7), ({"versionId": "x"}, 0), ({}, 0), (None, 0)])
def test_a_state_is_of_a_version_of_the_patient(meta, version):
    assert version == a_state(**({} if meta is None else {"meta": meta})).version


@pytest.mark.parametrize(
    ("period", "others", "too_many"),
    [
        ({}, [], False),
        ({}, [("2020", "2020")], False),
        ({}, [("2020", "2020"), ("2020", "2020")], True),
        ({"start": "2021"}, [("2020", "2020"), ("2020", "2020")], False),
        ({"start": "2020-12-31"}, [("2020", "2020"), ("2020", "2020")], True),
        ({"end": "2019"}, [("2020", "2020"), ("2020", "2020")], False),
        ({"end": "2020-01-01"}, [("2020", "2020"), ("2020", "2020")], True),
    ],
)
def test_two_represent_at_once_and_a_third_is_one_too_many(period, others, too_many):
    """K8."""
    terms = {f"RelatedPerson/{n}": span for n, span in enumerate(map(interval, [lo for lo, _ in others]))}
    person = {**OF_HIS_SIDE, "period": period}
    assert too_many == one_too_many(person, terms, 2)


@pytest.mark.parametrize("instant", ["start", "end"])
def test_who_comes_in_the_last_instant_of_others_or_goes_in_their_first_is_one_too_many(instant):
    """K8: periods include both their ends."""
    edge = interval("2020-06-01T10:00:00Z")
    terms = dict.fromkeys(("RelatedPerson/a", "RelatedPerson/b"), edge)
    bound = {"start": "2020-06-01T10:00:00.999999Z", "end": "2020-06-01T10:00:00.000000Z"}[instant]
    assert one_too_many({**OF_HIS_SIDE, "period": {instant: bound}}, terms, 2)


def test_what_is_remembered_is_asked_for_as_what_nobody_knows(monkeypatch):
    """Decisions 17: as many round trips; a record that is not remembered costs its own."""
    asked = []
    shelf = Shelf(a_record())
    records = Records(shelf, Freshness())
    records.record("lea")
    monkeypatch.setattr(room.unguarded, "directives_of", lambda *given: asked.append(given))
    records.as_if_unknown(("lea", "hugo"))
    assert [(shelf, "lea")] == asked


def test_a_record_is_read_by_its_own_id(monkeypatch):
    asked = []

    def directives_of(shelf, patient):
        asked.append((shelf, patient))
        return a_record()

    monkeypatch.setattr(room.unguarded, "directives_of", directives_of)
    shelf = Shelf({})
    Records(shelf, Freshness()).record("lea")
    assert [(shelf, "lea")] == asked


def test_two_records_are_remembered_where_two_may_be():
    shelf = Shelf(a_record())
    records = Records(shelf, Freshness(), capacity=2)
    records.record("lea")
    shelf.found = a_record(id="hugo")
    records.record("hugo")
    records.record("hugo")
    assert 2 == shelf.asked
    shelf.found = a_record()
    records.record("lea")
    assert 2 == shelf.asked
    shelf.found = a_record(id="zoe")
    records.record("zoe")
    shelf.found = a_record()
    records.record("lea")
    assert 3 == shelf.asked
    shelf.found = a_record(id="hugo")
    records.record("hugo")
    assert 4 == shelf.asked


def test_a_team_that_is_not_stored_yet_is_followed_into_the_directory():
    person = {"resourceType": "Practitioner", "id": "x", "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": "10001234567"}]}  # fmt: skip
    records = Records(Shelf({}, {"Practitioner/x": person}), Freshness())
    consent = a_consent(actor=actor("CareTeam/t"))
    beside = {"CareTeam/t": a_team("t", "Practitioner/x", "Practitioner/unknown")}
    found = records.members_of(consent, beside=beside)
    assert {"Practitioner/x", "ps:810001234567", "Practitioner/unknown"} == set(found["CareTeam/t"])


def test_several_members_are_looked_up_and_an_unknown_team_stands_for_nobody():
    inner, outer = a_team("i", "Practitioner/x"), a_team("o", "CareTeam/i", "Practitioner/y")
    person = {"resourceType": "Practitioner", "id": "x", "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": "10001234567"}]}  # fmt: skip
    shelf = Shelf({}, {"CareTeam/o": outer, "CareTeam/i": inner, "Practitioner/x": person})
    records = Records(shelf, Freshness())
    found = records.members_of(a_consent(actor=[*actor("CareTeam/o"), *actor("CareTeam/none")]))
    assert {"Practitioner/x", "ps:810001234567", "Practitioner/y"} == set(found["CareTeam/o"])
    assert "CareTeam/none" not in found
