"""Event: a deed as an AuditEvent of Basic Audit Log Patterns, and as an envelope that search finds (DMP-72, DMP-80)."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhir_server.audit_event import forms
from fhir_server.audit_event.event import Deed, audit_event, envelope
from fhir_server.audit_event.shapes import SHAPES
from fhir_server.foundation.principal import Kind, Principal, Purpose
from fhir_server.resources.validation import check
from fhir_server.search.index import index_of

BASE = "https://dmp.example.org/fhir"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
DIALLO = Principal(
    kind=Kind.PROFESSIONAL,
    subject="f:1:899700000001",
    client="app-1",
    name="Dr Aïssata Diallo",
    token="jti-1",
    reference="Practitioner/diallo",
    identities=frozenset({"Practitioner/diallo", "ps:899700000001"}),
    organization="org:1750000001",
    organization_name="CH de Lorient",
    organizations=frozenset({"org:1750000001", "Organization/lorient"}),
    profession="10",
    specialties=frozenset({"SM26"}),
)
LEA = Principal(
    kind=Kind.HOLDER,
    subject="lea",
    client="app-2",
    name="Léa Martin",
    token="jti-2",
    reference="Patient/lea",
    identities=frozenset({"Patient/lea"}),
    purpose=Purpose.PATIENT_REQUEST,
    patient="lea",
)
HOSPITAL = Principal(
    kind=Kind.ESTABLISHMENT,
    subject="feeder",
    client="feeder",
    token="jti-3",
    organization="org:1750000001",
    organization_name="CH de Lorient",
    organizations=frozenset({"org:1750000001"}),
)


def a_deed(interaction="read", by=DIALLO, **more):
    given = {
        "principal": by,
        "interaction": interaction,
        "type": "DocumentReference",
        "patient": "lea",
        "outcome": "0",
        "recorded": datetime(2026, 11, 23, 9, 5, 7, 123456, UTC),
        "request_id": "req-1",
        "address": "10.0.0.7",
        "granted": ("authorisation.active",),
        "entry": "e1",
    }
    if interaction in ("read", "vread", "create", "update", "patch", "delete", "history-instance"):
        given["whats"] = ("DocumentReference/d1/_history/2",)
        given["about"] = ({"id": "DocumentReference/d1", "type": ["http://loinc.org|11490-0", "11490-0"]},)
    elif interaction == "authorization":
        given["whats"] = ("Consent/c1", "Consent/c2")
    elif interaction.startswith("search") or interaction == "token":
        given["query"] = (
            "grant_type=authorization_code&code=secret&client_secret=s3" if interaction == "token" else "type=11490-0"
        )
    return Deed(**{**given, **more})


A_SUBMISSION = a_deed(
    "transaction",
    HOSPITAL,
    type="",
    submission=True,
    whats=("List/s1/_history/1", "DocumentReference/d1/_history/1", "DocumentReference/d2/_history/1"),
    about=({"id": "List/s1"}, {"id": "DocumentReference/d1"}, {"id": "DocumentReference/d2"}),
)
DEEDS = {
    **{name: a_deed(name) for name in SHAPES if name != "submission"},
    "submission": A_SUBMISSION,
    "read of a shared resource": a_deed("read", patient=None, whats=("Practitioner/x/_history/1",), about=()),
    "search without a patient": a_deed("search-type", patient=None),
    "create by a system": a_deed("create", HOSPITAL),
    "read by the holder": a_deed("read", LEA),
    "read of the own identity": a_deed("read", LEA, whats=("Patient/lea/_history/3",), about=({"id": "Patient/lea"},)),
    "break the glass": a_deed("read", replace(DIALLO, purpose=Purpose.BREAK_GLASS, reason="patient inconscient")),
    "secret session": a_deed("read", replace(DIALLO, secret_session=True)),
    "refusal": a_deed("read", outcome="4", refused=("label.masked",), granted=()),
    "nobody": a_deed("", None, type="", patient=None, outcome="8", address=""),
    "several resources": a_deed("operation", whats=("Observation/a/_history/1", "Observation/b/_history/1")),
}
EVENTS = pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)


def codes(event, agent=None):
    return [each["type"]["coding"][0]["code"] for each in event["agent"]]


def agent(event, code):
    return next(each for each in event["agent"] if each["type"]["coding"][0]["code"] == code)


def entities(event):
    return {each.get("role", {}).get("code") or each["type"]["code"]: each for each in event.get("entity", [])}


@EVENTS
def test_every_audit_event_is_a_valid_one(deed):
    errors = [issue for issue in check(audit_event(deed, "a1", BASE)) if issue.severity == "error"]
    assert [] == errors


@EVENTS
def test_the_tokens_and_dates_are_exactly_those_the_search_index_would_find(deed):
    made = envelope(deed, "a1", BASE)
    found = index_of(json.loads(made["body"]))
    assert sorted(found.tokens) == sorted(made["index"])
    assert found.dates == made["dates"]


@EVENTS
def test_the_envelope_keeps_the_very_event(deed):
    made = envelope(deed, "a1", BASE)
    assert audit_event(deed, "a1", BASE) == json.loads(made["body"])
    assert ("AuditEvent/a1", "AuditEvent", 1, ["audit"]) == (
        made["_id"],
        made["type"],
        made["version"],
        made["facts"]["class"],
    )


PATTERNS = [
    ("read", "R", ["110152", "110153", "IRCP", "PROV"], "PatientRead"),
    ("vread", "R", ["110152", "110153", "IRCP", "PROV"], "PatientRead"),
    ("search-type", "E", ["110153", "110152", "IRCP", "PROV"], "PatientQuery"),
    ("search-system", "E", ["110153", "110152", "IRCP", "PROV"], "PatientQuery"),
    ("create", "C", ["110153", "110152", "AUT", "PROV"], "PatientCreate"),
    ("update", "U", ["110153", "110152", "AUT", "PROV"], "PatientUpdate"),
    ("patch", "U", ["110153", "110152", "AUT", "PROV"], "PatientUpdate"),
    ("delete", "D", ["110150", "custodian", "AUT", "PROV"], "PatientDelete"),
    ("search without a patient", "E", ["110153", "110152", "IRCP", "PROV"], "Query"),
    ("read of a shared resource", "R", ["110152", "110153", "IRCP", "PROV"], "Read"),
    ("create by a system", "C", ["110153", "110152", "PROV"], "PatientCreate"),
]


@pytest.mark.parametrize(("name", "action", "agents", "pattern"), PATTERNS, ids=[each[0] for each in PATTERNS])
def test_a_granted_deed_follows_and_claims_its_pattern(name, action, agents, pattern):
    event = audit_event(DEEDS[name], "a1", BASE)
    assert (action, agents) == (event["action"], codes(event))
    profile = f"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.{pattern}"
    assert [profile] == event["meta"]["profile"]


def test_a_read_names_the_version_the_patient_and_the_request():
    found = entities(audit_event(a_deed("read"), "a1", BASE))
    assert {"reference": "DocumentReference/d1/_history/2"} == found["4"]["what"]
    assert {"reference": "Patient/lea"} == found["1"]["what"]
    assert "req-1" == found["XrequestId"]["what"]["identifier"]["value"]


def test_a_search_tells_the_question_and_not_what_it_found():
    deed = a_deed("search-type", whats=("DocumentReference/d1/_history/2",), disclosed=("DocumentReference/d1",))
    event = audit_event(deed, "a1", BASE)
    assert "DocumentReference?type=11490-0" == b64decode(entities(event)["24"]["query"]).decode()
    assert "d1" not in json.dumps(event)
    assert ["DocumentReference/d1"] == envelope(deed, "a1", BASE)["entry"]["disclosed"]


def test_a_submission_is_the_one_event_of_mhd():
    event = audit_event(A_SUBMISSION, "a1", BASE)
    assert ("110107", "ITI-65", "C") == (event["type"]["code"], event["subtype"][0]["code"], event["action"])
    assert ["https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.ProvideBundle.Audit.Recipient"] == event[
        "meta"
    ]["profile"]
    assert {"20": {"reference": "List/s1/_history/1"}, "1": {"reference": "Patient/lea"}} == {
        role: each["what"] for role, each in entities(event).items()
    }


def test_a_token_event_keeps_no_secret_and_only_the_agents_of_iti_71():
    event = audit_event(a_deed("token"), "a1", BASE)
    assert ["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.IUA.71"] == event["meta"]["profile"]
    assert ["110150", "AuthzOauthService", "IRCP"] == codes(event)
    assert "altId" not in agent(event, "IRCP")
    assert 1 == len(event["entity"])
    assert "token?grant_type=authorization_code" == b64decode(event["entity"][0]["query"]).decode()


def test_a_consent_decision_names_its_consents_and_its_token():
    event = audit_event(a_deed("authorization"), "a1", BASE)
    assert ["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.AuthZconsent"] == event["meta"][
        "profile"
    ]
    assert ["Patient/lea", "Consent/c1", "Consent/c2"] == [
        each["what"]["reference"] for each in event["entity"] if "reference" in each["what"]
    ]
    assert event["source"]["observer"] == agent(event, "authserver")["who"]
    assert "network" not in agent(event, "authserver")


def test_a_consent_decision_without_an_organisation_claims_no_pattern():
    assert "profile" not in audit_event(a_deed("authorization", LEA), "a1", BASE)["meta"]


def test_the_person_is_told_with_name_number_profession_specialty_and_token():
    user = agent(audit_event(a_deed("read"), "a1", BASE), "IRCP")
    assert ("Dr Aïssata Diallo", True) == (user["name"], user["requestor"])
    assert {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899700000001"} == user["who"]["identifier"]
    assert ["10", "SM26"] == [role["coding"][0]["code"] for role in user["role"]]
    assert "Médecin" == user["role"][0]["coding"][0]["display"]
    assert [
        "urn:ietf:params:oauth:jti:jti-1",
        "https://dmp-on-fhir.example/policies/rules/authorisation.active",
    ] == user["policy"]


def test_a_system_is_its_own_requestor():
    event = audit_event(a_deed("create", HOSPITAL), "a1", BASE)
    assert [True, False, False] == [each["requestor"] for each in event["agent"]]
    assert "1750000001" == agent(event, "PROV")["who"]["identifier"]["value"]


@pytest.mark.parametrize(
    ("purpose", "mode"), [(Purpose.BREAK_GLASS, "bris_de_glace"), (Purpose.EMERGENCY_DISPATCH, "centre_15")]
)
def test_an_emergency_is_traced_with_its_mode_and_its_reason_dmp_72(purpose, mode):
    event = audit_event(a_deed("read", replace(DIALLO, purpose=purpose, reason="patient inconscient")), "a1", BASE)
    assert "patient inconscient" == event["purposeOfEvent"][0]["text"]
    assert [purpose.value, mode] == [each["code"] for each in event["purposeOfEvent"][0]["coding"]]
    assert [purpose.value, mode] == [each["code"] for each in agent(event, "IRCP")["purposeOfUse"][0]["coding"]]


@pytest.mark.parametrize("outcome", ["4", "8", "12"])
@pytest.mark.parametrize("name", [name for name in DEEDS if name not in ("nobody", "refusal")])
def test_a_refusal_claims_no_pattern_and_gives_no_reason(name, outcome):
    deed = replace(DEEDS[name], outcome=outcome, refused=("label.masked", "rule.blocked"), granted=("rule.other",))
    made = envelope(deed, "a1", BASE)
    assert "profile" not in json.loads(made["body"])["meta"]
    assert not any(word in made["body"] for word in ("label.masked", "rule.blocked", "rule.other"))
    assert ["label.masked", "rule.blocked"] == made["entry"]["refused"]


def test_a_reason_that_names_a_label_stays_outside_the_event():
    deed = a_deed("read", granted=("authorisation.active", "label.masked"))
    assert "label.masked" not in envelope(deed, "a1", BASE)["body"]


def test_an_event_that_names_a_document_carries_its_labels_and_type_and_what_it_is_about():
    facts = {"id": "Binary/b1", "about": ["DocumentReference/d1"], "label": ["MASQUE_PS"], "type": ["11490-0"]}
    made = envelope(a_deed("read", whats=("Binary/b1/_history/1",), about=(facts,)), "a1", BASE)["facts"]
    assert (["MASQUE_PS"], ["11490-0"]) == (made["label"], made["type"])
    assert ["Binary/b1", "DocumentReference/d1"] == made["about"]


def test_an_event_that_names_no_document_mentions_all_it_concerned():
    one = {"id": "DocumentReference/d1", "label": ["INVISIBLE_PATIENT", "R"], "patients": ["p1"], "author": ["ps:1"]}
    mixed = envelope(a_deed("search-type", about=(one, {"id": "DocumentReference/d3"})), "a1", BASE)
    assert "label" not in mixed["facts"] and "about" not in mixed["facts"]
    first = {
        "id": "DocumentReference/d1",
        "resource": "DocumentReference",
        "label": ["INVISIBLE_PATIENT", "R"],
        "patients": ["p1"],
        "data_author": ["ps:1"],
    }
    second = {"id": "DocumentReference/d3", "resource": "DocumentReference"}
    assert [first, second] == mixed["facts"]["mentions"]
    assert ["INVISIBLE_PATIENT", "R"] == mixed["entry"]["labels"]


def test_a_submission_mentions_its_documents_and_not_its_list():
    about = ({"id": "List/s1"}, {"id": "DocumentReference/d1", "label": ["INVISIBLE_PATIENT"]})
    made = envelope(replace(A_SUBMISSION, about=about), "a1", BASE)["facts"]["mentions"]
    assert ["DocumentReference/d1"] == [each["id"] for each in made]


def test_a_secret_session_hides_its_trace_from_the_representatives():
    made = envelope(DEEDS["secret session"], "a1", BASE)
    assert ["INVISIBLE_REPRESENTANTS_LEGAUX"] == made["own"] == made["facts"]["label"]
    assert "INVISIBLE_REPRESENTANTS_LEGAUX" == json.loads(made["body"])["meta"]["security"][0]["code"]


def test_the_facts_say_whose_record_and_who_asked():
    facts = envelope(a_deed("read"), "a1", BASE)["facts"]
    assert ("lea", ["lea"]) == (facts["patient"], facts["patients"])
    assert ["Practitioner/diallo", "ps:899700000001"] == facts["author"]
    assert ["Organization/lorient", "org:1750000001"] == facts["organization"]


def everything_in(value):
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from (each for part in inside for each in everything_in(part))
    if isinstance(value, (dict, list)):
        yield value


@EVENTS
def test_what_is_done_to_one_record_changes_no_other(deed):
    """Records of one kind under one token are made of what is kept for all of them."""
    expected = envelope(deed, "a1", BASE)
    spoilt = envelope(replace(deed, about=()), "a2", BASE)
    spoilt_event = audit_event(deed, "a2", BASE)
    for each in (*everything_in(spoilt), *everything_in(spoilt_event)):
        each.clear()
    assert (expected, expected["body"]) == (envelope(deed, "a1", BASE), envelope(deed, "a1", BASE)["body"])


@pytest.mark.parametrize(
    "other",
    [
        {"outcome": "4"},
        {"granted": ("rule.other",)},
        {"address": "10.0.0.8"},
        {"patient": None},
        {"principal": replace(DIALLO, token="jti-9")},
        {"principal": replace(DIALLO, secret_session=True)},
        {"interaction": "vread"},
        {"whats": ("DocumentReference/d1/_history/2", "DocumentReference/d2/_history/1")},
        {"request_id": ""},
    ],
    ids=lambda other: next(iter(other)),
)
def test_deeds_that_differ_are_told_each_as_it_is_whichever_came_first(other):
    one, two = a_deed("read"), replace(a_deed("read"), **other)
    first = [envelope(each, "a1", BASE) for each in (one, two)]
    forms._form.cache_clear()
    second = [envelope(each, "a1", BASE) for each in (two, one)]
    assert first == second[::-1]
    assert first[0]["index"] != first[1]["index"]


def test_a_server_of_another_address_names_that_address():
    there = json.loads(envelope(a_deed("read"), "a1", "https://other.example.org/fhir")["body"])
    assert "https://other.example.org/fhir" == there["source"]["observer"]["identifier"]["value"]
    assert BASE not in json.dumps(there)
