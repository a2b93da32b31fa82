"""Why: a decision told apart is the decision, and each reason names the Consents that alone give it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fhir_server.consent.decision import Permit, decide
from fhir_server.consent.explain import words
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.rules import RULES
from fhir_server.consent.why import why
from fhir_server.foundation.predicate import matches

sys.path.insert(0, str(Path(__file__).parents[2] / "security"))

import decision_cases as cases

READS = [
    (case, ask)
    for case in cases.load()
    for ask in case["asks"]
    if ask.get("verb", "search") not in cases.WRITES and not ask.get("existence")
]
NAMES = {rule.__name__ for rule in RULES}


def ask_of(title, **ask):
    case = next(each for each in cases.load() if each["title"] == title)
    built = cases.world(case)
    return built, cases.request(built, ask)


def told(built, asked, name=None):
    shows = (lambda predicate: matches(predicate, built.envelopes[name])) if name else None
    return why(asked, built.state.directives, Matrix.load(), shows)


@pytest.mark.parametrize("half", range(4))
def test_of_every_case_it_says_what_is_decided(half):
    for case, ask in READS[half::4]:
        built = cases.world(case)
        asked = cases.request(built, ask)
        decision = decide(asked, built.state.directives, Matrix.load())
        for name, envelope in built.envelopes.items():
            found = told(built, asked, name)
            seen = isinstance(decision, Permit) and matches(decision.residual, envelope)
            assert (seen, True) == (found.seen, bool(found.because)), (case["title"], ask, name)
            assert all(each.effect == "grants" for each in found.because) == seen
        for each in told(built, asked).because:
            assert each.reason in words("fr")
            assert each.rule in NAMES or each.reason in ("grant.none", "rule.failed")
            known = {one.id for one in built.state.directives.all}
            assert known >= set(each.consents)


def test_of_a_record_that_may_be_seen_it_says_what_is_withheld_too():
    built, asked = ask_of("Un professionnel autorisé consulte", **{"as": "diallo"})
    found = told(built, asked)
    assert (True, "consent.professional") == (found.seen, found.because[0].reason)
    assert {"label.masked", "matrix.closed"} <= {each.reason for each in found.because if each.effect == "withholds"}


def test_having_written_something_is_no_standing_with_the_record():
    built, asked = ask_of("Sans autorisation, un professionnel ne voit que ce qu'il a écrit", **{"as": "diallo"})
    found = told(built, asked)
    assert (False, ["grant.none", "author.own"]) == (found.seen, [each.reason for each in found.because])
    assert ["author.own"] == [each.reason for each in told(built, asked, "sien").because]
    assert ["grant.none"] == [each.reason for each in told(built, asked, "cr").because]


@pytest.mark.parametrize(
    ("title", "who", "name", "reason", "consents"),
    [
        ("Un blocage par numéro vaut dans les deux écritures, RPPS et 8 suivi du RPPS", "diallo", None, "party.blocked", ["consent-1"]),
        ("Un blocage par numéro vaut dans les deux écritures, RPPS et 8 suivi du RPPS", "bernard", None, "party.blocked", ["consent-2"]),
        ("Une équipe de soins ne compte que si un consentement la nomme", "diallo", "cr", "consent.care-team", ["consent-0"]),
        ("L'hôpital, sauf un de ses praticiens", "voisin", "cr", "provision.denied", ["consent-0"]),
        ("Un document caché à un seul professionnel", "diallo", "bio", "provision.denied", ["consent-1"]),
        ("PCF Basic, reject: le refus annule les autorisations de ses motifs, pas l'urgence", "diallo", "cr", "consent.denied", ["ex-consent-basic-reject"]),
        ("Un troisième niveau ne peut pas être lu", "diallo", "cr", "directive.unreadable", ["consent-1"]),
        ("Un refus nommé qui ne parle que de certaines données retire celles-là", "diallo", "bio", "consent.denied-in-part", ["consent-1"]),
    ],
)  # fmt: skip
def test_a_reason_names_the_consents_that_alone_give_it(title, who, name, reason, consents):
    built, asked = ask_of(title, **{"as": who})
    found = {each.reason: each.consents for each in told(built, asked, name).because}
    assert tuple(f"Consent/{each}" for each in consents) == found[reason]


def test_a_record_that_its_holder_refused_is_closed_by_that_refusal():
    """DMP-103."""
    case = {"title": "", "consents": [{"type": "dmp-creation", "deny": True}], "asks": []}
    built = cases.world(case)
    found = told(built, cases.request(built, {"as": "diallo"}))
    assert [("record.closed", ("Consent/consent-0",))] == [(each.reason, each.consents) for each in found.because]
    assert ["forbids"] == [each.effect for each in found.because]


def test_what_is_seen_is_seen_for_what_grants_it_and_nothing_else():
    built, asked = ask_of("Un professionnel autorisé consulte", **{"as": "diallo"})
    assert [("consent.professional", "grants")] == [
        (one.reason, one.effect) for one in told(built, asked, "cr").because
    ]


def test_what_is_granted_and_kept_back_is_not_said_to_be_granted_by_nothing():
    built, asked = ask_of("Un professionnel autorisé consulte", **{"as": "diallo"})
    found = told(built, asked, "masque")
    assert [("label.masked", "withholds")] == [(each.reason, each.effect) for each in found.because]


def test_what_nobody_grants_and_something_keeps_back_is_said_to_be_both():
    built, asked = ask_of("Sans autorisation, un professionnel ne voit que ce qu'il a écrit", **{"as": "diallo"})
    built = cases.world({**built.case, "documents": ["cr", "masque", "sien"]})
    found = told(built, asked, "masque")
    assert ["label.masked", "grant.none"] == [each.reason for each in found.because]
    assert ["forbids", "forbids"] == [each.effect for each in told(built, asked).because[:1] + found.because[-1:]]
