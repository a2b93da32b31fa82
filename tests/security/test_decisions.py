"""Decisions: every case of `decisions/*.json`, decided without a store; and each cell of the matrix."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import decision_cases as cases
import pytest

from fhir_server.consent import decision as decision_room
from fhir_server.consent.decision import Deny, Permit, decide, refuses, verdicts
from fhir_server.consent.directive import Directives, parse
from fhir_server.consent.explain import words
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.consent.rules import READING, RULES
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.predicate import matches
from fhir_server.foundation.principal import Kind, Principal

ASKS = [
    pytest.param(case, ask, id=f"{case['file']} — {case['title']} [{index}]")
    for case in cases.load()
    for index, ask in enumerate(case["asks"])
]
MATRIX = profile_json("dmp/access-matrix.json")
TYPES = profile_json("dmp/document-types.json")
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(("case", "ask"), ASKS)
def test_a_case_is_decided_as_it_says(case, ask):
    check(cases.world(case), ask)


def check(built, ask):
    decision = cases.decided(built, ask)
    said = verdicts(cases.request(built, ask), built.state.directives, Matrix.load())
    told = {*decision.reasons, *(verdict.reason for _, verdict in said)}
    assert set() == told - words("fr").keys(), "nobody is told a reason without a sentence"
    for word, expected in ask["expect"].items():
        match word:
            case "refused":
                assert Deny((expected,)) == decision
            case "granted":
                assert isinstance(decision, Permit), decision
                assert expected in decision.reasons
            case "obliged":
                assert isinstance(decision, Permit), decision
                assert expected == sorted(type(each).__name__ for each in decision.obligations)
            case "sees":
                assert isinstance(decision, Permit), decision
                found = [name for name in expected if matches(decision.residual, built.envelopes[name])]
                assert expected == found
            case "hides":
                shown = (
                    [name for name in expected if matches(decision.residual, built.envelopes[name])]
                    if isinstance(decision, Permit)
                    else []
                )
                assert [] == shown
            case "allowed":
                assert expected == allowed(built, ask, decision), decision
            case _:
                pytest.fail(f"`{word}` is not an expectation")


def allowed(built, ask, decision) -> bool:
    if isinstance(decision, Deny):
        return False
    if "on" in ask and not matches(decision.residual, built.envelopes[ask["on"]]):
        return False
    left = cases.after(built, ask)
    return left is None or matches(decision.after, left)


def test_every_rule_has_a_case():
    proved = {case["rule"] for case in cases.load()}
    assert [] == [rule.__name__ for rule in RULES if rule.__name__ not in proved]


def test_every_case_names_a_rule():
    names = {rule.__name__ for rule in RULES}
    assert [] == [case["title"] for case in cases.load() if case["rule"] not in names]


def test_every_example_of_pcf_is_a_case():
    used = {each["example"] for case in cases.load() for each in case.get("consents", ()) if "example" in each}
    assert {path.name for path in cases.EXAMPLES.glob("Consent-*.json")} == used


# --- the matrix, cell by cell (DMP-119) ---


def doctor(profession: str) -> Principal:
    return Principal(
        kind=Kind.PROFESSIONAL,
        subject="ps",
        client="essai",
        identities=frozenset({"Practitioner/ps"}),
        profession=profession,
    )


def authorised() -> Directives:
    given = {"type": "ps-autorisation", "actor": "Practitioner/ps"}
    return Directives((parse(cases.consent(given, 0, cases.cast()["record"])),))


AUTHORISED = authorised()


def sees(matrix: Matrix, profession: str, class_: str, type_: str | None = None) -> bool:
    facts = {"patients": ["lea"], "patient": "lea", "class": [class_], "type": [type_] if type_ else []}
    document = {"_id": "DocumentReference/d", "type": "DocumentReference", "facts": facts}
    asked = AccessRequest(
        principal=doctor(profession), verb="search", type="DocumentReference", patient="lea", now=NOW, standing="open"
    )
    decision = decide(asked, AUTHORISED, matrix)
    return isinstance(decision, Permit) and matches(decision.residual, document)


CELLS = [(profession, class_) for profession, row in MATRIX["professions"].items() for class_ in row["classes"]]
EXCEPTIONS = [(profession, type_) for profession, row in MATRIX["professions"].items() for type_ in row["types"]]


@pytest.mark.parametrize("profession", MATRIX["professions"])
def test_each_class_is_read_as_the_row_says(profession):
    row = MATRIX["professions"][profession]["classes"]
    expected = {class_: cell["access"] == "yes" for class_, cell in row.items()}
    assert expected == {class_: sees(Matrix.load(), profession, class_) for class_ in row}


@pytest.mark.parametrize("profession", MATRIX["professions"])
def test_each_type_is_read_as_its_exception_or_its_class_says(profession):
    row = MATRIX["professions"][profession]
    expected = {
        type_: (row["types"].get(type_) or row["classes"].get(each["class"], {"access": "no"}))["access"] == "yes"
        for type_, each in TYPES["types"].items()
    }
    assert expected == {
        type_: sees(Matrix.load(), profession, each["class"], type_) for type_, each in TYPES["types"].items()
    }


@pytest.mark.parametrize("profession", MATRIX["professions"])
def test_a_flipped_cell_changes_the_decision(profession):
    """Each cell of a row turned over alone, and each of its exceptions."""
    for class_, cell in MATRIX["professions"][profession]["classes"].items():
        turned = flipped(profession, "classes", class_)
        assert (cell["access"] != "yes") == sees(turned, profession, class_), class_
    for type_, cell in MATRIX["professions"][profession]["types"].items():
        turned = flipped(profession, "types", type_)
        assert (cell["access"] != "yes") == sees(turned, profession, TYPES["types"][type_]["class"], type_), type_


def flipped(profession: str, group: str, name: str) -> Matrix:
    row = copy.deepcopy(MATRIX["professions"][profession])
    row[group][name]["access"] = "no" if row[group][name]["access"] == "yes" else "yes"
    return Matrix({**MATRIX, "professions": {profession: row}}, TYPES)


@pytest.mark.parametrize("profession", ["32", "38", "69", "300", "312", "999"])
def test_a_profession_without_a_row_reads_no_class(profession):
    assert [] == [class_ for class_ in MATRIX["classes"] if sees(Matrix.load(), profession, class_)]


def test_a_document_of_a_type_the_dmp_does_not_know_is_closed_to_everybody():
    asked = AccessRequest(
        principal=doctor("10"), verb="search", type="DocumentReference", patient="lea", now=NOW, standing="open"
    )
    document = {"_id": "DocumentReference/d", "type": "DocumentReference", "facts": {"patients": ["lea"]}}
    assert not matches(decide(asked, AUTHORISED, Matrix.load()).residual, document)


# --- forbidden parties (DMP-46, DMP-47, DMP-121), also asked at token issue ---

PROHIBITED = MATRIX["prohibited"]


@pytest.mark.parametrize("code", PROHIBITED["professions"])
def test_a_prohibited_profession_is_refused(code):
    assert refuses(doctor(code)) == "party.role"
    assert denied(doctor(code)) == "party.role"


@pytest.mark.parametrize("code", PROHIBITED["sectors"])
@pytest.mark.parametrize("kind", [Kind.PROFESSIONAL, Kind.ESTABLISHMENT])
def test_a_prohibited_sector_is_refused(code, kind):
    party = Principal(kind=kind, subject="x", client="x", profession="10", sector=code)
    assert refuses(party) is not None
    assert refuses(party) == denied(party)


@pytest.mark.parametrize("code", PROHIBITED["specialties"])
def test_a_prohibited_specialty_is_refused(code):
    party = Principal(kind=Kind.PROFESSIONAL, subject="x", client="x", profession="10", specialties=frozenset({code}))
    assert refuses(party) == "party.occupational-medicine"
    assert denied(party) == "party.occupational-medicine"


@pytest.mark.parametrize("organization", PROHIBITED["insurance"]["organizations"])
def test_the_patients_own_fund_is_refused(organization):
    party = Principal(
        kind=Kind.PROFESSIONAL, subject="x", client="x", profession="10", organizations=frozenset({organization})
    )
    assert refuses(party) == "party.insurer"


def denied(party: Principal) -> str:
    asked = AccessRequest(principal=party, verb="read", type="Patient", patient="lea", now=NOW, standing="open")
    decision = decide(asked, AUTHORISED, Matrix.load())
    assert isinstance(decision, Deny)
    return decision.reasons[0]


# --- no rule is idle ---


@pytest.fixture(scope="module")
def worlds():
    return [(cases.world(case), case["asks"]) for case in cases.load()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_without_this_rule_a_case_falls(rule, worlds, monkeypatch):
    monkeypatch.setattr(decision_room, "RULES", tuple(each for each in RULES if each is not rule))
    monkeypatch.setattr(decision_room, "READING", tuple(each for each in READING if each is not rule))
    assert any(not holds(built, ask) for built, asks in worlds for ask in asks)


def holds(built, ask) -> bool:
    try:
        check(built, ask)
    except (AssertionError, AttributeError):
        return False
    return True
