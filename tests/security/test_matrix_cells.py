"""The matrix beside its classes: deposits, words, types of resources, prohibited parties; each turned over alone."""

from __future__ import annotations

import copy

import decision_cases as cases
import pytest
from test_decisions import AUTHORISED, NOW, TYPES, doctor

from fhir_server.consent.decision import Deny, Permit, decide
from fhir_server.consent.directive import Directives
from fhir_server.consent.matrix import Matrix
from fhir_server.consent.request import AccessRequest
from fhir_server.definitions.library import profile_json
from fhir_server.foundation.predicate import matches
from fhir_server.foundation.principal import Kind, Principal
from fhir_server.resources import facts as facts_room
from tests.kit import changed_law

MATRIX = profile_json("dmp/access-matrix.json")
STRICT = changed_law.changed(("switches", "enforce_write_classes"), True)
HOLDER = Principal(kind=Kind.HOLDER, subject="lea", client="essai", reference="Patient/lea")
OPEN = {"patient": "lea", "now": NOW, "standing": "open"}


def matrix(change) -> Matrix:
    table = copy.deepcopy(MATRIX)
    change(table)
    return Matrix(table, TYPES)


# --- deposits ---


def deposits(table: Matrix, profession: str, class_: str) -> bool:
    """Whether a document of the class is deposited, where the switch holds professions to their classes."""
    proposed = {"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/ps"}]}
    asked = AccessRequest(
        principal=doctor(profession), verb="create", type="DocumentReference", proposed=proposed, **OPEN
    )
    left = {"type": "DocumentReference", "facts": {"patients": ["lea"], "patient": "lea", "class": [class_]}}
    decision = decide(asked, Directives(), table)
    return isinstance(decision, Permit) and matches(decision.after, left)


@pytest.mark.parametrize("profession", MATRIX["professions"])
def test_each_class_of_deposits_turned_over_alone(profession):
    """DMP-119: under `enforce_write_classes`, a profession deposits what its row gives it."""
    written = MATRIX["professions"][profession]["write"]
    with changed_law.under(STRICT):
        for class_ in MATRIX["classes"]:
            assert (class_ in written) == deposits(Matrix.load(), profession, class_)

            def turn(table, class_=class_):
                row = table["professions"][profession]["write"]
                if class_ in row:
                    row.remove(class_)
                else:
                    row.append(class_)

            assert (class_ not in written) == deposits(matrix(turn), profession, class_), class_


# --- types of resources, and the words that no class closes ---

ASKERS = {
    "shared": (doctor("10"), None),
    "own": (doctor("10"), None),
    "operator": (HOLDER, "lea"),
    "binary": (HOLDER, "lea"),
}


def sees(table: Matrix, type_: str, word: str, asker: Principal, patient: str | None) -> bool:
    """Whether the asker sees a resource of that type, which carries the word of its type as its class."""
    of_record = {"patient": patient, "patients": [patient]} if patient else {"author": ["Practitioner/ps"]}
    facts = {"class": [word], **of_record}
    asked = AccessRequest(
        principal=asker, verb="search", type=type_, patient=patient, now=NOW, standing="open" if patient else "none"
    )
    decision = decide(asked, AUTHORISED, table)
    found = {"_id": f"{type_}/x", "type": type_, "facts": facts}
    return isinstance(decision, Permit) and matches(decision.residual, found)


@pytest.mark.parametrize(("type_", "word"), MATRIX["resourceTypes"].items())
def test_each_type_of_resource_turned_over_alone(type_, word, monkeypatch):
    """DMP-119: what is for the operator only becomes the holder's as a report, and anything else is withdrawn."""
    asker, patient = ASKERS.get(word, (HOLDER, "lea"))
    other = "10" if word in ("operator", "binary") else "operator"
    turned = matrix(lambda table: table["resourceTypes"].update({type_: other}))
    before, after = stamped(type_, monkeypatch, word), stamped(type_, monkeypatch, other)
    assert sees(Matrix.load(), type_, before, asker, patient) != sees(turned, type_, after, asker, patient)


def stamped(type_: str, monkeypatch, word: str) -> str:
    """The class that the store stamps on a resource of the type, under that word."""
    with monkeypatch.context() as patch:
        patch.setattr(facts_room, "_words", lambda: {**MATRIX["resourceTypes"], type_: word})
        document = {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]}
        resource = (
            {"resourceType": type_, "type": document} if type_ == "DocumentReference" else {"resourceType": type_}
        )
        return facts_room.facts_of(resource, submitter=[])["class"][0]


