"""The decision: how verdicts combine, confinement to one record, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from fhir_server.consent import decision as room
from fhir_server.consent.case import months_before, of_age
from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import Directive, Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.obligations import TellHolder
from fhir_server.consent.provision import Provision
from fhir_server.consent.request import AccessRequest, written_by
from fhir_server.consent.settings import read, settings
from fhir_server.definitions.library import load, profile_json
from fhir_server.foundation.moment import micros
from fhir_server.foundation.predicate import NOTHING, Has, matches
from fhir_server.foundation.principal import Kind, Principal, Purpose

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
TYPES = "https://dmp-on-fhir.example/CodeSystem/dmp-consent-type"
DOCTOR = Principal(
    kind=Kind.PROFESSIONAL,
    subject="d",
    client="c",
    reference="Practitioner/d",
    identities=frozenset({"Practitioner/d", "ps:810001234567"}),
    organizations=frozenset({"Organization/o", "org:1750000018"}),
    profession="10",
)
OPERATOR = Principal(kind=Kind.OPERATOR, subject="o", client="c")


def a_consent(index: int, kind: str, actor: str, type_: str = "permit"):
    return {
        "resourceType": "Consent",
        "id": f"c{index}",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": TYPES, "code": kind}]}],
        "patient": {"reference": "Patient/lea"},
        "performer": [{"reference": "Patient/lea"}],
        "provision": {"type": type_, "actor": [{"reference": {"reference": actor}}]},
    }


def asking(principal=DOCTOR, verb="search", patient="lea", **more):
    return AccessRequest(
        principal=principal, verb=verb, type=more.pop("type", "DocumentReference"), patient=patient, now=NOW,
        standing="open", **more,
    )  # fmt: skip


def a_directive(kind="ps-autorisation", actor="Practitioner/d", type_="permit"):
    return parse(a_consent(0, kind, actor, type_))


def document(patient="lea", **facts):
    found = {"patient": patient, "patients": [patient], "class": ["10"], "type": ["11488-4"], **facts}
    return {"_id": "DocumentReference/d", "type": "DocumentReference", "facts": found}


@pytest.mark.parametrize("verb", ["search", "patch"])
@pytest.mark.parametrize("principal", [DOCTOR, OPERATOR])
def test_a_permit_is_confined_to_the_record(principal, verb):
    decision = decide(asking(principal, verb), Directives((a_directive(),)), Matrix.load())
    assert isinstance(decision, Permit)
    assert Has("patients", "lea") in (decision.residual, *getattr(decision.residual, "of", ()))
    assert not matches(decision.residual, document("hugo", author=["Practitioner/d"]))
    if verb == "patch":
        assert not matches(decision.after, document("hugo", author=["Practitioner/d"]))


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("kind", [each for each in Kind if each is not Kind.OPERATOR])
@pytest.mark.parametrize("type_", ["DocumentReference", "Practitioner", "Subscription", "Patient", "AuditEvent", ""])
def test_where_no_record_is_named_nothing_of_any_record_is_shown(kind, purpose, type_):
    party = replace(
        DOCTOR, kind=kind, purpose=purpose, reason="urgence", regulation=True, reference="Patient/lea",
        identities=frozenset({"Patient/lea", "Practitioner/d"}),
    )  # fmt: skip
    decision = decide(asking(party, patient=None, type=type_), Directives(()), Matrix.load())
    own = document(author=["Practitioner/d"], submitter=["Practitioner/d"])
    assert isinstance(decision, Deny) or not matches(decision.residual, own)
    shared = document(**{"class": ["shared"]})
    assert isinstance(decision, Deny) or not matches(decision.residual, shared)


def test_an_operator_without_a_record_sees_everything():
    decision = decide(asking(OPERATOR, patient=None), Directives(()), Matrix.load())
    assert matches(decision.residual, document("hugo"))


def test_an_existence_check_of_an_unknown_ins_shows_nothing_and_refuses_nothing():
    decision = decide(asking(type="Patient", patient=None, existence_check=True), Directives(()), Matrix.load())
    assert isinstance(decision, Permit)
    assert decision.residual == NOTHING


@pytest.mark.parametrize("standing", ["open", "closed", "none"])
def test_an_existence_check_shows_the_whole_patient_only_to_who_may_consult_an_open_record(standing):
    asked = replace(asking(type="Patient", existence_check=True), standing=standing)
    decision = decide(asked, Directives((a_directive(),)), Matrix.load())
    patient = {
        "_id": "Patient/lea",
        "type": "Patient",
        "facts": {"patient": "lea", "patients": ["lea"], "class": ["identity"]},
    }
    view = decision.obligations[0]
    masked = {**patient, "facts": {**patient["facts"], "label": ["MASQUE_PS"]}}
    assert not matches(view.unless, masked)
    assert matches(decision.residual, patient)
    assert (standing == "open") == matches(view.unless, patient)
    assert (False, "active", standing == "open") == (view.treating, view.authorised, view.open_)
    unknown = decide(asked, Directives(()), Matrix.load()).obligations[0]
    assert not matches(unknown.unless, patient)
    assert (False, "none", standing == "open") == (unknown.treating, unknown.authorised, unknown.open_)
    designated = decide(asked, Directives((a_directive("medecin-traitant"),)), Matrix.load()).obligations[0]
    assert (True, standing == "open") == (designated.treating, designated.open_)


def test_who_opens_a_record_for_somebody_makes_an_identity_and_nothing_of_another_record():
    """DMP-20: no record is named, since there is none yet."""
    proposed = {"resourceType": "Patient", "id": "new"}
    asked = replace(
        asking(verb="create", type="Patient", patient=None, operation="open-record-for", proposed=proposed),
        standing="none",
    )
    decision = decide(asked, Directives(()), Matrix.load())
    assert isinstance(decision, Permit)
    made = {"_id": "Patient/new", "type": "Patient", "facts": {"patient": "new", "patients": ["new"]}}
    assert matches(decision.after, made)
    assert not matches(decision.after, document("hugo"))
    changed_one = decide(replace(asked, verb="update", current=made), Directives(()), Matrix.load())
    assert isinstance(changed_one, Deny) or not matches(changed_one.residual, made)


def test_what_was_taken_out_is_told_to_the_ledger():
    seen = decide(asking(type="Communication"), Directives((a_directive(),)), Matrix.load())
    assert ("consent.professional", "notice.of-the-holder") == (seen.reasons[0], seen.withheld[4])


def test_the_treating_physician_reads_earlier_versions_of_his_own_designation_alone():
    """DMP-51."""
    earlier = {"class": ["consent"], "state": ["proposed"], "patients": ["lea"], "patient": "lea"}
    designation = a_directive("medecin-traitant")
    decision = decide(asking(type="Consent"), Directives((designation,)), Matrix.load())
    assert matches(decision.residual, {"_id": designation.id, "type": "Consent", "facts": earlier})
    assert not matches(decision.residual, {"_id": "Consent/other", "type": "Consent", "facts": earlier})


def test_what_belongs_to_no_record_is_made_without_one():
    """A Subscription is its asker's own."""
    proposed = {"resourceType": "Subscription"}
    made = {
        "_id": "Subscription/s",
        "type": "Subscription",
        "facts": {"class": ["own"], "submitter": ["Practitioner/d"]},
    }
    decision = decide(
        asking(verb="create", type="Subscription", patient=None, proposed=proposed), Directives(()), Matrix.load()
    )
    assert matches(decision.after, made)
    assert not matches(decision.after, {**made, "facts": {**made["facts"], "patient": "lea", "patients": ["lea"]}})


