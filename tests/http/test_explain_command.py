"""`fhir-server explain`: a person, a record or a document, a mode, a moment; and a Consent that is not there yet."""

from __future__ import annotations

import json

from fhir_server.resources import consent_patterns
from fhir_server.sandbox.dossier import PLACE
from fhir_server.smart.accounts import canonical

LETTER = "DocumentReference/paul-consultation"


def test_a_decision_is_explained_with_its_reasons_and_its_filter(loaded, run):
    treating = run("explain", "--as", "dr-moreau", "--patient", "paul-martin").output
    assert "permit" in treating
    assert "consent.treating-physician" in treating
    assert '"facts.patients": "paul-martin"' in treating
    assert "{}" not in treating  # what is settled by the type and the record does not reach MongoDB
    refused = run("explain", "--as", "dr-garnier", "--patient", "paul-martin", "--language", "en").output
    assert "deny" in refused
    assert "party.occupational-medicine: Occupational medicine" in refused
    assert "Patient/lea-martin: none" in run("explain", "--as", "lea-martin", "--patient", "lea-martin").output
    emergency = ("explain", "--as", "dr-roux", "--patient", "paul-martin", "--purpose", "BTG")
    assert "emergency.no-reason" in run(*emergency).output
    reasoned = run(*emergency, "--reason", "inconscient").output
    assert "permit" in reasoned
    assert "obliged   the holder is told of the access" in reasoned


def test_somebody_is_named_by_a_number_a_place_or_the_identifier_he_signs_in_with(loaded, run, database):
    def who(name):
        return run("explain", "--as", name, "--patient", "paul-martin").output.splitlines()[0]

    assert who("dr-moreau") == who("99700900014") == who("899700900014") == who("ps:899700900014")
    assert "professional, 10, TREAT, at Organization/cabinet-tilleuls" in who("dr-moreau")
    assert "Organization/hopital-vallee" in who("Organization/hopital-vallee")
    account = {"identifier": canonical("paulmartin"), "reference": "Patient/paul-martin", "password": "x"}
    account |= {"channel": "mail", "address": "x@example.org", "kind": "holder"}
    database["smart_accounts"].insert_one({"_id": "a", **account})
    assert "holder, PATRQT" in who("paul-martin") == who("paulmartin")


def test_a_document_is_explained_by_what_causes_each_reason(loaded, run):
    seen = run("explain", "--as", "dr-moreau", "--about", LETTER).output
    assert "permit: it is seen" in seen
    assert "(treating_physician Consent/paul-medecin-traitant)" in seen
    assert "deny" in run("explain", "--as", "dr-diallo", "--about", LETTER).output
    assert "party.holder" in run("explain", "--as", "Patient/paul-martin", "--about", LETTER).output


def test_a_moment_is_one_of_those_that_a_period_knows(loaded, run):
    before = run(
        "explain", "--as", "inf-petit", "--patient", "paul-martin", "--at", "2001-01-01", "--language", "en"
    ).output
    assert ("at 2001-01-01T00:00:00+00:00" in before, "grant.none: Nothing permits" in before) == (True, True)
    assert "consent.professional" in run("explain", "--as", "inf-petit", "--patient", "paul-martin").output


def test_a_consent_that_is_assumed_is_decided_upon_and_not_written(loaded, run, tmp_path, database):
    consent = consent_patterns.consent(
        "ps-blocage", "Patient/paul-martin", "2026-11-23T10:00:00Z", actor="Practitioner/dr-moreau"
    )
    (tmp_path / "blocage.json").write_text(json.dumps(consent))
    before = database["resources"].count_documents({})

    told = run(
        "explain", "--as", "dr-moreau", "--patient", "paul-martin", "--assume", str(tmp_path / "blocage.json")
    ).output

    now, _, then = told.partition("with blocage.json")
    assert ("permit" in now, "party.blocked" in now) == (True, False)
    assert ("deny" in then, "(blocked Consent/assumed)" in then) == (True, True)
    assert before == database["resources"].count_documents({})


def test_what_cannot_be_explained_says_why(loaded, run, tmp_path):
    record = ["--as", "dr-roux", "--patient", "paul-martin"]
    consent = json.loads((PLACE / "Consent-paul-autorise-petit.json").read_text("utf-8"))
    for name, given in {
        "none": {"resourceType": "Basic"},
        "other": {**consent, "patient": {"reference": "Patient/lea-martin"}},
        "adr": {**consent, "scope": {"coding": [{"code": "adr"}]}},
        "odd": {**consent, "provision": {"type": "permit", "action": []}},
    }.items():
        (tmp_path / name).write_text(json.dumps(given))
    (tmp_path / "text").write_text("x")
    for asked, words in (
        (["--as", "nobody", "--patient", "paul-martin"], "nobody is `nobody`"),
        (["--as", "00000000000", "--patient", "paul-martin"], "nobody is `00000000000`"),
        (["--as", "dr-roux", "--patient", "nobody"], "there is no Patient `nobody`"),
        ([*record, "--purpose", "FUN"], "is no purpose"),
        (["--as", "Consent/paul-alimentation", "--patient", "paul-martin"], "nobody who signs in"),
        (["--as", "dr-roux"], "say whose record"),
        (["--as", "dr-roux", "--about", "DocumentReference/none"], "nothing stands at"),
        ([*record, "--at", "demain"], "is no moment"),
        ([*record, "--assume", str(tmp_path / "text")], "is not JSON"),
        ([*record, "--assume", str(tmp_path / "none")], "holds no Consent"),
        ([*record, "--assume", str(tmp_path / "other")], "of another record"),
        ([*record, "--assume", str(tmp_path / "adr")], "something else than privacy"),
        ([*record, "--assume", str(tmp_path / "odd")], "cannot be read: a provision is limited by `action`"),
    ):
        answer = run("explain", *asked)
        assert (1, True) == (answer.exit_code, words in answer.output), (asked, answer.output)