@pytest.mark.parametrize("word", [each for each in MATRIX["openWords"] if each not in ("consent", "audit")])
def test_each_open_word_turned_over_alone(word):
    """A word that no class closes is closed to professionals where it is struck out."""
    type_ = next(type_ for type_, each in MATRIX["resourceTypes"].items() if each == word)
    closed = matrix(lambda table: table["openWords"].remove(word))
    assert sees(Matrix.load(), type_, word, doctor("10"), "lea")
    assert not sees(closed, type_, word, doctor("10"), "lea")


@pytest.mark.parametrize(("word", "name"), [("consent", "consent-0"), ("audit", "trace-diallo")])
def test_consents_and_traces_are_open_words_that_other_rules_narrow(word, name):
    """DMP-51, DMP-153: one's own authorisation and trace; struck out, nobody's."""
    given = {"type": "ps-autorisation", "actor": "Practitioner/diallo"}
    built = cases.world({"title": word, "documents": ["trace-diallo"], "consents": [given]})
    closed = matrix(lambda table: table["openWords"].remove(word))
    asked = {"as": "diallo", "type": "Consent" if word == "consent" else "AuditEvent"}
    seen = [
        matches(cases.decided(built, asked, table).residual, built.envelopes[name]) for table in (Matrix.load(), closed)
    ]
    assert [True, False] == seen


# --- prohibited parties ---


def refusal(table: Matrix, party: Principal) -> str | None:
    decision = decide(AccessRequest(principal=party, verb="search", type="Patient", **OPEN), AUTHORISED, table)
    return decision.reasons[0] if isinstance(decision, Deny) else None


def party(**more) -> Principal:
    given = {"kind": Kind.PROFESSIONAL, "subject": "x", "client": "x", "profession": "10", **more}
    return Principal(**given, identities=frozenset({"Practitioner/ps"}))


def without(*path: str):
    """The table with that code struck out, wherever it is a key or an item."""

    def strike(table):
        at = table["prohibited"]
        for key in path[:-1]:
            at = at[key]
        if isinstance(at, dict):
            del at[path[-1]]
        else:
            at.remove(path[-1])

    return matrix(strike)


PROHIBITED = MATRIX["prohibited"]
STRUCK = (
    [(("professions", code), party(profession=code)) for code in PROHIBITED["professions"]]
    + [(("occupationalMedicine", "sectors", code), party(sector=code)) for code in PROHIBITED["occupationalMedicine"]["sectors"]]
    + [
        (("occupationalMedicine", "specialties", code), party(specialties=frozenset({code})))
        for code in PROHIBITED["occupationalMedicine"]["specialties"]
    ]
    + [(("insurance", "sectors", code), party(sector=code)) for code in PROHIBITED["insurance"]["sectors"]]
    + [
        (("insurance", "organizations", code), party(organizations=frozenset({code})))
        for code in PROHIBITED["insurance"]["organizations"]
    ]
)  # fmt: skip
# these stand also among the sectors and specialties that are refused for a narrower reason, which comes first
COVERED = {
    *PROHIBITED["occupationalMedicine"]["sectors"],
    *PROHIBITED["occupationalMedicine"]["specialties"],
    *PROHIBITED["insurance"]["sectors"],
}


@pytest.mark.parametrize(("path", "who"), STRUCK, ids=[".".join(path) for path, _ in STRUCK])
def test_a_prohibited_code_struck_out_refuses_for_that_reason_no_more(path, who):
    """DMP-46, DMP-47, DMP-121: one case for each code."""
    assert refusal(Matrix.load(), who) != refusal(without(*path), who)


@pytest.mark.parametrize("code", [each for each in PROHIBITED["sectors"] if each not in COVERED])
def test_a_prohibited_sector_struck_out_is_refused_no_more(code):
    """DMP-47."""
    assert "party.sector" == refusal(Matrix.load(), party(sector=code))
    assert refusal(without("sectors", code), party(sector=code)) is None


@pytest.mark.parametrize(
    "code", [each for each in (*PROHIBITED["sectors"], *PROHIBITED["specialties"]) if each in COVERED]
)
def test_a_code_that_is_prohibited_twice_stays_refused_when_struck_out_once(code):
    """DMP-47, DMP-122: a switch that lets occupational medicine in lets in nobody by accident."""
    who = party(sector=code) if code in PROHIBITED["sectors"] else party(specialties=frozenset({code}))
    narrower = "insurance" if code in PROHIBITED["insurance"]["sectors"] else "occupationalMedicine"
    group = "sectors" if code in PROHIBITED["sectors"] else "specialties"
    assert refusal(without(group, code), who) is not None
    assert "party.sector" == refusal(without(narrower, group, code), who)