def test_somebody_whom_nothing_names_wrote_nothing_that_could_be_seen():
    nameless = replace(DOCTOR, reference=None, identities=frozenset(), organizations=frozenset())
    assert Deny(("grant.none",)) == decide(asking(nameless), Directives(()), Matrix.load())


def test_what_nobody_grants_is_refused_for_that():
    stranger = Principal(kind=Kind.REPRESENTATIVE, subject="x", client="c", reference="RelatedPerson/x")
    assert Deny(("grant.none",)) == decide(asking(stranger), Directives(()), Matrix.load())
    assert Deny(("write.none",)) == decide(asking(verb="create", type="Binary"), Directives(()), Matrix.load())
    of_another = asking(verb="patch", type="Consent", current=document(author=["Practitioner/x"]))
    assert Deny(("write.none",)) == decide(of_another, Directives(()), Matrix.load())


def test_what_stands_decides_which_ways_are_open():
    asked = asking(verb="patch", current=document(author=["Practitioner/x"], state=["current"]))
    decision = decide(asked, Directives((a_directive(),)), Matrix.load())
    assert decision.reasons == ("write.label",)
    assert not matches(decision.after, document(author=["Practitioner/x"], state=["entered-in-error"]))
    own = asking(verb="patch", current=document(author=["Practitioner/d"], state=["current"]))
    mine = decide(own, Directives((a_directive(),)), Matrix.load())
    assert matches(mine.after, document(author=["Practitioner/d"], state=["entered-in-error"]))


