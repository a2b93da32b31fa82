"""Writing: what may be put on record, where a case of `decisions/*.json` cannot tell apart (DMP-45, DMP-91, DMP-92)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_decision import DOCTOR, a_consent, a_directive, asking, document
from test_records import GUARD
from test_wishes import actor, directive

from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.provision import ALWAYS
from fhir_server.consent.settings import settings
from fhir_server.foundation.moment import Interval, micros
from fhir_server.foundation.predicate import matches
from fhir_server.foundation.principal import Kind, Principal

VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
SECRET = settings().hidden_from_representatives
OWN = {"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/d"}]}
HOLDER = Principal(Kind.HOLDER, "l", "c", reference="Patient/lea", identities=frozenset({"Patient/lea"}))


def decided(verb, *directives, who=DOCTOR, type_="DocumentReference", terms=None, **more):
    asked = asking(who, verb=verb, type=type_, **more)
    return decide(asked, Directives(directives, terms or {}), Matrix.load())


@pytest.mark.parametrize("verb", ["create", "update"])
def test_a_record_that_is_not_to_be_fed_is_neither_fed_nor_changed(verb):
    """DMP-45, K11."""
    opposition = parse(a_consent(0, "alimentation", "Practitioner/d", "deny"))
    assert Deny(("feeding.opposed",)) == decided(verb, opposition, proposed=OWN)
    assert Deny(("feeding.opposed",)) != decided("patch", opposition, proposed=OWN)


@pytest.mark.parametrize(("until", "opposed"), [(0, True), (-1, False)])
def test_an_opposition_to_being_fed_that_names_a_team_is_to_who_belongs_to_it_then(until, opposed):
    span = Interval(ALWAYS.lo, micros(asking().now) + until)
    consent = a_consent(0, "alimentation", "CareTeam/t", "deny")
    opposition = parse(consent, {"CareTeam/t": {"Practitioner/d": span}})
    found = decided(
        "create", opposition, directive("alimentation", "", "deny", actor=actor("Practitioner/x")), proposed=OWN
    )
    assert opposed == (Deny(("feeding.opposed",)) == found)


@pytest.mark.parametrize("verb", ["create", "update"])
def test_a_third_representative_is_refused_however_he_comes(verb):
    """DMP-91, K8."""
    person = {"resourceType": "RelatedPerson", "id": "c", "relationship": [GUARD]}
    terms = {"RelatedPerson/a": ALWAYS, "RelatedPerson/b": ALWAYS}
    operator = Principal(Kind.OPERATOR, "o", "c")
    more = {"who": operator, "type_": "RelatedPerson", "proposed": person}
    assert Deny(("representative.too-many",)) == decided(verb, terms=terms, **more)
    assert isinstance(decided(verb, terms={"RelatedPerson/a": ALWAYS}, **more), Permit)


def test_what_is_not_told_of_a_person_makes_nobody_a_contact():
    assert Deny(("write.none",)) == decided("create", who=HOLDER, type_="RelatedPerson")


def labelled(type_: str, *codes: str):
    """With the labels where the type has them."""
    codings = [{"system": VISIBILITY, "code": each} for each in codes]
    if type_ == "DocumentReference":
        return {**OWN, "securityLabel": [{"coding": [each]} for each in codings]}
    return {"resourceType": type_, "meta": {"security": codings}, "performer": [{"reference": "Practitioner/d"}]}


@pytest.mark.parametrize(
    ("type_", "labels", "written"),
    [
        ("DocumentReference", (SECRET,), True),
        ("DocumentReference", (), False),
        ("Observation", (SECRET,), True),
        ("Observation", (), False),
        ("Consent", (SECRET,), False),
        ("RelatedPerson", (SECRET,), False),
    ],
)
def test_in_a_secret_session_is_written_what_the_representatives_do_not_see(type_, labels, written):
    """DMP-92, DMP-141."""
    secret = replace(DOCTOR, secret_session=True)
    found = decided("create", a_directive(), who=secret, type_=type_, proposed=labelled(type_, *labels))
    assert written == (Deny(("session.not-secret",)) != found)


@pytest.mark.parametrize(("labels", "gone"), [([SECRET], True), (["N"], False)])
def test_in_a_secret_session_is_deleted_what_the_representatives_do_not_see(labels, gone):
    secret = replace(DOCTOR, secret_session=True)
    standing = document(author=["Practitioner/d"], label=labels)
    found = decided("delete", a_directive(), who=secret, current=standing)
    assert gone == (isinstance(found, Permit) and matches(found.residual, standing))
    assert Deny(("session.not-secret",)) == decided("delete", a_directive(), who=secret)


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_subscription_is_changed_by_whose_it_is_and_stays_his(verb):
    """DMP-81."""

    def of(who: str):
        facts = {"class": ["own"], "submitter": [who]}
        return {"_id": "Subscription/s", "type": "Subscription", "facts": facts}

    found = decided(verb, type_="Subscription", patient=None)
    assert [True, False] == [matches(found.residual, of(who)) for who in ("Practitioner/d", "Practitioner/x")]
    assert [True, False] == [matches(found.after, of(who)) for who in ("Practitioner/d", "Practitioner/x")]
    assert isinstance(decided("create", type_="Subscription"), Deny)