def test_without_knowing_what_stands_a_change_may_lead_only_where_every_way_does():
    decision = decide(asking(verb="patch"), Directives((a_directive(),)), Matrix.load())
    assert not matches(decision.after, document(author=["Practitioner/x"]))
    assert not matches(decision.after, document(author=["Practitioner/d"], state=["entered-in-error"]))
    assert matches(decision.after, document(author=["Practitioner/d"], label=["MASQUE_PS"]))


def test_what_cannot_be_seen_cannot_be_changed():
    hidden = document(author=["Practitioner/x"], label=["MASQUE_PS"])
    known = decide(asking(verb="patch", current=hidden), Directives((a_directive(),)), Matrix.load())
    assert Deny(("write.none",)) == known
    unknown = decide(asking(verb="patch"), Directives((a_directive(),)), Matrix.load())
    assert not matches(unknown.residual, hidden)
    assert matches(unknown.residual, document(author=["Practitioner/x"]))


def test_what_is_made_stands_nowhere_before_so_that_nothing_need_be_seen():
    own = {"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/d"}]}
    decision = decide(asking(verb="create", proposed=own), Directives(()), Matrix.load())
    assert Has("patients", "lea") == decision.residual


def test_a_deposit_in_an_emergency_is_told_to_the_holder():
    """DMP-81."""
    own = {"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/d"}]}
    urgent = replace(DOCTOR, purpose=Purpose.BREAK_GLASS, reason="urgence")
    decision = decide(asking(urgent, verb="create", proposed=own), Directives(()), Matrix.load())
    assert (TellHolder("emergency"),) == decision.obligations


def test_an_author_without_identities_wrote_nothing():
    assert not matches(written_by(frozenset()), document(author=[], submitter=[]))
    assert written_by(frozenset()) == NOTHING


def test_who_recorded_a_consent_or_a_patient_is_not_its_author():
    for type_ in ("Consent", "Patient", "RelatedPerson", "AuditEvent", "Communication"):
        made = {
            "_id": f"{type_}/x",
            "type": type_,
            "facts": {"submitter": ["Practitioner/d"], "author": ["Practitioner/d"]},
        }
        assert not matches(written_by(DOCTOR.identities), made)


@pytest.mark.parametrize(
    ("birth", "day", "of_age_"),
    [
        ("2008-11-23", "2026-11-22", False),
        ("2008-11-23", "2026-11-23", True),
        ("2008-02-29", "2026-02-28", False),
        ("2008-02-29", "2026-03-01", True),
        ("2008-11", "2026-10-31", False),
        ("2008-11", "2026-11-01", True),
        ("2008", "2026-01-01", True),
        ("jadis", "2026-01-01", True),
    ],
)
def test_majority_comes_on_the_eighteenth_birthday_and_doubt_brings_it_forward(birth, day, of_age_):
    at = micros(datetime.fromisoformat(day).replace(tzinfo=UTC))
    assert of_age(birth, at, 18) is of_age_


@pytest.mark.parametrize(
    ("day", "before"),
    [
        (datetime(2026, 11, 23, tzinfo=UTC), date(2024, 11, 23)),
        (datetime(2028, 2, 29, tzinfo=UTC), date(2026, 2, 28)),
        (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), date(2024, 1, 31)),
    ],
)
def test_twenty_four_months_before(day, before):
    assert months_before(micros(day), 24) == before


def test_every_r4_type_has_a_class_or_a_word():
    mapped = profile_json("dmp/access-matrix.json")["resourceTypes"]
    assert set(load().types) == set(mapped)


def test_a_type_for_the_operator_has_no_class_and_an_unknown_one_neither():
    assert Matrix.load().class_of("Basic") is None
    assert Matrix.load().class_of("Nothing") is None
    assert Matrix.load().class_of("Observation") == "10"
    assert Matrix.load().class_of("Patient") == "identity"


def test_the_switch_for_occupational_medicine_is_off_and_asks_for_an_express_consent_when_on():
    doctor = Principal(
        kind=Kind.PROFESSIONAL, subject="t", client="c", profession="10", identities=frozenset({"Practitioner/d"}),
        specialties=frozenset({"SM25"}),
    )  # fmt: skip
    assert Matrix.load().forbidden(doctor) == "party.occupational-medicine"
    tables = profile_json("dmp/access-matrix.json"), profile_json("dmp/document-types.json")
    assert Matrix(*tables).forbidden(doctor) == "party.occupational-medicine", "unless told so, it is off"
    on = Matrix(
        profile_json("dmp/access-matrix.json"), profile_json("dmp/document-types.json"), allow_occupational=True
    )
    assert on.forbidden(doctor) is None
    anyone = parse({**a_consent(0, "ps-autorisation", "x"), "category": [], "provision": {"type": "permit"}})
    shut = decide(asking(doctor), Directives((anyone,)), on)
    assert not matches(shut.residual, document())
    assert matches(decide(asking(doctor), Directives((a_directive(),)), on).residual, document())
    urgent = replace(doctor, purpose=Purpose.BREAK_GLASS, reason="urgence")
    assert Deny(("emergency.no-right",)) == decide(asking(urgent), Directives((a_directive(),)), on)


def test_the_switch_for_write_classes_confines_deposits_to_those_of_the_profession(monkeypatch):
    pharmacist = replace(DOCTOR, profession="21")
    said = {"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/d"}]}
    asked = asking(pharmacist, verb="create", proposed=said)
    made = document(author=["Practitioner/d"], **{"class": ["31"], "type": ["18748-4"]})
    assert matches(decide(asked, Directives(()), Matrix.load()).after, made)
    strict = replace(settings(), enforce_write_classes=True)
    monkeypatch.setattr(room, "settings", lambda: strict)
    assert not matches(decide(asked, Directives(()), Matrix.load()).after, made)
    assert matches(decide(asked, Directives(()), Matrix.load()).after, document(author=["Practitioner/d"]))


def test_the_switch_for_declared_card_readings_lets_a_professional_authorise_himself_and_nobody_else(monkeypatch):
    """DMP-41: off as shipped, because the word of who asks proves nothing."""
    word = {"sourceAttachment": {"title": "Lecture carte Vitale"}}
    himself = {**a_consent(9, "ps-autorisation", "Practitioner/d"), **word}
    another = {**a_consent(9, "ps-autorisation", "Practitioner/e"), **word}
    unread = {**himself, "sourceAttachment": {"title": "Accord oral"}}

    def allowed(proposed):
        asked = asking(DOCTOR, verb="create", type="Consent", proposed=proposed, birth="1979-03-12")
        return isinstance(decide(asked, Directives(()), Matrix.load()), Permit)

    assert [False] * 3 == [allowed(each) for each in (himself, another, unread)]
    believing = replace(settings(), card_reading={"declared": True, "title": "Lecture carte Vitale"})
    monkeypatch.setattr(room, "settings", lambda: believing)
    assert [True, False, False] == [allowed(each) for each in (himself, another, unread)]


def test_a_team_is_blocked_by_name_even_where_its_members_were_not_looked_up():
    proposed = a_consent(9, "ps-blocage", "CareTeam/t", "deny")
    holder = Principal(kind=Kind.HOLDER, subject="lea", client="c", reference="Patient/lea")
    asked = asking(holder, verb="create", type="Consent", proposed=proposed)
    assert isinstance(decide(asked, Directives(()), Matrix.load()), Permit)
    assert isinstance(decide(replace(asked, members={}), Directives(()), Matrix.load()), Deny)


def test_a_cell_answers_by_type_then_class_and_without_a_row_no():
    matrix = Matrix.load()
    assert matrix.access("10", "10")
    assert not matrix.access("10", "95", "ATTEST-RESID")
    assert matrix.access("98", "10", "11502-2")
    assert not matrix.access("98", "10")
    assert not matrix.access("10", "00")
    assert not matrix.access("999", "10")


def test_settings_are_read_whole_or_not_at_all():
    with pytest.raises(KeyError):
        read({"switches": {}, "labels": {}})


def looked_at(count: int, asked: AccessRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a decision asks a directive or a provision whether it is in force, names somebody or serves."""
    kinds = ("ps-autorisation", "ps-blocage", "etablissement", "alimentation", "urgence-bris-de-glace", "urgence-samu")
    others = [
        parse(a_consent(index, kinds[index % 6], f"Practitioner/x{index}", "permit" if index % 6 in (0, 2) else "deny"))
        for index in range(1, count)
    ]
    directives, looks = Directives((a_directive(), *others)), 0

    def counted(method):
        def look(*given):
            nonlocal looks
            looks += 1
            return method(*given)

        return look

    with monkeypatch.context() as patch:
        for type_ in (Directive, Provision):
            for name in ("in_force", "serves", "names", "names_team_of"):
                if hasattr(type_, name):
                    patch.setattr(type_, name, counted(getattr(type_, name)))
        decide(asked, directives, Matrix.load())
    return looks


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("verb", ["search", "create"])
def test_a_decision_looks_at_no_more_directives_where_more_name_others(purpose, verb, monkeypatch):
    """Directives are indexed by actor and category when they are parsed; the figures stand in docs/performance.md."""
    asked = asking()
    asked = replace(asked, verb=verb, principal=replace(asked.principal, purpose=purpose, regulation=True, reason="r"))
    assert 0 < looked_at(20, asked, monkeypatch) == looked_at(1000, asked, monkeypatch)
